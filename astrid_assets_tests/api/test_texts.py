"""No text of a request brings what a database cannot store: asked of every route."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING
from urllib.parse import quote

import pytest

from astrid_assets.web.texts import REFUSED
from astrid_assets_tests.api.every_route import Operation, operations, texts_in

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

UNSTORABLE = ("a\x00b-12345678", "a\ud800b-12345678", "\x00" * 9, "\udfff" * 9)


def parameters_with_text(operation: Operation) -> Iterator[tuple[str, str]]:
    """Yield where and name of each."""
    for parameter in operation.parameters:
        if any(texts_in(parameter["schema"])):
            yield parameter["in"], parameter["name"]


def fields_with_text(operation: Operation) -> Iterator[tuple[str, bool]]:
    """Yield the name of each, and whether it is a list."""
    for name, schema in operation.body.get("properties", {}).items():
        if any(texts_in(schema)):
            yield name, schema.get("type") == "array"


@pytest.mark.slow
def test_every_text_has_a_pattern_that_takes_no_nul() -> None:
    n_texts = 0
    for operation in operations():
        schemas = [(p["name"], p["schema"]) for p in operation.parameters]
        schemas += list(operation.body.get("properties", {}).items())
        for name, schema in schemas:
            for text in texts_in(schema):
                n_texts += 1
                assert "pattern" in text, f"{operation.method} {operation.path}: {name}"
    assert n_texts > 40


@pytest.mark.slow
def test_a_nul_in_any_parameter_is_refused(client: httpx.Client) -> None:
    n_asked = 0
    for operation in operations():
        for where, name in parameters_with_text(operation):
            n_asked += 1
            nul = quote("a\x00b")
            path = operation.address(**({name: nul} if where == "path" else {}))
            query = f"?{name}={nul}" if where == "query" else ""
            answer = client.request(operation.method, path + query)
            said = f"{operation.method} {path}{query}: {answer.text}"
            assert answer.status_code == 422, said
            refused = [part["where"] for part in errors(answer) if part["message"] == REFUSED]
            assert any(name in part.split(".") for part in refused), said
    assert n_asked > 25


@pytest.mark.slow
@pytest.mark.parametrize("text", UNSTORABLE)
def test_unstorable_text_in_any_field_is_refused(client: httpx.Client, text: str) -> None:
    n_asked = 0
    for operation in operations():
        for name, is_list in fields_with_text(operation):
            n_asked += 1
            answer = sent(client, operation, name, [text] if is_list else text)
            said = f"{operation.method} {operation.path}: {name}: {answer.text}"
            assert answer.status_code == 422, said
            refused = [part["where"] for part in errors(answer)]
            assert any(name in where.split(".") for where in refused), said
    assert n_asked > 12


@pytest.mark.slow
@pytest.mark.parametrize("key", UNSTORABLE)
def test_a_key_without_utf8_is_answered_like_any_unknown_key(
    client: httpx.Client, key: str
) -> None:
    for operation in operations():
        if operation.media_type == "application/json":
            for accept in ("application/json", "text/html"):
                answer = client.request(
                    operation.method,
                    operation.address(),
                    content=json.dumps({key: 1}),
                    headers={"content-type": "application/json", "accept": accept},
                )
                assert answer.status_code in {200, 422, 503}, operation.path
    assert client.get("/health").status_code == 200


def sent(
    client: httpx.Client, operation: Operation, name: str, value: str | list[str]
) -> httpx.Response:
    """Send a body whose one field is this."""
    address = operation.address()
    if operation.media_type == "application/json":
        return client.request(
            operation.method,
            address,
            content=json.dumps({name: value}),
            headers={"content-type": "application/json"},
        )
    # A form has no surrogates; percent-encoded, half a pair is read as U+FFFD, so a
    # character set that knows them is named.
    assert isinstance(value, str)
    edge = "edge"
    part = f'--{edge}\r\ncontent-disposition: form-data; name="{name}"\r\n\r\n'
    body = part.encode() + value.encode("raw_unicode_escape") + f"\r\n--{edge}--\r\n".encode()
    kind = f"multipart/form-data; boundary={edge}; charset=raw_unicode_escape"
    return client.request(operation.method, address, content=body, headers={"content-type": kind})


def errors(answer: httpx.Response) -> list[dict[str, str]]:
    """Return the refused parts."""
    return answer.json().get("errors") or []


@pytest.mark.slow
def test_a_number_is_no_date(client: httpx.Client) -> None:
    for query in ("night=0", "start=1e9", "end=20250301", "night=2025-03-01T00:00:01"):
        assert client.get(f"/observations?{query}").status_code == 422, query
    for query in ("start=0", "end=1740787200", "start=yesterday"):
        assert client.get(f"/detections?{query}").status_code == 422, query
    assert client.get("/observations?night=2025-03-01").status_code == 200
    assert client.get("/detections?start=2025-03-01T20:00:00Z").status_code == 200
    assert client.post("/queues/next", json={"night": 0}).status_code == 422
    for field in ("start", "end"):
        answer = client.post("/training/datasets/collect", json={field: 1740787200})
        assert answer.status_code == 422
