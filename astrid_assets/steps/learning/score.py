"""Scores of cutouts by a stored model, from arrays alone: for notebooks and other surveys."""

from __future__ import annotations

from typing import TYPE_CHECKING, TypedDict

from astrid_assets.science.detection.measurements import as_columns
from astrid_assets.steps.learning.evaluate import open_scorer
from astrid_assets.steps.learning.settings import NoModel
from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from numpy.typing import NDArray

    from astrid_assets.science.labelling.cutout_fitting import Unit
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model


class CutoutMetadata(TypedDict, total=False):
    """What is known of cutouts; see `science.labelling.cutout_fitting`.

    `measurements` holds arrays (n,) by the names of `science.detection.measurements`.
    """

    channels: Sequence[str]
    unit: Unit
    signs: NDArray[np.floating]
    measurements: Mapping[str, NDArray[np.floating]]


def score_cutouts(
    tools: Tools,
    cutouts: NDArray[np.floating],
    metadata: CutoutMetadata | None = None,
    name: str | None = None,
) -> NDArray[np.float32]:
    """Return the probability of being real of each cutout, (n,).

    Parameters
    ----------
    cutouts : (n, channels, ny, nx)
    name
        Name of the model, see `find_model`.

    Raises
    ------
    NoModel
        If there is no such model.
    UnfitCutouts
        If no rule fits the cutouts.
    ValueError
        If anything in `metadata` has another name, or a measurement another length.
    """
    from astrid_assets.science.labelling.cutout_fitting import fitted_cutouts

    known: CutoutMetadata = metadata or {}
    if unknown := set(known) - CutoutMetadata.__optional_keys__:
        raise ValueError(
            f"metadata has no {min(unknown)!r}; it may hold "
            f"{', '.join(sorted(CutoutMetadata.__optional_keys__))}"
        )
    fitted = fitted_cutouts(
        cutouts,
        channels=known.get("channels"),
        unit=known.get("unit"),
        signs=known.get("signs"),
    )
    measured = as_columns(known.get("measurements", {}), len(fitted))
    return open_scorer(tools, find_model(tools, name)).score(fitted, measured)


def find_model(tools: Tools, name: str | None) -> Model:
    """Return a model by id, the beginning of one, or version; None: in force, else newest.

    Raises
    ------
    NoModel
        If there is none of that name, or none at all.
    """
    with tools.catalogue.read() as session:
        if name is not None:
            found = models.model_named(session, name)
        else:
            found = models.champion(session) or models.newest_model(session)
        known = [model.version for model in models.all_models(session)]
    if found is None:
        some = f"there are the versions {', '.join(known[:5])}" if known else "none was trained yet"
        raise NoModel(f"there is no model {name or 'in force'}: {some}")
    return found
