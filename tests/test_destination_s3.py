"""S3 beyond conformance: small and large objects, buckets that are not there, and connections that break."""

import base64
import hashlib
import json
import logging
from collections.abc import Iterator
from pathlib import Path

import pytest
from reverse_etl_house import House, people, run, use
from servers.base import Answer, Request, ToolServer
from servers.cutter import Cutter
from servers.file import apply_feed
from servers.s3 import Bucket, bucket

from reverse_etl import AuthenticationError, ConfigurationError, check_destination, plan_sync


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[Bucket]:
    with bucket() as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, "sync_s3__people", max_change_share=1, mode="mirror")
    house.consent([(f"c{n}", "granted") for n in range(200)])
    house.want(people(1, 2))
    return house


class Store(ToolServer):
    """Looks at the checksums that S3 would verify: moto does not."""

    @property
    def environment(self) -> dict[str, str]:
        return {"KINSHIP_S3_ENDPOINT": self.url}

    def handle(self, request: Request) -> Answer:
        wanted = base64.b64encode(hashlib.sha256(request.body).digest()).decode()
        if request.headers.get("x-amz-checksum-sha256") != wanted:
            self.broken.append(request.path)
        return Answer(200, b"", {"ETag": '"1"'})


def test_the_checksum_goes_with_an_object(house: House, server: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    with Store() as store:
        monkeypatch.setenv("KINSHIP_S3_ENDPOINT", store.url)
        assert run(house).added == 2
        assert (store.calls, store.broken) == (2, [])
        store.faults.unavailable = 1
        house.want(people(3))
        assert run(house).message == "s3 stopped answering (http_503); the rest is sent by the next run"


def test_an_object_says_what_it_is(house: House, server: Bucket) -> None:
    assert plan_sync(house.sync, house.settings).calls == 2
    result = run(house)
    assert (result.added, result.calls) == (2, 2)
    data, manifest = sorted(server.files())
    assert data.startswith(f"feed/people/{house.name}/0000000001-") and manifest.endswith(".manifest.json")
    head = server.client.head_object(Bucket=server.name, Key=data)
    assert head["ContentType"] == "text/csv; charset=utf-8"
    assert server.client.head_object(Bucket=server.name, Key=manifest)["ContentType"] == "application/json"


def test_a_large_object_goes_in_parts_and_arrives_whole(house: House, server: Bucket) -> None:
    rows = [{**row, "firstname": f"{n:06d}" * 20_000} for n, row in enumerate(people(*range(100)))]
    house.want(rows)
    assert run(house).added == 100
    files = server.files()
    (data,) = [name for name in files if name.endswith(".csv")]
    # the mark of an object that was uploaded in parts
    assert len(files[data]) > 10_000_000 and "-" in server.client.head_object(Bucket=server.name, Key=data)["ETag"]
    assert apply_feed(files) == sorted((row["email"], row["firstname"]) for row in rows)
    assert server.client.list_multipart_uploads(Bucket=server.name).get("Uploads", []) == []


def test_objects_of_others_stay(house: House, server: Bucket) -> None:
    server.client.put_object(Bucket=server.name, Key=f"feed/people/{house.name}/theirs.csv", Body=b"x")
    run(house)
    house.want([])
    run(house)
    assert server.files()[f"feed/people/{house.name}/theirs.csv"] == b"x" and len(server.files()) == 5


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("KINSHIP_S3_URL", "s3://nobodys-bucket/x", "no bucket 'nobodys-bucket'"),
        ("KINSHIP_S3_URL", "bucket/x", "s3://bucket/prefix"),
        ("KINSHIP_S3_ACCESS_KEY_ID", "AKIAUNKNOWN", "KINSHIP_S3_ACCESS_KEY_ID"),
        ("KINSHIP_S3_SECRET_ACCESS_KEY", "", "half configured"),
    ],
)
def test_what_is_configured_wrongly_is_named(
    house: House, server: Bucket, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as problem:
        run(house)
    assert told in str(problem.value) and server.secret not in str(problem.value)


def test_a_key_without_the_right_to_write_stops_the_run(house: House, server: Bucket) -> None:
    import boto3
    from moto import settings

    settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")
    iam = boto3.client(
        "iam", endpoint_url=f"http://127.0.0.1:{server.port}", region_name="us-east-1",
        aws_access_key_id="setup", aws_secret_access_key="setup",
    )  # fmt: skip
    iam.delete_user_policy(UserName=server.name, PolicyName="all")
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    with pytest.raises(AuthenticationError, match="right to put objects"):
        run(house)


def test_check_says_what_is_wrong(house: House, server: Bucket, monkeypatch: pytest.MonkeyPatch) -> None:
    assert check_destination("s3", house.sync).status == "ok"
    monkeypatch.setenv("KINSHIP_S3_ENDPOINT", "http://127.0.0.1:9")
    told = check_destination("s3", house.sync)
    assert told.status == "failed" and "KINSHIP_S3_ENDPOINT" in told.message


@pytest.mark.parametrize("seed", range(2))
def test_connections_that_break_lose_nobody(
    house: House, server: Bucket, monkeypatch: pytest.MonkeyPatch, seed: int, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    house.reload(options={"batch_size": 8})
    results = []
    with Cutter(server.port, share=0.7, most=2500, seed=seed) as cutter:
        monkeypatch.setenv("KINSHIP_S3_ENDPOINT", f"http://127.0.0.1:{cutter.port}")
        for step in range(2):
            rows = people(*range(step * 10, step * 10 + 24), firstname=f"Secretname{step}")
            house.want(rows)
            for _ in range(20):
                results.append(run(house))
                if results[-1].status == "done":
                    break
        cutter.share = 0
        run(house)
        assert cutter.cuts >= 2
    assert apply_feed(server.files()) == sorted((row["email"], row["firstname"]) for row in rows)
    told = caplog.text + json.dumps([result.as_json() for result in results])
    assert "Secretname" not in told and "@example.com" not in told and server.secret not in told
