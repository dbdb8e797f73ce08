"""Whatever happens to a source's files between runs, the current records are those that were there to be read.

The oracle knows nothing of parts, versions or hashes: it remembers the lines of each file as they were at the last run
that saw it, and reads them with Python's own json.
"""

import gzip
import json
import tempfile
from collections import Counter
from pathlib import Path

import pytest
from extract_house import TARGETS, current, loads, query, user
from hypothesis import HealthCheck, Phase, given, note, settings
from hypothesis import strategies as st

from orchestration.extract import extract

NAMES = ["users/a.jsonl", "users/deep/b.jsonl", "users-c.jsonl.gz", "comments/a.jsonl"]
BROKEN = ["broken", "[1]", "{}", '{"id": 1, "updated_at": "x"}', '{"id": 5', ""]

lines = st.one_of(
    st.integers(0, 9).map(lambda id_: user(id_).strip()), st.sampled_from(BROKEN), st.just(user("т", фирма="ก").strip())
)
content = st.builds(lambda parts, end: "\n".join(parts) + end, st.lists(lines, max_size=5), st.sampled_from(["\n", ""]))
operations = st.lists(
    st.one_of(
        st.tuples(st.just("write"), st.sampled_from(NAMES), content),
        st.tuples(st.just("append"), st.sampled_from(NAMES), content),
        st.tuples(st.just("cut"), st.sampled_from(NAMES), st.integers(0, 40)),
        st.tuples(st.just("remove"), st.sampled_from(NAMES), st.none()),
        st.tuples(st.just("touch"), st.sampled_from(NAMES), st.none()),
        st.tuples(st.just("switch"), st.sampled_from(["one", "two"]), st.none()),
    ),
    min_size=1,
    max_size=4,
)


def sound(line: str, table: str) -> bool:
    try:
        record = json.loads(line)
    except ValueError:
        return False
    moment = "updated_at" if table == "users" else "created_at"
    return isinstance(record, dict) and "id" in record and record.get(moment) == "2026-01-01T10:00:00Z"


class Oracle:
    def __init__(self) -> None:
        self.seen: dict[tuple[str, str], str] = {}

    def look(self, location: Path) -> None:
        for path in location.rglob("*.*"):
            data = path.read_bytes()
            text = (gzip.decompress(data) if path.suffix == ".gz" else data).decode(errors="backslashreplace")
            self.seen[str(location), path.relative_to(location).as_posix()] = text

    def expected(self, location: Path, table: str) -> tuple[Counter[tuple[str, str]], Counter[str]]:
        """(id, file) of the sound lines; file of each line that is neither sound nor blank."""
        records: Counter[tuple[str, str]] = Counter()
        faults: Counter[str] = Counter()
        for (place, file), text in self.seen.items():
            if place == str(location) and file.startswith(table):
                for line in text.split("\n"):
                    if sound(line, table):
                        records[str(json.loads(line)["id"]), file] += 1
                    elif line.strip():
                        faults[file] += 1
        return records, faults


def change(location: Path, operation: str, name: str, argument: object) -> None:
    path = location / name
    path.parent.mkdir(parents=True, exist_ok=True)
    zipped = path.suffix == ".gz"
    before = (gzip.decompress(path.read_bytes()) if zipped else path.read_bytes()) if path.exists() else b""
    match operation, argument:
        case "write", str():
            after = argument.encode()
        case "append", str():
            after = before + argument.encode()
        case "cut", int():
            after = before[: max(0, len(before) - argument)]
        case "remove", _:
            return path.unlink(missing_ok=True)
        case _:
            after = before
    path.write_bytes(gzip.compress(after) if zipped else after)


def play(rounds: list[list[tuple[str, str, object]]], target: str) -> None:
    with tempfile.TemporaryDirectory() as folder, pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINSHIP_DATA", folder)
        patch.setenv("KINSHIP_TARGET", target)
        patch.setenv("KINSHIP_ZENDESK_PATH", f"{folder}/one")
        location = Path(folder, "one")
        oracle = Oracle()
        for round_ in rounds:
            for operation, name, argument in round_:
                if operation == "switch":
                    location = Path(folder, name)
                    patch.setenv("KINSHIP_ZENDESK_PATH", str(location))
                location.mkdir(exist_ok=True)
                if operation != "switch":
                    change(location, operation, name, argument)
            extract("zendesk")
            oracle.look(location)
            check(oracle, location)
        before = loads("zendesk")
        extract("zendesk")
        assert loads("zendesk") == before, "a run with nothing new opened a load"


def check(oracle: Oracle, location: Path) -> None:
    for table in ("users", "comments"):
        records, faults = oracle.expected(location, table)
        assert Counter(current("zendesk", table, "id", "_file")) == records
        is_current = f"is_current and table_name = '{table}'"
        assert (
            Counter(
                file
                for (file,) in query(
                    "select q.file from raw_zendesk.quarantine as q inner join raw_zendesk.extracted_files as e "
                    f"using (file_id) where e.is_current and e.table_name = '{table}'"
                )
            )
            == faults
        )
        [(rows, quarantined)] = query(
            "select coalesce(sum(rows), 0), coalesce(sum(quarantined), 0) "
            f"from raw_zendesk.extracted_files where {is_current}"
        )
        assert (rows, quarantined) == (records.total(), faults.total())
    for file, line, record in query(
        "select q.file, q.line, q.record from raw_zendesk.quarantine as q "
        "inner join raw_zendesk.extracted_files as e using (file_id) where e.is_current"
    ):
        assert oracle.seen[str(location), file].split("\n")[line - 1].rstrip("\r") == record, (file, line)
    assert (
        query(
            "select file_id from raw_zendesk.extracted_files group by all having count(*) > 1 union all "
            "select _file_id from raw_zendesk.users "
            "where _file_id not in (select file_id from raw_zendesk.extracted_files)"
        )
        == []
    )


common = settings(deadline=None, suppress_health_check=list(HealthCheck), print_blob=True)


@pytest.mark.parametrize("target", TARGETS)
@given(rounds=st.lists(operations, min_size=2, max_size=3))
@settings(common, max_examples=5, derandomize=True, phases=[Phase.generate])
def test_any_sequence_of_changes(target: str, rounds: list[list[tuple[str, str, object]]]) -> None:
    note(str(rounds))
    play(rounds, target)


@pytest.mark.slow
@pytest.mark.parametrize("target", TARGETS)
@given(rounds=st.lists(operations, min_size=2, max_size=6))
@settings(common, max_examples=150)
def test_any_long_sequence_of_changes(target: str, rounds: list[list[tuple[str, str, object]]]) -> None:
    play(rounds, target)
