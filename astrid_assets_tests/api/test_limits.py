"""How often one may ask or guess, and that nobody is locked out by somebody else."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import httpx
import pytest

from astrid_assets.storage.review import accounts
from astrid_assets.web.login_limits import (
    FAILURE_WINDOW_S,
    MAX_FAILURES_PER_ADDRESS,
    MAX_FAILURES_PER_NAME,
    MAX_FAILURES_PER_PAIR,
    MAX_FAILURES_WHEN_MANY_GUESS,
    LoginLimiter,
)
from astrid_assets.web.problems import Problem
from astrid_assets.web.reading_limits import BURST, PER_S, ReadingLimiter
from astrid_assets_tests.api.serving import served

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.web.settings import WebSettings
    from astrid_assets_tests.small_sky import SmallSky

PASSWORD = "correct horse battery"
HERE, THERE = "192.0.2.1", "198.51.100.7"


def admitted(attempt: Callable[[], None]) -> bool:
    """Return whether it was not refused with 429 and a time to wait."""
    try:
        attempt()
    except Problem as problem:
        return not (problem.status == 429 and int(problem.headers["Retry-After"]) > 0)
    return True


@pytest.mark.slow
def test_a_stranger_s_failures_lock_nobody_out_at_another_address(
    settings: WebSettings, sky: SmallSky
) -> None:
    with sky.catalogue.begin() as session:
        accounts.add_reviewer(session, "ada", "reviewer", PASSWORD)
    with served(replace(settings, login_required=True)) as (url, _), httpx.Client() as client:

        def login(address: str, password: str) -> int:
            body = {"name": "ada", "password": password}
            headers = {"x-forwarded-for": address, "x-forwarded-proto": "https"}
            return client.post(f"{url}/session", json=body, headers=headers).status_code

        statuses = [login(THERE, "wrong password") for _ in range(MAX_FAILURES_PER_PAIR + 2)]
        assert statuses == [401] * MAX_FAILURES_PER_PAIR + [429] * 2
        assert login(THERE, PASSWORD) == 429
        form = client.get(f"{url}/login").text
        csrf = form.partition('name="csrf" value="')[2].partition('"')[0]
        page = client.post(
            f"{url}/login",
            data={"name": "ada", "password": PASSWORD, "csrf": csrf},
            headers={"x-forwarded-for": THERE, "x-forwarded-proto": "https"},
        )
        assert (page.status_code, int(page.headers["retry-after"]) > 0) == (429, True)
        assert login(HERE, PASSWORD) == 200


def test_an_address_is_slowed_down_whatever_names_it_tries() -> None:
    limiter = LoginLimiter(clock=lambda: 0.0)
    for number in range(MAX_FAILURES_PER_ADDRESS):
        limiter.attempt(f"name {number}", HERE)
    assert not admitted(lambda: limiter.attempt("another", HERE))
    assert admitted(lambda: limiter.attempt("another", THERE))


def test_an_ipv6_network_is_one_address() -> None:
    limiter = LoginLimiter(clock=lambda: 0.0)
    for number in range(MAX_FAILURES_PER_PAIR):
        limiter.attempt("ada", f"2001:db8::{number:x}")
    assert not admitted(lambda: limiter.attempt("ada", "2001:db8::ffff"))
    assert admitted(lambda: limiter.attempt("ada", "2001:db8:0:1::1"))
    assert admitted(lambda: limiter.attempt("ada", "::ffff:192.0.2.1"))


def test_many_addresses_that_guess_at_a_name_get_fewer_attempts_and_its_owner_still_some() -> None:
    now = [0.0]
    limiter = LoginLimiter(clock=lambda: now[0])
    addresses = [f"10.0.{number // 250}.{number % 250}" for number in range(500)]
    attempts = [
        sum(admitted(lambda: limiter.attempt("ada", address)) for _ in range(20))  # noqa: B023
        for address in addresses
    ]
    n_full = MAX_FAILURES_PER_NAME // MAX_FAILURES_PER_PAIR
    assert attempts[:n_full] == [MAX_FAILURES_PER_PAIR] * n_full
    assert set(attempts[n_full:]) == {MAX_FAILURES_WHEN_MANY_GUESS}
    assert admitted(lambda: limiter.attempt("ada", HERE)), "the owner, from a new address"
    limiter.succeeded("ada", HERE)
    assert admitted(lambda: limiter.attempt("ada", HERE))
    now[0] = FAILURE_WINDOW_S + 1.0
    assert admitted(lambda: limiter.attempt("ada", addresses[0]))


def test_right_passwords_count_as_no_failures() -> None:
    limiter = LoginLimiter(clock=lambda: 0.0)
    for _ in range(2 * MAX_FAILURES_PER_ADDRESS):
        limiter.attempt("ada", HERE)
        limiter.succeeded("ada", HERE)
    assert admitted(lambda: limiter.attempt("bob", HERE))


def test_a_budget_of_requests_fills_up_again() -> None:
    now = [0.0]
    limiter = ReadingLimiter(clock=lambda: now[0])
    assert sum(admitted(lambda: limiter.spend(HERE)) for _ in range(2 * int(BURST))) == BURST
    assert admitted(lambda: limiter.spend(THERE))
    now[0] = 3.0
    assert sum(admitted(lambda: limiter.spend(HERE)) for _ in range(100)) == 3 * PER_S
    now[0] = 1e6
    assert sum(admitted(lambda: limiter.spend(HERE)) for _ in range(2 * int(BURST))) == BURST


@pytest.mark.slow
def test_reading_without_a_login_is_limited_and_reviewers_are_not(
    settings: WebSettings, sky: SmallSky
) -> None:
    with sky.catalogue.begin() as session:
        accounts.add_reviewer(session, "ada", "reviewer", PASSWORD)
        token = accounts.new_token(session, "ada", "test")
    guarded = replace(settings, login_required=True, public_reading=True)
    with served(guarded) as (url, app), httpx.Client(base_url=url) as client:
        app.state.reading = ReadingLimiter(clock=lambda: 0.0, burst=40)
        paths = ("/detections", "/", "/static/astrid.css", "/nothing", "/openapi.json")
        asked = [client.get(path).status_code for path in paths * 8]
        assert 429 not in asked
        refused = client.get("/detections")
        assert refused.status_code == 429
        assert int(refused.headers["retry-after"]) >= 1
        assert "without a login" in refused.json()["detail"]
        page = client.get("/", headers={"accept": "text/html"})
        assert (page.status_code, page.headers["content-type"][:9]) == (429, "text/html")
        assert "without a login" in page.text
        for value in ("Bearer no-token", f"Bearer {token}"):
            answer = client.get("/detections", headers={"authorization": value})
            assert answer.status_code == (200 if token in value else 429)
        elsewhere = {"x-forwarded-for": THERE}
        assert client.get("/detections", headers=elsewhere).status_code == 200
        body = {"name": "ada", "password": PASSWORD}
        assert client.post("/session", json=body, headers=elsewhere).status_code in {200, 403}
        secure = elsewhere | {"x-forwarded-proto": "https"}
        cookie = client.post("/session", json=body, headers=secure).headers["set-cookie"]
        kept = {"cookie": cookie.partition(";")[0]}
        assert {client.get("/detections", headers=kept).status_code for _ in range(60)} == {200}


@pytest.mark.slow
def test_who_is_at_this_machine_is_not_limited(settings: WebSettings, sky: SmallSky) -> None:
    del sky
    with served(settings) as (url, app), httpx.Client(base_url=url) as client:
        app.state.reading = ReadingLimiter(clock=lambda: 0.0, burst=3)
        assert {client.get("/health").status_code for _ in range(9)} == {200}
        by_proxy = {"x-forwarded-for": THERE}
        asked = [client.get("/health", headers=by_proxy).status_code for _ in range(5)]
        assert asked == [200] * 3 + [429] * 2
