"""SFTP beyond conformance: whose server it is, which key, whole files only, and connections that break."""

import getpass
import shutil
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import asyncssh
import pytest
from ports import free_port
from reverse_etl_house import House, people, run, use
from servers.cutter import Cutter
from servers.file import apply_feed, read_folder
from servers.sftp import PASSWORD, SftpServer

from reverse_etl import AuthenticationError, ConfigurationError, check_destination


@pytest.fixture
def server(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[SftpServer]:
    (tmp_path / "root").mkdir()
    with SftpServer(tmp_path / "root") as server:
        use(monkeypatch, server)
        yield server


@pytest.fixture
def house(tmp_path: Path) -> House:
    house = House(tmp_path, "sync_sftp__people", max_change_share=1, mode="mirror")
    house.consent([(f"c{n}", "granted") for n in range(200)])
    house.want(people(1, 2))
    return house


def test_a_server_with_another_key_gets_nothing(
    house: House, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = asyncssh.generate_private_key("ssh-ed25519").export_public_key().decode()
    monkeypatch.setenv("KINSHIP_SFTP_HOST_KEY", other)
    with pytest.raises(AuthenticationError, match="another key than KINSHIP_SFTP_HOST_KEY"):
        run(house)
    assert server.uploads == []
    # several keys, in the form of ssh-keyscan
    scanned = f"# 127.0.0.1:22 SSH-2.0\n127.0.0.1 {other}127.0.0.1 {server.environment['KINSHIP_SFTP_HOST_KEY']}"
    monkeypatch.setenv("KINSHIP_SFTP_HOST_KEY", scanned)
    assert run(house).added == 2


@pytest.mark.parametrize("form", ["text", "file", "encrypted"])
def test_a_private_key_logs_in(
    house: House, server: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path, form: str
) -> None:
    monkeypatch.delenv("KINSHIP_SFTP_PASSWORD")
    passphrase = "open" if form == "encrypted" else None
    key = server.user_key.export_private_key("pkcs8-pem" if passphrase else "openssh", passphrase).decode()
    if form == "file":
        (tmp_path / "key").write_text(key)
        key = str(tmp_path / "key")
    monkeypatch.setenv("KINSHIP_SFTP_PRIVATE_KEY", key)
    if passphrase:
        with pytest.raises(ConfigurationError, match="KINSHIP_SFTP_PASSPHRASE"):
            run(house)
        monkeypatch.setenv("KINSHIP_SFTP_PASSPHRASE", passphrase)
    assert run(house).added == 2


def test_the_keys_and_settings_of_the_home_are_not_used(
    house: House, server: SftpServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    home = tmp_path / "home" / ".ssh"
    home.mkdir(parents=True)
    server.user_key.write_private_key(str(home / "id_ed25519"))
    (home / "config").write_text("Host *\n  Port 9\n")
    monkeypatch.setenv("HOME", str(home.parent))
    assert run(house).added == 2
    monkeypatch.setenv("KINSHIP_SFTP_PASSWORD", "wrong")
    house.want(people(3))
    with pytest.raises(AuthenticationError):
        run(house)


@pytest.mark.parametrize(
    ("name", "value", "told"),
    [
        ("KINSHIP_SFTP_URL", "sftp://a:secret@h/x", "without a password"),
        ("KINSHIP_SFTP_URL", "sftp://h/x", "user@host"),
        ("KINSHIP_SFTP_URL", "ftp://a@h/x", "sftp://"),
        ("KINSHIP_SFTP_URL", "sftp://a@h:port/x", "sftp://"),
        ("KINSHIP_SFTP_HOST_KEY", "ssh-ed25519 nonsense", "no host key"),
        ("KINSHIP_SFTP_HOST_KEY", "", "half configured"),
        ("KINSHIP_SFTP_PASSWORD", "", "half configured"),
        ("KINSHIP_SFTP_PRIVATE_KEY", "/nonexistent", "cannot be read"),
        ("KINSHIP_SFTP_PRIVATE_KEY", "-----BEGIN nothing", "no private key"),
    ],
)
def test_what_is_configured_wrongly_is_named_without_its_value(
    house: House, server: SftpServer, monkeypatch: pytest.MonkeyPatch, name: str, value: str, told: str
) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(ConfigurationError) as problem:
        run(house)
    assert told in str(problem.value) and "secret" not in str(problem.value).replace(PASSWORD, "secret")


def test_a_file_appears_whole_and_is_never_opened_under_its_name(house: House, server: SftpServer) -> None:
    assert run(house).added == 2
    names = [Path(name).name for name in server.uploads]
    assert len(names) == 2 and all(name.startswith(".") and name.endswith(".part") for name in names)
    assert not [name for name in read_folder(server.folder) if name.endswith(".part")]


def test_a_server_that_cannot_overwrite_by_rename_is_served_too(house: House, server: SftpServer) -> None:
    server.can_overwrite = False
    run(house)
    # as after a run that was killed before it wrote its ledger
    shutil.rmtree(house.settings.ledger)
    assert run(house).added == 2
    assert len(read_folder(server.folder)) == 2


def test_files_of_others_stay(house: House, server: SftpServer) -> None:
    folder = server.folder / "drop" / "feed" / house.name
    folder.mkdir(parents=True)
    (folder / "theirs.csv").write_text("x")
    run(house)
    house.want([])
    run(house)
    assert (folder / "theirs.csv").read_text() == "x" and len(list(folder.iterdir())) == 5


def test_a_folder_that_cannot_be_made_is_said(house: House, server: SftpServer) -> None:
    (server.folder / "drop").write_text("a file is in the way")
    with pytest.raises(ConfigurationError, match="/drop/feed"):
        run(house)


def test_check_says_what_is_wrong(house: House, server: SftpServer, monkeypatch: pytest.MonkeyPatch) -> None:
    assert "the first run will make" in check_destination("sftp", house.sync).message
    run(house)
    assert "writes to /drop/feed" in check_destination("sftp", house.sync).message
    monkeypatch.setenv("KINSHIP_SFTP_URL", "sftp://kinship@127.0.0.1:9/drop")
    told = check_destination("sftp", house.sync)
    assert told.status == "failed" and "KINSHIP_SFTP_URL" in told.message


def test_connections_that_break_lose_nobody_and_leave_no_half_file(
    house: House, server: SftpServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    house.reload(options={"batch_size": 8})
    with Cutter(server.port, share=0.7, most=16_000, seed=3) as cutter:
        url = server.environment["KINSHIP_SFTP_URL"].replace(str(server.port), str(cutter.port))
        monkeypatch.setenv("KINSHIP_SFTP_URL", url)
        for step in range(2):
            rows = people(*range(step * 10, step * 10 + 24), firstname=f"v{step}")
            house.want(rows)
            for _ in range(20):
                if run(house).status == "done":
                    break
        cutter.share = 0
        run(house)
        assert cutter.cuts >= 2
    wanted = sorted((row["email"], row["firstname"]) for row in rows)
    # a half file may be left under its draft's name, and nobody reads that
    whole = {name: data for name, data in read_folder(server.folder).items() if not name.endswith(".part")}
    assert apply_feed(whole) == wanted


def test_openssh_is_served_as_well(house: House, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    program = shutil.which("sshd", path="/usr/sbin:/usr/bin")
    if program is None:
        pytest.skip("sshd is not installed (Debian: openssh-server)")
    host, user = (asyncssh.generate_private_key("ssh-ed25519") for _ in range(2))
    host.write_private_key(str(tmp_path / "host"))
    (tmp_path / "host").chmod(0o600)
    user.write_public_key(str(tmp_path / "authorized"))
    port = free_port()
    Path("/run/sshd").mkdir(exist_ok=True)
    settings = (
        f"Port {port}", "ListenAddress 127.0.0.1", f"HostKey {tmp_path}/host", "StrictModes no", "UsePAM no",
        f"AuthorizedKeysFile {tmp_path}/authorized", "Subsystem sftp internal-sftp", "PidFile none",
        "PermitRootLogin prohibit-password",
    )  # fmt: skip
    (tmp_path / "config").write_text("\n".join(settings) + "\n")
    with subprocess.Popen([program, "-D", "-e", "-f", tmp_path / "config"], stderr=subprocess.DEVNULL) as daemon:
        try:
            monkeypatch.setenv("KINSHIP_SFTP_URL", f"sftp://{getpass.getuser()}@127.0.0.1:{port}{tmp_path}/drop")
            monkeypatch.setenv("KINSHIP_SFTP_HOST_KEY", host.export_public_key().decode())
            monkeypatch.setenv("KINSHIP_SFTP_PRIVATE_KEY", user.export_private_key().decode())
            for _ in range(50):
                if check_destination("sftp", house.sync).status == "ok":
                    break
                time.sleep(0.1)
            assert run(house).added == 2
            shutil.rmtree(house.settings.ledger)
            assert run(house).added == 2
        finally:
            daemon.terminate()
    assert len(apply_feed(read_folder(tmp_path / "drop"))) == 2
