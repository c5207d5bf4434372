"""A detection as reviewers and programs see it: what was measured, in words.

`DetectionFacts` is all a reviewer may know before the decision; `DetectionView` adds
the model's score, the label and where it leads.
"""

from __future__ import annotations

import datetime as dt
from collections import defaultdict
from typing import TYPE_CHECKING, Any, Literal

from pydantic import BaseModel, Field
from sqlalchemy import select

from astrid_assets.science.labelling.score_limits import Opinion
from astrid_assets.storage.database.tables.detections import DifferenceRun, TrackletRow
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.review.score_opinions import models_and_limits
from astrid_assets.web.views.facts import DetectionFacts, Neighbour, links
from astrid_assets.web.views.planes import PlaneReader, Spot
from astrid_assets.web.views.words import degrees, flags_in_words, hours

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.science.labelling.score_limits import ScoreLimits
    from astrid_assets.storage.database.tables.learning import Model
    from astrid_assets.storage.queries.detection_rows import DetectionRow

MJD_EPOCH = dt.datetime(1858, 11, 17, tzinfo=dt.UTC)

ALERT_DIFFERENCE = "alert_d"
"""Method of alerts whose third cutout is the difference over its sigma."""

NO_CATALOGUE = "no catalogue of known objects is loaded"


class Score(BaseModel):
    """What a model, or for want of one the S/N ranking, says."""

    value: float
    kind: Literal["model", "snr_ranking"]
    model: str | None
    opinion: Opinion | None = Field(description="None where no model has a say")
    real_from: float | None = Field(description="lowest score that is called real")
    bogus_below: float | None = Field(description="lowest score that is not called bogus")

    @property
    def words(self) -> str:
        """The score as reviewers read it."""
        if self.opinion is None or self.real_from is None or self.bogus_below is None:
            return f"no model yet; S/N ranking {self.value:.2f}"
        said = "does not decide" if self.opinion == "undecided" else f"says {self.opinion}"
        band = ""
        if self.bogus_below < self.real_from:
            band = f", bogus below {self.bogus_below:.3f}"
        return f"{self.model} {said}: {self.value:.3f} (real from {self.real_from:.3f}{band})"


class LabelView(BaseModel):
    """The label that follows from all that was said."""

    label: str
    classification: str | None
    source: str
    n_votes: int
    agreement: float
    carried_from: str | None = Field(
        description="former detection of the same source that was judged; None: this one"
    )


class DetectionView(DetectionFacts):
    """A detection with its score and its label."""

    score: Score
    label: LabelView | None


def facts(
    session: Session, rows: Sequence[DetectionRow], planes: PlaneReader | None
) -> list[DetectionFacts]:
    """Return what was measured of these detections, in their order."""
    difference_ids = {row.difference_id for row in rows}
    query = (
        select(
            DifferenceRun.id,
            DifferenceRun.flags,
            DifferenceRun.difference_key,
            PreprocessRun.flags,
            DifferenceRun.method,
        )
        .join(PreprocessRun, PreprocessRun.observation_id == DifferenceRun.observation_id)
        .where(DifferenceRun.id.in_(difference_ids))
    )
    about = {row[0]: row for row in session.execute(query)}
    moving = _moving(session, {(row.survey, row.night) for row in rows})
    found = []
    for row in rows:
        _, flags, difference_key, frame_flags, method = about[row.difference_id]
        found.append(
            DetectionFacts(
                **_measured(row),
                flags=flags_in_words(row.mask_bits, [*frame_flags, *flags]),
                neighbour=_neighbour(row, difference_key, method, planes),
                known_objects=_known(moving.get(row.detection_id)),
                has_difference=difference_key is not None,
                links=links(row.ra_deg, row.dec_deg),
            )
        )
    return found


def detection_views(
    session: Session, rows: Sequence[DetectionRow], planes: PlaneReader | None
) -> list[DetectionView]:
    """Return these detections with score and label, in their order."""
    ids = [row.detection_id for row in rows]
    labels = {
        label.detection_id: label
        for label in session.scalars(select(Label).where(Label.detection_id.in_(ids)))
    }
    scores = scores_of(session, rows)
    return [
        DetectionView(
            **fact.model_dump(),
            score=scores[fact.id],
            label=_label(labels.get(fact.id)),
        )
        for fact in facts(session, rows, planes)
    ]


