"""Secrets are kept as hashes, open what they should, and stop when they should."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import pytest
from sqlalchemy import select

from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.review import Reviewer, ReviewerSession, ReviewerToken
from astrid_assets.storage.review import accounts
from astrid_assets.storage.review.accounts import AccountRefused

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue

PASSWORD = "correct horse battery"


@pytest.fixture
def with_ada(catalogue: Catalogue) -> Catalogue:
    with catalogue.begin() as session:
        accounts.add_reviewer(session, "ada", "expert", PASSWORD)
    return catalogue


@pytest.mark.slow
def test_a_password_opens_its_own_account_only(with_ada: Catalogue) -> None:
    with with_ada.read() as session:
        found = accounts.by_password(session, "ada", PASSWORD)
        assert found is not None
        assert found.role == "expert"
        assert accounts.by_password(session, "ada", PASSWORD + " ") is None
        assert accounts.by_password(session, "bob", PASSWORD) is None
        assert accounts.by_password(session, "ada", "") is None


def test_nothing_kept_contains_a_secret(with_ada: Catalogue) -> None:
    with with_ada.begin() as session:
        token = accounts.new_token(session, "ada", "notebook")
        cookie = accounts.new_session(session, "ada")
    with with_ada.read() as session:
        kept = [
            str(value)
            for table in (Reviewer, ReviewerToken, ReviewerSession)
            for row in session.scalars(select(table))
            for value in vars(row).values()
        ]
    for secret in (PASSWORD, token, cookie, token.removeprefix("astrid_")):
        assert not any(secret in value for value in kept)


@pytest.mark.slow
def test_the_same_password_gives_another_hash_each_time() -> None:
    assert accounts.password_hash(PASSWORD) != accounts.password_hash(PASSWORD)


def test_a_token_works_until_it_is_revoked(with_ada: Catalogue) -> None:
    with with_ada.begin() as session:
        token = accounts.new_token(session, "ada", "notebook")
        other = accounts.new_token(session, "ada", "script")
    with with_ada.begin() as session:
        found = accounts.by_token(session, token)
        assert found is not None
        assert found.name == "ada"
        assert accounts.revoke_tokens(session, "ada", "notebook") == 1
    with with_ada.read() as session:
        assert accounts.by_token(session, token) is None
        assert accounts.by_token(session, other) is not None
        assert accounts.by_token(session, "astrid_guess") is None


def test_a_token_ends_with_its_time(with_ada: Catalogue) -> None:
    with with_ada.begin() as session:
        token = accounts.new_token(session, "ada", "short", days=1)
        row = session.scalars(select(ReviewerToken)).one()
        row.expires_at = now() - dt.timedelta(seconds=1)
    with with_ada.read() as session:
        assert accounts.by_token(session, token) is None


@pytest.mark.slow
def test_a_login_ends_with_logging_out_and_with_a_new_password(
    with_ada: Catalogue,
) -> None:
    with with_ada.begin() as session:
        first = accounts.new_session(session, "ada")
        second = accounts.new_session(session, "ada")
        accounts.end_session(session, first)
    with with_ada.begin() as session:
        assert accounts.by_session(session, first) is None
        assert accounts.by_session(session, second) is not None
        accounts.add_reviewer(session, "ada", "expert", PASSWORD + "!")
    with with_ada.read() as session:
        assert accounts.by_session(session, second) is None


def test_a_closed_account_opens_nothing(with_ada: Catalogue) -> None:
    with with_ada.begin() as session:
        token = accounts.new_token(session, "ada", "api")
        accounts.deactivate(session, "ada")
    with with_ada.begin() as session:
        assert accounts.by_token(session, token) is None
        assert accounts.by_password(session, "ada", PASSWORD) is None
        with pytest.raises(AccountRefused, match="closed"):
            accounts.new_token(session, "ada", "api")


@pytest.mark.parametrize(
    ("name", "role", "password", "words"),
    [
        ("", "reviewer", None, "no reviewer's name"),
        ("a\nb", "reviewer", None, "no reviewer's name"),
        ("<b>", "reviewer", None, "no reviewer's name"),
        ("x" * 81, "reviewer", None, "no reviewer's name"),
        ("ada", "god", None, "no role"),
        ("ada", "reviewer", "short", "10 to 1000 characters"),
        ("ada", "reviewer", "x" * 1001, "10 to 1000 characters"),
    ],
)
def test_an_account_that_cannot_be_is_refused(
    catalogue: Catalogue, name: str, role: str, password: str | None, words: str
) -> None:
    with catalogue.begin() as session, pytest.raises(AccountRefused, match=words):
        accounts.add_reviewer(session, name, role, password)
