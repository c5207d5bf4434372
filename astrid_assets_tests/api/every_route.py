"""A description of every route, the pages included, for tests that hold for all of them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

from fastapi import FastAPI

from astrid_assets.web.api.description import describe
from astrid_assets.web.api.router import api_router
from astrid_assets.web.pages.router import PARTS
from astrid_assets.web.problems import responses

if TYPE_CHECKING:
    from collections.abc import Iterator

METHODS = ("get", "post", "put", "delete", "patch")
EMPTY = "0" * 8 + "-0000-4000-8000-" + "0" * 12  # an id that nothing has


@dataclass(frozen=True)
class Operation:
    """A method of a path; parameters and body as OpenAPI describes them, resolved."""

    method: str
    path: str
    parameters: tuple[dict[str, Any], ...]
    media_type: str | None
    body: dict[str, Any]

    def address(self, **changed: str) -> str:
        """Return the path with something valid for each parameter in it, or with these."""
        filled = self.path
        for parameter in self.parameters:
            if parameter["in"] == "path":
                name, schema = parameter["name"], parameter["schema"]
                default = "0" if schema.get("type") == "integer" else EMPTY
                value = schema.get("enum", [default])[0]
                filled = filled.replace(f"{{{name}}}", str(changed.get(name, value)))
        return filled


def pages_document() -> dict[str, Any]:
    """Return the OpenAPI document that the pages would have."""
    app = FastAPI(title="pages")
    to_the_login: dict[int | str, dict[str, Any]] = {303: {"description": "See Other"}}
    known = responses(400, 401, 403, 404, 413, 422, 429, 503) | to_the_login
    for part in PARTS:
        app.include_router(part, responses=known)
    describe(app)
    return app.openapi()


@cache
def operations() -> tuple[Operation, ...]:
    """Return every operation of the API and of the pages."""
    app = FastAPI(title="all")
    app.include_router(api_router(needs_login=False))
    for part in PARTS:
        app.include_router(part)
    document = app.openapi()
    return tuple(_read(document))


def _read(document: dict[str, Any]) -> Iterator[Operation]:
    for path, methods in document["paths"].items():
        for method in METHODS:
            if method not in methods:
                continue
            described = methods[method]
            content = described.get("requestBody", {}).get("content", {})
            media_type = next(iter(content), None)
            schema = content[media_type]["schema"] if media_type else {}
            yield Operation(
                method,
                path,
                tuple(_resolved(p, document) for p in described.get("parameters", [])),
                media_type,
                _resolved(schema, document),
            )


def _resolved(part: Any, document: dict[str, Any]) -> Any:
    if isinstance(part, dict):
        if "$ref" in part:
            found = document
            for name in part["$ref"].removeprefix("#/").split("/"):
                found = found[name]
            return _resolved(found, document)
        return {key: _resolved(value, document) for key, value in part.items()}
    if isinstance(part, list):
        return [_resolved(value, document) for value in part]
    return part


def texts_in(schema: dict[str, Any]) -> Iterator[dict[str, Any]]:
    """Yield the schemas of free text inside one: no words of a list, ids or dates."""
    for branch in (schema, *schema.get("anyOf", ())):
        if branch.get("type") == "array":
            for inner in (*branch.get("prefixItems", ()), branch.get("items", {})):
                yield from texts_in(inner)
        elif branch.get("type") == "string" and not {"enum", "const", "format"} & set(branch):
            yield branch
