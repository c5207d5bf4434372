"""What Ray Tune reports of its trials, as plain events for a `Ledger`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ray.tune import Callback

from astrid_assets.learning.search.trials import name_of

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from ray.tune.experiment import Trial as RayTrial


class Events(Callback):
    """Hands on an event for each begin, epoch and end of a trial.

    Each event holds `what`, the trial's `name` and its `values`; an ``epoch`` its
    `metrics` and `seconds`, an ``end`` its `status` and `error`.

    Parameters
    ----------
    deliver
        Takes an event.
    can_travel
        Whether `deliver` works in another process.
    """

    def __init__(
        self, deliver: Callable[[Mapping[str, Any]], object], *, can_travel: bool = False
    ) -> None:
        self.deliver = deliver
        self.can_travel = can_travel

    def __getstate__(self) -> dict[str, Any]:
        """Leave behind what cannot travel: Tune writes its callbacks to a file."""
        deliver = self.deliver if self.can_travel else _nowhere
        return {"deliver": deliver, "can_travel": self.can_travel}

    def on_trial_start(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: object
    ) -> None:
        """Report a begin."""
        del iteration, trials
        self._send(trial, "begin")

    def on_trial_result(
        self,
        iteration: int,
        trials: list[RayTrial],
        trial: RayTrial,
        result: dict[str, Any],
        **_: object,
    ) -> None:
        """Report an epoch."""
        del iteration, trials
        if not result["ended"]:
            self._send(trial, "epoch", metrics=result["metrics"], seconds=result["seconds"])

    def on_trial_complete(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: object
    ) -> None:
        """Report an end: of all epochs, by the scheduler, or because time is over."""
        del iteration, trials
        last = trial.last_result or {}
        # Early stopping ends a training before its last epoch, too.
        is_whole = last.get("ended") or last.get("epochs_done", 0) >= last.get("epochs", 1)
        self._send(trial, "end", status="finished" if is_whole else "stopped", error=None)

    def on_trial_error(
        self, iteration: int, trials: list[RayTrial], trial: RayTrial, **_: object
    ) -> None:
        """Report a failure with its reason."""
        del iteration, trials
        self._send(trial, "end", status="failed", error=_reason(trial))

    def _send(self, trial: RayTrial, what: str, **more: object) -> None:
        values = dict(trial.config["values"])
        self.deliver({"what": what, "name": name_of(values), "values": values, **more})


def _nowhere(event: Mapping[str, Any]) -> None:
    del event


def _reason(trial: RayTrial) -> str:
    """Return the last line of the traceback that a trial left."""
    path = None if trial.error_file is None else Path(trial.error_file)
    text = path.read_text("utf-8", "replace") if path is not None and path.exists() else ""
    lines = [line.strip() for line in text.splitlines() if line.strip()]
    # The class with its module says nothing to users.
    return lines[-1].rpartition(".TrialDiverged: ")[2] if lines else "its process was killed"
