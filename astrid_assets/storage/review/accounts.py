"""Reviewers' accounts: roles, passwords, API tokens and logins in a browser.

Secrets are kept as hashes only. A password is stretched with scrypt; tokens and
session cookies are 256 random bits, for which one SHA-256 is enough. What is handed
out (`new_token`, `new_session`) is returned once and can never be read again.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import hmac
import re
import secrets
from typing import TYPE_CHECKING

from sqlalchemy import delete, select

from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.review import Reviewer, ReviewerSession, ReviewerToken

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

ROLES = ("reader", "reviewer", "expert", "admin")
"""Each may do what those before it may; an expert's vote weighs more."""

NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9 ._@-]{0,78}[A-Za-z0-9.]|[A-Za-z0-9]")
MIN_PASSWORD = 10  # characters; NIST SP 800-63B asks for 8 with rate limiting
MAX_PASSWORD = 1000
TOKEN_PREFIX = "astrid_"  # noqa: S105  makes leaked tokens findable by scanners
SESSION_LIFE = dt.timedelta(days=14)
SECRET_BYTES = 32

SCRYPT_LOG2_N = 15
SCRYPT_R = 8
SCRYPT_P = 1
SCRYPT_MEMORY = 64 * 2**20  # bytes; N=2^15, r=8 need 32 MiB


class AccountRefused(ValueError):
    """A name, role or password that cannot be used; the message says why."""


def add_reviewer(session: Session, name: str, role: str, password: str | None = None) -> Reviewer:
    """Add an account, or give an existing one another role and password.

    Parameters
    ----------
    password
        None leaves the password as it is: without one only tokens log in.

    Raises
    ------
    AccountRefused
        If name, role or password cannot be used.
    """
    if not NAME.fullmatch(name):
        raise AccountRefused(
            f"{name!r} is no reviewer's name: letters, digits, spaces and ._@-, "
            "1 to 80 characters, starting with a letter or digit"
        )
    if role not in ROLES:
        raise AccountRefused(f"{role!r} is no role; there are {', '.join(ROLES)}")
    hashed = None if password is None else password_hash(password)
    known = session.get(Reviewer, name)
    if known is None:
        known = Reviewer(name=name, role=role, is_active=True, created_at=now())
        session.add(known)
    known.role = role
    known.is_active = True
    if hashed is not None:
        known.password_hash = hashed
        _end_sessions(session, name)
    session.flush()
    return known


def deactivate(session: Session, name: str) -> None:
    """Close an account: no login, no token works; what was said stays.

    Raises
    ------
    AccountRefused
        If there is no such account.
    """
    existing_account(session, name).is_active = False
    _end_sessions(session, name)


def existing_account(session: Session, name: str) -> Reviewer:
    """Return an account; AccountRefused when there is none of that name."""
    found = session.get(Reviewer, name)
    if found is None:
        raise AccountRefused(f"there is no reviewer {name!r}; add one with `astrid reviewer add`")
    return found


def exists(session: Session, name: str) -> bool:
    """Return whether the name belongs to an account, open or closed."""
    return session.get(Reviewer, name) is not None


def all_reviewers(session: Session) -> list[Reviewer]:
    """Return all accounts by name."""
    return list(session.scalars(select(Reviewer).order_by(Reviewer.name)))


def by_password(session: Session, name: str, password: str) -> Reviewer | None:
    """Return the account a name and password open; takes the same time for any name."""
    found = session.get(Reviewer, name)
    stored = found.password_hash if found is not None else None
    # A name that does not exist must not answer faster than a wrong password.
    matches = password_matches(password, stored or _NOBODY)
    if found is None or stored is None or not found.is_active or not matches:
        return None
    return found


def new_token(session: Session, name: str, purpose: str, *, days: float | None = None) -> str:
    """Make an API token for a reviewer and return it, for the only time.

    Raises
    ------
    AccountRefused
        If there is no such active account, or the purpose is too long.
    """
    account = existing_account(session, name)
    if not account.is_active:
        raise AccountRefused(f"the account of {name} is closed")
    if len(purpose) > 120:
        raise AccountRefused("a purpose takes 120 characters at most")
    token = TOKEN_PREFIX + secrets.token_urlsafe(SECRET_BYTES)
    created = now()
    session.add(
        ReviewerToken(
            token_hash=secret_hash(token),
            reviewer=name,
            purpose=purpose,
            created_at=created,
            expires_at=None if days is None else created + dt.timedelta(days=days),
            revoked_at=None,
        )
    )
    return token


