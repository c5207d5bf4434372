"""The OpenAPI document: problems have one media type, the version is the program's."""

from __future__ import annotations

from importlib.metadata import version
from typing import TYPE_CHECKING, Any

from astrid_assets.web.problems import MEDIA_TYPE

if TYPE_CHECKING:
    from fastapi import FastAPI

PLAIN_JSON = "application/json"


def describe(app: FastAPI) -> None:
    """Let the application describe itself as it answers."""
    app.version = version("astrid-assets")
    described = app.openapi

    def corrected() -> dict[str, Any]:
        document = described()
        for operations in document["paths"].values():
            for operation in operations.values():
                for response in operation["responses"].values():
                    content = response.get("content", {})
                    # FastAPI adds its default beside the type that is declared.
                    if MEDIA_TYPE in content:
                        content.pop(PLAIN_JSON, None)
        return document

    app.openapi = corrected  # type: ignore[method-assign]  # FastAPI's documented way
