"""Where a webhook may lead: the public internet, and what is allowed by name."""

import asyncio
import ipaddress
import re
import socket
import ssl
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpcore
import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from servers.webhook import Receiver

from reverse_etl import ConfigurationError
from reverse_etl.addresses import Allowed, checked_transport, is_public

FORBIDDEN = re.findall(
    r"\S+",
    """
127.0.0.1 127.8.9.10 0.0.0.0 0.1.2.3 10.0.0.1 172.16.0.1 172.31.255.255 192.168.1.1 169.254.169.254 100.64.0.1
100.127.255.255 192.0.0.1 192.0.2.1 198.18.0.1 198.51.100.1 203.0.113.1 192.88.99.1 224.0.0.1 239.255.255.255 240.0.0.1
255.255.255.255
:: ::1 ::7f00:1 ::ffff:127.0.0.1 ::ffff:10.0.0.1 ::ffff:169.254.169.254 64:ff9b::7f00:1 64:ff9b::a9fe:a9fe
64:ff9b::10.0.0.1 64:ff9b:1::1 100::1 2001::1 2001:db8::1 2002:7f00:1:: 2002:5db8:d70e:: 3fff::1 5f00::1 fc00::1
fd00:ec2::254 fe80::1 fe80::1%eth0 fec0::1 ff02::1 ff0e::1
""",
)
PUBLIC = re.findall(
    r"\S+",
    """
1.1.1.1 9.9.9.9 93.184.215.14 172.32.0.1 100.128.0.1 192.0.1.1 198.20.0.1 223.255.255.255 2606:4700::1111 2a00:1450::1
::ffff:1.1.1.1 64:ff9b::1.1.1.1
""",
)


@pytest.mark.parametrize("address", FORBIDDEN)
def test_no_address_of_a_private_network_is_public(address: str) -> None:
    assert not is_public(ipaddress.ip_address(address))


@pytest.mark.parametrize("address", PUBLIC)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(ipaddress.ip_address(address))


def test_what_is_allowed_is_allowed_by_host_or_network_and_nothing_else() -> None:
    allowed = Allowed.parse("hooks.internal, 10.1.0.0/16,192.168.7.7, [fd00::]/8".replace("[fd00::]", "fd00::"), "X")
    private = ipaddress.ip_address("10.9.9.9")
    assert allowed.permits("HOOKS.internal.", private)
    assert not allowed.permits("other.internal", private)
    assert not allowed.permits("hooks.internal.example.com", private)
    for address in ("10.1.2.3", "192.168.7.7", "fd00::1", "::ffff:10.1.2.3"):
        assert allowed.permits("x", ipaddress.ip_address(address))
    for address in ("10.2.0.1", "192.168.7.8", "fe80::1", "127.0.0.1"):
        assert not allowed.permits("x", ipaddress.ip_address(address))


def test_an_entry_that_is_nothing_is_named() -> None:
    with pytest.raises(ConfigurationError, match=r"X: '10\.0\.0\.0/99'"):
        Allowed.parse("a, 10.0.0.0/99", "X")


def post(url: str, allowed: str = "") -> httpx.Response:
    async def call() -> httpx.Response:
        transport = checked_transport(Allowed.parse(allowed, "X"), "name it in X", 2)
        async with httpx.AsyncClient(transport=transport, timeout=2) as client:
            return await client.post(url, content=b"[]")

    return asyncio.run(call())


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "127.1", "2130706433", "0x7f000001", "[::ffff:127.0.0.1]"])
def test_loopback_is_not_reached_in_any_spelling(host: str) -> None:
    with Receiver() as server:
        port = server.url.rpartition(":")[2]
        with pytest.raises(ConfigurationError, match="name it in X"):
            post(f"http://{host}:{port}/")
        assert server.calls == 0


def test_loopback_is_reached_when_it_is_allowed() -> None:
    with Receiver() as server:
        assert post(server.url, "127.0.0.0/8").status_code == 401
        assert post(server.url.replace("127.0.0.1", "localhost"), "localhost").status_code == 401


def test_the_address_that_was_checked_is_the_one_connected_to(monkeypatch: pytest.MonkeyPatch) -> None:
    """DNS rebinding: the name server says a public address first, and a private one when it is asked again."""
    answers = iter(["93.184.215.14", "127.0.0.1", "127.0.0.1", "127.0.0.1"])
    asked: list[str] = []
    connected: list[str] = []

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        asked.append(host)
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (next(answers), port))]

    async def connect(self: Any, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise httpcore.ConnectError

    with Receiver() as server:
        url = server.url.replace("127.0.0.1", "rebinding.example")
        monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
        with monkeypatch.context() as patch:
            patch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
            with pytest.raises(httpx.ConnectError):
                post(url)
        assert (asked, connected) == (["rebinding.example"], ["93.184.215.14"])
        with pytest.raises(ConfigurationError, match=r"rebinding\.example leads to 127\.0\.0\.1"):
            post(url)
        assert server.calls == 0
        # the same server is reached when it may be: nothing else kept us away
        assert post(url, "rebinding.example").status_code == 401


def test_a_name_that_leads_to_both_kinds_is_reached_by_the_public_one(monkeypatch: pytest.MonkeyPatch) -> None:
    connected: list[str] = []

    async def connect(self: Any, host: str, *_: Any, **__: Any) -> Any:
        connected.append(host)
        raise httpcore.ConnectError

    def getaddrinfo(host: str, port: int, *_: Any, **__: Any) -> list[Any]:
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (ip, port)) for ip in ("10.0.0.1", "1.1.1.1", "9.9.9.9")]

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    monkeypatch.setattr(httpcore.AnyIOBackend, "connect_tcp", connect)
    with pytest.raises(httpx.ConnectError):
        post("http://both.example/")
    assert connected == ["1.1.1.1", "9.9.9.9"]


def test_https_is_verified_against_the_name_although_the_address_is_connected_to(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    certificate = self_signed("hooks.example", tmp_path)
    trusting = ssl.create_default_context(cafile=str(certificate))
    monkeypatch.setattr("reverse_etl.addresses.certificates", lambda: trusting)
    serving = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    serving.load_cert_chain(certificate)
    plain = socket.getaddrinfo

    def getaddrinfo(host: Any, *more: Any, **options: Any) -> Any:
        return plain("127.0.0.1" if str(host).endswith(".example") else host, *more, **options)

    monkeypatch.setattr(socket, "getaddrinfo", getaddrinfo)
    with Receiver() as server:
        server._server.socket = serving.wrap_socket(server._server.socket, server_side=True)
        port = server.url.rpartition(":")[2]
        assert post(f"https://hooks.example:{port}/", "127.0.0.1").status_code == 401
        with pytest.raises(httpx.ConnectError, match="CERTIFICATE_VERIFY_FAILED"):
            post(f"https://other.example:{port}/", "127.0.0.1")


def self_signed(name: str, folder: Path) -> Path:
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    (folder / "certificate.pem").write_bytes(certificate.public_bytes(Encoding.PEM) + private)
    return folder / "certificate.pem"
