"""The partitions of the graph: survey × date.

Surveys are a dynamic dimension: `astrid survey add` adds a key to the instance and
nothing has to be restarted. Dates are nights, as each survey's profile dates them.
Dimensions sort by name, so a key reads ``2025-03-01|sim-wide``; it is never split by
hand (`night_of_partition`).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from astrid_assets.resources.environment import Nights

if TYPE_CHECKING:
    from collections.abc import Iterable

FIRST_NIGHT = Nights().first_night.isoformat()
"""The first night that can be a partition. Partition definitions are module-level
in Dagster, so this one address-like setting is read where they are made."""

SURVEYS = dg.DynamicPartitionsDefinition(name="survey")
NIGHTS = dg.DailyPartitionsDefinition(start_date=FIRST_NIGHT, end_offset=1)
# end_offset: tonight, which UTC has not finished, is a partition already.

survey_date = dg.MultiPartitionsDefinition({"survey": SURVEYS, "date": NIGHTS})


@dataclass(frozen=True, order=True)
class Night:
    """One night of one survey; `date` is ``YYYY-MM-DD``."""

    survey: str
    date: str

    @property
    def key(self) -> dg.MultiPartitionKey:
        """The Dagster partition key of the night."""
        return dg.MultiPartitionKey({"survey": self.survey, "date": self.date})


def night_of_partition(key: str) -> Night:
    """Return the night that a partition key names."""
    parts = (
        key
        if isinstance(key, dg.MultiPartitionKey)
        else survey_date.get_partition_key_from_str(key)
    ).keys_by_dimension
    return Night(survey=parts["survey"], date=parts["date"])


def nights_of(keys: Iterable[str]) -> list[Night]:
    """Return the nights of a run in time order, survey by survey."""
    return sorted(night_of_partition(key) for key in keys)
