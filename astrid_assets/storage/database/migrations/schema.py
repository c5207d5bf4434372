"""The Alembic history of the catalogue's tables, run by the program itself.

`python -m astrid_assets.storage.database.migrations "what changes"` writes the next revision
by comparing `database.tables` with the newest one; read it before it is used.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory

if TYPE_CHECKING:
    from sqlalchemy import Connection

HERE = Path(__file__).parent


def upgrade_schema(connection: Connection) -> None:
    """Bring the tables up to date inside the connection's transaction."""
    settings = config()
    settings.attributes["connection"] = connection
    command.upgrade(settings, "head")


def current(connection: Connection) -> str | None:
    """Return the revision of the tables, None when there are none."""
    return MigrationContext.configure(connection).get_current_revision()


@cache
def head() -> str:
    """Return the newest revision this program knows."""
    revision = ScriptDirectory.from_config(config()).get_current_head()
    if revision is None:
        raise RuntimeError(f"no migrations in {HERE}")
    return revision


@cache
def knows(revision: str) -> bool:
    """Say whether a revision is one of this program's."""
    script = ScriptDirectory.from_config(config())
    return revision in {known.revision for known in script.walk_revisions()}


def config() -> Config:
    """Return Alembic's settings; there is no ini file."""
    settings = Config()
    settings.set_main_option("script_location", str(HERE).replace("%", "%%"))
    settings.set_main_option("path_separator", "os")
    return settings
