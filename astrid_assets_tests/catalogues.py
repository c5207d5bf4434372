"""Catalogues in a file of their own: empty, or with one survey (a fixture)."""

from __future__ import annotations

import functools
import tempfile
from pathlib import Path

import pytest

from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.tables.frames import Survey


@functools.cache
def _empty_file() -> bytes:
    """Return a file with every table, made once: the migrations take longer than most tests."""
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "catalogue.db"
        catalogue = Catalogue(f"sqlite:///{path}")
        catalogue.migrate()
        catalogue.close()
        assert [p.name for p in path.parent.iterdir()] == [path.name], "all is in one file"
        return path.read_bytes()


def new_catalogue(folder: Path, name: str = "catalogue.db") -> Catalogue:
    """Return a catalogue with its tables and without rows, in a folder."""
    path = folder / name
    path.write_bytes(_empty_file())
    return Catalogue(f"sqlite:///{path}")


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """An empty catalogue with the survey ``wide``."""
    made = new_catalogue(tmp_path)
    with made.begin() as session:
        session.add(Survey(name="wide", profile_toml="", created_at=now(), updated_at=now()))
    return made
