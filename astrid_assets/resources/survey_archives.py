"""Access to the surveys' sources as a Dagster resource; `surveys.sources` reads them.

Which source a survey has stands in its profile; only endpoint and credentials of
object stores come from here, so no profile ever holds a secret, and the hosts that may be
inside this network, so no profile ever opens it.
"""

import dagster as dg
from pydantic import Field

from astrid_assets.surveys.sources.base import SourceOptions


class SurveyArchives(dg.ConfigurableResource[SourceOptions]):
    """Endpoint and credentials of object stores, and the hosts that archives may be at."""

    endpoint: str | None = Field(default=None, description="of the S3 service")
    region: str | None = Field(default=None, description="of the S3 service; R2 takes auto")
    access_key: str | None = Field(default=None, description="of the S3 service")
    secret_key: str | None = Field(default=None, description="of the S3 service")
    internal_hosts: list[str] = Field(
        default=[], description="hosts of this network that archives may be at"
    )

    def create_resource(self, context: dg.InitResourceContext) -> SourceOptions:
        """Return the options that `open_source` takes."""
        del context
        return SourceOptions(
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=self.secret_key,
            internal_hosts=tuple(self.internal_hosts),
        )
