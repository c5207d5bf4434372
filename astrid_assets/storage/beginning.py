"""How a catalogue begins, or goes on: its tables made or brought up to date."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.storage.database.catalogue_errors import CatalogueUnavailable

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore


def migrate(catalogue: Catalogue, store: ObjectStore) -> None:
    """Bring the tables up to date; make them only beside an empty store.

    Raises
    ------
    CatalogueUnavailable
        If the catalogue has no tables while the store holds objects: it was lost, or
        its address is wrong, and beginning anew would hide that.
    """
    if not catalogue.has_tables() and not store.is_empty():
        raise CatalogueUnavailable.lost(catalogue.url, store.url)
    catalogue.migrate()
