"""The catalogue as a Dagster resource; the client is in `storage.database.catalogue`."""

import dagster as dg
from pydantic import Field

from astrid_assets.storage.database.catalogue import Catalogue


class CatalogueResource(dg.ConfigurableResource[Catalogue]):
    """A SQLite file, or a PostgreSQL database."""

    url: str = Field(description="sqlite:///path or postgresql://user:password@host/db")

    def create_resource(self, context: dg.InitResourceContext) -> Catalogue:
        """Return the catalogue with its tables up to date.

        Raises
        ------
        CatalogueUnavailable
            If it cannot be reached, or was written by a newer AstrID.
        """
        del context
        catalogue = Catalogue(self.url)
        catalogue.migrate()
        return catalogue
