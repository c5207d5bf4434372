"""What a model's training has seen: a champion is judged on nothing of it.

Sides stay once they were given, so the test rows of a later version are new to an earlier
model, but for rows that a merge moved, and for versions that were split before sides were
remembered. Both are found from the frozen tables, not assumed.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from sqlalchemy import select

from astrid_assets.science.labelling.positions import near_positions
from astrid_assets.steps.learning.sides import SAME_POSITION_ARCSEC
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.learning import TrainingDataset, TrainingRun
from astrid_assets.storage.queries import split_sides
from astrid_assets.storage.queries.observations import in_chunks

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model


class UnknownTraining(RuntimeError):
    """What a model was trained on is not in the catalogue, so nothing is new to it."""


def never_seen(tools: Tools, model: Model, arrays: DatasetArrays) -> NDArray[np.int64]:
    """Return the rows of a version's test split that a model's training never saw.

    Seen is what stood in the train or val split of the version that the model was trained
    on: the same detection, object, group, pixels, or position within 2 arcsec.

    Parameters
    ----------
    model
        The model to be judged.
    arrays
        The version whose test split judges it.

    Returns
    -------
    rows : (k,)
        Rows of the version, in order.

    Raises
    ------
    UnknownTraining
        If the catalogue does not know what the model was trained on.
    """
    trained = _trained_rows(tools, model)
    rows = arrays.indices("test")
    test = _with_positions(tools, arrays.samples)[rows]
    seen = np.zeros(len(rows), dtype=bool)
    for column in ("detection_id", "object_id", "pixel_hash"):
        seen |= _shared(test, trained, column)
    seen |= _in_seen_group(tools, test, trained)
    seen |= _at_seen_position(test, trained)
    return rows[~seen]


def seen_by_none(tools: Tools, models: Sequence[Model], arrays: DatasetArrays) -> NDArray[np.int64]:
    """Return the rows of the test split that none of these models' trainings saw."""
    rows = arrays.indices("test")
    for model in models:
        rows = np.intersect1d(rows, never_seen(tools, model, arrays))
    return rows


def _trained_rows(tools: Tools, model: Model) -> pl.DataFrame:
    with tools.catalogue.read() as session:
        run = session.get(TrainingRun, model.training_run_id) if model.training_run_id else None
        dataset = session.get(TrainingDataset, run.dataset_id) if run else None
    if dataset is None:
        raise UnknownTraining(
            f"the catalogue does not know what model {model.name} version {model.version} was "
            "trained on, so no test row is surely new to it: train a model from a dataset version"
        )
    table = pl.read_parquet(io.BytesIO(tools.store.get(dataset.samples_key)))
    return _with_positions(tools, table.filter(pl.col("split").is_in(["train", "val"])))


def _with_positions(tools: Tools, table: pl.DataFrame) -> pl.DataFrame:
    """Return a table with positions; versions of before had none, the catalogue has them."""
    if "sky" in table.columns:
        return table
    found: dict[str, tuple[float | None, float | None]] = {}
    with tools.catalogue.read() as session:
        for chunk in in_chunks(table["detection_id"].to_list()):
            query = (
                select(Detection.id, CandidateRow.ra_deg, CandidateRow.dec_deg)
                .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
                .where(Detection.id.in_(chunk))
            )
            found |= {row[0]: (row[1], row[2]) for row in session.execute(query)}
    positions = [found.get(name, (None, None)) for name in table["detection_id"].to_list()]
    return table.with_columns(
        pl.Series("ra_deg", [ra for ra, _ in positions], dtype=pl.Float64),
        pl.Series("dec_deg", [dec for _, dec in positions], dtype=pl.Float64),
    )


def _shared(test: pl.DataFrame, trained: pl.DataFrame, column: str) -> NDArray[np.bool_]:
    if column not in test.columns or column not in trained.columns:
        return np.zeros(len(test), dtype=bool)
    known = trained[column].drop_nulls().unique()
    return test[column].is_in(known.to_list()).fill_null(value=False).to_numpy()


def _in_seen_group(tools: Tools, test: pl.DataFrame, trained: pl.DataFrame) -> NDArray[np.bool_]:
    """Say which test rows belong to a group that was seen, by what groups are now."""
    if "pixel_hash" not in test.columns or "pixel_hash" not in trained.columns:
        return np.zeros(len(test), dtype=bool)
    keys = {ids.side_key("pixels", value) for value in trained["pixel_hash"].to_list()}
    with tools.catalogue.read() as session:
        seen = set(split_sides.remembered_groups(session, keys).values())
        own = [ids.side_key("pixels", value) for value in test["pixel_hash"].to_list()]
        groups = split_sides.remembered_groups(session, own)
    return np.array([groups.get(key) in seen for key in own], dtype=bool)


def _at_seen_position(test: pl.DataFrame, trained: pl.DataFrame) -> NDArray[np.bool_]:
    # Without the name of a sky, a position counts on every one: rather one row too few.
    both = "sky" in test.columns and "sky" in trained.columns
    tables = [
        table.filter(pl.col("ra_deg").is_finite() & pl.col("dec_deg").is_finite())
        for table in (test.with_row_index("row"), trained)
    ]
    own, other = (
        (
            table["sky"].to_list() if both else ["any"] * len(table),
            table["ra_deg"].to_numpy(),
            table["dec_deg"].to_numpy(),
        )
        for table in tables
    )
    near, _ = near_positions(own, other, SAME_POSITION_ARCSEC)
    seen = np.zeros(len(test), dtype=bool)
    seen[tables[0]["row"].to_numpy()[near]] = True
    return seen
