"""What AstrID keeps is for its user only, whatever the umask; what was there stays."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.catalogue_errors import CatalogueUnavailable
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.private import make_private_folder
from astrid_assets.tracking.embedded import check_writable

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture(autouse=True)
def open_umask() -> Iterator[None]:
    """A user whose files are readable by everybody unless somebody takes care."""
    before = os.umask(0o022)
    yield
    os.umask(before)


def mode(path: Path) -> str:
    return f"{path.stat().st_mode & 0o777:o}"


@pytest.mark.slow
def test_a_new_catalogue_is_private_with_everything_sqlite_puts_beside_it(tmp_path: Path) -> None:
    home = tmp_path / "data" / "home"
    catalogue = Catalogue(f"sqlite:///{home / 'catalogue.db'}")
    catalogue.migrate()
    with catalogue.begin():
        modes = {path.name: mode(path) for path in home.iterdir()}
    catalogue.close()
    assert mode(home) == mode(home.parent) == "700"
    assert set(modes) >= {"catalogue.db", "catalogue.db-wal", "catalogue.db-shm"}
    assert set(modes.values()) == {"600"}


@pytest.mark.slow
def test_folder_and_catalogue_that_others_may_read_stay_so(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir(mode=0o755)
    file = shared / "catalogue.db"
    file.touch(mode=0o644)
    catalogue = Catalogue(f"sqlite:///{file}")
    catalogue.migrate()
    catalogue.close()
    assert (mode(shared), mode(file)) == ("755", "644")


def test_a_store_that_others_read_is_not_changed(tmp_path: Path) -> None:
    root = tmp_path / "store"
    root.mkdir()
    root.chmod(0o755)
    store = FolderObjectStore(root)
    key = store.put("a/b", b"text", ".txt")
    assert mode(root) == "755"
    assert mode(root / key) == "644"


def test_the_folder_of_mlflow_is_private(tmp_path: Path) -> None:
    check_writable(tmp_path / "home" / "mlflow" / "mlflow.db")
    assert mode(tmp_path / "home") == mode(tmp_path / "home" / "mlflow") == "700"


def test_only_missing_folders_are_made_private(tmp_path: Path) -> None:
    there = tmp_path / "there"
    there.mkdir()
    there.chmod(0o755)
    make_private_folder(there / "new" / "newer")
    modes = [mode(there), mode(there / "new"), mode(there / "new" / "newer")]
    assert modes == ["755", "700", "700"]


def test_a_catalogue_whose_folder_cannot_be_made_says_so(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    catalogue = Catalogue(f"sqlite:///{tmp_path}/file/home/deep/catalogue.db")
    with pytest.raises(CatalogueUnavailable, match="folder"):
        catalogue.migrate()
