"""Live extraction, over real HTTP into a real warehouse: what a system holds is what the raw tables tell."""

import shutil
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from conftest import KINSHIP, call, environment
from extract_house import TARGETS
from live_house import appearances, differences, live
from servers.base import Answer, Request
from servers.shopify import ShopifyServer

from kinship.settings import settings
from orchestration.extract import ExtractError, Span, extract
from orchestration.extract.live import state


@pytest.fixture(params=TARGETS)
def shop(request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[ShopifyServer]:
    with ShopifyServer() as server:
        server.leak = 10_000.0
        live(server, tmp_path, monkeypatch)
        monkeypatch.setenv("KINSHIP_TARGET", request.param)
        yield server


def tables(data: Path) -> list[Path]:
    """What is the warehouse, on either target."""
    return [
        path for name in ("dlt", "lake", "warehouse.duckdb", "warehouse.duckdb.wal") if (path := data / name).exists()
    ]


def copy(paths: list[Path], folder: Path) -> None:
    for path in paths:
        (shutil.copytree if path.is_dir() else shutil.copy2)(path, folder / path.name)


def remove(paths: list[Path]) -> None:
    for path in paths:
        shutil.rmtree(path) if path.is_dir() else path.unlink()


def fill(server: ShopifyServer, count: int, first: int = 0) -> None:
    for number in range(first, first + count):
        server.put(
            "customers",
            number,
            updated_at=f"2026-01-{1 + number % 28:02d}T10:00:{number % 3:02d}Z",
            email=f"p{number}@example.com",
            default_address={"city": "София", "zip": str(number)},
            verified_email=number % 2 == 0,
        )


def test_what_the_shop_holds_is_what_the_raw_table_tells(shop: ShopifyServer) -> None:
    fill(shop, 700)
    shop.size = 50
    result = extract("shopify")
    assert result.rows["customers"] == 700 and not result.quarantined
    assert differences(shop, "shopify", "customers") == []
    assert result.fetched and result.fetched.cursors["customers"] == (None, "2026-01-28T10:00:02Z")


def test_a_second_run_makes_one_call_and_writes_nothing(shop: ShopifyServer, tmp_path: Path) -> None:
    fill(shop, 300)
    extract("shopify")
    before = shop.calls
    again = extract("shopify")
    # one for each table, and one for each of the two whose deletions are told
    assert shop.calls == before + 4 + 2
    assert (again.rows["customers"], again.files, again.load_ids) == (0, 0, [])
    assert [path for path in (tmp_path / "arrivals").rglob("*") if path.is_file()] == []
    assert appearances("shopify", "customers") == 300


def test_a_change_comes_with_the_next_run(shop: ShopifyServer) -> None:
    fill(shop, 300)
    extract("shopify")
    shop.put("customers", 7, email="new@example.com", late_key={"a": 1})
    assert extract("shopify").rows["customers"] == 1
    assert differences(shop, "shopify", "customers") == []


def test_ties_at_a_page_border_within_a_second(shop: ShopifyServer) -> None:
    for number in range(40):
        shop.put("customers", number, updated_at="2026-01-01T10:00:00Z", email=None)
    shop.size = 7
    extract("shopify")
    shop.put("customers", 3, updated_at="2026-01-01T10:00:00Z", email="same second")
    shop.put("customers", 99, updated_at="2026-01-01T10:00:00Z", email="late to be seen")
    assert extract("shopify").rows["customers"] == 2
    assert differences(shop, "shopify", "customers") == []
    assert extract("shopify").rows["customers"] == 0


def test_a_fetch_that_is_cut_off_goes_on_where_it_was(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shop, 100)
    shop.size = 10
    write, pages = state.Arrivals._write, []

    def some(arrivals: state.Arrivals, new: Any, *others: Any) -> None:
        pages.extend(new)
        if len(pages) == 50:
            raise KeyboardInterrupt
        write(arrivals, new, *others)

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(state.Arrivals, "_write", some)
        extract("shopify")
    asked = len([request for request in shop.requests if "customers" in request.path])
    assert asked in (5, 6)  # one may be on its way
    assert extract("shopify").rows["customers"] == 100
    assert len([request for request in shop.requests if "customers" in request.path]) == asked + 6
    assert differences(shop, "shopify", "customers") == []


def test_a_page_that_is_good_no_more_begins_the_list_again(
    shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    fill(shop, 100)
    shop.size = 10
    write = state.Arrivals._write

    def some(arrivals: state.Arrivals, new: Any, *others: Any) -> None:
        write(arrivals, new, *others)
        if arrivals.rows == 40:
            raise KeyboardInterrupt

    with monkeypatch.context() as patch, pytest.raises(KeyboardInterrupt):
        patch.setattr(state.Arrivals, "_write", some)
        extract("shopify")
    handle, refused = shop.handle, []

    def once(request: Request) -> Answer:
        if "page_info" in request.query and not refused:
            refused.append(request)
            return Answer(400, {"errors": {"page_info": "Invalid value."}})
        return handle(request)

    shop.handle = once  # type: ignore[method-assign]
    result = extract("shopify")
    assert refused and result.notes == [] and result.rows["customers"] == 100
    assert appearances("shopify", "customers") == 100 and differences(shop, "shopify", "customers") == []


def test_wrong_credentials_say_what_to_do(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPIFY_ACCESS_TOKEN", "wrong")
    with pytest.raises(ExtractError, match=r"shopify, table customers: the API refuses the credentials \(HTTP 401\)"):
        extract("shopify")


def test_two_ways_at_once_are_refused(shop: ShopifyServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("KINSHIP_SHOPIFY_PATH", str(tmp_path))
    with pytest.raises(ExtractError, match="come in by KINSHIP_SHOPIFY_PATH and by SHOPIFY_URL: unset one"):
        extract("shopify")


def test_half_a_configuration_names_what_is_missing(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SHOPIFY_ACCESS_TOKEN")
    with pytest.raises(ExtractError, match="half configured: SHOPIFY_ACCESS_TOKEN is not set"):
        extract("shopify")


def test_what_the_log_of_events_says_was_deleted_is_gone(shop: ShopifyServer) -> None:
    for number in range(5):
        shop.put("orders", number, created_at="2026-01-01T10:00:00Z", updated_at="2026-01-01T10:00:00Z")
        shop.put("products", number, updated_at="2026-01-01T10:00:00Z")
    shop.put("orders", 9, created_at="2026-01-01T10:00:00Z")
    extract("shopify")
    shop.delete("orders", 3)
    shop.delete("orders", 9)  # perhaps in the second of its last change
    shop.delete("products", 4)
    assert extract("shopify").rows == {"customers": 0, "orders": 2, "checkouts": 0, "products": 1}
    assert differences(shop, "shopify", "orders") == differences(shop, "shopify", "products") == []
    assert sum(extract("shopify").rows.values()) == 0


def test_deleted_customers_are_found_once_a_day_by_comparing_ids(shop: ShopifyServer) -> None:
    fill(shop, 600, first=1)
    extract("shopify")
    shop.delete("customers", 17)
    shop.delete("customers", 600)
    assert extract("shopify").rows["customers"] == 0
    shop.ahead = 86_400
    shop.put("customers", 601, email="new@example.com")
    assert extract("shopify").rows["customers"] == 3
    assert differences(shop, "shopify", "customers") == []
    calls = shop.calls
    assert extract("shopify").rows["customers"] == 0 and shop.calls == calls + 6


def test_a_list_without_most_records_is_not_taken_for_deletions(shop: ShopifyServer) -> None:
    fill(shop, 300, first=1)
    extract("shopify")
    for number in range(1, 200):
        shop.delete("customers", number)
    shop.ahead = 86_400
    result = extract("shopify")
    assert "a list without 199 of 300 records" in "".join(result.notes)
    assert result.rows["customers"] == 0


def test_a_range_is_fetched_again_and_the_cursor_stays(shop: ShopifyServer) -> None:
    fill(shop, 280)
    extract("shopify")
    # changed behind the cursor's back, as by a restored backup
    for number in (3, 4, 200):
        shop.tables["customers"][str(number)]["email"] = "mended@example.com"
    assert extract("shopify").rows["customers"] == 0
    span = Span.of(datetime(2026, 1, 4), datetime(2026, 1, 6))
    result = extract("shopify", span)
    # 20 are in the range; what is known to be the same is not written twice
    assert result.rows["customers"] == 3
    assert result.fetched
    before, after = result.fetched.cursors["customers"]
    assert before == after == "2026-01-28T10:00:02Z"
    assert differences(shop, "shopify", "customers") == []
    assert extract("shopify").rows["customers"] == 0


def test_a_past_day_is_a_partition_of_a_job(shop: ShopifyServer) -> None:
    import dagster as dg

    from orchestration.source_jobs import backfill_jobs

    fill(shop, 60)
    extract("shopify")
    for number in (3, 4):  # they changed on the 4th and the 5th, as the shop tells it
        shop.tables["customers"][str(number)]["email"] = "mended@example.com"
    [job] = [job for job in backfill_jobs() if job.name == "backfill_shopify"]
    with dg.DagsterInstance.ephemeral() as instance:
        assert job.execute_in_process(partition_key="2026-01-04", instance=instance).success
        assert differences(shop, "shopify", "customers") == ["4"]
        assert job.execute_in_process(partition_key="2026-01-05", instance=instance).success
    assert differences(shop, "shopify", "customers") == []


def test_a_deleted_warehouse_is_filled_again(shop: ShopifyServer, tmp_path: Path) -> None:
    fill(shop, 300)
    extract("shopify")
    remove(tables(tmp_path))
    result = extract("shopify")
    assert result.rows["customers"] == 300 and "the warehouse lacks 1 of the files" in "".join(result.notes)
    assert differences(shop, "shopify", "customers") == []
    assert extract("shopify").notes == []


def test_a_warehouse_put_back_from_an_older_copy_is_filled_again(shop: ShopifyServer, tmp_path: Path) -> None:
    fill(shop, 300)
    extract("shopify")
    (tmp_path / "copy").mkdir()
    copy(tables(tmp_path), tmp_path / "copy")
    shop.put("customers", 1, email="new@example.com")
    extract("shopify")
    remove(tables(tmp_path))
    copy(tables(tmp_path / "copy"), tmp_path)
    assert "all is fetched again" in "".join(extract("shopify").notes)
    assert differences(shop, "shopify", "customers") == []


def test_a_progress_that_is_lost_costs_calls_and_no_rows(shop: ShopifyServer, tmp_path: Path) -> None:
    fill(shop, 30)
    extract("shopify")
    shop.put("customers", 30)
    extract("shopify")
    shutil.rmtree(tmp_path / "live")
    shop.delete("customers", 5)
    shop.put("customers", 6, email="new@example.com")
    assert extract("shopify").rows["customers"] == 30
    assert appearances("shopify", "customers") == 30 + 1 + 30
    assert set(differences(shop, "shopify", "customers")) == {"5"}  # what nobody remembers cannot be missed


def test_another_account_does_not_mix_with_the_first(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    fill(shop, 20)
    extract("shopify")
    with ShopifyServer() as other:
        other.put("customers", 500, email="theirs@example.com")
        monkeypatch.setenv("SHOPIFY_URL", other.url)
        assert extract("shopify").rows["customers"] == 1
        assert differences(other, "shopify", "customers") == []
    monkeypatch.setenv("SHOPIFY_URL", shop.url)
    assert extract("shopify").rows["customers"] == 0
    assert differences(shop, "shopify", "customers") == []


def test_addresses_without_encryption_are_refused(shop: ShopifyServer, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SHOPIFY_URL", "http://shop.example.com")
    with pytest.raises(ExtractError, match="SHOPIFY_URL must be an address with https://"):
        extract("shopify")


def test_what_is_fetched_names_nobody_in_errors_or_notes(
    shop: ShopifyServer, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    fill(shop, 20)
    shop.handle = lambda _: Answer(422, {"errors": {"email": ["p1@example.com is taken"]}})  # type: ignore[method-assign]
    with pytest.raises(ExtractError) as caught:
        extract("shopify")
    everything = str(caught.value) + caplog.text + "".join(capfd.readouterr())
    assert "example.com" not in everything and "shpat_" not in everything


def test_the_command_takes_a_range(shop: ShopifyServer, tmp_path: Path) -> None:
    fill(shop, 60)
    extract("shopify")
    shop.tables["customers"]["3"]["email"] = "mended@example.com"
    env = environment(tmp_path, KINSHIP_TARGET=settings().target, **shop.environment)
    done = call(KINSHIP, "extract", "shopify", "--from", "2026-01-01", "--to", "2026-02-01", env=env)
    assert done.returncode == 0, done.stderr
    assert differences(shop, "shopify", "customers") == []
    for wrong in (["--from", "2026-01-01"], ["shopify", "--from", "x"], ["shopify", "--to", "2026-01-01"]):
        assert call(KINSHIP, "extract", *wrong, env=env).returncode == 2
