"""`kinship segments diff` in a real git repository, on a real warehouse: whom a change of SQL would move, in counts."""

import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import duckdb
import pytest
from conftest import KINSHIP, ROOT, call, environment

CODE = ("kinship", "demo", "orchestration", "reverse_etl", "expectations", "models", "seeds", "dbt_project")
FILES = ("dbt_project.yml", "profiles.yml")


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """A git checkout of the project, committed as it is."""
    copy = tmp_path / "checkout"
    for name in CODE:
        shutil.copytree(ROOT / name, copy / name, ignore=shutil.ignore_patterns("__pycache__"))
    for name in FILES:
        shutil.copy(ROOT / name, copy / name)
    # a unit test would have to go with its model
    (copy / "models/segments/_segments__unit_tests.yml").unlink()
    for arguments in (["init", "-q"], ["add", "-A"], ["commit", "-qm", "As it was"]):
        subprocess.run(["git", "-c", "user.name=a", "-c", "user.email=a@example.com", *arguments], cwd=copy, check=True)
    return copy


def diff(checkout: Path, company: Path, *arguments: str) -> "subprocess.CompletedProcess[str]":
    env = environment(company, PYTHONPATH=str(checkout))
    return call(KINSHIP, "segments", "diff", *arguments, env=env, cwd=checkout)


def change(checkout: Path, path: str, old: str, new: str) -> None:
    file = checkout / "models" / path
    text = file.read_text()
    assert old in text
    file.write_text(text.replace(old, new))


def counted(company: Path, condition: str, what: str = "count(*)") -> int:
    with duckdb.connect(str(company / "warehouse.duckdb"), read_only=True) as warehouse:
        (count,) = warehouse.execute(f"select {what} from customers.customers where {condition}").fetchone() or (0,)
    return int(count)


def test_it_counts_who_moves_and_touches_nothing(checkout: Path, company: Path) -> None:
    loyal = (
        "order_count >= 3 and last_order_at >= (select as_of - interval '60' day from customers.int_customers__as_of)"
    )
    most = counted(company, loyal, "max(order_count)")
    before, after = counted(company, loyal), counted(company, loyal.replace("3", str(most), 1))
    assert before > after > 0
    change(checkout, "segments/loyal_customers.sql", "order_count >= 3", f"order_count >= {most}")
    change(checkout, "segments/full_price_buyers.sql", "from {{ ref('customer_orders') }}", "from nowhere")
    change(checkout, "segments/new_buyers_30_days.sql", "select * from", "select *, 1 as extra from")
    (checkout / "models/segments/discount_hunters.sql").unlink()
    (checkout / "models/segments/former_loyals.sql").write_text(
        "/*\nWhat: readers of another segment.\nOwner: a@example.com\nPurpose: marketing\n*/\n"
        "select customer_id from {{ ref('loyal_customers') }}"
    )
    # before the segments: a model that is worked out anew, one that reads it, and one that cannot be
    change(checkout, "customers/int_customers__order_totals.sql", "from", "from  ")
    change(checkout, "identity/identity_graph.sql", "from", "from  ")
    file = company / "warehouse.duckdb"
    digest = hashlib.sha256(file.read_bytes()).hexdigest()

    done = diff(checkout, company, "HEAD", "--json")

    assert done.returncode == 1, done.stdout + done.stderr
    told = json.loads(done.stdout)
    segments = {one["segment"]: one for one in told["segments"]}
    moved = segments["loyal_customers"]
    assert [moved[key] for key in ("status", "before", "after", "in", "out", "stays")] == [
        "changed", before, after, 0, before - after, after
    ]  # fmt: skip
    assert moved["changed_share"] == pytest.approx((before - after) / before)
    assert (segments["former_loyals"]["status"], segments["former_loyals"]["after"]) == ("added", after)
    assert segments["discount_hunters"]["status"] == "removed"
    assert segments["vip_top_5_percent"]["status"] == "same"
    assert segments["full_price_buyers"]["status"] == segments["new_buyers_30_days"]["status"] == "broken"
    assert (
        "models/segments/full_price_buyers.sql of the working tree: Catalog Error"
        in (segments["full_price_buyers"]["error"])
    )
    assert "this one returns customer_id, extra" in segments["new_buyers_30_days"]["error"]
    assert segments["new_buyers_30_days"]["before"] is not None
    assert set(told["recomputed"]) >= {"customers.int_customers__order_totals", "customers.customers"}
    assert "identity.identity_graph" in told["not_compared"]
    assert hashlib.sha256(file.read_bytes()).hexdigest() == digest, "nothing is written"
    assert "@" not in done.stdout, "counts, not people"


def test_what_cannot_be_compared_is_said(checkout: Path, company: Path, tmp_path: Path) -> None:
    unknown = diff(checkout, company, "no-such-branch")
    assert (unknown.returncode, "git knows no commit 'no-such-branch'" in unknown.stderr) == (2, True)

    nowhere = diff(checkout, tmp_path / "nowhere", "HEAD")
    assert (nowhere.returncode, "there is no warehouse" in nowhere.stderr) == (2, True)

    change(checkout, "segments/loyal_customers.sql", "Owner:", "Whose:")
    broken = diff(checkout, company, "HEAD")
    assert broken.returncode == 1
    assert "dbt cannot compile the working tree" in broken.stderr
    assert "models/segments/loyal_customers.sql: a segment begins with a comment" in broken.stderr

    shutil.rmtree(checkout / ".git")
    bare = diff(checkout, company, "HEAD")
    assert (bare.returncode, "is no git checkout" in bare.stderr) == (2, True)
