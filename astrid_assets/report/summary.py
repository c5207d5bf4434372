"""What the report says, as plain values: collected from catalogue and store.

Nothing is computed here but sums and ratios of what the steps measured; the same
values are printed by `astrid demo` and shown on the page.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass, field
from statistics import median
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.report.numbers import NumberLine, number_lines
from astrid_assets.science.quality.refused_files import files_without_a_night
from astrid_assets.steps.learning.expected_mix import NightMix, expected_mix
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.learning import (
    Deployment,
    Model,
    TrainingDataset,
    TrainingRun,
)
from astrid_assets.storage.database.tables.nights import GateVerdict, NightSummary
from astrid_assets.storage.queries import models, observations
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue

Counts = dict[str, int]


@dataclass(frozen=True)
class NightReportLine:
    """One night of one survey, as one line of a table."""

    night: str
    lights: int
    refused: int
    accepted: int
    rejected_because: Counts
    limiting_mag: float | None
    differences: int
    std_score: list[float]
    candidates: int
    detections: int
    score_kind: str
    real: int
    bogus: int
    held_back_by: list[str]
    pictures: dict[str, str]
    mix: NightMix
    truth: TruthCounts | None = None

    @property
    def frames(self) -> int:
        """Return how many light frames the source gave, those refused among them."""
        return self.lights + self.refused

    @property
    def purity(self) -> float | None:
        """Real share of the labelled detections."""
        labelled = self.real + self.bogus
        return self.real / labelled if labelled else None


@dataclass(frozen=True)
class TruthCounts:
    """Known changes of a simulated survey per bin of theoretical S/N."""

    edges: list[float]
    injected: list[int]
    found: list[int]

    def completeness(self, at_least_sigma: float) -> float | None:
        """Return the found share of the changes at and above a theoretical S/N."""
        bins = [i for i, low in enumerate(self.edges[:-1]) if low >= at_least_sigma]
        injected = sum(self.injected[i] for i in bins)
        return sum(self.found[i] for i in bins) / injected if injected else None


@dataclass(frozen=True)
class GateLine:
    """One gate over a survey's nights; the values are each night's worst."""

    asset: str
    gate: str
    limit: str
    holds_back: bool
    nights: int
    lowest: float
    typical: float
    highest: float
    failed: list[str]
    """Nights."""


@dataclass(frozen=True)
class InjectionCounts:
    """Injected transients by S/N, and detections that a second frame could show."""

    edges: list[float]
    injected: list[int]
    found: list[int]
    tested: int
    repeated: int


@dataclass(frozen=True)
class SurveyPart:
    """A survey's nights and, where there is one, its truth."""

    name: str
    nights: list[NightReportLine]
    truth: TruthCounts | None
    gates: list[GateLine] = field(default_factory=list)
    numbers: list[NumberLine] = field(default_factory=list)
    injections: InjectionCounts | None = None
    undated: str = ""
    """Files without a night by their reasons, in a sentence; empty for none."""

    def total(self, name: str) -> int:
        """Return the sum of a count over the nights."""
        return sum(getattr(night, name) for night in self.nights)

    @property
    def purity(self) -> float | None:
        """Real share of all labelled detections."""
        labelled = self.total("real") + self.total("bogus")
        return self.total("real") / labelled if labelled else None


@dataclass(frozen=True)
class LearningPart:
    """The newest dataset, its training, the models and the decisions."""

    dataset: TrainingDataset | None
    run: TrainingRun | None
    champion: Model | None
    deployments: list[Deployment] = field(default_factory=list)


@dataclass(frozen=True)
class Report:
    """Everything the report shows."""

    surveys: list[SurveyPart]
    learning: LearningPart


def collect_report(catalogue: Catalogue, surveys: Sequence[str] | None = None) -> Report:
    """Read the report's values from the catalogue."""
    with catalogue.read() as session:
        rows = session.scalars(select(Survey).order_by(Survey.name))
        parts = [_survey(session, row) for row in rows if not surveys or row.name in surveys]
        return Report(parts, _learning(session))


def _survey(session: Session, row: Survey) -> SurveyPart:
    survey = row.name
    by_night: dict[str, dict[str, Mapping[str, object]]] = defaultdict(dict)
    for found in session.scalars(
        select(NightSummary).where(NightSummary.survey == survey).order_by(NightSummary.night)
    ):
        by_night[found.night][found.asset] = found.summary
    held: dict[str, list[str]] = defaultdict(list)
    verdicts = list(
        session.scalars(
            select(GateVerdict)
            .where(GateVerdict.survey == survey)
            .order_by(GateVerdict.night, GateVerdict.gate)
        )
    )
    for verdict in verdicts:
        if verdict.holds_back and not verdict.passed:
            held[verdict.night].append(verdict.gate)
    nights = [
        _line(night, by_night[night], held[night], expected_mix(session, survey, night))
        for night in by_night
    ]
    return SurveyPart(
        survey,
        [line for line in nights if line.frames],
        _truth(by_night),
        _gates(verdicts),
        number_lines(session, row),
        _injections(by_night),
        files_without_a_night(observations.undated_reasons(session, survey)),
    )


