"""What a collection came to, for the decision about the next: what it lacked, if anything."""

from __future__ import annotations

import math
from typing import TYPE_CHECKING

from astrid_assets.science.quality.gates import DATASET_BALANCE
from astrid_assets.steps.learning.settings import CollectionSettings, TooFewLabels
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.retraining import CollectionOutcome

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from astrid_assets.science.labelling.splits import TooFewGroups
    from astrid_assets.science.quality.gate import Verdict
    from astrid_assets.steps.learning.collect import DatasetVersion
    from astrid_assets.storage.database.catalogue import Catalogue

MORE_TO_TRY_AGAIN = 10
"""Labels after which what cannot be counted in labels, as objects of a class, is tried again."""


def record_shortage(
    catalogue: Catalogue,
    settings: CollectionSettings,
    last_sequence: int,
    error: TooFewLabels | TooFewGroups,
) -> None:
    """Keep what a collection lacked that came to no version.

    Parameters
    ----------
    last_sequence
        Newest event before it began.
    """
    lacking = (
        {kind: n for kind, n in error.lacking.items() if n}
        if isinstance(error, TooFewLabels)
        else dict.fromkeys(error.lacking, MORE_TO_TRY_AGAIN)
    )
    _record(catalogue, settings, last_sequence, None, lacking, str(error))


def record_version(
    catalogue: Catalogue,
    settings: CollectionSettings,
    last_sequence: int,
    dataset: DatasetVersion,
    verdicts: Sequence[Verdict],
) -> None:
    """Keep which version a collection came to, and what the gates say that it lacks.

    Parameters
    ----------
    last_sequence
        Newest event before it began.
    """
    broken = [one for one in verdicts if one.holds_back and not one.passed]
    n_real = int(dataset.real.sum())
    _record(
        catalogue,
        settings,
        last_sequence,
        dataset.row.id,
        _lacking(broken, n_real, len(dataset.real) - n_real, settings),
        "; ".join(f"{one.gate}: {one.detail}" for one in broken) or None,
    )


def _lacking(
    broken: Sequence[Verdict], n_real: int, n_bogus: int, settings: CollectionSettings
) -> dict[str, int]:
    if not broken:
        return {}
    if [one.gate for one in broken] != [DATASET_BALANCE.name]:
        return {"any": MORE_TO_TRY_AGAIN}
    kind, few, many = ("real", n_real, n_bogus) if n_real < n_bogus else ("bogus", n_bogus, n_real)
    share = settings.min_anomaly_ratio if kind == "real" else 1 - settings.max_anomaly_ratio
    # As many as give the rarer class its share of them all.
    wanted = math.ceil(many * share / (1 - share)) if share < 1 else many
    return {kind: max(wanted, settings.min_per_class, few + MORE_TO_TRY_AGAIN) - few}


def _record(
    catalogue: Catalogue,
    settings: CollectionSettings,
    last_sequence: int,
    dataset_id: str | None,
    lacking: Mapping[str, int],
    reason: str | None,
) -> None:
    # Another selection lacks other labels than the one that the sensor asks for.
    if settings.model_dump() != CollectionSettings().model_dump():
        return
    with catalogue.begin() as session:
        session.add(
            CollectionOutcome(
                last_sequence=last_sequence,
                dataset_id=dataset_id,
                lacking=dict(lacking),
                reason=reason,
                ended_at=now(),
            )
        )
