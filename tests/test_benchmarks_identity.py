"""The benchmark of identity: its figures against an oracle, its generators, its rivals on a handful of rows."""

import json
import subprocess
import sys
from collections import Counter
from itertools import combinations, pairwise
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from conftest import ROOT
from hypothesis import given, settings
from hypothesis import strategies as st

sys.path.insert(0, str(ROOT / "benchmarks"))

import identity
import identity_pathological
import identity_rivals
import identity_tables
from identity_metrics import accuracy

partitions = st.lists(st.tuples(st.integers(0, 4), st.integers(0, 4)), min_size=1, max_size=14)


def labels(rows: list[tuple[int, int]]) -> pa.Table:
    return pa.table({"truth": [truth for truth, _ in rows], "found": [f"c{found}" for _, found in rows]})


# ---- figures


@settings(max_examples=60, deadline=None)
@given(partitions)
def test_figures_are_those_of_looking_at_every_pair_and_every_record(rows: list[tuple[int, int]]) -> None:
    measured = accuracy(labels(rows))

    pairs = list(combinations(rows, 2))
    true = {place for place, (one, other) in enumerate(pairs) if one[0] == other[0]}
    found = {place for place, (one, other) in enumerate(pairs) if one[1] == other[1]}
    precision = len(true & found) / len(found) if found else 1.0
    recall = len(true & found) / len(true) if true else 1.0
    f1 = 2 * precision * recall / (precision + recall) if precision + recall else 0.0
    assert (measured.precision, measured.recall, measured.f1) == pytest.approx((precision, recall, f1))

    same = [rows.count(row) for row in rows]
    precisions = [count / sum(row[1] == other[1] for other in rows) for row, count in zip(rows, same, strict=True)]
    recalls = [count / sum(row[0] == other[0] for other in rows) for row, count in zip(rows, same, strict=True)]
    assert measured.bcubed_precision == pytest.approx(sum(precisions) / len(rows))
    assert measured.bcubed_recall == pytest.approx(sum(recalls) / len(rows))

    sizes = Counter(found for _, found in rows)
    assert (measured.records, measured.clusters, measured.largest) == (len(rows), len(sizes), max(sizes.values()))
    assert measured.people == len({truth for truth, _ in rows})


def test_a_perfect_result_is_perfect_and_a_relation_will_do() -> None:
    measured = accuracy(duckdb.sql("select i // 3 as truth, 'x' || (i // 3) as found from range(30) as rows (i)"))
    assert (measured.precision, measured.recall, measured.f1, measured.bcubed_f1) == (1.0, 1.0, 1.0, 1.0)


def test_a_million_records_in_one_cluster_do_not_overflow() -> None:
    measured = accuracy(duckdb.sql("select i // 2 as truth, 0 as found from range(1000000) as rows (i)"))
    assert measured.largest == 1_000_000
    assert measured.precision == pytest.approx(1 / 999_999)


def test_a_record_without_a_cluster_is_refused() -> None:
    with pytest.raises(ValueError, match="1 records have no cluster"):
        accuracy(pa.table({"truth": ["a", "b"], "found": ["x", None]}))


def test_a_record_that_is_missing_from_a_result_is_a_cluster_of_its_own(tmp_path: Path) -> None:
    truth, found = tmp_path / "truth.parquet", tmp_path / "found.parquet"
    pq.write_table(pa.table({"record": ["1", "2", "3"], "truth": ["p", "p", "q"]}), truth)
    pq.write_table(pa.table({"record": [1, 3], "cluster": ["x", "y"]}), found)
    measured, lost = identity.score(truth, found)
    assert (measured.recall, measured.precision, measured.clusters, lost) == (0.0, 1.0, 3, 1)


# ---- generators


