"""The object store as a Dagster resource; the client is in `storage.objects.object_store`."""

import dagster as dg
from pydantic import Field

from astrid_assets.storage.objects.object_store import ObjectStore, open_object_store


class ObjectStoreResource(dg.ConfigurableResource[ObjectStore]):
    """A folder, or a bucket of an S3 service such as R2."""

    url: str = Field(description="a path, or s3://bucket/prefix")
    endpoint: str | None = Field(default=None, description="of the S3 service")
    region: str | None = Field(default=None, description="of the S3 service; R2 takes auto")
    access_key: str | None = Field(default=None, description="of the S3 service")
    secret_key: str | None = Field(default=None, description="of the S3 service")

    def create_resource(self, context: dg.InitResourceContext) -> ObjectStore:
        """Return the store; nothing is contacted before it is used."""
        del context
        return open_object_store(
            self.url,
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=self.secret_key,
        )
