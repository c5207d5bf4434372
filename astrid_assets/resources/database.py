"""The catalogue as a Dagster resource; the client is in `storage.database.catalogue`."""

import dagster as dg
from pydantic import Field

from astrid_assets.storage.beginning import migrate
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore


class CatalogueResource(dg.ConfigurableResource[Catalogue]):
    """A SQLite file, or a PostgreSQL database."""

    url: str = Field(description="sqlite:///path or postgresql://user:password@host/db")
    store: dg.ResourceDependency[ObjectStore]

    def create_resource(self, context: dg.InitResourceContext) -> Catalogue:
        """Return the catalogue with its tables up to date.

        Raises
        ------
        CatalogueUnavailable
            If it cannot be reached, was written by a newer AstrID, or is new beside a
            filled store.
        """
        del context
        catalogue = Catalogue(self.url)
        migrate(catalogue, self.store)
        return catalogue