@pytest.fixture(scope="module")
def pathological(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pathological")
    identity_pathological.generate(600, 1, folder)
    return folder


def test_the_same_seed_writes_the_same_bytes(pathological: Path, tmp_path: Path) -> None:
    identity_pathological.generate(600, 1, tmp_path)
    written = {path.relative_to(pathological): path.read_bytes() for path in pathological.rglob("*") if path.is_file()}
    again = {path.relative_to(tmp_path): path.read_bytes() for path in tmp_path.rglob("*") if path.is_file()}
    assert written == again
    assert len(written) == 10


def test_another_seed_writes_another_company(pathological: Path, tmp_path: Path) -> None:
    identity_pathological.generate(600, 2, tmp_path)
    one, other = (folder / "truth" / "records.parquet" for folder in (pathological, tmp_path))
    assert one.read_bytes() != other.read_bytes()


def test_more_people_than_there_are_numbers_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="from 1 to 100,000, got 100001"):
        identity_pathological.generate(100_001, 1, tmp_path)


def test_everything_that_goes_wrong_occurs(pathological: Path) -> None:
    records = pathological / "truth" / "records.parquet"
    (copies,) = duckdb.sql(f"select count(*) - count(distinct (source, record_id)) from '{records}'").fetchall()[0]
    assert copies == 0
    shared = dict(duckdb.sql(f"select source, count(*) from '{records}' where is_shared group by source").fetchall())
    assert shared["segment"] > 10
    assert shared["klaviyo"] > 2
    traits = {
        trait for (trait,) in duckdb.sql(f"select distinct trait from '{pathological}/truth/traits.parquet'").fetchall()
    }
    assert traits >= {"changed_number", "recycled_number", "changed_email", "tablet", "kiosk", "shared_mailbox"}
    contacts = (pathological / "sources" / "vtiger" / "contacts" / "2026-06-30.jsonl").read_text()
    for value in ("test@test.com", "walkin@counter.example", "@desk.example", "+44 161 496 0"):
        assert contacts.count(value) > 1, value


def test_a_number_changes_its_owner_only_after_a_pause(pathological: Path) -> None:
    """A recycled number that two people used at once would be a shared one, and prove nothing."""
    people = [person for unit in identity_pathological.units(600, 7_001) for person in unit.members]
    company = identity_pathological.Company(600, 1, identity_pathological.Files(pathological))
    held: dict[str, list[tuple[int, int]]] = {}
    for person in people:
        contact = company.contact(person, identity_pathological.Random(f"test/{person.index}"))
        starts = [max(since, contact.born) for since, _ in contact.phones]
        for (_, number), start, end in zip(contact.phones, starts, [*starts[1:], contact.gone], strict=True):
            held.setdefault(f"{person.locale.country_code}{number}", []).append((start, end))
    handed_on = [sorted(spans) for spans in held.values() if len(spans) > 1]
    assert len(handed_on) > 3
    day = identity_pathological.DAY
    assert all(later[0] - earlier[1] >= 120 * day for spans in handed_on for earlier, later in pairwise(spans))


@pytest.mark.parametrize("name", ["census", "crm"])
def test_a_table_comes_with_a_truth_for_every_row(name: str, tmp_path: Path) -> None:
    table = next(table for table in identity.TABLES if table.name == name)
    rows, truth = identity_tables.write(name, 200, 1, tmp_path)
    identifiers = [str(value) for (value,) in duckdb.sql(f"""select "{table.identifier}" from '{rows}'""").fetchall()]
    assert identifiers == pq.read_table(truth)["record"].to_pylist()
    assert len(set(identifiers)) == len(identifiers)
    sizes = Counter(pq.read_table(truth)["truth"].to_pylist()).values()
    assert max(sizes) <= 20
    assert len(sizes) == 200
    columns = {name for name, *_ in duckdb.sql(f"describe from '{rows}'").fetchall()}
    assert set(identity._columns(table)) | {table.identifier} == columns


# ---- rivals


def test_exact_keys_join_what_is_equal_and_nothing_that_is_empty(tmp_path: Path) -> None:
    rows = tmp_path / "rows.parquet"
    pq.write_table(
        pa.table(
            {
                "id": [1, 2, 3, 4, 5, 6, 7],
                "mail": ["a@x.example", " A@X.example", None, "", "", "b@x.example", None],
                "tel": [None, "00 44-1", "00441", None, None, None, None],
                "name": ["Ann", "Bob", "Cy", "Dan", "Dan", "Eve", "Eve"],
                "born": [None, None, None, "1990-01-01", "1990-01-01", "1980-01-01", None],
            }
        ),
        rows,
    )
    columns = identity_rivals.parse_columns("mail=email,tel=phone,name=full_name,born=birth_date")
    found = identity_rivals.solve(identity_rivals.key_rows(str(rows), "id", columns)).to_pydict()
    cluster = dict(zip(found["record"], found["cluster"], strict=True))
    assert cluster["1"] == cluster["2"] == cluster["3"]
    assert cluster["4"] == cluster["5"]
    assert len(set(cluster.values())) == 4


