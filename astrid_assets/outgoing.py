"""Requests to addresses that users gave: only public ones, none of the own network.

The address of a webhook or an archive may point at this machine, at its network, or at
the service that hands out a cloud's credentials (169.254.169.254), by number, by name
or by a redirect. So each connection looks at the numeric address that it connects to,
after the name was resolved; a redirect is a connection like any other. Hosts that are
inside on purpose are named in ASTRID_INTERNAL_HOSTS.

Where a proxy makes the connections, only the name can be looked at beforehand.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
from typing import TYPE_CHECKING
from urllib import request as urllib_request
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Collection
    from urllib.request import OpenerDirector, Request

NAT64 = ipaddress.IPv6Network("64:ff9b::/96")


class InternalAddress(ValueError):
    """A request that would go to this machine or its network."""

    def __init__(self, host: str, address: str) -> None:
        super().__init__(
            f"{host} is {address}, an address of this machine or its network; only public "
            "ones are asked, unless ASTRID_INTERNAL_HOSTS names the host"
        )


def outgoing(internal_hosts: Collection[str] = ()) -> OpenerDirector:
    """Return what opens http and https addresses; anything else is an URLError.

    Its ``open`` raises `InternalAddress` for a host that is inside.

    Parameters
    ----------
    internal_hosts
        Host names and addresses, in small letters, that may be inside.
    """
    opener = urllib_request.OpenerDirector()
    for handler in (
        urllib_request.ProxyHandler(),
        urllib_request.UnknownHandler(),
        _Plain(internal_hosts),
        _Secure(internal_hosts),
        urllib_request.HTTPDefaultErrorHandler(),
        urllib_request.HTTPRedirectHandler(),
        urllib_request.HTTPErrorProcessor(),
    ):
        opener.add_handler(handler)
    return opener


def is_public(address: str) -> bool:
    """Return whether a numeric address is one of the internet, not of a machine or network."""
    found = ipaddress.ip_address(address.partition("%")[0])
    if isinstance(found, ipaddress.IPv6Address):
        embedded = _embedded(found)
        if embedded is None:
            return found.is_global and not (
                found.is_multicast or found.is_reserved or found.is_site_local
            )
        found = embedded
    return found.is_global and not (found.is_multicast or found.is_reserved)


def _embedded(address: ipaddress.IPv6Address) -> ipaddress.IPv4Address | None:
    """Return the IPv4 address that an IPv6 address stands for, if any."""
    if address in NAT64:
        return ipaddress.IPv4Address(int(address) & 0xFFFFFFFF)
    teredo = address.teredo
    return address.ipv4_mapped or address.sixtofour or (teredo[1] if teredo else None)


class _Plain(urllib_request.HTTPHandler):
    def __init__(self, internal_hosts: Collection[str]) -> None:
        super().__init__()
        self._internal_hosts = internal_hosts

    def http_open(self, req: Request) -> http.client.HTTPResponse:
        if _goes_by_proxy(req):
            _look_at_the_name(req, self._internal_hosts)
            return self.do_open(http.client.HTTPConnection, req)

        class Connection(_PlainConnection):
            internal_hosts = self._internal_hosts

        return self.do_open(Connection, req)


class _Secure(urllib_request.HTTPSHandler):
    def __init__(self, internal_hosts: Collection[str]) -> None:
        super().__init__()
        self._internal_hosts = internal_hosts

    def https_open(self, req: Request) -> http.client.HTTPResponse:
        if _goes_by_proxy(req):
            _look_at_the_name(req, self._internal_hosts)
            return self.do_open(http.client.HTTPSConnection, req)

        class Connection(_SecureConnection):
            internal_hosts = self._internal_hosts

        return self.do_open(Connection, req)


class _PlainConnection(http.client.HTTPConnection):
    internal_hosts: Collection[str] = ()

    def connect(self) -> None:
        self.sock = _connected(self.host, self.port, self.timeout, self.internal_hosts)


class _SecureConnection(http.client.HTTPSConnection):
    internal_hosts: Collection[str] = ()

    def connect(self) -> None:
        plain = _connected(self.host, self.port, self.timeout, self.internal_hosts)
        context = ssl.create_default_context()
        self.sock = context.wrap_socket(plain, server_hostname=self.host)


def _connected(
    host: str, port: int, timeout: float | None, internal_hosts: Collection[str]
) -> socket.socket:
    """Resolve a name once, and connect to an address that was looked at."""
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    _refuse_inside(host, [str(where[0]) for *_, where in found], internal_hosts)
    problem: OSError | None = None
    for family, kind, protocol, _, where in found:
        made = socket.socket(family, kind, protocol)
        try:
            made.settimeout(timeout)
            made.connect(where)
        except OSError as error:
            made.close()
            problem = error
        else:
            return made
    raise problem or OSError(f"{host} has no address")


def _look_at_the_name(request: Request, internal_hosts: Collection[str]) -> None:
    host = urlsplit(request.full_url).hostname or ""
    with contextlib.suppress(socket.gaierror):  # the proxy may know more names
        found = socket.getaddrinfo(host, None, type=socket.SOCK_STREAM)
        _refuse_inside(host, [str(where[0]) for *_, where in found], internal_hosts)


def _refuse_inside(host: str, addresses: list[str], internal_hosts: Collection[str]) -> None:
    if host.strip("[]").rstrip(".").lower() in internal_hosts:
        return
    for address in addresses:
        if not is_public(address):
            raise InternalAddress(host, address)


def _goes_by_proxy(request: Request) -> bool:
    parts = urlsplit(request.full_url)
    is_set = bool(urllib_request.getproxies().get(parts.scheme))
    return is_set and not urllib_request.proxy_bypass(parts.netloc)
