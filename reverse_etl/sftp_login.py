"""Whose SFTP server it is and how we log in: what the environment says, the same for files that go out and come in.

The server has to show the key that `KINSHIP_SFTP_HOST_KEY` holds; one that is merely new is not trusted, since the
files hold personal data. Only what the environment says is used: no agent, no keys and no settings of the user's home.
"""

import re
from urllib.parse import unquote, urlsplit

import asyncssh

from reverse_etl.environment import credentials, setting
from reverse_etl.errors import AuthenticationError, ConfigurationError, Retryable, SyncError

HOST_KEY, PRIVATE_KEY = "KINSHIP_SFTP_HOST_KEY", "KINSHIP_SFTP_PRIVATE_KEY"
PASSWORD, PASSPHRASE = "KINSHIP_SFTP_PASSWORD", "KINSHIP_SFTP_PASSPHRASE"


class Login:
    """A user, a server and a folder, by an address that the variable `variable` holds.

    Raises ConfigurationError naming the variable that is missing or wrong, never its value.
    """

    def __init__(self, url: str, variable: str) -> None:
        self.variable = variable
        (host_key,) = credentials("sftp", HOST_KEY)
        self.user, self.host, self.port, self.folder = _parts(url, variable)
        self.host_keys = _host_keys(host_key)
        self._password = setting(PASSWORD, "") or None
        self._keys = _private_keys()
        if self._password is None and not self._keys:
            raise ConfigurationError(f"sftp is half configured: set {PRIVATE_KEY} or {PASSWORD}")

    async def connect(self) -> asyncssh.SSHClientConnection:
        """A connection to the server, once it has shown the right key and let us in."""
        return await asyncssh.connect(
            self.host, self.port, username=self.user, password=self._password, client_keys=self._keys or None,
            known_hosts=(self.host_keys, [], []), config=None, agent_path=None, gss_host=None,
            connect_timeout=15, login_timeout=30, keepalive_interval=15,
        )  # fmt: skip

    def failure(self, error: Exception, wanted: str) -> SyncError:
        """What a failed call means; `wanted` is what could not be done with the folder, like `read`."""
        if isinstance(error, asyncssh.PermissionDenied):
            return AuthenticationError(
                f"sftp refuses the login: check the user in {self.variable}, and {PRIVATE_KEY} or {PASSWORD}"
            )
        if isinstance(error, asyncssh.HostKeyNotVerifiable):
            return AuthenticationError(f"the sftp server shows another key than {HOST_KEY}: nothing was sent to it")
        if isinstance(error, asyncssh.SFTPPermissionDenied | asyncssh.SFTPNoSuchFile | asyncssh.SFTPNoSuchPath):
            return self.no_folder(wanted)
        if isinstance(error, TimeoutError):
            return Retryable("timeout", "sftp does not answer")
        name = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", type(error).__name__).lower()
        return Retryable(name, f"sftp failed ({name})")

    def no_folder(self, wanted: str) -> ConfigurationError:
        return ConfigurationError(f"sftp: the folder {self.folder} cannot be {wanted} by this user")


def _parts(url: str, variable: str) -> tuple[str, str, int, str]:
    """User, host, port and folder."""
    try:
        parts = urlsplit(url)
        port = parts.port or 22
    except ValueError:
        parts, port = urlsplit(""), 0
    if parts.scheme != "sftp" or not parts.hostname or not parts.username or parts.password is not None:
        raise ConfigurationError(f"{variable} must be sftp://user@host:port/folder, without a password")
    return unquote(parts.username), parts.hostname, port, unquote(parts.path) or "."


def _host_keys(text: str) -> list[asyncssh.SSHKey]:
    """One key per line, as `ssh-keyscan` prints them: with the host's name before, or without."""
    try:
        lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
        return [asyncssh.import_public_key(" ".join(line.split()[-2:])) for line in lines]
    except (asyncssh.KeyImportError, ValueError):
        raise ConfigurationError(f"{HOST_KEY} is no host key such as `ssh-ed25519 AAAA...`, one per line") from None


def _private_keys() -> list[asyncssh.SSHKey]:
    """The key that KINSHIP_SFTP_PRIVATE_KEY holds, or names the file of."""
    text = setting(PRIVATE_KEY, "")
    if not text:
        return []
    passphrase = setting(PASSPHRASE, "") or None
    try:
        if text.startswith("-----BEGIN"):
            return [asyncssh.import_private_key(text, passphrase)]
        return [asyncssh.read_private_key(text, passphrase)]
    except OSError as error:
        raise ConfigurationError(f"{PRIVATE_KEY}: the file cannot be read ({error.strerror})") from None
    except (asyncssh.KeyImportError, asyncssh.KeyEncryptionError):
        raise ConfigurationError(f"{PRIVATE_KEY} is no private key, or {PASSPHRASE} does not open it") from None
