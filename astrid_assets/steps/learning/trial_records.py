"""What is kept of the trials of a search: rows, MLflow runs, checkpoints.

All of it is written beside the search and never in a trial: a trial may run on another
machine.
"""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

from astrid_assets.steps.learning.checkpoints import StoredCheckpoints
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.learning import SearchTrial
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries import searches

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from sqlalchemy.orm import Session

    from astrid_assets.learning.search.trials import Trial
    from astrid_assets.steps.nights import Tools
    from astrid_assets.tracking.run import ActiveRun

log = logging.getLogger(__name__)


class TrialRecords:
    """Keeps each trial as it changes; `tune` calls it.

    Parameters
    ----------
    home
        Folder of the search, see `learning.search.trial_run.trial_folder`.
    active
        The run of MLflow whose children the trials become.
    on_trial
        Called after a change was kept.
    """

    def __init__(
        self,
        tools: Tools,
        search_id: str,
        home: Path,
        active: ActiveRun,
        on_trial: Callable[[Trial], None] | None = None,
    ) -> None:
        self.tools = tools
        self.search_id = search_id
        self.home = home
        self.active = active
        self.on_trial = on_trial
        self._checkpoints: dict[str, StoredCheckpoints] = {}
        self._numbers: dict[str, int] = {}
        self._listed: set[str] = set()

    def fetch(self) -> list[Trial]:
        """Return the trials of earlier calls, with the checkpoints of those cut off at hand.

        Where all have failed, none is returned: a remedy may have been found.
        """
        with self.tools.catalogue.read() as session:
            rows = searches.trials_of(session, self.search_id)
            trials = trials_in(session, self.search_id)
        for trial, row in zip(trials, rows, strict=True):
            self._numbers[trial.name] = row.number
            if row.mlflow_run_id is not None:
                self._listed.add(trial.name)
            if trial.status == "running":
                self._checkpoints_of(trial).fetch()
        return [] if all(trial.status == "failed" for trial in trials) else trials

    def __call__(self, trial: Trial) -> None:
        """Keep a trial as it is now."""
        self._numbers.setdefault(trial.name, len(self._numbers) + 1)
        with self.tools.catalogue.begin() as session:
            row = session.get(SearchTrial, self._id(trial))
            upsert(session, [self._row(trial, None if row is None else row.mlflow_run_id)])
        if trial.status != "running":
            self._forget_checkpoints(trial)
            self._list(trial)
        elif trial.history:
            self._send_checkpoint(trial)
        if self.on_trial is not None:
            self.on_trial(trial)

    def finish(self) -> None:
        """List in MLflow what could not be listed when it ended."""
        with self.tools.catalogue.read() as session:
            trials = trials_in(session, self.search_id)
        for trial in trials:
            if trial.status != "running" and trial.name not in self._listed:
                self._begin_and_end(trial)

    def _row(self, trial: Trial, mlflow_run_id: str | None) -> SearchTrial:
        return SearchTrial(
            id=self._id(trial),
            search_id=self.search_id,
            number=self._numbers[trial.name],
            values=dict(trial.values),
            history=[dict(epoch) for epoch in trial.history],
            status=trial.status,
            error=trial.error,
            seconds=trial.seconds,
            mlflow_run_id=mlflow_run_id,
        )

    def _id(self, trial: Trial) -> str:
        return ids.trial_id(self.search_id, trial.name)

    def _checkpoints_of(self, trial: Trial) -> StoredCheckpoints:
        from astrid_assets.learning.checkpoints import BEST, LAST
        from astrid_assets.learning.search.trial_run import trial_folder

        known = self._checkpoints.get(trial.name)
        if known is None:
            # The last before the best: a best one that is newer is made again to the same.
            known = StoredCheckpoints(
                self.tools.store,
                self._id(trial),
                trial_folder(self.home, trial.name),
                (LAST, BEST),
            )
            self._checkpoints[trial.name] = known
        return known

    def _send_checkpoint(self, trial: Trial) -> None:
        from astrid_assets.learning.checkpoints import LAST
        from astrid_assets.learning.search.trial_run import trial_folder
        from astrid_assets.learning.training import member_folder

        folder = member_folder(trial_folder(self.home, trial.name), 0)
        if (folder / LAST).exists():  # not where two of the same values run at once
            epoch = int(trial.history[-1]["epoch"])
            self._checkpoints_of(trial).send(folder, 0, epoch)

    def _forget_checkpoints(self, trial: Trial) -> None:
        for key in list(self.tools.store.list(layout.checkpoints_prefix(self._id(trial)))):
            self.tools.store.delete(key)

    def _list(self, trial: Trial) -> None:
        from mlflow.exceptions import MlflowException

        try:
            self._begin_and_end(trial)
        except (MlflowException, OSError, DBAPIError) as error:
            log.warning("MLflow takes no trial just now, it is listed later: %s", error)

    def _begin_and_end(self, trial: Trial) -> None:
        from astrid_assets.learning.search.trials import kept_epoch

        child = self.active.begin_child(
            f"trial_{self._numbers[trial.name]:03d}",
            {"search_id": self.search_id, "trial_status": trial.status}
            | ({"error": trial.error} if trial.error else {}),
        )
        child.log_params(trial.values)
        child.log_metrics(
            [
                {name: value for name, value in epoch.items() if name not in {"epoch", "member"}}
                for epoch in trial.history
            ]
        )
        kept = kept_epoch(trial.history)
        if kept is not None:
            child.log_metrics({"kept_epoch": kept["epoch"], "kept_val_auc": kept["val_auc"]})
        child.end(has_failed=trial.status == "failed")
        with self.tools.catalogue.begin() as session:
            session.get_one(SearchTrial, self._id(trial)).mlflow_run_id = child.run_id
        self._listed.add(trial.name)


def trials_in(session: Session, search_id: str) -> list[Trial]:
    """Return the trials of a search as they stand, in the order of their begin."""
    from astrid_assets.learning.search.trials import Trial, name_of

    return [
        Trial.from_dict(
            {
                "name": name_of(row.values),
                "values": row.values,
                "status": row.status,
                "history": row.history,
                "error": row.error,
                "seconds": row.seconds,
            }
        )
        for row in searches.trials_of(session, search_id)
    ]
