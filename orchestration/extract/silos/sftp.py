"""A drop on an SFTP server: `sftp://user@host:port/folder`, or one file."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import AsyncIterator
from contextlib import suppress
from pathlib import PurePosixPath
from typing import cast

import asyncssh

from orchestration.extract.files import ENDINGS
from orchestration.extract.silos.drops import Changed, Item
from reverse_etl.errors import SyncError
from reverse_etl.sftp_login import Login

_TIMEOUT = 300.0
_CHUNK = 1 << 20


class Folder:
    """The files below a folder. A call is a login, a folder's listing, or a file.

    A link to a file is followed; one to a folder is not, as it may lead round in a circle.
    """

    exact = False

    def __init__(self, url: str, variable: str) -> None:
        self._login = Login(url, variable)
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None
        self._opening = asyncio.Lock()
        path = PurePosixPath(self._login.folder)
        self._is_single = path.name.lower().endswith(tuple(ENDINGS))
        self._root = path.parent if self._is_single else path
        self.calls = 0

    async def list(self) -> AsyncIterator[Item]:
        try:
            client = await self._open()
            self.calls += 1
            if self._is_single:
                yield _item(PurePosixPath(self._login.folder).name, await client.stat(self._login.folder))
                return
            folders = [PurePosixPath()]
            while folders:
                folder = folders.pop()
                self.calls += bool(folder.parts)
                async for entry in client.scandir(str(self._root / folder)):
                    name, attributes = str(entry.filename), entry.attrs
                    if name in (".", ".."):
                        continue
                    kind = stat.S_IFMT(attributes.permissions or 0)
                    if kind == stat.S_IFLNK:
                        with suppress(asyncssh.SFTPNoSuchFile, asyncssh.SFTPPermissionDenied):
                            attributes = await client.stat(str(self._root / folder / name))
                            kind = stat.S_IFMT(attributes.permissions or 0)
                        if kind != stat.S_IFREG:
                            continue
                    if kind == stat.S_IFDIR:
                        folders.append(folder / name)
                    elif kind in (stat.S_IFREG, 0):
                        yield _item(str(folder / name), attributes)
        except (OSError, asyncssh.Error) as error:
            raise await self._failed(error) from None

    async def read(self, item: Item, start: int) -> AsyncIterator[bytes]:
        self.calls += 1
        path = str(self._root / item.file)
        try:
            client = await self._open()
            async with client.open(path, "rb") as file:
                position = start
                while position < item.size:
                    async with asyncio.timeout(_TIMEOUT):
                        data = await file.read(min(_CHUNK, item.size - position), position)
                    if not data:
                        raise Changed
                    position += len(data)
                    yield cast(bytes, data)
            now = _item(item.file, await client.stat(path))
        except (asyncssh.SFTPNoSuchFile, asyncssh.SFTPNoSuchPath):
            raise Changed from None
        except (OSError, asyncssh.Error) as error:
            raise await self._failed(error) from None
        # text that grows is right up to where it was listed; anything else may be half of one file, half of another
        grew = now.size > item.size and not item.file.lower().endswith((".gz", ".parquet"))
        if now != item and not grew:
            raise Changed

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            with suppress(OSError, asyncssh.Error):
                await self._connection.wait_closed()

    async def _open(self) -> asyncssh.SFTPClient:
        async with self._opening:
            if self._client is None:
                self.calls += 1
                self._connection = await self._login.connect()
                self._client = await self._connection.start_sftp_client()
            return self._client

    async def _failed(self, error: Exception) -> SyncError:
        if not isinstance(error, asyncssh.SFTPError) or isinstance(error, asyncssh.SFTPConnectionLost):
            if self._connection is not None:
                self._connection.abort()
            self._connection = self._client = None
        return self._login.failure(error, "read")


def _item(file: str, attributes: asyncssh.SFTPAttrs) -> Item:
    size, modified = attributes.size or 0, int(attributes.mtime or 0)
    return Item(file, size, modified, f"{size}-{modified}")
