"""Who may write, what other sites may do, and that secrets appear nowhere."""

from __future__ import annotations

import logging
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from astrid_assets.storage.review import accounts
from astrid_assets.web.login_limits import LoginLimiter
from astrid_assets_tests.api.serving import asked, served

if TYPE_CHECKING:
    from collections.abc import Iterator

    import httpx

    from astrid_assets.web.settings import WebSettings
    from astrid_assets_tests.small_sky import SmallSky

PASSWORD = "correct horse battery"
EVENT = {"event_key": "k1", "label": "real"}


@contextmanager
def locked(settings: WebSettings, **changes: object) -> Iterator[httpx.Client]:
    """Serve an application that wants a login."""
    with asked(replace(settings, login_required=True, **changes)) as client:  # type: ignore[arg-type]
        yield client


def account(sky: SmallSky, name: str = "ada", role: str = "reviewer") -> str:
    """Add an account with `PASSWORD`; returns a token of it."""
    with sky.catalogue.begin() as session:
        accounts.add_reviewer(session, name, role, PASSWORD)
        return accounts.new_token(session, name, "test")


def events_of(sky: SmallSky) -> str:
    """Return the address of a detection's events."""
    return f"/detections/{sky.detection_id}/validation-events"


@pytest.mark.slow
def test_a_stranger_may_not_even_read_where_logins_are_needed(
    settings: WebSettings, sky: SmallSky
) -> None:
    with locked(settings) as client:
        assert client.get("/health").status_code == 200
        for method, path in (
            ("GET", "/detections"),
            ("GET", f"/detections/{sky.detection_id}/cutouts/science.png"),
            ("GET", "/export/labels.csv"),
            ("GET", "/training/datasets"),
            ("POST", events_of(sky)),
            ("POST", "/queues/next"),
            ("POST", "/training/datasets/collect"),
            ("GET", "/session"),
        ):
            answer = client.request(method, path, json=EVENT)
            assert answer.status_code == 401, path
            assert answer.headers["www-authenticate"] == "Bearer"


@pytest.mark.slow
def test_reading_can_be_open_where_writing_is_not(settings: WebSettings, sky: SmallSky) -> None:
    with locked(settings, public_reading=True) as client:
        assert client.get("/detections").status_code == 200
        assert client.post(events_of(sky), json=EVENT).status_code == 401


@pytest.mark.slow
def test_an_event_carries_the_name_of_the_token_s_owner(
    settings: WebSettings, sky: SmallSky
) -> None:
    token = account(sky)
    with locked(settings) as client:
        client.headers["authorization"] = f"Bearer {token}"
        client.headers["astrid-reviewer"] = "somebody else"
        said = client.post(events_of(sky), json=EVENT)
        assert said.status_code == 201
        assert said.json()["reviewer"] == "ada"
        client.headers["authorization"] = f"Bearer {token}x"
        assert client.get("/detections").status_code == 401
        client.headers["authorization"] = "Basic YWRhOng="
        assert client.get("/detections").status_code == 401


@pytest.mark.slow
def test_a_role_says_what_one_may_do(settings: WebSettings, sky: SmallSky) -> None:
    reader, reviewer = account(sky, "eve", "reader"), account(sky, "ada")
    admin = account(sky, "root", "admin")
    with locked(settings) as client:
        for token, event, collect in (
            (reader, 403, 403),
            (reviewer, 201, 403),
            (admin, 201, 503),
        ):
            client.headers["authorization"] = f"Bearer {token}"
            assert client.get("/detections").status_code == 200
            said = client.post(events_of(sky), json=EVENT)
            assert said.status_code == event
            asked_for = client.post("/training/datasets/collect", json={})
            assert asked_for.status_code == collect


@pytest.mark.slow
def test_logging_in_sets_a_cookie_scripts_cannot_read(settings: WebSettings, sky: SmallSky) -> None:
    account(sky)
    with locked(settings) as client:
        body = {"name": "ada", "password": PASSWORD}
        answer = client.post("/session", json=body)
        assert answer.status_code == 200
        cookie = answer.headers["set-cookie"].lower()
        assert "httponly" in cookie
        assert "samesite=lax" in cookie
        assert client.get("/session").json() == {
            "name": "ada",
            "role": "reviewer",
            "how": "session",
        }
        assert client.post(events_of(sky), json=EVENT).status_code == 201
        assert client.delete("/session").status_code == 204
        assert client.get("/session").status_code == 401


@pytest.mark.slow
def test_the_cookie_is_secure_behind_a_proxy_with_tls(settings: WebSettings, sky: SmallSky) -> None:
    account(sky)
    with locked(settings) as client:
        answer = client.post(
            "/session",
            json={"name": "ada", "password": PASSWORD},
            headers={"x-forwarded-proto": "https", "x-forwarded-for": "192.0.2.1"},
        )
        assert "secure" in answer.headers["set-cookie"].lower()
        plain = client.post(
            "/session",
            json={"name": "ada", "password": PASSWORD},
            headers={"x-forwarded-proto": "http", "x-forwarded-for": "192.0.2.1"},
        )
        assert plain.status_code == 403
        assert "HTTPS" in plain.json()["detail"]


