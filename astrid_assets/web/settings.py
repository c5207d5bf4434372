"""The settings of the web application, and how they follow from the environment."""

from __future__ import annotations

from dataclasses import dataclass, field

from astrid_assets.resources.environment import (
    DEFAULT_DAGSTER_URL,
    DEFAULT_WEB_PORT,
    LOOPBACK,
    Addresses,
    Web,
)

LOOPBACKS = (LOOPBACK, "::1", "localhost")


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

    database_url: str = field(repr=False)
    store_url: str
    s3_endpoint: str | None = None
    s3_region: str | None = None
    s3_access_key: str | None = field(default=None, repr=False)
    s3_secret_key: str | None = field(default=None, repr=False)
    host: str = LOOPBACK
    port: int = DEFAULT_WEB_PORT
    login_required: bool = False
    public_reading: bool = False
    hosts: tuple[str, ...] = ()
    dagster_url: str = DEFAULT_DAGSTER_URL

    @property
    def is_loopback(self) -> bool:
        """True when only this machine can reach it."""
        return self.host in LOOPBACKS

    @property
    def needs_login(self) -> bool:
        """True when a name alone is not enough to label."""
        return self.login_required or not self.is_loopback


def settings_from_environment(host: str | None = None, port: int | None = None) -> WebSettings:
    """Return the settings of the environment; arguments outrank it.

    Raises
    ------
    BadEnvironment
        If a variable cannot be used, such as a port that is none.
    """
    web, addresses = Web(), Addresses()
    access = addresses.s3_access
    return WebSettings(
        database_url=addresses.database_url.get_secret_value(),
        store_url=addresses.store_url,
        s3_endpoint=access["endpoint"],
        s3_region=access["region"],
        s3_access_key=access["access_key"],
        s3_secret_key=access["secret_key"],
        host=host or web.web_host,
        port=web.web_port if port is None else port,
        login_required=web.web_login,
        public_reading=web.web_public,
        hosts=web.web_hosts,
        dagster_url=web.dagster_url,
    )
