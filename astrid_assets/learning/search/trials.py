"""The trials of a search: what was tried, how far it came, which was best.

A trial is judged by the epoch that a training would keep, the one of the lowest val
loss, never by its luckiest epoch. Running them is in `tuning`.
"""

from __future__ import annotations

import hashlib
import json
import math
from dataclasses import asdict, dataclass, field, replace
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence

    from astrid_assets.learning.search.space import Values
    from astrid_assets.learning.segmentation_task import EpochMetrics

Metric = Literal["val_auc", "val_candidate_loss", "val_loss"]
Status = Literal["running", "finished", "stopped", "failed"]

KEPT_BY = "val_loss"
"""What a training keeps its best epoch by; see `trainer`."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """One tried combination of settings.

    Attributes
    ----------
    name
        Follows from the values: the same combination has the same name.
    status
        ``running`` also when it was cut off; ``stopped`` by the scheduler because
        others were better; ``failed`` with the `error`.
    history
        Its epochs so far, as a training reports them.
    seconds
        Wall time of all attempts.
    """

    name: str
    values: Values
    status: Status = "running"
    history: tuple[EpochMetrics, ...] = ()
    error: str | None = None
    seconds: float = 0.0

    @property
    def kept(self) -> EpochMetrics | None:
        """The epoch that a training would keep; None before the first."""
        return kept_epoch(self.history)

    def as_dict(self) -> dict[str, Any]:
        """Return it as plain values, for JSON."""
        return asdict(self) | {"history": [dict(epoch) for epoch in self.history]}

    @staticmethod
    def from_dict(content: Mapping[str, Any]) -> Trial:
        """Return the trial that `as_dict` described."""
        history = tuple(dict(epoch) for epoch in content["history"])
        return Trial(**{**content, "history": history})


@dataclass
class Ledger:
    """All trials of a search in the order in which they were begun.

    Fed with the events of a `tuning` run; `on_change` is called with each trial that an
    event changed.
    """

    on_change: Callable[[Trial], None]
    trials: dict[str, Trial] = field(default_factory=dict)

    def __call__(self, event: Mapping[str, Any]) -> None:
        """Take in an event: a begin, an epoch, or an end."""
        name = event["name"]
        trial = self.trials.get(name) or Trial(name=name, values=dict(event["values"]))
        if event["what"] == "begin":
            trial = replace(trial, status="running", error=None)
        elif event["what"] == "epoch":
            entry = dict(event["metrics"])
            earlier = [one for one in trial.history if one["epoch"] < entry["epoch"]]
            trial = replace(
                trial,
                history=(*earlier, entry),
                seconds=trial.seconds + float(event["seconds"]),
            )
        else:
            trial = replace(trial, status=event["status"], error=event["error"])
        self.trials[name] = trial
        self.on_change(trial)


def name_of(values: Mapping[str, object]) -> str:
    """Return the name of a combination of values, 16 hexadecimal digits."""
    return hashlib.sha256(json.dumps(dict(values), sort_keys=True).encode()).hexdigest()[:16]


def kept_epoch(history: Sequence[EpochMetrics]) -> EpochMetrics | None:
    """Return the epoch that a training would keep: the first of the lowest val loss."""
    return min(history, key=lambda epoch: epoch[KEPT_BY], default=None)


def objective(history: Sequence[EpochMetrics], metric: Metric) -> float:
    """Return a metric of the kept epoch; NaN before the first."""
    kept = kept_epoch(history)
    return math.nan if kept is None else float(kept[metric])


def is_maximised(metric: Metric) -> bool:
    """Return whether more of a metric is better."""
    return metric == "val_auc"


def ranked(trials: Iterable[Trial], metric: Metric) -> list[Trial]:
    """Return the trials that have an epoch, the best first.

    Those that came to their end go before those that did not: what was cut off early
    was judged on less. Among equals the one with the lower candidate loss is better.
    """
    sign = -1.0 if is_maximised(metric) else 1.0

    def key(trial: Trial) -> tuple[bool, float, float]:
        kept = trial.kept or {}
        return (
            trial.status != "finished",
            sign * float(kept[metric]),
            float(kept["val_candidate_loss"]),
        )

    return sorted((one for one in trials if one.history and one.status != "failed"), key=key)
