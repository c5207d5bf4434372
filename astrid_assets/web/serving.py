"""The HTTP server: who sends or takes nothing does not keep a connection.

uvicorn bounds the idle time after an answer (`timeout_keep_alive`) and the number of
requests at once; a request whose headers or body never end it awaits for ever. The
protocol here gives each phase of a connection a time limit. Where very many
connections wait at once, the one that waits longest is closed first: a request that
arrives in one piece never waits, so others are served meanwhile.
"""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass
from typing import TYPE_CHECKING, ClassVar, Literal

import uvicorn
from uvicorn.config import LOGGING_CONFIG
from uvicorn.protocols.http.h11_impl import H11Protocol

if TYPE_CHECKING:
    import asyncio

    from fastapi import FastAPI

MAX_AT_WORK = 512  # requests; with those that wait, files stay below the usual limit of 1024
MAX_HEADER_BYTES = 2**14  # a cookie, a token and a search fit in a fourth of it
SENTENCE = b"the request did not arrive in time; send it again\n"
TOO_SLOW = (
    b"HTTP/1.1 408 Request Timeout\r\nContent-Type: text/plain; charset=utf-8\r\n"
    b"Cache-Control: no-store\r\nConnection: close\r\n"
    b"Content-Length: %d\r\n\r\n%s" % (len(SENTENCE), SENTENCE)
)


@dataclass(frozen=True)
class Patience:
    """How long a connection may take for its part, and how many may wait at once."""

    headers_s: float = 10.0  # clients send them in one piece
    body_s: float = 20.0  # at most 1 MiB, so 50 kB/s; labels are far smaller
    reader_s: float = 60.0  # until 64 KiB of an answer are taken
    max_waiting: int = 200


Phase = Literal["headers", "body"]


class PatientProtocol(H11Protocol):
    """HTTP/1.1 with a time limit on headers, body, and the taking of an answer."""

    patience: ClassVar[Patience] = Patience()
    waiting: ClassVar[OrderedDict[PatientProtocol, None]] = OrderedDict()
    """Those that wait for their client, the longest first; each server has its own."""

    _phase: tuple[Phase, object] | None = None
    _timer: asyncio.TimerHandle | None = None
    _reader_timer: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        """Await the headers of the first request."""
        super().connection_made(transport)
        self._watch()

    def connection_lost(self, exc: Exception | None) -> None:
        """Stop all timers."""
        self._stop_waiting()
        self._stop_reader_timer()
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        """Await what is still missing."""
        super().data_received(data)
        self._watch()

    def on_response_complete(self) -> None:
        """Await the next request."""
        super().on_response_complete()
        self._watch()

    def pause_writing(self) -> None:
        """Await that the client takes what was sent."""
        super().pause_writing()
        self._stop_reader_timer()
        self._reader_timer = self.loop.call_later(self.patience.reader_s, self.transport.abort)

    def resume_writing(self) -> None:
        """Go on sending."""
        self._stop_reader_timer()
        super().resume_writing()

    def _watch(self) -> None:
        phase = self._missing()
        if phase == self._phase:
            return  # a byte now and then buys no time
        self._stop_waiting()
        if phase is None or self.transport.is_closing():
            return
        self._phase = phase
        limit_s = self.patience.headers_s if phase[0] == "headers" else self.patience.body_s
        self._timer = self.loop.call_later(limit_s, self.give_up)
        self.waiting[self] = None
        if len(self.waiting) > self.patience.max_waiting:
            next(iter(self.waiting)).give_up()

    def _missing(self) -> tuple[Phase, object] | None:
        """Return what the client has to send, of which request; None while we work."""
        if self.cycle is None or self.cycle.response_complete:
            return "headers", self.cycle
        return ("body", self.cycle) if self.cycle.more_body else None

    def give_up(self) -> None:
        """Close the connection; with 408 where a part of a request had come."""
        phase = self._phase
        self._stop_waiting()
        if phase is None or self.transport.is_closing():
            return
        is_answered = phase[0] == "body" and self.cycle.response_started
        if is_answered:
            self.transport.abort()
            return
        if phase[0] == "body" or self.conn.trailing_data[0]:
            self.transport.write(TOO_SLOW)
        self.transport.close()

    def _stop_waiting(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._phase = None
        self.waiting.pop(self, None)

    def _stop_reader_timer(self) -> None:
        if self._reader_timer is not None:
            self._reader_timer.cancel()
        self._reader_timer = None


def server_of(
    app: FastAPI, host: str, port: int, *, patience: Patience | None = None, is_quiet: bool = True
) -> uvicorn.Server:
    """Return the server of an application, not started.

    Parameters
    ----------
    port
        0: a free one.
    patience
        None: the usual time limits.
    is_quiet
        False: requests are logged too, by the loggers as they are.
    """

    class OfThisServer(PatientProtocol):
        waiting: ClassVar[OrderedDict[PatientProtocol, None]] = OrderedDict()

    OfThisServer.patience = patience or Patience()
    config = uvicorn.Config(
        app,
        host=host,
        port=port,
        http=OfThisServer,
        ws="none",
        limit_concurrency=MAX_AT_WORK,
        h11_max_incomplete_event_size=MAX_HEADER_BYTES,
        log_config=LOGGING_CONFIG if is_quiet else None,
        log_level="warning" if is_quiet else None,
        access_log=not is_quiet,
        server_header=False,
    )
    return uvicorn.Server(config)
