"""Every sync is an exposure in dbt's docs, made from its own block: there is no second place to edit."""

import json
from pathlib import Path

import pytest
from conftest import ROOT
from reverse_etl_house import manifest

from kinship.exposures import FILE, exposures, forget_removed, write

BLOCK = {"destination": "file", "object": "people", "key": "email", "purpose": "marketing", "owner": "a@example.com"}


def test_the_manifest_has_one_exposure_per_sync(built_company: Path) -> None:
    found = json.loads((built_company / "dbt" / "manifest" / "manifest.json").read_text())
    syncs = {node["name"]: node for node in found["nodes"].values() if node["config"]["meta"].get("sync")}
    shown = {one["name"]: one for one in found["exposures"].values()}
    assert set(shown) == set(syncs) == {path.stem for path in (ROOT / "models" / "activation").glob("sync_*.sql")}
    for name, exposure in shown.items():
        block = syncs[name]["config"]["meta"]["sync"]
        assert exposure["owner"]["email"] == block["owner"]
        assert exposure["depends_on"]["nodes"] == [syncs[name]["unique_id"]]
        assert exposure["label"] == f"{block['destination']}: {block['object']}"
        assert block["purpose"] in exposure["description"]


def test_the_file_is_written_only_when_it_changes(tmp_path: Path) -> None:
    assert write(tmp_path, manifest("sync_file__people", BLOCK))
    assert not write(tmp_path, manifest("sync_file__people", BLOCK))
    assert write(tmp_path, manifest("sync_file__people", BLOCK | {"owner": "The growth team"}))
    assert "name: The growth team" in (tmp_path / FILE).read_text()


def test_without_syncs_there_is_no_file_to_write(tmp_path: Path) -> None:
    assert not write(tmp_path, {"nodes": {}})
    assert not (tmp_path / FILE).exists()


@pytest.mark.parametrize("block", ["file", {"destination": "file"}, {"owner": 7, "destination": "file"}])
def test_a_block_that_is_unfit_is_left_to_the_check_that_explains_it(block: object) -> None:
    node = manifest("sync_file__people", BLOCK)
    node["nodes"]["model.kinship.sync_file__people"]["config"]["meta"]["sync"] = block
    assert exposures(node) == []


def test_an_exposure_of_a_sync_that_was_deleted_does_not_stand_in_the_way_of_parsing(tmp_path: Path) -> None:
    models = tmp_path / "models" / "activation"
    models.mkdir(parents=True)
    (models / "sync_file__people.sql").write_text("select 1")
    folder = tmp_path / "exposures"
    write(folder, manifest("sync_file__people", BLOCK))
    forget_removed(folder, tmp_path / "models")
    assert (folder / FILE).exists()
    (models / "sync_file__people.sql").unlink()
    forget_removed(folder, tmp_path / "models")
    assert not (folder / FILE).exists()
