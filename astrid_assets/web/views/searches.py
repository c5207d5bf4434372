"""A search for training settings as its page shows it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.storage.database.tables.learning import Search
from astrid_assets.storage.queries import searches

if TYPE_CHECKING:
    from collections.abc import Mapping

    from astrid_assets.learning.search.trials import Trial
    from astrid_assets.storage.database.catalogue import Catalogue


@dataclass(frozen=True)
class TrialLine:
    """A trial with its number, its metric, and the epochs that it did."""

    number: int
    trial: Trial
    metric: float | None
    epochs: int


@dataclass(frozen=True)
class SearchView:
    """A search with its trials, the best first, and the names of the settings tried."""

    row: Search
    metric: str
    names: list[str]
    trials: list[TrialLine]
    has_result: bool

    @property
    def importance(self) -> list[tuple[str, float]]:
        """Settings with the share of the variance that they explain, the largest first."""
        shares: Mapping[str, float] = self.row.importance or {}
        return sorted(shares.items(), key=lambda item: (-item[1], item[0]))


def search_view(catalogue: Catalogue, search_id: str) -> SearchView | None:
    """Return a search; None where there is none of that id."""
    from astrid_assets.learning.search.settings import SearchSettings
    from astrid_assets.learning.search.trials import name_of, objective
    from astrid_assets.steps.learning.search_results import trials_of_search

    with catalogue.read() as session:
        row = session.get(Search, search_id)
        if row is None:
            return None
        numbers = {name_of(one.values): one.number for one in searches.trials_of(session, row.id)}
    best_first, rest = trials_of_search(catalogue, row)
    metric = SearchSettings.model_validate(row.search_params).metric
    lines = [
        TrialLine(
            numbers[trial.name],
            trial,
            objective(trial.history, metric) if trial in best_first else None,
            len(trial.history),
        )
        for trial in (*best_first, *rest)
    ]
    names = sorted({name for line in lines for name in line.trial.values})
    return SearchView(row, metric, names, lines, bool(best_first))


def search_pictures(catalogue: Catalogue, search_id: str) -> dict[str, bytes]:
    """Return the pictures of a search (PNG) by name; none without a search or a result."""
    from astrid_assets.steps.learning.search_results import COORDINATES, IMPORTANCE, report_of

    with catalogue.read() as session:
        if session.get(Search, search_id) is None:
            return {}
    drawn = report_of(catalogue, search_id).pictures
    titles = {"importance": IMPORTANCE, "trials": COORDINATES}
    return {name: drawn[title] for name, title in titles.items() if title in drawn}
