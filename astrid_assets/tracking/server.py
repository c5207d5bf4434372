"""Whether MLflow can be reached, asked before MLflow itself retries for minutes."""

from __future__ import annotations

import re
from http.client import HTTPException
from pathlib import Path
from urllib.error import HTTPError, URLError
from urllib.request import Request, urlopen

TIMEOUT_S = 5.0


class TrackingUnavailable(RuntimeError):
    """MLflow cannot be used; the message says why and what to do."""


def check_server(uri: str) -> None:
    """Ask an MLflow server whether it is well.

    Raises
    ------
    TrackingUnavailable
        If nothing, or something else, answers.
    """
    shown = without_password(uri)
    bare, authorization = _without_credentials(uri)
    request = Request(  # noqa: S310  the scheme was checked by the caller
        f"{bare.rstrip('/')}/health", headers=authorization
    )
    try:
        with urlopen(request, timeout=TIMEOUT_S):  # noqa: S310  as above
            return
    except HTTPError as error:
        raise TrackingUnavailable(
            f"{shown} answers, but with {error.code} {error.reason} when asked for its "
            "health: check that MLFLOW_TRACKING_URI names an MLflow server and that "
            "the login is right"
        ) from error
    except (URLError, HTTPException, OSError) as error:
        reason = error.reason if isinstance(error, URLError) else error
        raise TrackingUnavailable(
            f"no MLflow server answers at {shown} ({reason}): start it, or unset "
            "MLFLOW_TRACKING_URI to keep experiments in a local file"
        ) from error


def as_location(location: str) -> str:
    """Return a URI for a folder; URIs pass through."""
    if "://" in location:
        return location.rstrip("/")
    return Path(location).absolute().as_uri()


def without_password(uri: str) -> str:
    """Return an address that can be shown."""
    return re.sub(r"(?<=://)[^/@]*@", "", uri)


def _without_credentials(uri: str) -> tuple[str, dict[str, str]]:
    """Split ``user:password@`` off an address, as a header; urllib has no other way."""
    import base64
    from urllib.parse import unquote

    found = re.match(r"(https?://)([^/@]*)@(.*)", uri)
    if found is None:
        return uri, {}
    scheme, login, rest = found.groups()
    token = base64.b64encode(unquote(login).encode()).decode()
    return scheme + rest, {"Authorization": f"Basic {token}"}
