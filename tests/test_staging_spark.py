"""Every staging model, rendered for Spark, is SQL that Spark's grammar knows (Spark itself is not here)."""

import re
from pathlib import Path

import pytest
import sqlglot
import yaml
from macros import render_text

ROOT = Path(__file__).resolve().parents[1]
MODELS = sorted(
    [*(ROOT / "models" / "staging").glob("*/*.sql"), *(ROOT / "models" / "reporting").glob("rpt_source*.sql")]
)
VARIABLES = yaml.safe_load((ROOT / "dbt_project.yml").read_text())["vars"]
# DuckDB's own, which Spark has not (patterns)
FOREIGN = (
    "json_extract",
    r"try\(",
    "qualify",
    "struct_pack",
    r"list_\w+\(",
    "::",
    "arg_max",
    r"timezone\(",
    r"unnest\(",
    "varchar",
)


def spark(model: Path) -> str:
    return render_text(
        model.read_text(),
        "spark",
        ref=lambda name: f"here.{name}",
        source=lambda name, table: f"raw_{name}.{table}",
        var=VARIABLES.__getitem__,
        config=lambda **_: "",
        is_incremental=lambda: False,
    )


@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.stem)
def test_model_is_spark_sql(model: Path) -> None:
    rendered = spark(model)
    sqlglot.parse_one(rendered, dialect="spark")
    assert [word for word in FOREIGN if re.search(word, rendered.lower())] == []
