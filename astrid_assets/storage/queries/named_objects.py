"""Which objects of the store the catalogue names, and which night makes each of them."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import func, select

from astrid_assets.storage.database.tables.detections import (
    CandidateRow,
    Detection,
    DifferenceRun,
    InjectedTransientRow,
)
from astrid_assets.storage.database.tables.frames import (
    FieldAnchor,
    NightReference,
    Observation,
    PreprocessRun,
    ReferenceFrame,
)
from astrid_assets.storage.database.tables.learning import (
    Model,
    ModelEvaluation,
    TrainingDataset,
)
from astrid_assets.storage.database.tables.masters import CalibrationMaster, FrameMaster
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.database.tables.review import ValidationEvent

if TYPE_CHECKING:
    from collections.abc import Iterator

    from sqlalchemy import Select
    from sqlalchemy.orm import InstrumentedAttribute, Session


@dataclass(frozen=True)
class NamedObject:
    """An object that a row names.

    Attributes
    ----------
    key
        Its key in the store.
    survey, night
        The night whose run makes the object; empty for learning assets, which have none.
    asset
        The asset that makes it.
    is_current
        Whether a run would make it again: False for what earlier settings, an earlier
        reference or an earlier master left behind.
    """

    key: str
    survey: str
    night: str
    asset: str
    is_current: bool = True


def named_objects(session: Session) -> list[NamedObject]:
    """Return every object that a row names, once, in the order in which they are made."""
    found: dict[str, NamedObject] = {}
    for named in _everything(session):
        known = found.setdefault(named.key, named)
        if named.is_current and not known.is_current:
            found[named.key] = named
    return list(found.values())


def _everything(session: Session) -> Iterator[NamedObject]:
    by_frame = (Observation.survey, Observation.night)
    raw = select(Observation.raw_key, *by_frame).where(Observation.raw_key.is_not(None))
    yield from _of(session, "raw_observations", raw)
    master_uses = (
        select(FrameMaster.master_id, func.min(Observation.night))
        .join(Observation, Observation.id == FrameMaster.observation_id)
        .group_by(FrameMaster.master_id)
    )
    yield from _of_shared(
        session, "calibration_masters", CalibrationMaster, CalibrationMaster.night, master_uses
    )
    anchors = select(FieldAnchor.stars_key, *by_frame).join(
        Observation, Observation.id == FieldAnchor.observation_id
    )
    yield from _of(session, "processed_frames", anchors)
    processed = (
        select(PreprocessRun.frame_key, *by_frame)
        .join(Observation, Observation.id == PreprocessRun.observation_id)
        .where(PreprocessRun.frame_key.is_not(None))
    )
    yield from _of(session, "processed_frames", processed)
    reference_uses = select(NightReference.reference_id, func.min(NightReference.night)).group_by(
        NightReference.reference_id
    )
    yield from _of_shared(
        session, "reference_frames", ReferenceFrame, ReferenceFrame.last_night, reference_uses
    )
    differences = (
        select(DifferenceRun.difference_key, *by_frame, DifferenceRun.is_current)
        .join(Observation, Observation.id == DifferenceRun.observation_id)
        .where(DifferenceRun.difference_key.is_not(None))
    )
    yield from _of(session, "difference_images", differences)
    cutouts = (
        select(
            Detection.cutout_key,
            Detection.survey,
            Detection.night,
            CandidateRow.is_current & DifferenceRun.is_current,
        )
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
        .distinct()
    )
    yield from _of(session, "detections", cutouts)
    injected = (
        select(InjectedTransientRow.cutout_key, *by_frame, DifferenceRun.is_current)
        .join(DifferenceRun, DifferenceRun.id == InjectedTransientRow.difference_id)
        .join(Observation, Observation.id == DifferenceRun.observation_id)
        .where(InjectedTransientRow.cutout_key.is_not(None))
        .distinct()
    )
    yield from _of(session, "injected_transients", injected)
    yield from _of_pictures(session)
    yield from _of_learning(session)


def _of(session: Session, asset: str, query: Select[*tuple[Any, ...]]) -> Iterator[NamedObject]:
    """Yield the objects of rows: key, survey, night and, if it may be False, is_current."""
    for key, survey, night, *current in session.execute(query):
        yield NamedObject(str(key), str(survey), str(night), asset, all(map(bool, current)))


def _of_shared(
    session: Session,
    asset: str,
    table: type[CalibrationMaster | ReferenceFrame],
    own_night: InstrumentedAttribute[str],
    uses: Select[*tuple[Any, ...]],
) -> Iterator[NamedObject]:
    """Yield what several nights use: one of them is enough to have it made again.

    Parameters
    ----------
    own_night
        Named where no night uses it.
    uses
        Id of the object's row, and a night that uses it.
    """
    used = uses.subquery()
    row_id, night = used.c
    query = select(
        table.frame_key, table.survey, func.coalesce(night, own_night), night.is_not(None)
    ).outerjoin(used, row_id == table.id)
    yield from _of(session, asset, query)


def _of_pictures(session: Session) -> Iterator[NamedObject]:
    on_screen = select(ValidationEvent.cutout_key).where(ValidationEvent.cutout_key.is_not(None))
    for key in session.scalars(on_screen.distinct()):
        # What a person labelled, also of a night that was made again since.
        yield NamedObject(str(key), "", "", "detections", is_current=False)
    for summary in session.scalars(select(NightSummary).order_by(NightSummary.night)):
        for key in (summary.summary.get("pictures") or {}).values():
            yield NamedObject(key, summary.survey, summary.night, summary.asset)


def _of_learning(session: Session) -> Iterator[NamedObject]:
    for dataset in session.scalars(select(TrainingDataset)):
        shards = [shard[part] for shard in dataset.shards for part in ("images", "masks")]
        for key in (*shards, dataset.samples_key):
            yield NamedObject(key, "", "", "training_dataset")
    for model in session.scalars(select(Model)):
        yield NamedObject(model.onnx_key, "", "", "trained_unet")
        for file in (model.package or {}).get("files", {}).values():
            yield NamedObject(file["key"], "", "", "trained_unet")
    for judged in session.scalars(select(ModelEvaluation)):
        for key in (judged.scores_key, *judged.pictures.values()):
            yield NamedObject(key, "", "", "trained_unet", is_current=False)