def _gates(verdicts: Sequence[GateVerdict]) -> list[GateLine]:
    """Sum up the verdicts that had something to judge, in the order of the graph."""
    by_gate: dict[tuple[str, str], list[GateVerdict]] = defaultdict(list)
    for verdict in verdicts:
        if verdict.value is not None:
            by_gate[verdict.asset, verdict.gate].append(verdict)
    lines = []
    for (asset, gate), own in by_gate.items():
        values = [verdict.value for verdict in own if verdict.value is not None]
        lines.append(
            GateLine(
                asset=asset,
                gate=gate,
                limit=own[-1].limit,
                holds_back=own[-1].holds_back,
                nights=len(own),
                lowest=min(values),
                typical=median(values),
                highest=max(values),
                failed=[verdict.night for verdict in own if not verdict.passed],
            )
        )
    order = {asset: number for number, asset in enumerate(NIGHTLY_ASSETS)}
    return sorted(lines, key=lambda line: (order.get(line.asset, 99), line.gate))


def _injections(
    by_night: Mapping[str, Mapping[str, Mapping[str, object]]],
) -> InjectionCounts | None:
    summaries = [
        assets["injected_transients"]
        for assets in by_night.values()
        if assets.get("injected_transients", {}).get("injected")
    ]
    if not summaries:
        return None

    def total(name: str) -> list[int]:
        counts: list[list[int]] = [s[name] for s in summaries if name in s]  # type: ignore[misc]  # JSON
        return [sum(column) for column in zip(*counts, strict=True)]

    edges: list[float | None] = summaries[0]["edges"]  # type: ignore[assignment]  # JSON
    return InjectionCounts(
        edges=[float("inf") if edge is None else edge for edge in edges],
        injected=total("injected_by_snr"),
        found=total("found_by_snr"),
        tested=sum(total("tested_by_snr")),
        repeated=sum(total("repeated_by_snr")),
    )


def _line(
    night: str, assets: Mapping[str, Mapping[str, object]], held: list[str], mix: NightMix
) -> NightReportLine:
    raw = assets.get("raw_observations", {})
    processed = assets.get("processed_frames", {})
    differences = assets.get("difference_images", {})
    detections = assets.get("detections", {})
    injected = assets.get("injected_transients", {})
    labels = assets.get("validated_labels", {})
    pictures: dict[str, str] = {}
    for summary in (processed, differences, detections, injected):
        pictures |= dict(summary.get("pictures") or {})  # type: ignore[call-overload]  # JSON
    return NightReportLine(
        night=night,
        lights=_count(raw, "lights"),
        refused=_count(raw, "refused"),
        accepted=_count(processed, "accepted"),
        rejected_because=dict(
            Counter(processed.get("rejected_because") or {})  # type: ignore[call-overload]  # JSON
            + Counter(differences.get("rejected_because") or {})  # type: ignore[call-overload]  # JSON
        ),
        limiting_mag=differences.get("limiting_mag"),  # type: ignore[arg-type]  # JSON
        differences=_count(differences, "differences"),
        std_score=list(differences.get("std_score") or []),  # type: ignore[call-overload]  # JSON
        candidates=_count(detections, "candidates"),
        detections=_count(detections, "detections"),
        score_kind=str(detections.get("score_kind") or ""),
        real=_count(labels, "real"),
        bogus=_count(labels, "bogus"),
        held_back_by=held,
        pictures=pictures,
        mix=mix,
        truth=_truth({night: assets}),
    )


def _truth(
    by_night: Mapping[str, Mapping[str, Mapping[str, object]]],
) -> TruthCounts | None:
    edges: list[float] = []
    injected: Counter[int] = Counter()
    found: Counter[int] = Counter()
    for assets in by_night.values():
        truth = assets.get("validated_labels", {}).get("truth")
        if not isinstance(truth, dict):
            continue
        edges = [float("inf") if edge is None else edge for edge in truth["edges"]]
        injected.update(dict(enumerate(truth["injected"])))
        found.update(dict(enumerate(truth["found"])))
    if not edges:
        return None
    bins = range(len(edges) - 1)
    return TruthCounts(edges, [injected[i] for i in bins], [found[i] for i in bins])


def _learning(session: Session) -> LearningPart:
    dataset = session.scalars(
        select(TrainingDataset).order_by(TrainingDataset.created_at.desc()).limit(1)
    ).first()
    run = session.scalars(
        select(TrainingRun)
        .where(TrainingRun.status == "completed")
        .order_by(TrainingRun.completed_at.desc())
        .limit(1)
    ).first()
    newest = select(Deployment).order_by(Deployment.sequence.desc()).limit(10)
    deployments = list(session.scalars(newest))
    return LearningPart(dataset, run, models.champion(session), deployments)


def _count(summary: Mapping[str, object], name: str) -> int:
    return int(str(summary.get(name) or 0))