def by_token(session: Session, token: str) -> Reviewer | None:
    """Return the account of a valid token."""
    row = session.get(ReviewerToken, secret_hash(token))
    if row is None or row.revoked_at is not None:
        return None
    if row.expires_at is not None and row.expires_at <= now():
        return None
    return _active(session, row.reviewer)


def tokens_of(session: Session, name: str) -> list[ReviewerToken]:
    """Return the tokens of a reviewer, oldest first; their hashes are all there is."""
    query = (
        select(ReviewerToken)
        .where(ReviewerToken.reviewer == name)
        .order_by(ReviewerToken.created_at, ReviewerToken.token_hash)
    )
    return list(session.scalars(query))


def revoke_tokens(session: Session, name: str, purpose: str | None = None) -> int:
    """Make tokens of a reviewer useless, all or those of one purpose; count them."""
    query = select(ReviewerToken).where(
        ReviewerToken.reviewer == name, ReviewerToken.revoked_at.is_(None)
    )
    if purpose is not None:
        query = query.where(ReviewerToken.purpose == purpose)
    rows = list(session.scalars(query))
    for row in rows:
        row.revoked_at = now()
    return len(rows)


def new_session(session: Session, name: str) -> str:
    """Start a login and return the secret of its cookie, for the only time."""
    session.execute(delete(ReviewerSession).where(ReviewerSession.expires_at <= now()))
    secret = secrets.token_urlsafe(SECRET_BYTES)
    created = now()
    session.add(
        ReviewerSession(
            session_hash=secret_hash(secret),
            reviewer=name,
            created_at=created,
            expires_at=created + SESSION_LIFE,
        )
    )
    return secret


def by_session(session: Session, secret: str) -> Reviewer | None:
    """Return the account of a login that has not ended."""
    row = session.get(ReviewerSession, secret_hash(secret))
    if row is None or row.expires_at <= now():
        return None
    return _active(session, row.reviewer)


def end_session(session: Session, secret: str) -> None:
    """Log out; an unknown login is no error."""
    table = ReviewerSession
    session.execute(delete(table).where(table.session_hash == secret_hash(secret)))


def secret_hash(secret: str) -> str:
    """Return what is kept of a token or cookie."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def password_hash(password: str) -> str:
    """Return ``scrypt$log2N$r$p$salt$hash`` of a password.

    Raises
    ------
    AccountRefused
        If it is too short or longer than anybody types.
    """
    if not MIN_PASSWORD <= len(password) <= MAX_PASSWORD:
        raise AccountRefused(f"a password takes {MIN_PASSWORD} to {MAX_PASSWORD} characters")
    salt = secrets.token_bytes(16)
    digest = _scrypt(password, salt, SCRYPT_LOG2_N, SCRYPT_R, SCRYPT_P)
    parts = (SCRYPT_LOG2_N, SCRYPT_R, SCRYPT_P, salt.hex(), digest.hex())
    return "scrypt$" + "$".join(map(str, parts))


def password_matches(password: str, stored: str) -> bool:
    """Say whether a password is the one behind a stored hash."""
    if len(password) > MAX_PASSWORD:
        return False
    _, log2_n, r, p, salt, digest = stored.split("$")
    found = _scrypt(password, bytes.fromhex(salt), int(log2_n), int(r), int(p))
    return hmac.compare_digest(found, bytes.fromhex(digest))


def _scrypt(password: str, salt: bytes, log2_n: int, r: int, p: int) -> bytes:
    return hashlib.scrypt(
        password.encode("utf-8", "surrogatepass"),
        salt=salt,
        n=2**log2_n,
        r=r,
        p=p,
        maxmem=SCRYPT_MEMORY,
        dklen=32,
    )


_NOBODY = f"scrypt${SCRYPT_LOG2_N}${SCRYPT_R}${SCRYPT_P}${bytes(16).hex()}${bytes(32).hex()}"
"""The hash of no password: 32 zero bytes that scrypt never gives."""


def _active(session: Session, name: str) -> Reviewer | None:
    found = session.get(Reviewer, name)
    return found if found is not None and found.is_active else None


def _end_sessions(session: Session, name: str) -> None:
    session.execute(delete(ReviewerSession).where(ReviewerSession.reviewer == name))
