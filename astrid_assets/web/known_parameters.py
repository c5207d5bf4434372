"""Query parameters that an address does not know are refused, not ignored.

A mistyped filter would answer with everything, and nothing would say so.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from fastapi import Request  # noqa: TC002  FastAPI reads the annotation
from fastapi.routing import APIRoute

from astrid_assets.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Iterator

    from fastapi.dependencies.models import Dependant


def only_known_parameters(request: Request) -> None:
    """Refuse a GET request with a query parameter that its address does not take.

    Raises
    ------
    Problem
        422; it names the parameters that are known.
    """
    route = request.scope.get("route")
    if request.method != "GET" or not isinstance(route, APIRoute):
        return
    known = sorted(set(_parameters(route.dependant)))
    unknown = [name for name in request.query_params if name not in known]
    if unknown:
        takes = f"known are {', '.join(known)}" if known else "this address takes none"
        raise Problem(
            422,
            f"unknown query parameters: {', '.join(sorted(unknown))}; {takes}",
            code="invalid",
            errors=tuple((name, "is not known here") for name in sorted(unknown)),
        )


def _parameters(dependant: Dependant) -> Iterator[str]:
    yield from (parameter.alias for parameter in dependant.query_params)
    for needed in dependant.dependencies:
        yield from _parameters(needed)