def scores_of(session: Session, rows: Sequence[DetectionRow]) -> dict[str, Score]:
    """Return what is thought of these detections before anybody looked."""
    known = models_and_limits(session, rows)
    return {row.detection_id: _score(row, known.get(row.detection_id)) for row in rows}


def _measured(row: DetectionRow) -> dict[str, Any]:
    ratio = None
    if row.candidate_fwhm_px is not None and row.fwhm_px:
        ratio = row.candidate_fwhm_px / row.fwhm_px
    place = None
    if row.ra_deg is not None and row.dec_deg is not None:
        place = f"{hours(row.ra_deg)} {degrees(row.dec_deg)}"
    same = (
        "name",
        "survey",
        "night",
        "field",
        "band",
        "observation_id",
        "object_id",
        "observed_mjd",
        "exposure_s",
        "x",
        "y",
        "ra_deg",
        "dec_deg",
        "flux_e",
        "flux_err_e",
        "aperture_flux_e",
        "aperture_flux_err_e",
        "mag",
        "mag_err",
        "limiting_mag",
        "elongation",
        "cutout_key",
        "cutout_index",
    )
    return {
        "id": row.detection_id,
        **{name: getattr(row, name) for name in same},
        "observed_at": _moment(row.observed_mjd),
        "position": place,
        "snr": row.score_sigma,
        "fwhm_px": row.candidate_fwhm_px,
        "frame_fwhm_px": row.fwhm_px,
        "fwhm_ratio": ratio,
    }


def _moment(mjd: float | None) -> dt.datetime | None:
    return None if mjd is None else MJD_EPOCH + dt.timedelta(days=mjd)


def spot_of(row: DetectionRow, difference_key: str | None, method: str) -> Spot:
    """Return where the pixels of a detection are kept."""
    return Spot(
        row.cutout_key,
        row.cutout_index,
        difference_key,
        row.x,
        row.y,
        third_is_difference=method == ALERT_DIFFERENCE,
    )


def _neighbour(
    row: DetectionRow, difference_key: str | None, method: str, planes: PlaneReader | None
) -> Neighbour | None:
    if planes is None or difference_key is None:
        return None
    found = planes.stamps(spot_of(row, difference_key, method)).neighbour
    if found is None:
        return None
    return Neighbour(
        distance_arcsec=found.distance_arcsec,
        distance_px=found.distance_px,
        mag=found.mag,
    )


def _moving(session: Session, nights: set[tuple[str, str]]) -> Mapping[str, TrackletRow]:
    """Return the tracklet of each detection that has one."""
    by_survey: dict[str, list[str]] = defaultdict(list)
    for survey, night in nights:
        by_survey[survey].append(night)
    return {
        str(member): tracklet
        for survey, own in by_survey.items()
        for tracklet in session.scalars(
            select(TrackletRow).where(TrackletRow.survey == survey, TrackletRow.night.in_(own))
        )
        for member in tracklet.members
    }


def _known(tracklet: TrackletRow | None) -> str:
    if tracklet is None:
        return NO_CATALOGUE
    return (
        f"moves: one of {len(tracklet.members)} detections of this night on a line, "
        f"{tracklet.rate_arcsec_h:.1f}″ per hour; {NO_CATALOGUE}"
    )


def _score(row: DetectionRow, known: tuple[Model, ScoreLimits] | None) -> Score:
    if known is None:
        return Score(
            value=row.score,
            kind="snr_ranking",
            model=None,
            opinion=None,
            real_from=None,
            bogus_below=None,
        )
    model, limits = known
    return Score(
        value=row.score,
        kind="model",
        model=f"{model.name} v{model.version}",
        opinion=limits.opinion(row.score),
        real_from=limits.high,
        bogus_below=limits.low,
    )


def _label(label: Label | None) -> LabelView | None:
    if label is None:
        return None
    return LabelView(
        label=label.label,
        classification=label.classification,
        source=label.source,
        n_votes=label.n_votes,
        agreement=label.agreement,
        carried_from=label.carried_from,
    )
