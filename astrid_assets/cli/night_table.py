"""What became of each night, counted in the catalogue, as a table for people."""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from rich.table import Table
from sqlalchemy import func, select

from astrid_assets.storage.tables import (
    Candidate,
    Detection,
    DifferenceRun,
    GateVerdict,
    Label,
    Observation,
    PreprocessRun,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from sqlalchemy import ColumnElement
    from sqlalchemy.orm import Session


@dataclass
class NightCounts:
    """Counts of one night; `reasons` says why frames or differences were refused."""

    survey: str
    night: str
    frames: int = 0
    accepted: int = 0
    rejected: int = 0
    differences: int = 0
    candidates: int = 0
    detections: int = 0
    labels: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    held_back: list[str] = field(default_factory=list)
    """Gates that keep the night from going on."""


def night_counts(
    session: Session, survey: str, nights: Sequence[str]
) -> list[NightCounts]:
    """Count what the catalogue holds of some nights, in their order.

    A handful of queries, however many nights: those between the first and the last
    are read, and the ones asked for returned.
    """
    wanted = sorted(nights)
    if not wanted:
        return []
    counts: dict[str, NightCounts] = defaultdict(lambda: NightCounts(survey, ""))
    _count_frames(session, _during(survey, wanted), counts)
    _count_differences(session, _during(survey, wanted), counts)
    _count_detections(session, survey, wanted, counts)
    for night, gate in session.execute(
        select(GateVerdict.night, GateVerdict.gate)
        .where(GateVerdict.survey == survey)
        .where(GateVerdict.night.between(wanted[0], wanted[-1]))
        .where(GateVerdict.holds_back, ~GateVerdict.passed)
        .order_by(GateVerdict.night, GateVerdict.gate)
    ):
        counts[night].held_back.append(gate)
    for night in wanted:
        counts[night].night = night
    return [counts[night] for night in nights]


def render(counts: Iterable[NightCounts], title: str) -> Table:
    """Return the table that is printed after a backfill."""
    table = Table(title=title, title_justify="left")
    table.add_column("survey", no_wrap=True)
    table.add_column("night", no_wrap=True)
    for column in (
        *("frames", "accepted", "rejected", "differences"),
        *("candidates", "detections", "labels"),
    ):
        table.add_column(column, justify="right")
    table.add_column("reasons and held-back gates")
    for row in counts:
        reasons = [f"{code} {n}" for code, n in sorted(row.reasons.items())]
        held = [f"[red]held back: {gate}[/red]" for gate in row.held_back]
        table.add_row(
            row.survey,
            row.night,
            *map(str, (row.frames, row.accepted, row.rejected, row.differences)),
            *map(str, (row.candidates, row.detections, row.labels)),
            ", ".join([*reasons, *held]),
        )
    return table


def _during(survey: str, wanted: Sequence[str]) -> tuple[ColumnElement[bool], ...]:
    return (
        Observation.survey == survey,
        Observation.night.between(wanted[0], wanted[-1]),
    )


def _count_frames(
    session: Session,
    during: tuple[ColumnElement[bool], ...],
    counts: dict[str, NightCounts],
) -> None:
    for night, status, kind, reason in session.execute(
        select(
            Observation.night, Observation.status, Observation.kind, Observation.reason
        ).where(*during)
    ):
        row = counts[night]
        if status == "rejected":
            row.frames += 1
            row.rejected += 1
            row.reasons.update([reason["code"]] if reason else [])
        elif kind == "light":
            row.frames += 1
    for night, status, reasons in session.execute(
        select(Observation.night, PreprocessRun.status, PreprocessRun.reasons)
        .join(PreprocessRun, PreprocessRun.observation_id == Observation.id)
        .where(*during)
    ):
        row = counts[night]
        if status == "accepted":
            row.accepted += 1
        else:
            row.rejected += 1
            row.reasons.update({reason["code"] for reason in reasons})


def _count_differences(
    session: Session,
    during: tuple[ColumnElement[bool], ...],
    counts: dict[str, NightCounts],
) -> None:
    for night, status, reasons in session.execute(
        select(Observation.night, DifferenceRun.status, DifferenceRun.reasons)
        .join(DifferenceRun, DifferenceRun.observation_id == Observation.id)
        .where(*during, DifferenceRun.is_current)
    ):
        row = counts[night]
        if status == "accepted":
            row.differences += 1
        else:
            row.reasons.update({reason["code"] for reason in reasons})
    for night, number in session.execute(
        select(Observation.night, func.count(Candidate.id))
        .join(DifferenceRun, DifferenceRun.observation_id == Observation.id)
        .join(Candidate, Candidate.difference_id == DifferenceRun.id)
        .where(*during, DifferenceRun.is_current)
        .group_by(Observation.night)
    ):
        counts[night].candidates = number


def _count_detections(
    session: Session,
    survey: str,
    wanted: Sequence[str],
    counts: dict[str, NightCounts],
) -> None:
    current = (
        select(Detection.night, func.count(Detection.id), func.count(Label.label))
        .join(Candidate, Candidate.id == Detection.candidate_id)
        .join(DifferenceRun, DifferenceRun.id == Candidate.difference_id)
        .outerjoin(Label, Label.detection_id == Detection.id)
        .where(Detection.survey == survey)
        .where(Detection.night.between(wanted[0], wanted[-1]))
        .where(DifferenceRun.is_current)
        .group_by(Detection.night)
    )
    for night, detections, labels in session.execute(current):
        counts[night].detections = detections
        counts[night].labels = labels
