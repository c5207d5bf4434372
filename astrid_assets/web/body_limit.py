"""No request brings more than it may: labels and forms are small."""

from __future__ import annotations

from typing import TYPE_CHECKING

from starlette.datastructures import Headers

from astrid_assets.web.problems import Problem

if TYPE_CHECKING:
    from starlette.types import ASGIApp, Message, Receive, Scope, Send

MAX_BODY_BYTES = 2**20


class BodyTooLarge(Exception):
    """More came than was announced; reading stops."""


class BodyLimit:
    """ASGI middleware: refuses large bodies before they are read into memory."""

    def __init__(self, app: ASGIApp, limit: int = MAX_BODY_BYTES) -> None:
        self.app = app
        self.limit = limit

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Pass the request on, or answer it with a problem."""
        if scope["type"] != "http":
            await self.app(scope, receive, send)
            return
        announced = Headers(scope=scope).get("content-length", "0")
        if not announced.isdigit() or int(announced) > self.limit:
            problem = Problem(
                413,
                f"a request brings {self.limit // 2**10} KiB at most; import files of "
                "labels with `astrid labels import`",
                code="too-large",
            )
            await problem.response()(scope, receive, send)
            return
        size = 0

        async def counted() -> Message:
            nonlocal size
            message = await receive()
            size += len(message.get("body", b""))
            if size > self.limit:
                raise BodyTooLarge
            return message

        await self.app(scope, counted, send)
