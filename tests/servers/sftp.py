"""The case of `sftp`: an SSH server of the library's on loopback, that serves one folder."""

import asyncio
import threading
from pathlib import Path
from typing import Any, ClassVar

import asyncssh

from servers.case import Case
from servers.file import apply_feed, read_folder

USER, PASSWORD = "kinship", "sftp-secret"


class SftpServer:
    """Context manager. `folder` is the root that clients see."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.host_key = asyncssh.generate_private_key("ssh-ed25519")
        self.user_key = asyncssh.generate_private_key("ssh-ed25519")
        self.port = 0
        self.can_overwrite = True
        """Whether it knows OpenSSH's rename that overwrites."""
        self.uploads: list[str] = []
        """The names under which files were opened for writing."""
        self._loop = asyncio.new_event_loop()
        self._ready = threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    @property
    def environment(self) -> dict[str, str]:
        return {
            "KINSHIP_SFTP_URL": f"sftp://{USER}@127.0.0.1:{self.port}/drop/feed",
            "KINSHIP_SFTP_HOST_KEY": self.host_key.export_public_key().decode(),
            "KINSHIP_SFTP_PASSWORD": PASSWORD,
        }

    def __enter__(self) -> "SftpServer":
        self._thread.start()
        assert self._ready.wait(10)
        return self

    def __exit__(self, *_: object) -> None:
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()

    def _run(self) -> None:
        asyncio.set_event_loop(self._loop)
        server = self._loop.run_until_complete(
            asyncssh.create_server(
                lambda: _Login(self), "127.0.0.1", 0, server_host_keys=[self.host_key],
                sftp_factory=lambda channel: _Files(channel, self),
            )
        )  # fmt: skip
        self.port = server.sockets[0].getsockname()[1]
        self._ready.set()
        self._loop.run_forever()
        server.close()
        for task in (tasks := asyncio.all_tasks(self._loop)):
            task.cancel()
        self._loop.run_until_complete(asyncio.gather(*tasks, return_exceptions=True))
        self._loop.run_until_complete(self._loop.shutdown_default_executor())


class _Login(asyncssh.SSHServer):
    def __init__(self, server: SftpServer) -> None:
        self._server = server

    def begin_auth(self, username: str) -> bool:
        return True

    def password_auth_supported(self) -> bool:
        return True

    def validate_password(self, username: str, password: str) -> bool:
        return (username, password) == (USER, PASSWORD)

    def public_key_auth_supported(self) -> bool:
        return True

    def validate_public_key(self, username: str, key: asyncssh.SSHKey) -> bool:
        return username == USER and key.public_data == self._server.user_key.public_data


class _Files(asyncssh.SFTPServer):
    def __init__(self, channel: Any, server: SftpServer) -> None:
        super().__init__(channel, chroot=str(server.folder).encode())
        self._server = server

    def open(self, path: bytes, pflags: int, attrs: Any) -> Any:
        if pflags & asyncssh.FXF_WRITE:
            self._server.uploads.append(path.decode())
        return super().open(path, pflags, attrs)

    def posix_rename(self, oldpath: bytes, newpath: bytes) -> None:
        if not self._server.can_overwrite:
            raise asyncssh.SFTPOpUnsupported("no")
        super().posix_rename(oldpath, newpath)


class Drop(Case):
    sync: ClassVar[dict[str, Any]] = {"object": "people", "key": "email"}
    value = "firstname"

    def server(self, folder: Path) -> SftpServer:
        return SftpServer(folder)

    def content(self, server: Any) -> list[tuple[str, str]]:
        return apply_feed(read_folder(server.folder))

    def wrong_credentials(self, environment: dict[str, str]) -> dict[str, str]:
        return environment | {"KINSHIP_SFTP_PASSWORD": "wrong-secret"}
