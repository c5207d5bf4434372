"""The frame loop as a Dagster resource; what runs it is in `astrid_assets.compute`."""

import dagster as dg
from pydantic import Field

from astrid_assets.compute import Backend, Compute


class ComputeResource(dg.ConfigurableResource[Compute]):
    """One process, a pool of processes, or a Ray cluster."""

    backend: Backend = Field(default="processes", description="serial, processes or ray")
    workers: int = Field(default=1, ge=1, description="frames computed at once")

    def create_resource(self, context: dg.InitResourceContext) -> Compute:
        """Return the frame loop; workers start with the first frame."""
        del context
        return Compute(self.backend, self.workers)
