"""Every identity model, rendered for Spark as a first build and as an increment, is SQL that Spark's grammar knows."""

from pathlib import Path
from types import SimpleNamespace

import pytest
import sqlglot
from macros import render_text
from test_staging_spark import FOREIGN, ROOT, VARIABLES

MODELS = sorted((ROOT / "models" / "identity").glob("*.sql"))


@pytest.mark.parametrize("is_incremental", [False, True], ids=["first build", "increment"])
@pytest.mark.parametrize("model", MODELS, ids=lambda model: model.stem)
def test_model_is_spark_sql(model: Path, is_incremental: bool) -> None:
    rendered = render_text(
        model.read_text(),
        "spark",
        ref=lambda name: f"here.{name}",
        var=VARIABLES.__getitem__,
        config=lambda **_: "",
        is_incremental=lambda: is_incremental,
        this=f"here.{model.stem}",
        dbt=SimpleNamespace(type_string=lambda: "string"),
    )
    sqlglot.parse_one(rendered, dialect="spark")
    assert [word for word in FOREIGN if word in rendered.lower()] == []
