"""Files in a bucket of S3, or of a store that speaks its protocol (`files.py` says what is in them).

An object is there whole or not at all: up to 5 MB by one PUT, beyond by a multipart upload that is completed at the end
and given up when it fails. The SHA-256 goes with it, and the store refuses what arrived otherwise. Nothing is ever
deleted over there.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator, Mapping
from pathlib import Path
from typing import ClassVar

import obstore
from obstore.exceptions import BaseError
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import Retryable
from reverse_etl.files import CONTENT_TYPES, LIMITS, Feed, FeedOptions, render
from reverse_etl.limits import Limits, Options
from reverse_etl.s3_store import ENDPOINT, KEY, REGION, SECRET, failure, open_store, parts

_URL = "KINSHIP_S3_URL"
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
        (url, *_) = credentials("s3", _URL, KEY, SECRET)
        self._options: S3Options = target.options
        self._feed = Feed(target, self._options)
        self._bucket, _ = parts(url, _URL)
        self._store = open_store(url, _URL, self._options.timeout_seconds)

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
            told = failure(error, self._bucket, _URL, "put objects")
            if isinstance(told, Retryable):
                return CheckResult("s3", "failed", f"{told}: are {ENDPOINT} and {REGION} right?")
            raise told from None
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
            raise failure(error, self._bucket, _URL, "put objects") from None
