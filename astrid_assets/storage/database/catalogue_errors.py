"""What can go wrong with the catalogue's database, each with its remedy.

Messages name the address with its password hidden and never repeat a statement.
"""

from __future__ import annotations

import re
import sqlite3
from typing import TYPE_CHECKING

from sqlalchemy.exc import OperationalError

if TYPE_CHECKING:
    from sqlalchemy.exc import DBAPIError as DatabaseProblem

MIGRATE = "run `astrid status`; every astrid command brings them up to date first"
MAX_DETAIL = 300  # characters of what the database itself says

DAMAGED = (
    "the database is damaged: `astrid doctor --verify` says where, and with --fix makes "
    "damaged indexes again; else restore it from a backup. The objects are kept"
)

SQLITE_REMEDIES = {
    "unable to open": "the file cannot be opened: check that its folder exists and "
    "that this user may write there (ASTRID_DATABASE_URL)",
    "readonly": "the file is read-only: let this user write it and its folder, or "
    "point ASTRID_DATABASE_URL elsewhere",
    "is locked": "another process has been writing for longer than half a minute: "
    "wait for it, or stop it",
    "disk is full": "the disk is full: free space and run again; nothing was lost",
    "disk I/O error": "the disk reports errors, or does not support SQLite's locks "
    "(network folders often do not): keep the catalogue on a local disk, or use "
    "PostgreSQL",
    "not a database": "the file is damaged, or is no SQLite database: `astrid doctor "
    "--verify` says what is left of it; point ASTRID_DATABASE_URL at another file, or "
    "restore this one from a backup",
    "malformed": DAMAGED,
    "Could not decode to UTF-8": DAMAGED,
}

POSTGRES_REMEDIES = {
    r"password authentication failed|no password supplied": "PostgreSQL refuses the "
    "user or password: check ASTRID_DATABASE_URL",
    r"database \"[^\"]*\" does not exist": "that database does not exist: create it "
    "(`createdb`), or correct ASTRID_DATABASE_URL",
    r"role \"[^\"]*\" does not exist": "that user does not exist in PostgreSQL: create "
    "it, or correct ASTRID_DATABASE_URL",
    r"could not translate host name": "that host is not known: check ASTRID_DATABASE_URL",
    r"Connection refused|No such file or directory|server closed the connection|"
    r"terminating connection|the database system is|timeout expired|"
    r"connection already closed|could not receive data|SSL connection": "PostgreSQL "
    "does not answer: start it, or check host and port in ASTRID_DATABASE_URL",
    r"too many (clients|connections)|remaining connection slots": "PostgreSQL has no "
    "free connection: use fewer workers or raise max_connections",
    r"No space left on device|could not extend file": "the disk of the PostgreSQL "
    "server is full: free space there and run again; nothing was lost",
    r"permission denied|read-only transaction": "this PostgreSQL user may not do that: "
    "grant it the rights on the database",
    r"invalid page in block|could not read block|unexpected zero page|missing chunk number|"
    r"invalid memory alloc request": DAMAGED,
    r"deadlock detected|could not serialize": "two processes wrote the same rows at "
    "once: run again",
}


class CatalogueUnavailable(Exception):
    """The catalogue cannot be used; the message has the remedy."""

    @classmethod
    def bad_address(cls) -> CatalogueUnavailable:
        """The address is none; it is not repeated, for it may hold a password."""
        return cls(
            "ASTRID_DATABASE_URL must read sqlite:////folder/catalogue.db or "
            "postgresql+psycopg2://user:password@host:5432/database, with special "
            "characters of the password written as %XX"
        )

    @classmethod
    def not_migrated(cls, url: str) -> CatalogueUnavailable:
        """The database has no tables of ours, or old ones."""
        return cls(f"the tables of the catalogue {url} are not up to date: {MIGRATE}")

    @classmethod
    def newer(cls, url: str) -> CatalogueUnavailable:
        """Another version of AstrID has upgraded the tables."""
        return cls(
            f"the catalogue {url} was made by a newer AstrID: install that version, "
            "or point ASTRID_DATABASE_URL at another catalogue"
        )

    @classmethod
    def lost(cls, url: str, store_url: str) -> CatalogueUnavailable:
        """The store is filled, but the catalogue that names its objects has no tables."""
        return cls(
            f"the catalogue {url} is empty, but the store {store_url} is filled: bring the "
            "catalogue back from a backup, or correct ASTRID_DATABASE_URL; to begin anew, "
            "name an empty folder or another prefix in ASTRID_STORE_URL"
        )

    @classmethod
    def no_folder(cls, url: str, error: OSError) -> CatalogueUnavailable:
        """The folder of the SQLite file cannot be made."""
        return cls(
            f"the folder of the catalogue {url} cannot be made ({error.strerror}): "
            "point ASTRID_DATABASE_URL at a folder this user may write"
        )


def catalogue_error(error: DatabaseProblem, url: str) -> CatalogueUnavailable | None:
    """Return what a database error means, or None when it is a fault of the program."""
    cause = error.orig
    text = str(cause)
    if re.search(r"no such (table|column)|relation \"\w+\" does not exist", text):
        return CatalogueUnavailable.not_migrated(url)
    if isinstance(cause, sqlite3.Error):
        for sign, remedy in SQLITE_REMEDIES.items():
            if sign in text:
                return CatalogueUnavailable(f"catalogue {url}: {remedy}")
        return None
    for sign, remedy in POSTGRES_REMEDIES.items():
        if re.search(sign, text):
            return CatalogueUnavailable(f"catalogue {url}: {remedy}")
    if isinstance(error, OperationalError) or error.connection_invalidated:
        detail = " ".join(text.split())[:MAX_DETAIL]
        return CatalogueUnavailable(f"catalogue {url}: {detail}")
    return None
