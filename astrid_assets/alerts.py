"""What users must hear of, sent on all ways that are set: log, webhook, e-mail.

A way that fails is logged and hides neither the alert nor the other ways. The webhook, which a
chat service gives, must be public (`outgoing`); the mail server, which an administrator sets as
he sets the database, may be inside.
"""

from __future__ import annotations

import json
import logging
import smtplib
import ssl
from email.message import EmailMessage
from http.client import HTTPException
from typing import TYPE_CHECKING
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request

from astrid_assets.outgoing import InternalAddress, outgoing
from astrid_assets.resources.environment import Addresses, Mail

if TYPE_CHECKING:
    from collections.abc import Collection

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
LONGEST_SUBJECT = 120  # characters; mail programs show less


def send_alert(text: str, level: int = logging.WARNING) -> None:
    """Log a text, post it to the webhook, and mail it, where these are set.

    Parameters
    ----------
    text
        Its first line is the subject of the mail.
    level
        Severity in the log.
    """
    log.log(level, "%s", text)
    addresses, mail = Addresses(), Mail()
    if addresses.webhook_url is not None:
        post(addresses.webhook_url.get_secret_value(), text, addresses.internal_hosts)
    if mail.smtp_host is not None:
        send_mail(mail, text)


def post(url: str, text: str, internal_hosts: Collection[str] = ()) -> bool:
    """Post a message; returns whether it was taken.

    A webhook that does not answer is logged: it must not hide the failure itself.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        log.error("ASTRID_WEBHOOK_URL is no http or https address; nothing was posted")
        return False
    request = Request(  # noqa: S310  the scheme was checked
        url,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with outgoing(internal_hosts).open(request, timeout=TIMEOUT_S):
            return True
    except InternalAddress as error:
        log.error("nothing was posted to ASTRID_WEBHOOK_URL: %s", error)  # noqa: TRY400  as below
        return False
    except (URLError, HTTPException, OSError) as error:
        # The address itself is a secret of many chat services.
        log.error(  # noqa: TRY400  a traceback of urllib adds nothing
            "the webhook of ASTRID_WEBHOOK_URL did not take the message: %s", error
        )
        return False


def send_mail(mail: Mail, text: str) -> bool:
    """Mail a message; returns whether the server took it for every recipient.

    A server that does not answer is logged, without the password.
    """
    if mail.smtp_host is None or mail.mail_from is None or not mail.mail_to:
        log.error(
            "nothing was mailed: ASTRID_SMTP_HOST is set, so set ASTRID_MAIL_FROM and "
            "ASTRID_MAIL_TO as well"
        )
        return False
    if mail.smtp_password is not None and mail.smtp_security == "none":
        log.error(
            "nothing was mailed: ASTRID_SMTP_PASSWORD would be sent in the clear; set "
            "ASTRID_SMTP_SECURITY to starttls or tls"
        )
        return False
    message = EmailMessage()
    message["Subject"] = " ".join(text.partition("\n")[0].split())[:LONGEST_SUBJECT]
    message["From"], message["To"] = mail.mail_from, ", ".join(mail.mail_to)
    message.set_content(text)
    try:
        with _connected(mail, mail.smtp_host) as server:
            if mail.smtp_user is not None and mail.smtp_password is not None:
                server.login(mail.smtp_user, mail.smtp_password.get_secret_value())
            refused = server.send_message(message)
    except (smtplib.SMTPException, OSError) as error:
        log.error(  # noqa: TRY400  a traceback of smtplib adds nothing, and may show the login
            "the mail server %s did not take the message: %s", mail.smtp_host, _said(error)
        )
        return False
    for recipient in refused:
        log.error("the mail server %s refused the recipient %s", mail.smtp_host, recipient)
    return not refused


def _connected(mail: Mail, host: str) -> smtplib.SMTP:
    if mail.smtp_security == "tls":
        context = ssl.create_default_context()
        return smtplib.SMTP_SSL(host, mail.smtp_port, timeout=TIMEOUT_S, context=context)
    server = smtplib.SMTP(host, mail.smtp_port, timeout=TIMEOUT_S)
    if mail.smtp_security == "starttls":
        try:
            server.starttls(context=ssl.create_default_context())
        except BaseException:
            server.close()
            raise
    return server


def _said(error: Exception) -> str:
    """Return what went wrong; of a login only the server's code, for servers repeat things."""
    if isinstance(error, smtplib.SMTPAuthenticationError):
        return f"it refused the login (code {error.smtp_code})"
    return f"{type(error).__name__}: {error}"
