"""The settings of the web application, and the only module here that reads the environment."""

from __future__ import annotations

import os
from dataclasses import dataclass, field

from astrid_assets.resources import home

LOOPBACK = ("127.0.0.1", "::1", "localhost")
DEFAULT_PORT = 3001

HOST = "ASTRID_WEB_HOST"
PORT = "ASTRID_WEB_PORT"
LOGIN = "ASTRID_WEB_LOGIN"
PUBLIC = "ASTRID_WEB_PUBLIC"
HOSTS = "ASTRID_WEB_HOSTS"
DAGSTER_URL = "ASTRID_DAGSTER_URL"


@dataclass(frozen=True)
class WebSettings:
    """Addresses of what is served, where to listen, and who may write.

    Attributes
    ----------
    login_required
        Whether reviewers must log in before they label; always so when bound to
        anything but this machine's loopback address.
    public_reading
        Whether anonymous users may read where a login is needed to write.
    hosts
        Host names it answers to beside this machine's own, such as a proxy's.
    dagster_url
        Address of the Dagster webserver that is asked to collect datasets.
    """

    database_url: str
    store_url: str
    s3_endpoint: str | None = None
    s3_region: str | None = None
    s3_access_key: str | None = field(default=None, repr=False)
    s3_secret_key: str | None = field(default=None, repr=False)
    host: str = LOOPBACK[0]
    port: int = DEFAULT_PORT
    login_required: bool = False
    public_reading: bool = False
    hosts: tuple[str, ...] = ()
    dagster_url: str = "http://127.0.0.1:3000"

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach it."""
        return self.host in LOOPBACK

    @property
    def needs_login(self) -> bool:
        """True when a name alone is not enough to label."""
        return self.login_required or not self.is_loopback


def settings_from_environment(host: str | None = None, port: int | None = None) -> WebSettings:
    """Return the settings of the environment; arguments outrank it.

    Raises
    ------
    ValueError
        If the port is no port, or the login switch neither ``0`` nor ``1``.
    """
    return WebSettings(
        database_url=home.database_url(),
        store_url=home.store_url(),
        s3_endpoint=home.s3_endpoint(),
        s3_region=home.s3_region(),
        s3_access_key=os.environ.get(home.S3_ACCESS_KEY),
        s3_secret_key=os.environ.get(home.S3_SECRET_KEY),
        host=host or _text(HOST) or LOOPBACK[0],
        port=_port() if port is None else port,
        login_required=_switch(LOGIN),
        public_reading=_switch(PUBLIC),
        hosts=tuple(_text(HOSTS).lower().replace(",", " ").split()),
        dagster_url=_text(DAGSTER_URL) or WebSettings.dagster_url,
    )


def _text(name: str) -> str:
    return os.environ.get(name, "").strip()


def _port() -> int:
    text = _text(PORT) or str(DEFAULT_PORT)
    if not text.isdigit() or not 0 < int(text) < 65536:
        raise ValueError(f"{PORT} must be a port number, it is {text!r}")
    return int(text)


def _switch(name: str) -> bool:
    text = _text(name)
    if text not in {"", "0", "1"}:
        raise ValueError(f"{name} must be 0 or 1, it is {text!r}")
    return text == "1"
