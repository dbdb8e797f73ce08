"""Buckets and SFTP folders that tests fill with files of zendesk."""

import os
from typing import Protocol

from servers.s3 import Bucket
from servers.sftp import USER, SftpServer

LONG_AGO = 1_780_000_000


class Remote(Protocol):
    """Where a test's files lie, over there."""

    port: int
    lists: int
    """Calls that a run with nothing new makes."""

    def put(self, file: str, content: str | bytes) -> None: ...

    def remove(self, file: str) -> None: ...

    def files(self) -> dict[str, bytes]: ...

    def url(self, port: int | None = None) -> dict[str, str]: ...


class S3Drop:
    lists = 1

    def __init__(self, bucket: Bucket) -> None:
        self.bucket = bucket
        self.client = bucket.client
        self.port = bucket.port

    def put(self, file: str, content: str | bytes) -> None:
        body = content.encode() if isinstance(content, str) else content
        self.client.put_object(Bucket=self.bucket.name, Key=f"drop/{file}", Body=body)

    def remove(self, file: str) -> None:
        self.client.delete_object(Bucket=self.bucket.name, Key=f"drop/{file}")

    def files(self) -> dict[str, bytes]:
        return {key.removeprefix("drop/"): content for key, content in self.bucket.files().items()}

    def url(self, port: int | None = None) -> dict[str, str]:
        return {
            **self.bucket.environment,
            "KINSHIP_S3_ENDPOINT": f"http://127.0.0.1:{port or self.port}",
            "KINSHIP_ZENDESK_PATH": f"s3://{self.bucket.name}/drop",
        }


class SftpDrop:
    lists = 3  # the login, the folder, and the folder `users` in it

    def __init__(self, server: SftpServer) -> None:
        self.server = server
        self.folder = server.folder / "drop"
        self.port = server.port
        self.clock = LONG_AGO

    def put(self, file: str, content: str | bytes) -> None:
        path = self.folder / file
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content.encode() if isinstance(content, str) else content)
        self.clock += 1
        os.utime(path, (self.clock, self.clock))

    def remove(self, file: str) -> None:
        (self.folder / file).unlink()

    def files(self) -> dict[str, bytes]:
        paths = [path for path in self.folder.rglob("*") if path.is_file()]
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in paths}

    def url(self, port: int | None = None) -> dict[str, str]:
        address = f"sftp://{USER}@127.0.0.1:{port or self.port}/drop"
        return {**self.server.environment, "KINSHIP_ZENDESK_PATH": address}