def test_records_without_a_key_come_back_alone() -> None:
    found = identity_rivals.solve(pa.table({"record": ["a", "b", "c"], "key": ["k", None, "k"]})).to_pydict()
    assert found["record"] == ["a", "b", "c"]
    assert found["cluster"][0] == found["cluster"][2] != found["cluster"][1]


def test_blocking_rules_of_absent_columns_are_left_out() -> None:
    predict, proof, train = identity_rivals._blocking({"n": "full_name", "m": "email", "c": "city"})
    assert predict == [["m"]]
    assert proof == [["m"]]
    assert train == [["m"]]


# ---- the command


def test_the_command_prints_a_line_per_contender_and_writes_them(tmp_path: Path) -> None:
    target = tmp_path / "lines.json"
    command = [sys.executable, str(ROOT / "benchmarks" / "identity.py"), "--quick", "--only", "census", "--contenders",
               "exact keys", "splink", "--json", str(target)]  # fmt: skip
    done = subprocess.run(command, capture_output=True, text=True, timeout=200)
    assert done.returncode == 0, done.stderr
    lines = json.loads(target.read_text())
    assert [line["contender"] for line in lines] == ["exact keys", "splink"]
    assert all(0 < line["f1"] < 1 and line["peak_mb"] > 50 for line in lines), lines
    assert len(done.stdout.splitlines()) == 3


def test_a_data_set_that_is_not_there_is_skipped_with_the_reason(tmp_path: Path) -> None:
    asked, _ = identity.arguments(["--only", "febrl1", "--files", str(tmp_path)])
    (row,) = identity.bench(asked)
    assert row.accuracy is None
    assert row.note == f"skipped: there is no {tmp_path / 'febrl1.parquet'}"


def test_a_contender_that_fails_or_hangs_is_a_line_too() -> None:
    failed = identity.watch([sys.executable, "-c", "print('what'); raise SystemExit(3)"], 60)
    assert failed.failure() == "ended with 3: what"
    hung = identity.watch([sys.executable, "-c", "import time; time.sleep(60)"], 0.5)
    assert hung.code is None
    assert hung.failure().startswith("gave up after")


def test_the_truth_is_not_handed_to_the_contenders(tmp_path: Path) -> None:
    files = tmp_path / "files"
    files.mkdir()
    table = next(table for table in identity.TABLES if table.name == "fake_1000")
    columns = {name: ["x", "y"] for name in (*identity._columns(table), table.truth)}
    pq.write_table(pa.table({table.identifier: [1, 2]} | columns), files / "fake_1000.parquet")
    asked, _ = identity.arguments(["--files", str(files)])
    rows, truth = identity.prepare(table, asked, tmp_path)
    assert table.truth not in pq.read_schema(rows).names
    assert sorted(pq.read_table(truth).to_pylist(), key=str) == [
        {"record": "1", "truth": "x"},
        {"record": "2", "truth": "y"},
    ]


@pytest.mark.slow
def test_a_company_goes_through_all_contenders(tmp_path: Path) -> None:
    asked, _ = identity.arguments(["--quick", "--only", "pathological", "--keep", str(tmp_path)])
    rows = {row.contender: row for row in identity.bench(asked)}
    assert rows["kinship"].accuracy is not None, rows["kinship"].note
    assert rows["kinship"].accuracy.records == rows["exact keys"].accuracy.records == rows["splink"].accuracy.records
    assert rows["kinship"].accuracy.precision > rows["exact keys"].accuracy.precision
    # what is wrong with these files is who is who, not their form
    with duckdb.connect(str(tmp_path / "pathological-300" / "warehouse.duckdb"), read_only=True) as warehouse:
        for source in ("vtiger", "shopify", "segment", "klaviyo", "zendesk", "erp"):
            assert warehouse.execute(f"select count(*) from raw_{source}.quarantine").fetchall() == [(0,)]
