"""No personal value of the source files is in the masked copy, by its bytes; what pages need of it still is."""

import gzip
import hashlib
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pyarrow.parquet as pq
import pytest
from published_house import copy_house, held, opened, publish_uncompressed, tables

from kinship.errors import StoppedByGuard
from kinship.published.masking import masked
from kinship.published.outputs import outputs, sources_with_personal_ids

# fields of the systems' own records, and the kind of marker that their values are
FIELDS = {
    "email": "e-mail",
    "phone": "phone",
    "mobile": "phone",
    "address1": "street",
    "mailingstreet": "street",
    "full_name": "name",
    "description": "ticket",
    "body": "ticket",
    "anonymous_id": "device",
    "anonymousId": "device",
}


def _texts(folder: Path) -> Iterator[Any]:
    """Every record of every JSON Lines file, as its system wrote it."""
    for path in sorted(folder.rglob("*.jsonl*")):
        read = gzip.open if path.suffix == ".gz" else open
        with read(path, "rt", encoding="utf-8", errors="replace") as file:
            for line in file:
                try:
                    yield json.loads(line)
                except ValueError:
                    continue  # the demo company writes broken lines, too


def _walk(value: Any) -> Iterator[tuple[str, str]]:
    """Each field's name and text, however deep."""
    if isinstance(value, dict):
        if isinstance(value.get("first_name"), str) and isinstance(value.get("last_name"), str):
            yield "full_name", f"{value['first_name']} {value['last_name']}"
        for key, inner in value.items():
            if isinstance(inner, str):
                yield key, inner
            else:
                yield from _walk(inner)
    elif isinstance(value, list):
        for inner in value:
            yield from _walk(inner)


@pytest.fixture(scope="module")
def markers(built_company: Path) -> dict[str, set[str]]:
    """What the source files say of people, by kind; nothing that anyone else could be called."""
    found: dict[str, set[str]] = {kind: set() for kind in FIELDS.values()}
    for record in _texts(built_company / "sources"):
        for key, text in _walk(record):
            text = text.strip()
            if (kind := FIELDS.get(key)) and len(text) >= 8:
                found[kind].add(text)
    assert all(len(values) > 3 for values in found.values()), {kind: len(values) for kind, values in found.items()}
    return found


@pytest.fixture(scope="module")
def uncompressed(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A publication whose files hold texts byte by byte, in DuckDB and in Parquet."""
    data = copy_house(published, tmp_path_factory.mktemp("masks") / "data")
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KINSHIP_DATA", str(data))
        patch.setenv("KINSHIP_PUBLISHED_PARQUET", "masked")
        yield publish_uncompressed()


def _parquet_text(folder: Path, to: Path) -> Path:
    """The values of all Parquet files, as one text file."""
    to.write_text("\n".join(str(pq.read_table(path).to_pydict()) for path in folder.rglob("*.parquet")))
    return to


def test_no_value_of_the_source_files_is_in_the_masked_copy(
    uncompressed: Path, markers: dict[str, set[str]], tmp_path: Path
) -> None:
    parquet = _parquet_text(uncompressed / "parquet", tmp_path / "parquet.txt")
    for kind, values in markers.items():
        # the search can find: what is quarantined or lost a vote is in no output table
        assert len(held(uncompressed / "warehouse.duckdb", values)) > len(values) / 4, kind
        assert len(held(uncompressed / "masked.duckdb", values)) == 0, kind
        assert len(held(parquet, values)) == 0, kind


def test_no_hash_that_anyone_can_work_out_is_in_the_masked_copy(
    uncompressed: Path, markers: dict[str, set[str]]
) -> None:
    def digests(address: str) -> set[str]:
        md5, sha = (lambda text: hashlib.md5(text.encode()).hexdigest()), hashlib.sha256(address.encode()).hexdigest()
        return {md5(address), sha, md5(f"email:{address}"), md5(f"enrichment:people:{md5(address)}")}

    known = {digest for address in markers["e-mail"] for digest in digests(address.lower())}
    assert len(held(uncompressed / "warehouse.duckdb", known)) > 20
    assert len(held(uncompressed / "masked.duckdb", known)) == 0


def test_every_class_becomes_what_the_docs_say(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(published))
    manifest = json.loads((published / "dbt" / "manifest" / "manifest.json").read_text())
    seen = set()
    with opened(masked=True) as hidden, opened(masked=False) as full:
        for output in outputs(manifest):
            for column, pii in output.columns.items():
                if pii is None:
                    continue
                seen.add(pii)
                name = f'"{column}"'
                query = f"select count({name}), count(distinct {name}), min({name})::varchar from {output.key}"
                now, before = hidden.execute(query).fetchall()[0], full.execute(query).fetchall()[0]
                if pii in ("group", "none"):
                    assert now == before
                elif pii == "hash":
                    assert now[0] == 0
                elif pii == "identifier":
                    assert now[:2] == before[:2], "stand-ins tell apart what they stand for"
                    assert now[2] is None or re.fullmatch("[0-9a-f]{32}", now[2])
                elif pii == "birth_date":
                    assert now[0] == before[0] and (now[2] is None or now[2].endswith("-01-01"))
                else:
                    assert now[0] == before[0] and now[2] in (None, "***")
                    assert now[1] <= 1
    assert {"name", "email", "phone", "address", "attribute", "text", "identifier", "birth_date", "hash"} <= seen


def test_what_stands_in_joins_as_what_it_stands_for(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(published))
    query = """
        select count(*) from identity.identity_graph as graph
        join customers.customer_events as events
            on graph.source = events.source and graph.record_id = events.record_id
            and graph.customer_id = events.customer_id
    """
    with opened(masked=True) as hidden, opened(masked=False) as full:
        assert hidden.execute(query).fetchall() == full.execute(query).fetchall() != [(0,)]
        for other in ("customers.customer_orders", "segments.segment_memberships", "reverse_etl.sync_results"):
            query = f"select count(*) from {other} join customers.customers using (customer_id)"
            assert hidden.execute(query).fetchall() == full.execute(query).fetchall(), other


def test_an_id_made_of_an_address_has_another_in_its_place(published: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_DATA", str(published))
    manifest = json.loads((published / "dbt" / "manifest" / "manifest.json").read_text())
    assert sources_with_personal_ids(manifest) == ["destinations", "enrichment"]
    with opened(masked=True) as hidden, opened(masked=False) as full:
        pairs = full.execute("from search.stand_ins").fetchall()
        assert pairs, "the demo company knows some people from the vendor alone"
        ids = {row[0] for row in hidden.execute("select customer_id from identity.identity_redirects").fetchall()}
        assert not ids & {customer for customer, _ in pairs}
        assert {stand_in for _, stand_in in pairs} <= ids
        assert ("search", "stand_ins") not in tables(hidden)


def test_a_class_that_nobody_knows_masks_nothing_by_mistake() -> None:
    with pytest.raises(StoppedByGuard, match="'nmae'"):
        masked("first_name", "VARCHAR", "nmae")
    # what is no text cannot be shortened
    assert masked("tags", "VARCHAR[]", "text") == "cast(null as VARCHAR[])"
    assert masked("address", "STRUCT(street VARCHAR)", "address") == "cast(null as STRUCT(street VARCHAR))"
