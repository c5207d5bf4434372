"""Fixture: a catalogue in a file of its own, with one survey."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.database.tables.frames import Survey

if TYPE_CHECKING:
    from pathlib import Path


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    """An empty catalogue with the survey ``wide``."""
    made = Catalogue(f"sqlite:///{tmp_path}/catalogue.db")
    made.migrate()
    with made.begin() as session:
        session.add(Survey(name="wide", profile_toml="", created_at=now(), updated_at=now()))
    return made
