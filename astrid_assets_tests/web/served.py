"""The application on a real port, which can be lost and come back."""

from __future__ import annotations

import socket
import threading
import time
from typing import TYPE_CHECKING

from astrid_assets.web.app import create_app
from astrid_assets.web.serving import server_of

if TYPE_CHECKING:
    import uvicorn

    from astrid_assets.web.settings import WebSettings

START_S = 30.0


class Served:
    """Serves one home folder; `stop` and `start` as often as a test likes."""

    def __init__(self, settings: WebSettings) -> None:
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            self.port = probe.getsockname()[1]
        self.settings = settings
        self.url = f"http://127.0.0.1:{self.port}"
        self._server: uvicorn.Server | None = None
        self._thread: threading.Thread | None = None

    def start(self) -> None:
        """Listen, and return once it answers."""
        self._server = server_of(create_app(self.settings), "127.0.0.1", self.port)
        self._thread = threading.Thread(target=self._server.run, daemon=True)
        self._thread.start()
        deadline = time.monotonic() + START_S
        while not self._server.started:
            assert time.monotonic() < deadline, "the server did not start"
            time.sleep(0.02)

    def stop(self) -> None:
        """Stop listening; what was open is cut off."""
        if self._server is None or self._thread is None:
            return
        self._server.should_exit = True
        self._server.force_exit = True
        self._thread.join(START_S)
        self._server = self._thread = None
