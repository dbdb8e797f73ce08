"""Addresses on the public internet, and a connection that goes nowhere else.

A URL that people configure (a webhook) must not reach into the network the program runs in: a cloud's metadata service,
a database on loopback. A name is therefore resolved here and the very address that was checked is connected to, so that
a second answer of the name server cannot lead elsewhere (DNS rebinding). Proxies are not used: one would resolve
the name out of our sight.

Ranges by IANA's special-purpose registries (RFC 6890 and its updates); Python's `is_global` alone takes multicast, the
IPv4-compatible range and, by its version, NAT64 and 6to4 for public.
"""

import asyncio
import ipaddress
import socket
from collections.abc import Iterable
from dataclasses import dataclass

import httpcore
import httpx

from reverse_etl.errors import ConfigurationError
from reverse_etl.http import certificates

Address = ipaddress.IPv4Address | ipaddress.IPv6Address
Network = ipaddress.IPv4Network | ipaddress.IPv6Network

_UNICAST = ipaddress.IPv6Network("2000::/3")
"""All IPv6 space that was ever given out for the public (RFC 4291)."""
_NAT64 = ipaddress.IPv6Network("64:ff9b::/96")
"""The last 32 bits are the IPv4 address that a gateway goes on to (RFC 6052)."""
_TUNNELS = (
    ipaddress.IPv4Network("192.88.99.0/24"),  # relays of 6to4
    ipaddress.IPv6Network("2001::/23"),  # Teredo, ORCHID, benchmarks
    ipaddress.IPv6Network("2002::/16"),  # 6to4
    ipaddress.IPv6Network("3fff::/20"),  # documentation; younger than some Pythons
)


def is_public(address: Address) -> bool:
    """Whether an address is one of the public internet's, also when it is written within another one."""
    if isinstance(address, ipaddress.IPv6Address):
        if address.ipv4_mapped is not None:
            return is_public(address.ipv4_mapped)
        if address in _NAT64:
            return is_public(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
        if address not in _UNICAST:
            return False
    return address.is_global and not address.is_multicast and not any(address in network for network in _TUNNELS)


@dataclass(frozen=True)
class Allowed:
    """What may be reached although it is not public: hosts by name, networks by their addresses."""

    hosts: frozenset[str] = frozenset()
    networks: tuple[Network, ...] = ()

    @classmethod
    def parse(cls, text: str, source: str) -> "Allowed":
        """A list with commas of hosts, addresses and networks; ConfigurationError names its `source`."""
        hosts, networks = set(), []
        for entry in filter(None, (part.strip().lower() for part in text.split(","))):
            try:
                networks.append(ipaddress.ip_network(entry.strip("[]"), strict=False))
            except ValueError:
                if "/" in entry or ":" in entry:
                    raise ConfigurationError(
                        f"{source}: {entry!r} is neither a host, nor an address, nor a network such as 10.1.0.0/16"
                    ) from None
                hosts.add(entry.rstrip("."))
        return cls(frozenset(hosts), tuple(networks))

    def permits(self, host: str, address: Address) -> bool:
        """Whether this address may be connected to when the URL says `host`."""
        mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
        return (
            is_public(address)
            or host.lower().rstrip(".") in self.hosts
            or any((mapped or address) in network for network in self.networks)
        )


class CheckedBackend(httpcore.AsyncNetworkBackend):
    """Connections to addresses that `allowed` permits; `hint` says in the error how to permit one."""

    def __init__(self, allowed: Allowed, hint: str) -> None:
        self._allowed = allowed
        self._hint = hint
        self._plain = httpcore.AnyIOBackend()

    async def connect_tcp(
        self,
        host: str,
        port: int,
        timeout: float | None = None,
        local_address: str | None = None,
        socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None,
    ) -> httpcore.AsyncNetworkStream:
        addresses = await self.resolve(host, port, timeout)
        permitted = [address for address in addresses if self._allowed.permits(host, address)]
        if not permitted:
            raise ConfigurationError(
                f"{host} leads to {addresses[0]}, which is no address of the public internet; {self._hint}"
            )
        for address in permitted[:-1]:
            try:
                return await self._plain.connect_tcp(str(address), port, timeout, local_address, socket_options)
            except (httpcore.ConnectError, httpcore.ConnectTimeout):
                continue
        return await self._plain.connect_tcp(str(permitted[-1]), port, timeout, local_address, socket_options)

    async def resolve(self, host: str, port: int, timeout: float | None) -> list[Address]:
        """Every address of the host, in the order of the system's resolver."""
        loop = asyncio.get_running_loop()
        try:
            async with asyncio.timeout(timeout):
                answers = await loop.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        except TimeoutError:
            raise httpcore.ConnectTimeout("the name was not resolved in time") from None
        except (OSError, UnicodeError):
            raise httpcore.ConnectError("the name was not resolved") from None
        return [ipaddress.ip_address(answer[4][0]) for answer in answers]

    async def connect_unix_socket(
        self, path: str, timeout: float | None = None, socket_options: Iterable[httpcore.SOCKET_OPTION] | None = None
    ) -> httpcore.AsyncNetworkStream:
        raise ConfigurationError("a socket of this machine is not on the public internet")

    async def sleep(self, seconds: float) -> None:
        await self._plain.sleep(seconds)


def checked_transport(allowed: Allowed, hint: str, connections: int) -> httpx.AsyncHTTPTransport:
    """A transport for httpx that keeps up to so many connections, each to an address that was checked."""
    transport = httpx.AsyncHTTPTransport(verify=certificates())
    # httpx has no argument for httpcore's network backend; the test of rebinding fails if this attribute moves
    transport._pool = httpcore.AsyncConnectionPool(
        ssl_context=certificates(),
        max_connections=connections,
        max_keepalive_connections=connections,
        keepalive_expiry=30.0,
        network_backend=CheckedBackend(allowed, hint),
    )
    return transport
