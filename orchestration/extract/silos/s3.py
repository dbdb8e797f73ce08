"""A drop in a bucket: `s3://bucket/prefix`, or one object of it."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import TYPE_CHECKING

import obstore
from obstore.exceptions import BaseError, NotModifiedError, PreconditionError

from orchestration.extract.files import ENDINGS
from orchestration.extract.silos.drops import Changed, Item
from reverse_etl.s3_store import failure, open_store, parts

if TYPE_CHECKING:
    from obstore import ObjectMeta

_RIGHT = "list and get objects"
_CHUNK = 4 << 20


class Bucket:
    """The objects below a prefix. A call is a page of the listing (1,000 objects), or an object."""

    exact = True

    def __init__(self, url: str, variable: str) -> None:
        self._bucket, prefix = parts(url, variable)
        self._variable = variable
        folder, _, name = prefix.rpartition("/")
        self._single = name if name.lower().endswith(tuple(ENDINGS)) else ""
        self._store = open_store(f"s3://{self._bucket}/{folder if self._single else prefix}", variable, 300.0)
        self.calls = 0

    async def list(self) -> AsyncIterator[Item]:
        self.calls += 1
        try:
            if self._single:
                yield _item(await obstore.head_async(self._store, self._single))
                return
            listed = 0
            async for page in obstore.list(self._store, chunk_size=1000):
                for meta in page:
                    listed += 1
                    if listed > 1000 and listed % 1000 == 1:
                        self.calls += 1
                    if not meta["path"].endswith("/"):
                        yield _item(meta)
        except (BaseError, FileNotFoundError) as error:
            raise failure(error, self._bucket, self._variable, _RIGHT) from None

    async def read(self, item: Item, start: int) -> AsyncIterator[bytes]:
        self.calls += 1
        try:
            answer = await obstore.get_async(
                self._store, item.file, options={"if_match": item.tag or None, "range": {"offset": start}}
            )
            async for chunk in answer.stream(min_chunk_size=_CHUNK):
                yield bytes(chunk)
        except (PreconditionError, NotModifiedError, FileNotFoundError):
            raise Changed from None
        except BaseError as error:
            raise failure(error, self._bucket, self._variable, _RIGHT) from None

    async def close(self) -> None:
        pass


def _item(meta: ObjectMeta) -> Item:
    return Item(meta["path"], meta["size"], int(meta["last_modified"].timestamp()), meta["e_tag"] or "")
