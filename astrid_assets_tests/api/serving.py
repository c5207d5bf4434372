"""The application on a real server in a thread, asked over real HTTP."""

from __future__ import annotations

import threading
import time
from contextlib import contextmanager
from typing import TYPE_CHECKING

import httpx

from astrid_assets.web.app import create_app
from astrid_assets.web.serving import server_of

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi import FastAPI

    from astrid_assets.web.serving import Patience
    from astrid_assets.web.settings import WebSettings

START_LIMIT_S = 20.0


@contextmanager
def served(
    settings: WebSettings, patience: Patience | None = None
) -> Iterator[tuple[str, FastAPI]]:
    """Serve an application on a free port; yields its address and itself."""
    app = create_app(settings)
    server = server_of(app, "127.0.0.1", 0, patience=patience, is_quiet=False)
    thread = threading.Thread(target=server.run, daemon=True)
    thread.start()
    give_up_at = time.monotonic() + START_LIMIT_S
    while not server.started:
        assert time.monotonic() < give_up_at, "the server did not start"
        time.sleep(0.01)
    port = server.servers[0].sockets[0].getsockname()[1]
    try:
        yield f"http://127.0.0.1:{port}", app
    finally:
        server.should_exit = True
        thread.join(START_LIMIT_S)


@contextmanager
def asked(settings: WebSettings) -> Iterator[httpx.Client]:
    """Serve an application and yield a client that talks to it."""
    # The first picture loads matplotlib, on a busy machine for longer than httpx waits.
    with served(settings) as (url, _), httpx.Client(base_url=url, timeout=60) as client:
        yield client
