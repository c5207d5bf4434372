"""What searches for settings have found: the best, all trials, and pictures of them."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from astrid_assets.steps.learning.opening import require_dataset
from astrid_assets.steps.learning.settings import NoSearch
from astrid_assets.steps.learning.trial_records import trials_in
from astrid_assets.storage.database.tables.learning import Search
from astrid_assets.storage.queries import searches

if TYPE_CHECKING:
    from astrid_assets.learning.search.settings import SearchSettings
    from astrid_assets.learning.search.trials import Trial
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.catalogue import Catalogue

IMPORTANCE, COORDINATES = "importance of settings", "trials, the best in colour"
"""Titles of the two pictures."""


@dataclass(frozen=True)
class SearchReport:
    """A search, its trials (best first, then those without a result), its pictures."""

    row: Search
    trials: tuple[Trial, ...]
    pictures: dict[str, bytes] = field(default_factory=dict)
    was_known: bool = False


def best_settings(
    tools: Tools, settings: TrainingSettings, dataset_id: str | None = None
) -> TrainingSettings:
    """Return settings with the values of the best trial in place of theirs.

    Parameters
    ----------
    dataset_id
        The dataset version that was searched on; None: the newest.

    Raises
    ------
    NoSearch
        If no search on it has been completed.
    NoDataset
        If there is no dataset version to train on.
    """
    from astrid_assets.learning.search.space import with_values

    dataset = require_dataset(tools, dataset_id)
    with tools.catalogue.read() as session:
        found = searches.newest_result(session, dataset.id)
    if found is None:
        raise NoSearch(
            f"no search for settings on the dataset {dataset.name} ({dataset.id[:8]}) has been "
            "completed: run astrid tune first, or train without its best settings"
        )
    return with_values(settings, found.best_settings or {})


def cut_off_search(
    tools: Tools, dataset_id: str | None = None
) -> tuple[TrainingSettings, SearchSettings]:
    """Return the settings of the newest search that was cut off, to go on with it.

    Raises
    ------
    NoSearch
        If there is none.
    NoDataset
        If there is no dataset version to train on.
    """
    from astrid_assets.learning.search.settings import SearchSettings
    from astrid_assets.learning.settings import TrainingSettings

    dataset = require_dataset(tools, dataset_id)
    with tools.catalogue.read() as session:
        found = searches.newest_unfinished(session, dataset.id)
    if found is None:
        raise NoSearch(
            f"no search for settings on the dataset {dataset.name} ({dataset.id[:8]}) was cut "
            "off: run astrid tune without --resume to begin one"
        )
    return (
        TrainingSettings.model_validate(found.training_params),
        SearchSettings.model_validate(found.search_params),
    )


def report_of(catalogue: Catalogue, search_id: str, *, was_known: bool = False) -> SearchReport:
    """Return a search with its trials, the best first, and its pictures."""
    from astrid_assets.learning.search.settings import SearchSettings

    with catalogue.read() as session:
        row = session.get_one(Search, search_id)
    search = SearchSettings.model_validate(row.search_params)
    best_first, rest = trials_of_search(catalogue, row)
    return SearchReport(
        row, (*best_first, *rest), _pictures(row, search, best_first), was_known=was_known
    )


def trials_of_search(catalogue: Catalogue, row: Search) -> tuple[list[Trial], list[Trial]]:
    """Return the trials with a result, the best first, and those without."""
    from astrid_assets.learning.search.settings import SearchSettings
    from astrid_assets.learning.search.trials import ranked

    with catalogue.read() as session:
        trials = trials_in(session, row.id)
    best_first = ranked(trials, SearchSettings.model_validate(row.search_params).metric)
    return best_first, [trial for trial in trials if trial not in best_first]


def _pictures(row: Search, search: SearchSettings, best_first: list[Trial]) -> dict[str, bytes]:
    from astrid_assets.learning.search.space import parse_space
    from astrid_assets.learning.search.trials import objective
    from astrid_assets.pictures.search_plots import importance_bars, parallel_coordinates

    pictures = {}
    if row.importance:
        pictures[IMPORTANCE] = importance_bars(row.importance)
    if best_first:
        axes = parse_space(search.space).axes
        pictures[COORDINATES] = parallel_coordinates(
            [trial.values for trial in best_first],
            [objective(trial.history, search.metric) for trial in best_first],
            search.metric,
            [name for name, axis in axes.items() if getattr(axis, "log", False)],
        )
    return pictures
