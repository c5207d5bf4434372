"""No answer is kept by a browser or a proxy, but for pictures and scripts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import httpx
import pytest

from astrid_assets.web.problems import Problem
from astrid_assets_tests.api.every_route import operations
from astrid_assets_tests.api.serving import served

if TYPE_CHECKING:
    from astrid_assets.web.settings import WebSettings
    from astrid_assets_tests.small_sky import SmallSky

CUTOUTS = {
    "/pictures/{detection_id}/{plane}.png": "private, max-age=86400",
    "/detections/{detection_id}/cutouts/{plane}.{suffix}": "private, max-age=3600",
}
"""Their addresses hold ids, and what an id names never changes."""


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_every_route_says_whether_its_answer_may_be_kept(
    client: httpx.Client, sky: SmallSky, accept: str
) -> None:
    n_good = 0
    client.headers["accept"] = accept
    for operation in operations():
        for known in (True, False):
            ids = {"detection_id": sky.detection_id} if known else {}
            answer = client.request(operation.method, operation.address(**ids))
            kept = answer.headers.get_list("cache-control")
            is_cutout = operation.path in CUTOUTS and answer.status_code == 200
            expected = CUTOUTS[operation.path] if is_cutout else "no-store"
            assert kept == [expected], f"{operation.method} {operation.path}: {kept}"
            n_good += answer.status_code == 200
    assert n_good > 40


@pytest.mark.slow
def test_addresses_without_a_route_of_ours_say_so_too(client: httpx.Client) -> None:
    for path, expected in (
        ("/nothing", "no-store"),
        ("/openapi.json", "no-store"),
        ("/static/nothing", "no-store"),
        ("/static/review.js", "public, no-cache"),
    ):
        assert client.get(path).headers.get_list("cache-control") == [expected], path
    known = client.get("/static/review.js").headers["etag"]
    unchanged = client.get("/static/review.js", headers={"if-none-match": known})
    assert unchanged.status_code == 304
    assert unchanged.headers["cache-control"] == "public, no-cache"
    wrong_host = client.get("/health", headers={"host": "evil.example"})
    assert wrong_host.headers["cache-control"] == "no-store"


@pytest.mark.slow
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
def test_a_fault_is_not_kept_and_carries_the_safe_headers(
    settings: WebSettings, sky: SmallSky, accept: str
) -> None:
    del sky
    with served(settings) as (url, app):

        @app.get("/broken")
        def broken() -> None:
            raise RuntimeError("a fault")

        with httpx.Client(base_url=url, headers={"accept": accept}) as client:
            answer = client.get("/broken")
    assert answer.status_code == 500
    assert answer.headers.get_list("cache-control") == ["no-store"]
    assert "default-src 'none'" in answer.headers["content-security-policy"]


def test_a_problem_without_utf8_is_answered() -> None:
    problem = Problem(422, "a\ud800", code="invalid", errors=(("\udfff", "no"),))
    assert b"\\\\ud800" in problem.response().body
