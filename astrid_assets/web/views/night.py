"""A night as pages show it: its frames, what became of them, what was found."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from sqlalchemy import func, select
from sqlalchemy.exc import NoResultFound

from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.steps.learning.expected_mix import NightMix, expected_mix
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.nights import NightSummary
from astrid_assets.storage.database.tables.review import Label
from astrid_assets.storage.queries import frames, gates, observations
from astrid_assets.storage.queries.detection_rows import DetectionRow, select_detections
from astrid_assets.storage.review.carrying import is_current
from astrid_assets.surveys.profile import ProfileError, SurveyProfile
from astrid_assets.web.views.numbers import NumbersTable, numbers_table

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.frames import (
        NightReference,
        Observation,
        PreprocessRun,
    )
    from astrid_assets.storage.database.tables.nights import GateVerdict

NIGHTS_SHOWN = 60
DETECTIONS_SHOWN = 60


@dataclass(frozen=True)
class NightListLine:
    """One line of a survey's list of nights: what its steps counted, and labels now."""

    night: str
    frames: int
    accepted: int
    differences: int
    detections: int
    real: int
    bogus: int
    disputed: int
    held_back: bool


@dataclass(frozen=True)
class SurveyNights:
    """A survey with its newest nights."""

    name: str
    n_nights: int
    nights: list[NightListLine]


@dataclass(frozen=True)
class FrameLine:
    """One frame of a night and everything that was made of it."""

    observation: Observation
    processed: PreprocessRun | None
    difference: DifferenceRun | None

    @property
    def why_not(self) -> list[str]:
        """Why it went no further, in words."""
        said = [self.observation.reason] if self.observation.reason else []
        for run in (self.processed, self.difference):
            said += run.reasons if run is not None else []
        return [str(reason.get("message") or reason.get("code")) for reason in said]


@dataclass(frozen=True)
class NightView:
    """Everything about one night."""

    survey: str
    night: str
    frames: list[FrameLine]
    references: list[NightReference]
    verdicts: list[GateVerdict]
    pictures: dict[str, str]
    detections: list[DetectionRow]
    n_detections: int
    page: int
    frame_numbers: NumbersTable
    difference_numbers: NumbersTable
    mix: NightMix
    before: str | None = field(default=None)
    after: str | None = field(default=None)

    @property
    def n_pages(self) -> int:
        """Pages of detections."""
        return max(1, -(-self.n_detections // DETECTIONS_SHOWN))


def survey_nights(session: Session) -> list[SurveyNights]:
    """Return all surveys with their newest nights."""
    names = list(session.scalars(select(Survey.name).order_by(Survey.name)))
    return [_survey(session, name) for name in names]


def night_view(session: Session, survey: str, night: str, page: int = 1) -> NightView:
    """Return a night; its detections page by page, the most significant first."""
    processed = {
        observation.id: run
        for observation, run in frames.preprocess_runs_of_night(session, survey, night)
    }
    differences = {
        observation.id: run
        for observation, run in frames.current_differences_of_night(session, survey, night)
    }
    lines = [
        FrameLine(observation, processed.get(observation.id), differences.get(observation.id))
        for observation in observations.observations_of_night(session, survey, night)
    ]
    pictures: dict[str, str] = {}
    for asset in gates.NIGHTLY_ASSETS:
        row = gates.night_summary(session, survey, night, asset)
        if row is not None:
            pictures |= dict(row.summary.get("pictures") or {})
    found, total = _detections(session, survey, night, page)
    profile = _profile(session, survey)
    return NightView(
        survey=survey,
        night=night,
        frames=lines,
        references=frames.night_references(session, survey, night),
        verdicts=gates.verdicts_of_night(session, survey, night),
        pictures=pictures,
        detections=found,
        n_detections=total,
        page=page,
        frame_numbers=numbers_table(
            FRAME_NUMBERS,
            [(f.observation.source_path, f.processed) for f in lines if f.processed],
            profile and profile.processing,
        ),
        difference_numbers=numbers_table(
            DIFFERENCE_NUMBERS,
            [(f.observation.source_path, f.difference) for f in lines if f.difference],
            profile and profile.differencing,
        ),
        mix=expected_mix(session, survey, night),
        before=_neighbour(session, survey, night, later=False),
        after=_neighbour(session, survey, night, later=True),
    )


def _profile(session: Session, survey: str) -> SurveyProfile | None:
    """Return the stored profile; None where this program cannot read it."""
    try:
        return SurveyProfile.from_toml(session.get_one(Survey, survey).profile_toml)
    except (ProfileError, NoResultFound):
        return None


def _survey(session: Session, name: str) -> SurveyNights:
    table = NightSummary
    nights = list(
        session.scalars(
            select(table.night)
            .where(table.survey == name, table.night != "")
            .distinct()
            .order_by(table.night.desc())
            .limit(NIGHTS_SHOWN)
        )
    )
    count = select(func.count(func.distinct(table.night))).where(
        table.survey == name, table.night != ""
    )
    total = session.scalar(count) or 0
    if not nights:
        return SurveyNights(name, 0, [])
    summaries: dict[tuple[str, str], dict[str, object]] = {
        (row.night, row.asset): row.summary
        for row in session.scalars(
            select(table).where(table.survey == name, table.night >= nights[-1])
        )
    }
    labelled = _labelled(session, name, nights[-1])
    held = gates.blocked_nights(session, name, gates.NIGHTLY_ASSETS[-1])

    def number(night: str, asset: str, what: str) -> int:
        return int(str(summaries.get((night, asset), {}).get(what) or 0))

    lines = [
        NightListLine(
            night,
            number(night, "raw_observations", "lights"),
            number(night, "processed_frames", "accepted"),
            number(night, "difference_images", "differences"),
            number(night, "detections", "detections"),
            labelled.get((night, "real"), 0),
            labelled.get((night, "bogus"), 0),
            labelled.get((night, "disputed"), 0),
            night in held,
        )
        for night in nights
    ]
    return SurveyNights(name, total, lines)


def _labelled(session: Session, survey: str, first_night: str) -> dict[tuple[str, str], int]:
    """Count the labels of current detections of a survey's newest nights.

    They follow every decision.
    """
    query = (
        select(Detection.night, Label.label, func.count())
        .join(Label, Label.detection_id == Detection.id)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == CandidateRow.difference_id)
        .where(Detection.survey == survey, Detection.night >= first_night, is_current())
        .group_by(Detection.night, Label.label)
    )
    return {(row[0], row[1]): row[2] for row in session.execute(query)}


def _detections(
    session: Session, survey: str, night: str, page: int
) -> tuple[list[DetectionRow], int]:
    own = select_detections().where(Detection.survey == survey, Detection.night == night)
    total = session.scalar(select(func.count()).select_from(own.subquery())) or 0
    query = (
        own.order_by(func.abs(CandidateRow.score_sigma).desc(), Detection.id)
        .limit(DETECTIONS_SHOWN)
        .offset((page - 1) * DETECTIONS_SHOWN)
    )
    return [DetectionRow(*row) for row in session.execute(query)], total


def _neighbour(session: Session, survey: str, night: str, *, later: bool) -> str | None:
    table = NightSummary
    query = select(table.night).where(table.survey == survey, table.night != "")
    if later:
        query = query.where(table.night > night).order_by(table.night)
    else:
        query = query.where(table.night < night).order_by(table.night.desc())
    return session.scalar(query.limit(1))