@pytest.mark.slow
def test_guessing_passwords_is_slowed_down(settings: WebSettings, sky: SmallSky) -> None:
    account(sky)
    with served(replace(settings, login_required=True)) as (url, app):
        import httpx

        now = [0.0]
        app.state.logins = LoginLimiter(clock=lambda: now[0])
        with httpx.Client(base_url=url) as client:
            body = {"name": "ada", "password": "wrong password"}
            statuses = [client.post("/session", json=body).status_code for _ in range(11)]
            assert statuses == [401] * 10 + [429]
            right = {"name": "ada", "password": PASSWORD}
            blocked = client.post("/session", json=right)
            assert blocked.status_code == 429
            assert 0 < int(blocked.headers["retry-after"]) <= 901
            now[0] = 15 * 60 + 1
            assert client.post("/session", json=right).status_code == 200


def test_another_site_cannot_write(client: httpx.Client, sky: SmallSky) -> None:
    for headers in (
        {"origin": "https://evil.example"},
        {"origin": "null"},
        {"sec-fetch-site": "cross-site"},
        {"sec-fetch-site": "same-site"},
    ):
        answer = client.post(events_of(sky), json=EVENT, headers=headers)
        assert answer.status_code == 403, headers
    assert client.get(events_of(sky)).json() == []
    own = {"origin": str(client.base_url).rstrip("/"), "sec-fetch-site": "same-origin"}
    assert client.post(events_of(sky), json=EVENT, headers=own).status_code == 201


def test_a_foreign_name_pointed_at_this_machine_is_refused(
    client: httpx.Client,
) -> None:
    for host, status in (
        ("evil.example", 400),
        ("evil.example:8000", 400),
        ("localhost:3001", 200),
        ("[::1]:3001", 200),
        ("127.0.0.1", 200),
    ):
        answer = client.get("/health", headers={"host": host})
        assert answer.status_code == status, host


@pytest.mark.slow
def test_a_proxy_s_name_can_be_allowed(settings: WebSettings) -> None:
    with asked(replace(settings, hosts=("astrid.example.org",))) as client:
        for host, status in (("astrid.example.org", 200), ("evil.example", 400)):
            answer = client.get("/health", headers={"host": host})
            assert answer.status_code == status


@pytest.mark.slow
def test_the_name_of_an_account_cannot_be_borrowed_on_loopback(
    client: httpx.Client, sky: SmallSky
) -> None:
    account(sky)
    client.headers["astrid-reviewer"] = "ada"
    assert client.post(events_of(sky), json=EVENT).status_code == 403
    client.headers["astrid-reviewer"] = "<script>"
    assert client.post(events_of(sky), json=EVENT).status_code == 422


@pytest.mark.slow
def test_secrets_appear_in_no_log_and_no_answer(
    settings: WebSettings, sky: SmallSky, caplog: pytest.LogCaptureFixture
) -> None:
    token = account(sky)
    caplog.set_level(logging.DEBUG)
    told = []
    with locked(settings) as client:
        login = client.post("/session", json={"name": "ada", "password": PASSWORD})
        cookie = client.cookies["astrid_session"]
        told += [login.text]
        client.headers["authorization"] = f"Bearer {token}"
        for method, path in (
            ("GET", "/session"),
            ("GET", "/detections"),
            ("GET", "/nothing"),
            ("POST", "/training/datasets/collect"),
            ("POST", events_of(sky)),
            ("GET", events_of(sky)),
            ("GET", "/export/labels.csv"),
            ("GET", "/openapi.json"),
        ):
            told.append(client.request(method, path, json={}).text)
        wrong = f"Bearer {token[:-1]}!"
        told.append(client.get("/detections", headers={"authorization": wrong}).text)
        bad = {"name": "ada", "password": PASSWORD + "!"}
        client.cookies.clear()
        told.append(client.post("/session", json=bad).text)
        told.append(client.post("/session", json=bad | {"name": "\x00"}).text)
    server_logs = [
        record.getMessage()
        for record in caplog.records
        if not record.name.startswith(("httpx", "httpcore"))
    ]
    assert any("/detections" in line for line in server_logs)
    for text in (*server_logs, *told):
        for secret in (
            token,
            token[:-1],
            cookie,
            PASSWORD,
            accounts.secret_hash(token),
        ):
            assert secret not in text


def test_a_large_body_is_refused_however_it_comes(client: httpx.Client, sky: SmallSky) -> None:
    json_type = {"content-type": "application/json"}
    large = b'{"notes": "' + b"x" * 2**21 + b'"}'
    announced = client.post(events_of(sky), content=large, headers=json_type)
    assert announced.status_code == 413
    pieces = (large[i : i + 65536] for i in range(0, len(large), 65536))
    streamed = client.post(events_of(sky), content=pieces, headers=json_type)
    assert streamed.status_code == 400
    assert client.get(events_of(sky)).json() == []


def test_the_repr_of_the_settings_hides_the_keys(settings: WebSettings) -> None:
    secret = "s3cr3t-key"
    shown = repr(
        replace(
            settings,
            database_url=f"postgresql://me:{secret}@host/db",
            s3_access_key=secret,
            s3_secret_key=secret,
        )
    )
    assert secret not in shown
