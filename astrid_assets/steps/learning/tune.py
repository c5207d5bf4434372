"""Search for the settings of a training on a frozen dataset version.

A search has the identity of its dataset, its space and the settings that it leaves as
they are: asked for again, a completed one is returned, and one that was cut off, or whose
minutes were over, goes on, on this machine or, from the checkpoints in the store, on
another. Trials see the train and the val split; the test split stays unseen.
"""

from __future__ import annotations

import fcntl
import logging
import shutil
from contextlib import contextmanager
from typing import TYPE_CHECKING

from astrid_assets.compute import ray_address
from astrid_assets.steps import versions
from astrid_assets.steps.learning.opening import open_dataset, require_dataset
from astrid_assets.steps.learning.search_results import SearchReport, report_of
from astrid_assets.steps.learning.settings import SearchIsRunning
from astrid_assets.steps.learning.train import MAX_REASON, train_arrays
from astrid_assets.steps.learning.trial_records import TrialRecords, trials_in
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Search
from astrid_assets.storage.database.upsert import insert_new
from astrid_assets.tracking.server import TrackingUnavailable

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from astrid_assets.learning.search.settings import SearchSettings
    from astrid_assets.learning.search.trials import Trial
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import TrainingDataset
    from astrid_assets.tracking.client import Tracking
    from astrid_assets.tracking.run import ActiveRun

EXPERIMENT = "settings_search"
log = logging.getLogger(__name__)


def search_settings(
    tools: Tools,
    tracking: Tracking,
    settings: TrainingSettings,
    search: SearchSettings,
    work_folder: Path,
    *,
    dataset_id: str | None = None,
    on_begin: Callable[[str], None] | None = None,
    on_trial: Callable[[Trial], None] | None = None,
) -> SearchReport:
    """Search, or go on, or return what a completed search has found.

    Parameters
    ----------
    settings
        Everything that is not searched.
    dataset_id
        The dataset version; None: the newest.
    on_begin
        Called with the id of the search, once it is known.
    on_trial
        Called with each trial when it has begun, after each of its epochs, and when it has
        ended.

    Raises
    ------
    NoDataset
        If there is no dataset version to train on.
    BadSpace
        If the space cannot be searched.
    SearchFailed
        If no trial came to an end.
    SearchIsRunning
        If another process works on it.
    TrackingUnavailable
        If MLflow does not answer at the start or at the end; what was tried is kept.
    """
    # torch and ray are loaded by this step only.
    from astrid_assets.learning.search.settings import HOW_IT_RUNS, check_search
    from astrid_assets.learning.search.tuning import tune
    from astrid_assets.learning.settings import WHERE_IT_RUNS

    check_search(search, settings)
    dataset = require_dataset(tools, dataset_id)
    settings_hash = ids.content_hash(
        [
            versions.TRAIN,
            settings.model_dump(mode="json", exclude=set(WHERE_IT_RUNS)),
            search.model_dump(mode="json", exclude=set(HOW_IT_RUNS)),
        ]
    )
    search_id = ids.search_id(dataset.id, settings_hash)
    if on_begin is not None:
        on_begin(search_id)
    home = work_folder / "searches" / search_id
    with tools.catalogue.read() as session:
        previous = session.get(Search, search_id)
    # One with a reason ended before its last trial, because its minutes were over.
    if previous is not None and previous.status == "completed" and previous.reason is None:
        return report_of(tools.catalogue, search_id, was_known=True)
    with (
        _alone_at(home),
        _kept_state(tools, search_id, dataset, settings, search),
        tracking.start_run(
            f"search-{dataset.content_hash[:8]}",
            experiment=EXPERIMENT,
            tags={
                "dataset_id": dataset.id,
                "dataset_sha256": dataset.content_hash,
                "search_id": search_id,
            },
            run_id=previous.mlflow_run_id if previous else None,
        ) as active,
    ):
        with tools.catalogue.begin() as session:
            session.get_one(Search, search_id).mlflow_run_id = active.run_id
        base = settings.model_dump(mode="json", exclude=set(WHERE_IT_RUNS))
        active.log_params(
            {f"base.{name}": value for name, value in base.items()}
            | search.model_dump(mode="json", exclude={*HOW_IT_RUNS, "space"})
            # The catalogue keeps no order of keys, and MLflow takes no other text later.
            | {"space": ids.canonical_json(search.space)}
        )
        arrays = open_dataset(tools, dataset, work_folder / "datasets")
        records = TrialRecords(tools, search_id, home, active, on_trial)
        result = tune(
            arrays.stamps,
            train_arrays(arrays),
            settings,
            search.model_copy(update={"address": search.address or ray_address()}),
            home,
            known=records.fetch(),
            on_change=records,
        )
        records.finish()
        _conclude(tools, search_id, search, settings, is_cut=result.out_of_time)
        report = report_of(tools.catalogue, search_id)
        _log_report(active, report)
    # Nothing goes on from the checkpoints of trials that have ended.
    if not result.out_of_time:
        shutil.rmtree(home, ignore_errors=True)
    return report


