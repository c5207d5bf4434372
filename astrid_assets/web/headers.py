"""Headers of every answer: nothing from outside is loaded, nothing inline is run.

And nothing is kept by a browser or a proxy, unless the route says for how long: most
answers depend on who asks.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; "
    "connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
"""A name or a note that smuggles markup in finds nothing that would run it."""

HEADERS = [
    (b"content-security-policy", POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
]

UNLESS_SAID = (b"cache-control", b"no-store")


class SafeHeaders:
    """ASGI middleware that adds the security headers to every answer."""

    def __init__(self, app: ASGIApp) -> None:
        self.app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on; add the headers to what comes back."""

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                given = [*message["headers"]]
                is_said = any(name.lower() == UNLESS_SAID[0] for name, _ in given)
                message["headers"] = [*given, *HEADERS, *([] if is_said else [UNLESS_SAID])]
            await send(message)

        await self.app(scope, receive, send_with_headers)
