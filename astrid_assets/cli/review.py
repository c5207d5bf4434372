"""`astrid review`: the review page and the pages around it, on this machine."""

from __future__ import annotations

import contextlib

import click

from astrid_assets.resources.environment import DEFAULT_WEB_PORT


@click.command("review")
@click.option("--host", default=None, help="Address to listen on; default: loopback.")
@click.option(
    "--port",
    type=click.IntRange(1, 65535),
    default=None,
    help=f"Default: ASTRID_WEB_PORT or {DEFAULT_WEB_PORT}.",
)
@click.option("--login", is_flag=True, help="Ask for a login on loopback too.")
def review_command(host: str | None, port: int | None, login: bool) -> None:
    """Start the review page; Ctrl-C stops it.

    Needs the catalogue and the store, and no Dagster process. Bound to anything but
    this machine it asks everybody for a login (`astrid reviewer add NAME`).

    \b
    Example:
      astrid review
      astrid review --port 8080 --login
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from dataclasses import replace

    from astrid_assets.cli import workplace
    from astrid_assets.cli.children import port_is_free
    from astrid_assets.web.app import create_app
    from astrid_assets.web.serving import server_of
    from astrid_assets.web.settings import settings_from_environment

    settings = settings_from_environment(host, port)
    if login:
        settings = replace(settings, login_required=True)
    if settings.is_loopback and not port_is_free(settings.port):
        raise click.ClickException(
            f"port {settings.port} is taken: stop what uses it, or choose another with --port"
        )
    workplace.open_catalogue().close()
    shown = "127.0.0.1" if settings.is_loopback else settings.host
    click.echo(f"Review       http://{shown}:{settings.port}/review")
    server = server_of(create_app(settings), settings.host, settings.port)
    with contextlib.suppress(KeyboardInterrupt):
        server.run()
    if not server.started:
        raise click.ClickException("the review page did not start; its reason stands above")
