"""Another attempt at a training: the same data and settings, further seeds.

That is the way on after a rollback, where asking again would only return the model that was
taken back. Each attempt is a training, and a model, of its own, and counts at the gate.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.steps.learning.opening import require_dataset
from astrid_assets.storage.database.tables.learning import TrainingRun

if TYPE_CHECKING:
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.nights import Tools


def next_attempt(
    tools: Tools, settings: TrainingSettings, dataset_id: str | None = None
) -> TrainingSettings:
    """Return settings with the number of the first attempt that was not completed.

    Parameters
    ----------
    dataset_id
        Its id, or the beginning of it; None: the version that became active last.

    Raises
    ------
    NoDataset
        If there is no dataset version to train on.
    """
    from astrid_assets.learning.settings import WHERE_IT_RUNS

    row = require_dataset(tools, dataset_id)
    with tools.catalogue.read() as session:
        runs = list(session.scalars(select(TrainingRun).where(TrainingRun.dataset_id == row.id)))
    beside = {*WHERE_IT_RUNS, "attempt"}
    asked = settings.model_dump(mode="json", exclude=beside)
    done = {
        run.training_params.get("attempt", 1)
        for run in runs
        if run.status == "completed"
        and {k: v for k, v in run.training_params.items() if k not in beside} == asked
    }
    attempt = next(number for number in range(1, len(done) + 2) if number not in done)
    return settings.model_copy(update={"attempt": attempt})
