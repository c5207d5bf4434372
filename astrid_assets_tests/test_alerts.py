"""An alert reaches a real mail server and a real web server, and its secrets reach no log."""

from __future__ import annotations

import asyncio
import base64
import datetime as dt
import logging
import ssl
import threading
from dataclasses import dataclass, field
from email import message_from_bytes
from email.policy import default
from typing import TYPE_CHECKING

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from astrid_assets.alerts import send_alert, send_mail
from astrid_assets.resources.environment import Mail

if TYPE_CHECKING:
    from collections.abc import Iterator
    from email.message import EmailMessage
    from pathlib import Path

PASSWORD = "correct horse"
TEXT = "AstrID: unet version 3 is the champion again after a rollback\nworse on 412 items: λ"


@dataclass
class MailServer:
    """A mail server of the standard library that keeps what it takes.

    It speaks as much of RFC 5321 as a client needs, and STARTTLS or TLS with a certificate.
    """

    tls: ssl.SSLContext | None = None
    starts_with_tls: bool = False
    port: int = 0
    messages: list[EmailMessage] = field(default_factory=list)
    logins: list[str] = field(default_factory=list)
    encrypted: list[bool] = field(default_factory=list)

    async def serve(self, ready: threading.Event, stop: asyncio.Event) -> None:
        """Listen until it is stopped."""
        server = await asyncio.start_server(
            self.talk, "127.0.0.1", 0, ssl=self.tls if self.starts_with_tls else None
        )
        self.port = server.sockets[0].getsockname()[1]
        ready.set()
        async with server:
            await stop.wait()

    async def talk(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one client."""
        writer.write(b"220 test\r\n")
        while line := (await reader.readline()).decode().strip():
            word, _, rest = line.partition(" ")
            match word.upper():
                case "EHLO":
                    offers = ["test", "AUTH PLAIN", *(["STARTTLS"] if self.tls else [])]
                    last = len(offers) - 1
                    for at, offer in enumerate(offers):
                        writer.write(f"250{' ' if at == last else '-'}{offer}\r\n".encode())
                case "STARTTLS":
                    writer.write(b"220 go\r\n")
                    await writer.drain()
                    assert self.tls is not None
                    await writer.start_tls(self.tls)
                case "AUTH":
                    said = base64.b64decode(rest.split()[-1]).decode().split("\0")
                    self.logins.append(said[1])
                    writer.write(b"235 ok\r\n" if said[2] == PASSWORD else b"535 no\r\n")
                case "DATA":
                    writer.write(b"354 go\r\n")
                    body = (await reader.readuntil(b"\r\n.\r\n"))[:-5]
                    message = message_from_bytes(body, policy=default)
                    self.messages.append(message)
                    self.encrypted.append(writer.get_extra_info("ssl_object") is not None)
                    writer.write(b"250 ok\r\n")
                case "RCPT" if "nobody" in rest:
                    writer.write(b"550 unknown\r\n")
                case "QUIT":
                    writer.write(b"221 bye\r\n")
                    break
                case _:
                    writer.write(b"250 ok\r\n")
            await writer.drain()
        writer.close()


def running(server: MailServer) -> Iterator[MailServer]:
    ready, loop = threading.Event(), asyncio.new_event_loop()
    stop = asyncio.Event()
    thread = threading.Thread(
        target=lambda: loop.run_until_complete(server.serve(ready, stop)), daemon=True
    )
    thread.start()
    assert ready.wait(10)
    yield server
    loop.call_soon_threadsafe(stop.set)
    thread.join(10)
    loop.close()


@pytest.fixture
def plain_server() -> Iterator[MailServer]:
    yield from running(MailServer())


@pytest.fixture
def secure_server(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, request: pytest.FixtureRequest
) -> Iterator[MailServer]:
    file = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(file))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(file)
    yield from running(MailServer(tls=context, starts_with_tls=request.param == "tls"))


def certificate(folder: Path) -> Path:
    """Make a certificate of localhost, with its key, that signs itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = dt.datetime.now(dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now - dt.timedelta(days=1))
        .not_valid_after(now + dt.timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("localhost")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = folder / "server.pem"
    file.write_bytes(
        made.public_bytes(serialization.Encoding.PEM)
        + key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )
    return file


def settings(monkeypatch: pytest.MonkeyPatch, port: int, **changed: str) -> Mail:
    variables = {
        "SMTP_HOST": "localhost",
        "SMTP_PORT": str(port),
        "SMTP_SECURITY": "none",
        "MAIL_FROM": "astrid@example.org",
        "MAIL_TO": "ann@example.org, bob@example.org",
    } | changed
    for name, value in variables.items():
        monkeypatch.setenv(f"ASTRID_{name}", value)
    return Mail()


@pytest.mark.slow
def test_an_alert_is_mailed_to_all_recipients(
    plain_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    settings(monkeypatch, plain_server.port)
    send_alert(TEXT)
    [message] = plain_server.messages
    assert message["Subject"] == TEXT.splitlines()[0]
    assert message["From"] == "astrid@example.org"
    assert message["To"] == "ann@example.org, bob@example.org"
    assert message.get_content().split() == TEXT.split()
    assert "worse on 412 items" in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("secure_server", ["starttls", "tls"], indirect=True)
def test_the_login_goes_over_tls_and_into_no_log(
    secure_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    security = "tls" if secure_server.starts_with_tls else "starttls"
    login = {"SMTP_USER": "astrid", "SMTP_PASSWORD": PASSWORD, "SMTP_SECURITY": security}
    assert send_mail(settings(monkeypatch, secure_server.port, **login), TEXT)
    assert (secure_server.logins, secure_server.encrypted) == (["astrid"], [True])
    wrong = login | {"SMTP_PASSWORD": "wrong horse"}
    assert not send_mail(settings(monkeypatch, secure_server.port, **wrong), TEXT)
    assert len(secure_server.messages) == 1
    assert "it refused the login (code 535)" in caplog.text
    for secret in (PASSWORD, "wrong horse", base64.b64encode(PASSWORD.encode()).decode()):
        assert secret not in caplog.text


@pytest.mark.slow
@pytest.mark.parametrize("secure_server", ["starttls"], indirect=True)
def test_a_certificate_that_nobody_vouches_for_gets_no_login(
    secure_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    monkeypatch.delenv("SSL_CERT_FILE")
    login = {"SMTP_USER": "astrid", "SMTP_PASSWORD": PASSWORD, "SMTP_SECURITY": "starttls"}
    assert not send_mail(settings(monkeypatch, secure_server.port, **login), TEXT)
    assert secure_server.logins == []
    assert "certificate verify failed" in caplog.text


@pytest.mark.slow
def test_no_password_is_sent_in_the_clear(
    plain_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    login = {"SMTP_USER": "astrid", "SMTP_PASSWORD": PASSWORD}
    assert not send_mail(settings(monkeypatch, plain_server.port, **login), TEXT)
    assert plain_server.logins == []
    assert "set ASTRID_SMTP_SECURITY to starttls or tls" in caplog.text


@pytest.mark.slow
def test_a_recipient_that_is_refused_is_named_and_the_others_get_it(
    plain_server: MailServer, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    to = "ann@example.org, nobody@example.org"
    assert not send_mail(settings(monkeypatch, plain_server.port, MAIL_TO=to), TEXT)
    assert len(plain_server.messages) == 1
    assert "refused the recipient nobody@example.org" in caplog.text


def test_a_server_that_is_away_and_half_a_setting_are_logged(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    assert not send_mail(settings(monkeypatch, 9), TEXT)
    assert "the mail server localhost did not take the message" in caplog.text
    monkeypatch.delenv("ASTRID_MAIL_TO")
    assert not send_mail(Mail(), TEXT)
    assert "set ASTRID_MAIL_FROM and ASTRID_MAIL_TO" in caplog.text


def test_a_text_of_several_lines_cannot_add_a_header(
    plain_server: MailServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert send_mail(settings(monkeypatch, plain_server.port), "one\r\ttwo\nBcc: eve@example.org")
    [message] = plain_server.messages
    assert message["Subject"] == "one two"
    assert message["Bcc"] is None
