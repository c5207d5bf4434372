"""One trial of a search: an ordinary training that reports each epoch to Ray."""

from __future__ import annotations

import fcntl
import math
import tempfile
import time
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from astrid_assets.learning.search.space import with_values
from astrid_assets.learning.search.trials import Metric, name_of, objective
from astrid_assets.learning.settings import TrainingSettings

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from astrid_assets.learning.segmentation_task import EpochMetrics

OBJECTIVE, EPOCHS_DONE = "objective", "epochs_done"
"""Names under which a trial reports to Ray what it is judged by, and how far it is."""


class TrialDiverged(RuntimeError):
    """A trial whose loss is no number any more."""


def trial_folder(home: Path, name: str) -> Path:
    """Return where a trial keeps its checkpoints: `train` is called with it."""
    return home / "trials" / name


def run_trial(config: Mapping[str, Any], given: Mapping[str, Any]) -> None:
    """Train once with drawn settings and report each epoch; Ray calls this."""
    from ray import tune as ray_tune

    from astrid_assets.learning.checkpoints import history_of
    from astrid_assets.learning.datamodule import TrainArrays
    from astrid_assets.learning.ranking import CannotEvaluate
    from astrid_assets.learning.stamps import Stamps
    from astrid_assets.learning.training import member_folder, train

    values = config["values"]
    base = TrainingSettings.model_validate(given["settings"])
    settings = with_values(base, values)
    metric: Metric = given["metric"]
    with np.load(given["samples"], allow_pickle=False) as arrays:
        weights = arrays["weights"]
        samples = TrainArrays(
            arrays["labels"],
            arrays["split"],
            weights if len(weights) else None,
            arrays["measurements"],
        )
    stamps = Stamps(tuple(map(Path, given["images"])), tuple(map(Path, given["masks"])))
    history: list[EpochMetrics] = []
    last_at = time.monotonic()

    def report(*, metrics: EpochMetrics | None) -> None:
        nonlocal last_at
        now = time.monotonic()
        ray_tune.report(
            {
                OBJECTIVE: objective(history, metric),
                EPOCHS_DONE: len(history),
                "epochs": settings.epochs,
                "metrics": metrics,
                "seconds": now - last_at,
                "ended": metrics is None,
            }
        )
        last_at = time.monotonic()

    def after_epoch(metrics: EpochMetrics) -> None:
        if not math.isfinite(metrics["val_loss"]) or not math.isfinite(metrics["train_loss"]):
            raise TrialDiverged(_diverged(len(history) + 1, settings))
        history.append(metrics)
        report(metrics=metrics)

    with _alone_in(trial_folder(Path(given["home"]), name_of(values))) as folder:
        # What an earlier call did counts for the scheduler, too.
        for metrics in history_of(member_folder(folder, 0)):
            after_epoch(metrics)
        try:
            train(stamps, samples, settings, folder, on_epoch=after_epoch)
        except CannotEvaluate as error:
            raise TrialDiverged(_diverged(len(history) + 1, settings)) from error
        report(metrics=None)


def _diverged(epoch: int, settings: TrainingSettings) -> str:
    return (
        f"loss or scores are no numbers after epoch {epoch}: the learning rate "
        f"{settings.learning_rate:g} or a weight of the loss may be too high"
    )


@contextmanager
def _alone_in(folder: Path) -> Iterator[Path]:
    """Yield the folder, or a fresh one where a trial of the same values is in it."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            with tempfile.TemporaryDirectory(dir=folder.parent, prefix=folder.name) as other:
                yield Path(other)
        else:
            yield folder
