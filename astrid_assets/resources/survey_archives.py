"""Access to the surveys' sources as a Dagster resource; `surveys.sources` reads them.

Which source a survey has stands in its profile; only endpoint and credentials of
object stores come from here, so no profile ever holds a secret.
"""

import dagster as dg
from pydantic import Field

from astrid_assets.surveys.sources.base import SourceOptions


class SurveyArchives(dg.ConfigurableResource[SourceOptions]):
    """Endpoint and credentials for sources that are object stores."""

    endpoint: str | None = Field(default=None, description="of the S3 service")
    region: str | None = Field(default=None, description="of the S3 service; R2 takes auto")
    access_key: str | None = Field(default=None, description="of the S3 service")
    secret_key: str | None = Field(default=None, description="of the S3 service")

    def create_resource(self, context: dg.InitResourceContext) -> SourceOptions:
        """Return the options that `open_source` takes."""
        del context
        return SourceOptions(
            endpoint=self.endpoint,
            region=self.region,
            access_key=self.access_key,
            secret_key=self.secret_key,
        )
