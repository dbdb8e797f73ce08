"""Files on an SFTP server (`files.py` says what is in them).

A file goes up under a name that begins with a dot and ends in `.part`, its size is compared, then it is renamed: who
watches the folder never sees half of one. Nothing is ever deleted over there.

The server has to show the key that `KINSHIP_SFTP_HOST_KEY` holds; one that is merely new is not trusted, since the
files hold personal data. Only what the environment says is used: no agent, no keys and no settings of the user's home.
"""

import asyncio
import re
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from pathlib import Path, PurePosixPath
from typing import ClassVar
from urllib.parse import unquote, urlsplit

import asyncssh
from pydantic import Field

from reverse_etl.destination import Batch, CheckResult, Destination, Mode, Outcome, Target
from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, Retryable, SyncError
from reverse_etl.files import LIMITS, Feed, FeedOptions, render
from reverse_etl.limits import Limits, Options

_URL, _HOST_KEY = "KINSHIP_SFTP_URL", "KINSHIP_SFTP_HOST_KEY"
_PASSWORD, _PRIVATE_KEY, _PASSPHRASE = "KINSHIP_SFTP_PASSWORD", "KINSHIP_SFTP_PRIVATE_KEY", "KINSHIP_SFTP_PASSPHRASE"


class SftpOptions(FeedOptions):
    """`timeout_seconds` is for one file, the connection included."""

    timeout_seconds: float = Field(default=300.0, gt=0)


class Sftp(Destination):
    """A folder of a server: `sftp://user@host:port/folder`."""

    options_model = SftpOptions
    modes: ClassVar[frozenset[Mode]] = frozenset({"upsert", "create", "mirror"})

    def __init__(self, target: Target) -> None:
        super().__init__(target)
        url, host_key = credentials("sftp", _URL, _HOST_KEY)
        self._options: SftpOptions = target.options
        self._feed = Feed(target, self._options)
        self._user, self._host, self._port, self._folder = _parts(url)
        self._host_keys = _host_keys(host_key)
        self._password = setting(_PASSWORD, "") or None
        self._keys = _private_keys()
        if self._password is None and not self._keys:
            raise ConfigurationError(f"sftp is half configured: set {_PRIVATE_KEY} or {_PASSWORD}")
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
                raise self._no_folder() from None

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
            raise self._failure(error) from None

    async def _open(self) -> asyncssh.SFTPClient:
        if self._client is None:
            self._connection = await asyncssh.connect(
                self._host, self._port, username=self._user, password=self._password, client_keys=self._keys or None,
                known_hosts=(self._host_keys, [], []), config=None, agent_path=None, gss_host=None,
                connect_timeout=15, login_timeout=30, keepalive_interval=15,
            )  # fmt: skip
            self._client = await self._connection.start_sftp_client()
        return self._client

    async def _drop(self) -> None:
        if self._connection is not None:
            self._connection.abort()
            with suppress(OSError, asyncssh.Error):
                await self._connection.wait_closed()
        self._connection = self._client = None

    def _failure(self, error: Exception) -> SyncError:
        if isinstance(error, asyncssh.PermissionDenied):
            return AuthenticationError(
                f"sftp refuses the login: check the user in {_URL}, and {_PRIVATE_KEY} or {_PASSWORD}"
            )
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return AuthenticationError(f"the sftp server shows another key than {_HOST_KEY}: nothing was sent to it")
        if isinstance(error, asyncssh.SFTPPermissionDenied | asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
            return self._no_folder()
        if isinstance(error, TimeoutError):
            return Retryable("timeout", "sftp does not answer")
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
        return Retryable(name, f"sftp failed ({name})")

    def _no_folder(self) -> ConfigurationError:
        return ConfigurationError(f"sftp: the folder {self._folder} cannot be made or written by this user")


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


def _parts(url: str) -> tuple[str, str, int, str]:
    """User, host, port and folder."""
    try:
        parts = urlsplit(url)
        port = parts.port or 22
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "sftp" or not parts.hostname or not parts.username or parts.password is not None:
        raise ConfigurationError(f"{_URL} must be sftp://user@host:port/folder, without a password")
    return unquote(parts.username), parts.hostname, port, unquote(parts.path) or "."


def _host_keys(text: str) -> list[asyncssh.SSHKey]:
    """One key per line, as `ssh-keyscan` prints them: with the host's name before, or without."""
    try:
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return [asyncssh.import_public_key(" ".join(line.split()[-2:])) for line in lines]
    except (asyncssh.KeyImportError, ValueError):
        raise ConfigurationError(f"{_HOST_KEY} is no host key such as `ssh-ed25519 AAAA...`, one per line") from None


def _private_keys() -> list[asyncssh.SSHKey]:
    """The key that KINSHIP_SFTP_PRIVATE_KEY holds, or names the file of."""
    text = setting(_PRIVATE_KEY, "")
    if not text:
        return []
    passphrase = setting(_PASSPHRASE, "") or None
    try:
        if text.startswith("-----BEGIN"):
            return [asyncssh.import_private_key(text, passphrase)]
        return [asyncssh.read_private_key(text, passphrase)]
    except OSError as error:
        raise ConfigurationError(f"{_PRIVATE_KEY}: the file cannot be read ({error.strerror})") from None
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise ConfigurationError(f"{_PRIVATE_KEY} is no private key, or {_PASSPHRASE} does not open it") from None
