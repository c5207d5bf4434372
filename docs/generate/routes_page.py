"""Every route of the REST API, from the OpenAPI document that the application serves."""

from __future__ import annotations

import tempfile
from typing import Any

from astrid_assets.web.app import create_app
from astrid_assets.web.settings import WebSettings
from docs.generate.entries import Entry, Group, Page

INTRODUCTION = """
`astrid review` serves the API beside the review page, and describes it by `/openapi.json`.
Answers are JSON; an error is an `application/problem+json` with a sentence in `detail`. On this
machine nobody logs in; elsewhere a token of `astrid reviewer token` stands in the header
`Authorization: Bearer …`.
"""


def document() -> dict[str, Any]:
    """Return the OpenAPI document of an application over an empty catalogue."""
    with tempfile.TemporaryDirectory() as folder:
        settings = WebSettings(database_url=f"sqlite:///{folder}/empty.db", store_url=folder)
        return create_app(settings).openapi()


def page() -> Page:
    """Return the page of routes."""
    described = document()
    groups = []
    for path, operations in described["paths"].items():
        for method, operation in operations.items():
            title = f"{method.upper()} {path}"
            sentence = operation.get("description", "")
            entries = [_parameter(p) for p in operation.get("parameters", [])]
            entries += _body(described, operation)
            groups.append(Group(title, sentence, ("in", "type"), tuple(entries)))
    return Page("rest", "REST API", INTRODUCTION, tuple(groups))


def _parameter(parameter: dict[str, Any]) -> Entry:
    place = parameter["in"] + (", required" if parameter.get("required") else "")
    return Entry(
        parameter["name"], parameter.get("description", ""), (place, _type(parameter["schema"]))
    )


def _body(described: dict[str, Any], operation: dict[str, Any]) -> list[Entry]:
    content = operation.get("requestBody", {}).get("content", {}).get("application/json")
    if not content or "$ref" not in content["schema"]:
        return []
    schema = described["components"]["schemas"][content["schema"]["$ref"].rpartition("/")[2]]
    required = schema.get("required", [])
    return [
        Entry(
            name,
            field.get("description", ""),
            ("body, required" if name in required else "body", _type(field)),
        )
        for name, field in schema["properties"].items()
    ]


def _type(schema: dict[str, Any]) -> str:
    if "anyOf" in schema:
        kinds = [_type(part) for part in schema["anyOf"] if part.get("type") != "null"]
        return " or ".join(dict.fromkeys(kinds))
    if "enum" in schema:
        return " or ".join(f"`{value}`" for value in schema["enum"])
    if "const" in schema:
        return f"`{schema['const']}`"
    if schema.get("type") == "array":
        return f"list of {_type(schema.get('items', {}))}"
    return schema.get("format") or schema.get("type") or "object"
