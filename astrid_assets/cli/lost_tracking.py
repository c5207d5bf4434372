"""Training runs of the catalogue that MLflow no longer knows.

MLflow's database can be deleted or begun anew by itself. Models in force are kept in the
object store, so nights are scored as before; what is gone is how the models came about.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.learning import TrainingDataset, TrainingRun
from astrid_assets.tracking.embedded import runs_missing
from astrid_assets.tracking.server import without_password

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.tracking.client import Tracking

REMEDY = (
    "nights are scored as before, for the model is kept in the object store; restore "
    "MLflow's database from a backup, or let the next training begin a new history"
)


def recorded_runs(session: Session) -> list[str]:
    """Return the MLflow runs that the catalogue names, the newest last."""
    trainings = select(TrainingRun.mlflow_run_id, TrainingRun.started_at)
    datasets = select(TrainingDataset.mlflow_run_id, TrainingDataset.created_at)
    rows = [*session.execute(trainings), *session.execute(datasets)]
    known = sorted((when, run_id) for run_id, when in rows if run_id is not None)
    return [run_id for _, run_id in known]


def lost_history(session: Session, tracking: Tracking, *, ask_server: bool) -> str:
    """Return in words which of the catalogue's runs MLflow does not know; empty for none.

    Parameters
    ----------
    ask_server
        Whether an MLflow server may be asked for the newest run; a file is always read.

    Raises
    ------
    TrackingUnavailable
        If MLflow's file cannot be read.
    """
    recorded = recorded_runs(session)
    if not recorded:
        return ""
    if tracking.file is not None:
        lost = runs_missing(tracking.file, recorded)
    elif ask_server:
        lost = [] if tracking.knows(recorded[-1]) else recorded[-1:]
    else:
        return ""
    if recorded[-1] not in lost:
        # A history that was begun anew is no news once something was trained since.
        return ""
    where = without_password(tracking.tracking_uri)
    return f"{len(lost)} of {len(recorded)} MLflow runs of the catalogue are not in {where}"
