"""Files on an SFTP server (`files.py` says what is in them).

A file goes up under a name that begins with a dot and ends in `.part`, its size is compared, then it is renamed: who
watches the folder never sees half of one. Nothing is ever deleted over there.
`reverse_etl/sftp_login.py` says how we log in.
"""

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import ClassVar

import asyncssh
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Target
from reverse_etl.environment import credentials
from reverse_etl.errors import Retryable, SyncError
from reverse_etl.files import LIMITS, Feed, FeedOptions, render
from reverse_etl.limits import Limits, Options
from reverse_etl.sftp_login import HOST_KEY, Login

_URL = "KINSHIP_SFTP_URL"


class SftpOptions(FeedOptions):
    """`timeout_seconds` is for one file, the connection included."""

    timeout_seconds: float = Field(default=300.0, gt=0)


class Sftp(Destination):
    """A folder of a server: `sftp://user@host:port/folder`."""

    options_model = SftpOptions
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "create", "mirror"})

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        url, _ = credentials("sftp", _URL, HOST_KEY)
        self._options: SftpOptions = target.options
        self._feed = Feed(target, self._options)
        self._login = Login(url, _URL)
        self._folder = self._login.folder
        self._connection: asyncssh.SSHClientConnection | None = None
        self._client: asyncssh.SFTPClient | None = None

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
        # the folder
        return 1 + super().estimate_calls(object, options, limits, adds, changes, removals)

    async def check(self) -> CheckResult:
        try:
            async with self._session() as client:
                is_there = await client.isdir(self._folder)
        except Retryable as error:
            return CheckResult("sftp", "failed", f"{error}: is {_URL} right, and the server up?")
        state = "writes to" if is_there else "the first run will make"
        return CheckResult("sftp", "ok", f"logged in; {state} {self._folder}")

    async def prepare(self) -> None:
        async with self._session() as client:
            try:
                await client.makedirs(self._folder, exist_ok=True)
            except asyncssh.SFTPConnectionLost:
                raise
            except asyncssh.SFTPError:
                raise self._login.no_folder("made or written") from None

    def send(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._write(batch)

    def remove(self, batch: Batch) -> AsyncIterator[Outcome]:
        return self._write(batch)

    async def _write(self, batch: Batch) -> AsyncIterator[Outcome]:
        data, manifest = (PurePosixPath(self._folder) / name for name in self._feed.names(batch))
        with tempfile.TemporaryDirectory(prefix="kinship-") as folder:
            delta = await asyncio.to_thread(self._feed.write, batch, Path(folder) / data.name)
            told = Path(folder) / manifest.name
            told.write_bytes(delta.manifest)
            async with self._session() as client:
                await client.makedirs(str(data.parent), exist_ok=True)
                await _upload(client, delta.data, data)
                await _upload(client, told, manifest)
        for row in batch.rows:
            yield Outcome(row.key, "accepted")

    async def close(self) -> None:
        if self._connection is not None:
            self._connection.close()
            with suppress(OSError, asyncssh.Error):
                await self._connection.wait_closed()

    @asynccontextmanager
    async def _session(self) -> AsyncIterator[asyncssh.SFTPClient]:
        """The open client, counted as one call; failures become the errors that say what to do next."""
        await self.target.meter.call()
        try:
            async with asyncio.timeout(self._options.timeout_seconds):
                yield await self._open()
        except SyncError:
            raise
        except (OSError, asyncssh.Error) as error:
            if not isinstance(error, asyncssh.SFTPError) or isinstance(error, asyncssh.SFTPConnectionLost):
                await self._drop()
            raise self._login.failure(error, "made or written") from None

    async def _open(self) -> asyncssh.SFTPClient:
        if self._client is None:
            self._connection = await self._login.connect()
            self._client = await self._connection.start_sftp_client()
        return self._client

    async def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            with suppress(OSError, asyncssh.Error):
                await self._connection.wait_closed()
        self._connection = self._client = None


async def _upload(client: asyncssh.SFTPClient, source: Path, path: PurePosixPath) -> None:
    draft = str(path.with_name(f".{path.name}.part"))
    await client.put(str(source), draft)
    if (await client.stat(draft)).size != source.stat().st_size:
        raise Retryable("size_differs", "sftp kept another size than was sent")
    try:
        await client.posix_rename(draft, str(path))
    except asyncssh.SFTPOpUnsupported:
        # the plain rename of SFTP 3 does not overwrite; what is there is this batch, sent before
        with suppress(asyncssh.SFTPNoSuchFile):
            await client.remove(str(path))
        await client.rename(draft, str(path))
