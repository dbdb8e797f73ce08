"""The case of `s3`: moto's server, started once for all tests with its checks of signatures on; a bucket for each."""

import itertools
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, ClassVar

import boto3
from moto import settings
from moto.server import ThreadedMotoServer

from servers.case import Case
from servers.file import apply_feed

_numbers = itertools.count()


@cache
def start() -> int:
    """The port of a moto server that runs until the tests end."""
    server = ThreadedMotoServer("127.0.0.1", 0, verbose=False)
    server.start()
    return int(server.get_host_and_port()[1])


@dataclass
class Bucket:
    port: int
    name: str
    key: str
    secret: str

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINSHIP_S3_URL": f"s3://{self.name}/feed/people",
            "KINSHIP_S3_ENDPOINT": f"http://127.0.0.1:{self.port}",
            "KINSHIP_S3_ACCESS_KEY_ID": self.key,
            "KINSHIP_S3_SECRET_ACCESS_KEY": self.secret,
        }

    @property
    def client(self) -> Any:
        return boto3.client(
            "s3", endpoint_url=f"http://127.0.0.1:{self.port}", region_name="us-east-1",
            aws_access_key_id=self.key, aws_secret_access_key=self.secret,
        )  # fmt: skip

    def files(self) -> dict[str, bytes]:
        listed = self.client.list_objects_v2(Bucket=self.name).get("Contents", [])
        return {
            entry["Key"]: self.client.get_object(Bucket=self.name, Key=entry["Key"])["Body"].read() for entry in listed
        }


@contextmanager
def bucket() -> Iterator[Bucket]:
    """A new bucket, and a user who may do anything with it."""
    port, number = start(), next(_numbers)
    address = {
        "endpoint_url": f"http://127.0.0.1:{port}", "region_name": "us-east-1",
        "aws_access_key_id": "setup", "aws_secret_access_key": "setup",
    }  # fmt: skip
    iam, name = boto3.client("iam", **address), f"bucket-{number}"
    iam.create_user(UserName=name)
    everything = '{"Version":"2012-10-17","Statement":[{"Effect":"Allow","Action":"s3:*","Resource":"*"}]}'
    iam.put_user_policy(UserName=name, PolicyName="all", PolicyDocument=everything)
    made = iam.create_access_key(UserName=name)["AccessKey"]
    boto3.client("s3", **address).create_bucket(Bucket=name)
    # from the first call on, keys and signatures count
    settings.INITIAL_NO_AUTH_ACTION_COUNT = 0
    try:
        yield Bucket(port, name, made["AccessKeyId"], made["SecretAccessKey"])
    finally:
        settings.INITIAL_NO_AUTH_ACTION_COUNT = float("inf")


class Objects(Case):
    sync: ClassVar[dict[str, Any]] = {"object": "people", "key": "email"}
    value = "firstname"

    @contextmanager
    def server(self, folder: Path) -> Iterator[Bucket]:
        with bucket() as fresh:
            yield fresh

    def content(self, server: Any) -> list[tuple[str, str]]:
        return apply_feed(server.files())

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_S3_SECRET_ACCESS_KEY": "wrong-secret"}
