"""Settings of a search: what is tried, by what rule, how long, and where it runs."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Literal

from pydantic import Field, field_validator

from astrid_assets.learning.search.space import LOSS_FIELDS, BadSpace, SearchSpace, parse_space
from astrid_assets.learning.search.trials import Metric
from astrid_assets.science.settings import Settings

if TYPE_CHECKING:
    from astrid_assets.learning.settings import TrainingSettings


class SearchSettings(Settings):
    """What is searched, how, and how long."""

    search: Literal["grid", "random", "bayesian"] = Field(
        default="bayesian",
        description="grid: every combination; random: drawn; bayesian: drawn where the "
        "trials so far promise most",
    )
    space: dict[str, Any] = Field(
        default={},
        description="values or ranges by the name of a training setting; empty: learning "
        "rate, batch size, filters, depth, dropout, weight decay, losses, optimiser, activation",
    )
    trials: int = Field(
        default=20, ge=1, description="combinations tried; a grid must have no more"
    )
    minutes: float | None = Field(
        default=None, gt=0, description="wall time after which no trial goes on; none: no limit"
    )
    metric: Metric = Field(
        default="val_auc", description="what trials are ranked by, on the val split"
    )
    grace_epochs: int = Field(default=3, ge=1, description="epochs before ASHA may stop a trial")
    at_once: int | None = Field(
        default=None, ge=1, description="trials that run at once; none: one for each core"
    )
    gpus_per_trial: float = Field(
        default=0.0, ge=0, description="share of a GPU that a trial takes; 0: it trains on the CPU"
    )
    address: str | None = Field(
        default=None,
        description="a Ray cluster that sees the home folder at the same path, such as "
        "ray://head:10001; none: RAY_ADDRESS, or else this machine alone",
    )
    seed: int = Field(default=0, ge=0, description="of the draws")

    @field_validator("space")
    @classmethod
    def _searchable(cls, space: dict[str, Any]) -> dict[str, Any]:
        parse_space(space)
        return space


HOW_IT_RUNS = frozenset({"minutes", "at_once", "gpus_per_trial", "address"})
"""Settings that are no part of a search's identity: asked again with others, it goes on."""


class SearchFailed(RuntimeError):
    """No trial came to an end; the message holds the first error."""


class ClusterUnreachable(SearchFailed):
    """The Ray cluster that was asked for does not answer."""


def check_search(search: SearchSettings, settings: TrainingSettings) -> SearchSpace:
    """Return the space of a search that can be made.

    Raises
    ------
    BadSpace
        If a value is none of the setting's, the grid is larger than the trials, or the
        metric depends on what is searched.
    """
    space = parse_space(search.space, settings)
    if search.search == "grid" and (size := len(space.grid())) > search.trials:
        raise BadSpace(
            f"the grid has {size} combinations, more than {search.trials} trials: name fewer "
            "values, raise trials, or search at random"
        )
    if search.metric == "val_loss" and (changed := sorted(LOSS_FIELDS & set(space.axes))):
        raise BadSpace(
            f"trials cannot be ranked by val_loss, because {changed[0]} changes what it "
            "measures: choose val_auc or val_candidate_loss"
        )
    return space
