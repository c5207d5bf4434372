"""Write the next revision: the difference between `database.tables` and the newest one."""

from __future__ import annotations

import sys
import tempfile
from pathlib import Path

from alembic import command
from alembic.script import ScriptDirectory

from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.column_types import UtcDateTime
from astrid_assets.storage.database.migrations import schema as migrations


def render_item(kind: str, item: object, _context: object) -> str | bool:
    """Write our column types as what they are in the database."""
    if kind == "type" and isinstance(item, UtcDateTime):
        return "sa.DateTime(timezone=True)"
    return False


def main(message: str) -> None:
    """Write a revision with this message, numbered after the newest."""
    settings = migrations.config()
    script = ScriptDirectory.from_config(settings)
    number = len(list(script.walk_revisions())) + 1
    with tempfile.TemporaryDirectory() as folder:
        catalogue = Catalogue(f"sqlite:///{Path(folder) / 'empty.db'}")
        if number > 1:
            catalogue.migrate()
        with catalogue.engine.begin() as connection:
            settings.attributes["connection"] = connection
            settings.attributes["render_item"] = render_item
            command.revision(settings, message, autogenerate=True, rev_id=f"{number:04d}")
        catalogue.close()


if __name__ == "__main__":
    if len(sys.argv) != 2 or not sys.argv[1].strip():
        sys.exit('usage: python -m astrid_assets.storage.database.migrations "what changes"')
    main(sys.argv[1].strip())
