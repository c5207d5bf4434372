"""Requests that are never finished: others are served, and they are closed in time."""

from __future__ import annotations

import os
import select
import signal
import socket
import subprocess
import sys
import time
from contextlib import ExitStack, contextmanager
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

import httpx
import pytest

from astrid_assets.cli.children import port_is_free
from astrid_assets.web.serving import MAX_HEADER_BYTES, Patience
from astrid_assets_tests.api.serving import START_LIMIT_S, served

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from astrid_assets.web.settings import WebSettings
    from astrid_assets_tests.small_sky import SmallSky

pytestmark = pytest.mark.slow

N_HALF_SENT = 300
USUAL = Patience()
SHORT = Patience(headers_s=0.6, body_s=1.2, reader_s=1.0, max_waiting=1000)
MARGIN_S = 4.0  # machines that run other tests beside this one

HALF_HEADERS = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Half"
HALF_BODY = (
    b"POST /queues/next HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Type: application/json\r\n"
    b'Content-Length: 100000\r\n\r\n{"count"'
)
HALF_CHUNK = HALF_BODY.replace(b"Content-Length: 100000", b"Transfer-Encoding: chunked").replace(
    b'{"count"', b'8\r\n{"count"\r\n'
)
NOTHING = b""


def half_sent(url: str, sent: bytes) -> socket.socket:
    """Open a connection and send the beginning of a request."""
    parts = urlsplit(url)
    assert parts.hostname
    assert parts.port
    made = socket.create_connection((parts.hostname, parts.port), timeout=10)
    made.sendall(sent)
    return made


def answers_until_closed(sockets: list[socket.socket], limit_s: float) -> list[bytes]:
    """Read until the server has closed all; fails where it does not within the limit."""
    waiting, answers = set(sockets), dict.fromkeys(sockets, b"")
    give_up_at = time.monotonic() + limit_s
    while waiting:
        assert time.monotonic() < give_up_at, f"{len(waiting)} are still open"
        for ready in select.select(list(waiting), [], [], 0.1)[0]:
            try:
                piece = ready.recv(4096)
            except ConnectionResetError:
                piece = b""
            answers[ready] += piece
            if not piece:
                waiting.discard(ready)
    return list(answers.values())


@contextmanager
def program(home: Path) -> Iterator[str]:
    """Run `astrid review` as its users do; yields its address."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = probe.getsockname()[1]
    code = "from astrid_assets.cli.main import main; main()"
    command = [sys.executable, "-c", code, "review", "--port", str(port)]
    process = subprocess.Popen(command, env={**os.environ, "ASTRID_HOME": str(home)})
    try:
        give_up_at = time.monotonic() + 3 * START_LIMIT_S
        while port_is_free(port):
            assert process.poll() is None, "the server ended"
            assert time.monotonic() < give_up_at, "the server did not start"
            time.sleep(0.05)
        yield f"http://127.0.0.1:{port}"
    finally:
        process.send_signal(signal.SIGINT)
        process.wait(START_LIMIT_S)


def test_300_half_sent_requests_hinder_nobody_and_are_closed(tmp_path: Path) -> None:
    with program(tmp_path) as url, ExitStack() as opened, httpx.Client(base_url=url) as client:
        assert client.get("/health").status_code == 200
        kinds = (HALF_HEADERS, HALF_BODY, HALF_CHUNK, NOTHING)
        begun = time.monotonic()
        sockets = [
            opened.enter_context(half_sent(url, kinds[n % len(kinds)])) for n in range(N_HALF_SENT)
        ]
        slowest = 0.0
        for _ in range(10):
            with httpx.Client(base_url=url) as somebody_else:
                asked_at = time.monotonic()
                assert somebody_else.get("/health").status_code == 200
                slowest = max(slowest, time.monotonic() - asked_at)
        assert slowest < 2.0
        longest = max(USUAL.headers_s, USUAL.body_s)
        left = longest + MARGIN_S - (time.monotonic() - begun)
        answers = answers_until_closed(sockets, left)
        for number, answer in enumerate(answers):
            if kinds[number % len(kinds)] == NOTHING:
                assert answer == b""
            else:
                assert answer.startswith(b"HTTP/1.1 408 Request Timeout\r\n")
                assert b"did not arrive in time" in answer
        assert client.get("/health").status_code == 200


@pytest.mark.parametrize(
    ("sent", "limit_s"),
    [
        (NOTHING, SHORT.headers_s),
        (HALF_HEADERS, SHORT.headers_s),
        (HALF_BODY, SHORT.body_s),
        (HALF_CHUNK, SHORT.body_s),
    ],
)
def test_a_byte_now_and_then_buys_no_time(
    settings: WebSettings, sky: SmallSky, sent: bytes, limit_s: float
) -> None:
    del sky
    with served(settings, SHORT) as (url, _), half_sent(url, sent) as dripping:
        begun = time.monotonic()
        dripping.settimeout(0.05)
        closed = False
        while not closed and time.monotonic() < begun + limit_s + MARGIN_S:
            try:
                dripping.sendall(b"1" if sent != HALF_CHUNK else b"1\r\nx\r\n")
                closed = bool(dripping.recv(4096))
            except TimeoutError:
                continue
            except OSError:
                closed = True
        assert closed
        assert time.monotonic() - begun >= 0.8 * limit_s


def test_the_second_request_of_a_connection_is_timed_as_the_first(
    settings: WebSettings, sky: SmallSky
) -> None:
    del sky
    whole = b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
    with served(settings, SHORT) as (url, _), half_sent(url, whole + HALF_HEADERS) as kept:
        [answer] = answers_until_closed([kept], SHORT.headers_s + MARGIN_S)
    assert answer.startswith(b"HTTP/1.1 200 OK")
    assert b"HTTP/1.1 408 Request Timeout" in answer


def test_where_too_many_wait_those_that_wait_longest_go_first(
    settings: WebSettings, sky: SmallSky
) -> None:
    del sky
    few = Patience(headers_s=30, body_s=30, max_waiting=10)
    with served(settings, few) as (url, _), ExitStack() as opened:
        sockets = [opened.enter_context(half_sent(url, HALF_HEADERS)) for _ in range(30)]
        answers_until_closed(sockets[:20], MARGIN_S)
        assert httpx.get(f"{url}/health").status_code == 200
        assert not select.select(sockets[22:], [], [], 0.2)[0], "the newest still wait"


def test_an_answer_that_nobody_takes_is_given_up(settings: WebSettings, sky: SmallSky) -> None:
    del sky
    with served(settings, SHORT) as (url, app):

        @app.get("/large")
        def large() -> str:
            return "x" * (64 * 2**20)

        asking = b"GET /large HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n"
        with half_sent(url, asking) as idle:
            time.sleep(SHORT.reader_s + MARGIN_S)
            taken = 0
            try:
                while piece := idle.recv(2**20):
                    taken += len(piece)
            except ConnectionResetError:
                pass
            assert taken < 64 * 2**20


def test_headers_that_grow_beyond_any_of_ours_are_refused(
    settings: WebSettings, sky: SmallSky
) -> None:
    del sky
    endless = HALF_HEADERS + b"x" * (MAX_HEADER_BYTES + 1)
    with served(settings) as (url, _), half_sent(url, endless) as growing:
        [answer] = answers_until_closed([growing], MARGIN_S)
    assert answer.startswith(b"HTTP/1.1 400 ")
