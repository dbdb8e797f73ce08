"""Files in a bucket of S3, or of a store that speaks its protocol (`files.py` says what is in them).

An object is there whole or not at all: up to 5 MB by one PUT, beyond by a multipart upload that is completed at the end
and given up when it fails. The SHA-256 goes with it, and the store refuses what arrived otherwise. Nothing is ever
deleted over there.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator, Mapping
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, ClassVar
from urllib.parse import urlsplit

import obstore
from obstore.exceptions import BaseError, PermissionDeniedError, UnauthenticatedError
from obstore.store import S3Store
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Target
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, RateLimited, Retryable, SyncError
from reverse_etl.files import CONTENT_TYPES, LIMITS, Feed, FeedOptions, render
from reverse_etl.limits import Limits, Options

if TYPE_CHECKING:
    from obstore.store import S3Config

_URL, _KEY, _SECRET = "KINSHIP_S3_URL", "KINSHIP_S3_ACCESS_KEY_ID", "KINSHIP_S3_SECRET_ACCESS_KEY"
_REGION, _ENDPOINT, _TOKEN = "KINSHIP_S3_REGION", "KINSHIP_S3_ENDPOINT", "KINSHIP_S3_SESSION_TOKEN"
_PART = 5 * 1024 * 1024
"""The least size of a part that S3 takes."""


class S3Options(FeedOptions):
    """`timeout_seconds` is for one request."""

    timeout_seconds: float = Field(default=60.0, gt=0)


class S3(Destination):
    """A bucket and a prefix: `s3://bucket/prefix`."""

    options_model = S3Options
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "create", "mirror"})

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        url, key, secret = credentials("s3", _URL, _KEY, _SECRET)
        self._options: S3Options = target.options
        self._feed = Feed(target, self._options)
        parts = urlsplit(url)
        if parts.scheme != "s3" or not parts.netloc:
            raise ConfigurationError(f"{_URL} must be s3://bucket/prefix")
        self._bucket = parts.netloc
        endpoint, token = setting(_ENDPOINT, ""), setting(_TOKEN, "")
        config: S3Config = {
            "access_key_id": key,
            "secret_access_key": secret,
            "region": setting(_REGION, "us-east-1"),
            "checksum_algorithm": "SHA256",
        }
        if endpoint:
            config["endpoint"] = endpoint
        if token:
            config["session_token"] = token
        try:
            self._store = S3Store(
                self._bucket,
                prefix=parts.path.strip("/") or None,
                config=config,
                client_options={
                    "allow_http": endpoint.startswith("http://"),
                    "timeout": timedelta(seconds=self._options.timeout_seconds),
                },
                # the engine repeats, and it counts
                retry_config={"max_retries": 0, "retry_timeout": timedelta(seconds=1)},
            )
        except (BaseError, ValueError):
            raise ConfigurationError(f"{_URL} or {_ENDPOINT} is no address of a store") from None

    @classmethod
    def limits(cls, object: str, options: Options) -> Limits:
        return LIMITS

    @classmethod
    def render(cls, column: str, kind: str) -> str:
        return render(column, kind)

    @classmethod
    def estimate_calls(
        cls, object: str, options: Options, limits: Limits, adds: int, changes: int, removals: int
    ) -> int:
        # the data and its manifest
        return 2 * super().estimate_calls(object, options, limits, adds, changes, removals)

    async def check(self) -> CheckResult:
        try:
            await self.target.meter.call()
            await self._store.list_with_delimiter_async()
        except (BaseError, FileNotFoundError) as error:
            failure = self._failure(error)
            if isinstance(failure, Retryable):
                return CheckResult("s3", "failed", f"{failure}: are {_ENDPOINT} and {_REGION} right?")
            raise failure from None
        return CheckResult("s3", "ok", f"writes to the bucket {self._bucket}")

    def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._write(batch)

    def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._write(batch)

    async def _write(self, batch: Batch) -> AsyncIterator[Outcome]:
        data, manifest = self._feed.names(batch)
        with tempfile.TemporaryDirectory(prefix="kinship-") as folder:
            delta = await asyncio.to_thread(self._feed.write, batch, Path(folder) / data.name)
            await self._put(str(data), delta.data, {"Content-Type": CONTENT_TYPES[self._options.format]})
            await self._put(str(manifest), delta.manifest, {"Content-Type": "application/json"})
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def _put(self, name: str, content: Path | bytes, attributes: Mapping[str, str]) -> None:
        await self.target.meter.call()
        try:
            await obstore.put_async(self._store, name, content, attributes=dict(attributes), chunk_size=_PART)
        except (BaseError, FileNotFoundError) as error:
            raise self._failure(error) from None

    def _failure(self, error: BaseError | FileNotFoundError) -> SyncError:
        # the message holds the address and what the store said, which may be more than we want to tell
        told = str(error)
        if isinstance(error, FileNotFoundError) or "NoSuchBucket" in told:
            return ConfigurationError(
                f"s3 has no bucket {self._bucket!r} here: check {_URL}, {_REGION} and {_ENDPOINT}"
            )
        if isinstance(error, PermissionDeniedError | UnauthenticatedError):
            return AuthenticationError(f"s3 refuses us: check {_KEY} and {_SECRET}, and their right to put objects")
        status = re.search(r"status(?: code)?:? (\d{3})", told)
        code = status[1] if status else ""
        if code == "429" or "SlowDown" in told:
            return RateLimited(None)
        if code.startswith("3"):
            return ConfigurationError(f"s3 sends us elsewhere (HTTP {code}): check {_REGION} and {_ENDPOINT}")
        return Retryable(f"http_{code}" if code else "connection", "no answer from s3")