def _conclude(
    tools: Tools,
    search_id: str,
    search: SearchSettings,
    settings: TrainingSettings,
    *,
    is_cut: bool,
) -> None:
    """Keep what the trials add up to."""
    from astrid_assets.learning.search.importance import importance_of
    from astrid_assets.learning.search.settings import SearchFailed, check_search
    from astrid_assets.learning.search.trials import ranked

    with tools.catalogue.read() as session:
        trials = trials_in(session, search_id)
    best_first = ranked(trials, search.metric)
    if not best_first:
        errors = [trial.error for trial in trials if trial.error]
        raise SearchFailed(
            f"no trial of the search came to an end: {errors[0]}"
            if errors
            else f"no trial has done an epoch within {search.minutes:g} minutes: give it more"
        )
    importance = importance_of(check_search(search, settings), trials, search.metric)
    ended = sum(trial.status != "running" for trial in trials)
    with tools.catalogue.begin() as session:
        row = session.get_one(Search, search_id)
        row.best_settings = dict(best_first[0].values)
        row.importance = importance
        row.status, row.completed_at = "completed", now()
        row.reason = (
            f"its {search.minutes:g} minutes were over after {ended} of {search.trials} trials"
            if is_cut
            else None
        )


def _log_report(active: ActiveRun, report: SearchReport) -> None:
    for title, picture in report.pictures.items():
        active.log_bytes(picture, f"{title.replace(' ', '_').replace(',', '')}.png")
    best = report.trials[0]
    active.set_tags({f"best.{name}": str(value) for name, value in best.values.items()})
    kept = best.kept or {}
    active.log_metrics({name: kept[name] for name in ("val_auc", "val_candidate_loss")})


@contextmanager
def _alone_at(home: Path) -> Iterator[None]:
    """Keep two processes of this machine from working on one search."""
    home.mkdir(parents=True, exist_ok=True)
    # Beside the folder, which is removed when the search has ended.
    with home.with_suffix(".lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            raise SearchIsRunning(
                "another process works on this search: let it end, or end it and ask again"
            ) from error
        yield


@contextmanager
def _kept_state(
    tools: Tools,
    search_id: str,
    dataset: TrainingDataset,
    settings: TrainingSettings,
    search: SearchSettings,
) -> Iterator[None]:
    """Keep in the catalogue that a search runs, and how it ended if not well."""
    from astrid_assets.learning.search.settings import HOW_IT_RUNS

    started = Search(
        id=search_id,
        dataset_id=dataset.id,
        training_params=settings.model_dump(mode="json"),
        search_params=search.model_dump(mode="json", exclude=set(HOW_IT_RUNS)),
        started_at=now(),
    )
    with tools.catalogue.begin() as session:
        insert_new(session, [started], "id")
        row = session.get_one(Search, search_id)
        row.status, row.reason = "running", None
    try:
        yield
    except BaseException as error:
        is_stopped = not isinstance(error, Exception) or isinstance(error, TrackingUnavailable)
        with tools.catalogue.begin() as session:
            row = session.get_one(Search, search_id)
            row.status = "interrupted" if is_stopped else "failed"
            row.reason = f"{type(error).__name__}: {error}"[:MAX_REASON]
        raise
