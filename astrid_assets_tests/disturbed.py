"""Servers in front of the real ones that disturb what passes: cut, slow, refused, flipped."""

from __future__ import annotations

import http.client
import select
import socket
import threading
import time
from contextlib import contextmanager, suppress
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

if TYPE_CHECKING:
    from collections.abc import Iterator

CHUNK = 65536


class Cable:
    """A TCP connection to a server's socket, which breaks where it is told to.

    Parameters
    ----------
    socket_path
        The server's Unix socket.
    """

    def __init__(self, socket_path: str) -> None:
        self.socket_path = socket_path
        self.breaks_at: bytes | None = None
        """Words of a client at which the cable breaks, for good until `mend`."""
        self.is_broken = False
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port = self._listener.getsockname()[1]
        threading.Thread(target=self._accept, daemon=True).start()

    def mend(self) -> None:
        """Let everything through again."""
        self.breaks_at, self.is_broken = None, False

    def close(self) -> None:
        """Take no more connections."""
        self._listener.close()

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                threading.Thread(target=self._carry, args=(client,), daemon=True).start()

    def _carry(self, client: socket.socket) -> None:
        with client, socket.socket(socket.AF_UNIX) as server, suppress(OSError):
            if self.is_broken:
                return
            server.connect(self.socket_path)
            while not self.is_broken:
                ready, _, _ = select.select([client, server], [], [], 0.05)
                for side in ready:
                    sent = side.recv(CHUNK)
                    if side is client and self.breaks_at and self.breaks_at in sent:
                        self.is_broken = True
                    if not sent or self.is_broken:
                        return
                    (server if side is client else client).sendall(sent)


class Disturbance:
    """What a `disturbed_server` does to the requests for some objects."""

    def __init__(self, endpoint: str) -> None:
        self.endpoint = endpoint
        self.kind = "none"
        """``none``, ``refused`` (403), ``failing`` (500), ``slow`` or ``flipped``."""
        self.part = "/"
        """What the path of a disturbed request contains."""
        self.method = "GET"
        self.slow_s = 3.0

    def concerns(self, method: str, path: str) -> bool:
        """Return whether a request is disturbed."""
        return self.kind != "none" and method == self.method and self.part in path


@contextmanager
def disturbed_server(upstream: str) -> Iterator[Disturbance]:
    """Serve what another HTTP server serves, disturbed as the yielded object says."""
    host = urlsplit(upstream).netloc

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def forward(self) -> None:
            length = int(self.headers.get("Content-Length") or 0)
            body = self.rfile.read(length)
            concerned = disturbance.concerns(self.command, self.path)
            if concerned and disturbance.kind in {"refused", "failing"}:
                self.answer(*REFUSALS[disturbance.kind])
                return
            connection = http.client.HTTPConnection(host)
            connection.request(self.command, self.path, body, dict(self.headers.items()))
            answer = connection.getresponse()
            content = answer.read()
            if concerned and disturbance.kind == "slow":
                time.sleep(disturbance.slow_s)
            if concerned and disturbance.kind == "flipped" and content:
                middle = len(content) // 2
                content = content[:middle] + bytes([content[middle] ^ 1]) + content[middle + 1 :]
            self.answer(answer.status, content, answer.getheaders())

        def answer(
            self, status: int, content: bytes, headers: list[tuple[str, str]] | None = None
        ) -> None:
            self.send_response(status)
            given = {name.lower(): value for name, value in headers or []}
            length = given.pop("content-length", str(len(content)))
            for name in ("transfer-encoding", "connection", "date", "server"):
                given.pop(name, None)
            for name, value in given.items():
                self.send_header(name, value)
            # Of a HEAD request the length is that of the object, with nothing sent.
            self.send_header(
                "Content-Length", length if self.command == "HEAD" else str(len(content))
            )
            self.end_headers()
            with suppress(OSError):
                self.wfile.write(content)

        do_GET = do_PUT = do_HEAD = do_POST = do_DELETE = forward  # noqa: N815  http.server's names

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002
            """Keep the terminal quiet."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    server.daemon_threads = True
    disturbance = Disturbance(f"http://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield disturbance
    server.shutdown()
    server.server_close()


REFUSALS = {
    "refused": (403, b"<Error><Code>AccessDenied</Code></Error>"),
    "failing": (500, b"<Error><Code>InternalError</Code></Error>"),
}
