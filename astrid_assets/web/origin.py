"""Where requests come from: other sites may not write, borrowed names get nothing.

A browser marks what another site makes it send (fetch metadata, else Origin); such
requests are refused unless they only read. On the loopback address host names with a
dot are refused: they are somebody's domain that was pointed at this machine.

References
----------
OWASP, Cross-Site Request Forgery Prevention Cheat Sheet (fetch metadata).
"""

from __future__ import annotations

import ipaddress
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from starlette.datastructures import Headers

from astrid_assets.web.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Receive, Scope, Send

SAFE_METHODS = frozenset({"GET", "HEAD", "OPTIONS"})
PREFIX_OF_A_CLIENT = 64  # bits of an IPv6 address


class SameOrigin:
    """ASGI middleware: refuses other sites' writes and borrowed host names."""

    def __init__(self, app: ASGIApp, *, hosts: tuple[str, ...], loopback: bool) -> None:
        self.app = app
        self.hosts = hosts
        self.loopback = loopback

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        if not self._host_is_ours(headers.get("host", "")):
            problem = Problem(
                400,
                "this server does not answer to that host name; list it in "
                "ASTRID_WEB_HOSTS when a proxy uses it",
                code="wrong-host",
            )
            await problem.response()(scope, receive, send)
            return
        if scope["method"] not in SAFE_METHODS and _is_foreign(headers):
            problem = Problem(
                403,
                "another site sent this request; nothing was changed",
                code="cross-site",
            )
            await problem.response()(scope, receive, send)
            return
        await self.app(scope, receive, send)

    def _host_is_ours(self, host: str) -> bool:
        name = _host_name(host)
        if name in self.hosts:
            return True
        if self.hosts and not self.loopback:
            return False
        return not self.loopback or "." not in name or _is_address(name)


def _is_foreign(headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site not in {"same-origin", "none"}
    origin = headers.get("origin")
    return origin is not None and urlsplit(origin).netloc != headers.get("host")


def _host_name(host: str) -> str:
    if host.startswith("["):
        return host[1:].partition("]")[0].lower()
    return host.partition(":")[0].lower().rstrip(".")


def _is_address(name: str) -> bool:
    try:
        ipaddress.ip_address(name)
    except ValueError:
        return False
    return True


def network_of(address: str) -> str:
    """Return what is counted as one client: an IPv4 address, or an IPv6 network.

    A household or a server is given a whole /64 of IPv6 addresses.
    """
    if not _is_address(address):
        return address
    found = ipaddress.ip_address(address)
    if isinstance(found, ipaddress.IPv4Address):
        return str(found)
    if found.ipv4_mapped is not None:
        return str(found.ipv4_mapped)
    return str(ipaddress.IPv6Network((int(found), PREFIX_OF_A_CLIENT), strict=False))


def is_loopback(address: str) -> bool:
    """Return whether a client's address is this machine's own."""
    # A test client has a name for an address.
    return not _is_address(address) or ipaddress.ip_address(address).is_loopback
