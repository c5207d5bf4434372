"""Requests go to public addresses only, whatever name or redirect leads elsewhere."""

from __future__ import annotations

import socket
import threading
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import TYPE_CHECKING
from urllib.error import HTTPError, URLError
from urllib.request import Request

import pytest

from astrid_assets.outgoing import InternalAddress, is_public, outgoing

if TYPE_CHECKING:
    from collections.abc import Iterator


class Server:
    """An HTTP server that redirects where its path says, and counts what it is asked."""

    def __init__(self) -> None:
        asked = self.asked = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                _, _, target = self.path.partition("?to=")
                self.send_response(302 if target else 200)
                if target:
                    self.send_header("Location", target)
                self.send_header("Content-Length", "6")
                self.end_headers()
                self.wfile.write(b"inside")

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep the terminal quiet."""

        self.asked: list[str]
        self.http = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.port = self.http.server_port


@contextmanager
def serving() -> Iterator[Server]:
    made = Server()
    thread = threading.Thread(target=made.http.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.http.shutdown()
    thread.join()
    made.http.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    with serving() as made:
        yield made


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.mark.parametrize(
    "address",
    [
        "127.0.0.1",
        "127.9.9.9",
        "0.0.0.0",  # noqa: S104  nothing listens
        "10.1.2.3",
        "172.16.0.1",
        "192.168.1.1",
        "100.64.0.1",
        "169.254.169.254",
        "224.0.0.1",
        "255.255.255.255",
        "::1",
        "::",
        "fe80::1%eth0",
        "fd00:ec2::254",
        "fec0::1",
        "ff02::1",
        "::ffff:127.0.0.1",
        "::ffff:169.254.169.254",
        "64:ff9b::a9fe:a9fe",
        "2002:7f00:1::",
    ],
)
def test_addresses_of_machines_and_networks_are_not_public(address: str) -> None:
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["8.8.8.8", "2606:4700:4700::1111", "::ffff:8.8.8.8", "64:ff9b::808:808"]
)
def test_addresses_of_the_internet_are_public(address: str) -> None:
    assert is_public(address)


@pytest.mark.slow
@pytest.mark.parametrize(
    "host",
    ["127.0.0.1", "localhost", "LOCALHOST.", "2130706433", "0x7f.1", "0", "[::ffff:7f00:1]"],
)
def test_nothing_inside_is_asked_however_it_is_written(server: Server, host: str) -> None:
    with pytest.raises((InternalAddress, URLError)):
        outgoing().open(f"http://{host}:{server.port}/secret", timeout=5)
    assert server.asked == []


@pytest.mark.slow
def test_the_refusal_says_what_the_name_leads_to_and_what_allows_it(server: Server) -> None:
    with pytest.raises(InternalAddress, match=r"localhost is .*ASTRID_INTERNAL_HOSTS"):
        outgoing().open(f"http://localhost:{server.port}/", timeout=5)
    for url in ("http://169.254.169.254/latest/meta-data", "https://10.0.0.1/"):
        with pytest.raises(InternalAddress, match="only public"):
            outgoing().open(url, timeout=5)


@pytest.mark.slow
def test_hosts_that_are_named_may_be_inside(server: Server) -> None:
    with outgoing(["127.0.0.1"]).open(f"http://127.0.0.1:{server.port}/", timeout=5) as answer:
        assert answer.read() == b"inside"
    with pytest.raises(InternalAddress):
        outgoing(["127.0.0.1"]).open(f"http://localhost:{server.port}/", timeout=5)


@pytest.mark.slow
def test_a_redirect_to_the_inside_is_refused(server: Server) -> None:
    with serving() as inside:
        for host in ("localhost", "127.0.0.2", "2130706433"):
            target = f"http://{host}:{inside.port}/secret"
            with pytest.raises(InternalAddress):
                outgoing(["127.0.0.1"]).open(
                    f"http://127.0.0.1:{server.port}/?to={target}", timeout=5
                )
        assert inside.asked == []
    assert len(server.asked) == 3


@pytest.mark.slow
@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "data:,x"])
def test_other_schemes_are_followed_nowhere(server: Server, target: str) -> None:
    with pytest.raises((HTTPError, URLError)) as raised:
        outgoing(["127.0.0.1"]).open(f"http://127.0.0.1:{server.port}/?to={target}", timeout=5)
    if isinstance(raised.value, HTTPError):
        raised.value.close()
    with pytest.raises(URLError):
        outgoing(["127.0.0.1"]).open(target, timeout=5)


@pytest.mark.slow
def test_a_name_is_resolved_once_and_its_address_is_what_is_asked(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A name server that answers first with a public address and then with ours."""
    answers = ["8.8.8.8", "127.0.0.1", "127.0.0.1"]
    asked: list[str] = []

    def rebinding(host: str, port: int | None, **_: object) -> list[tuple[object, ...]]:
        asked.append(answers[len(asked)])
        return [(socket.AF_INET, socket.SOCK_STREAM, 6, "", (asked[-1], port))]

    class Unplugged(socket.socket):
        """A socket that notes where it should connect to."""

        def connect(self, where: object) -> None:
            connected.append(where)
            raise OSError("tests reach no network")

    connected: list[object] = []
    monkeypatch.setattr(socket, "getaddrinfo", rebinding)
    monkeypatch.setattr(socket, "socket", Unplugged)
    with pytest.raises(URLError, match="reach no network"):
        outgoing().open(f"http://rebinding.example:{server.port}/", timeout=5)
    assert (asked, connected) == (["8.8.8.8"], [("8.8.8.8", server.port)])
    with pytest.raises(InternalAddress):
        outgoing().open(f"http://rebinding.example:{server.port}/", timeout=5)
    assert len(connected) == 1


@pytest.mark.slow
def test_a_name_with_one_address_inside_is_refused(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    def both(host: str, port: int | None, **_: object) -> list[tuple[object, ...]]:
        return [
            (socket.AF_INET, socket.SOCK_STREAM, 6, "", (address, port))
            for address in ("8.8.8.8", "127.0.0.1")
        ]

    monkeypatch.setattr(socket, "getaddrinfo", both)
    with pytest.raises(InternalAddress):
        outgoing().open(f"http://both.example:{server.port}/", timeout=5)
    assert server.asked == []


@pytest.mark.slow
def test_a_proxy_is_used_and_asked_for_nothing_inside(
    server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", f"http://127.0.0.1:{server.port}")
    with outgoing().open(Request("http://archive.invalid/a.fits"), timeout=5) as answer:
        assert answer.read() == b"inside"
    assert server.asked == ["http://archive.invalid/a.fits"]
    for host in ("169.254.169.254", "localhost", "2130706433"):
        with pytest.raises(InternalAddress):
            outgoing().open(f"http://{host}/secret", timeout=5)
    assert len(server.asked) == 1
