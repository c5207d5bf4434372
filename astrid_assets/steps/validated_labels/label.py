"""Labels of a night: the consensus of all events, and the known truth of simulations.

Events come from reviewers (`review.events.record_statement`), and their labels follow
at once; here the night's positions in the review queue are opened and its labels judged as a whole.
In a simulated survey a "truth reviewer" appends one event per detection, marked
``truth``, by matching detections to the known changes; completeness against that
truth is measured on the way. Labels are a view of the events and can be made again at
any time.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import func, select

from astrid_assets.science.labelling.truth_match import match_truth
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.quality.gates import NIGHT_BALANCE, label_agreement, label_balance
from astrid_assets.steps import versions
from astrid_assets.steps.locations import located
from astrid_assets.steps.nights import (
    NightReport,
    Tools,
    finish,
    hash_of,
    unchanged_report,
)
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.review import ReviewItem, ValidationEvent
from astrid_assets.storage.fits.differences import difference_from_fits
from astrid_assets.storage.queries import candidates, frames, gates
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.positions import open_night
from astrid_assets.storage.review.reliability import learn_reliability
from astrid_assets.storage.review.views import refresh

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.tables.review import Label
    from astrid_assets.storage.queries.detection_rows import DetectionRow
    from astrid_assets.surveys.profile import SurveyProfile
    from astrid_assets.surveys.profile_sources import SimulatedSource

    Events = Mapping[str, Sequence[ValidationEvent]]
    """The events of each detection that has any, in their order."""

ASSET = "validated_labels"

TRUTH_REVIEWER = "truth"
MATCH_RADIUS_FWHM = 0.75
"""A detection within this many FWHM of a known change is that change."""

MIN_MATCH_RADIUS_PX = 1.5

MIN_TRUE_SNR = 3.0
"""Fainter changes are not something a detection could be of."""

SNR_EDGES = (3.0, 5.0, 7.0, 10.0, 15.0, 20.0, float("inf"))
BALANCE_LIMITS = (0.02, 0.98)
"""A single night is rarely balanced; outside these a person should look."""

HIDDEN = UNUSABLE | int(MaskBit.EDGE)
"""Where the difference's mask has one of these, nothing could be found."""


def label_nights(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Bring the labels of the nights up to date; one report per night, in order."""
    with tools.catalogue.read() as session:
        held = gates.blocked_nights(session, profile.name, "detections")
    for night in nights:
        with located(profile.name, night):
            report = _label_night(tools, profile, night, is_held=night in held, force=force)
        yield report


def _label_night(
    tools: Tools, profile: SurveyProfile, night: str, *, is_held: bool, force: bool
) -> NightReport:
    with tools.catalogue.read() as session:
        found = [] if is_held else candidates.detections_of_night(session, profile.name, night)
        events = labels.events_for(session, [row.detection_id for row in found])
        differences = frames.current_differences_of_night(session, profile.name, night)
        input_hash = hash_of(
            versions.LABEL,
            [row.detection_id for row in found],
            _newest(events),
            sorted(str(run.difference_key) for _, run in differences),
            profile.has_known_truth,
            profile.labels,
        )
        before = unchanged_report(session, profile.name, night, ASSET, input_hash)
    if before and not force:
        return before

    truth: dict[str, object] = {}
    if profile.has_known_truth and not is_held:
        truth = _review_by_truth(tools, profile, night, found)
    with tools.catalogue.begin() as session:
        events = labels.events_for(session, [row.detection_id for row in found])
        newest, ids = _newest(events), list(events)
        open_night(session, profile.name, night)
        if profile.labels.method == "dawid_skene":
            learn_reliability(session, profile.name)
            refresh(session, ids)
        known = [label for _, label in sorted(labels.labels_for(session, ids).items())]
        again = _asked_again(session, profile.name, night)
        report = _report(profile.name, night, len(found), known, again, truth)
        # The truth reviewer's own events must not make the next run start over.
        input_hash = hash_of(
            versions.LABEL,
            [row.detection_id for row in found],
            newest,
            sorted(str(run.difference_key) for _, run in differences),
            profile.has_known_truth,
            profile.labels,
        )
        finish(session, report, input_hash)
    return report


def _newest(events: Events) -> int:
    return max((own[-1].sequence for own in events.values()), default=0)


def _review_by_truth(
    tools: Tools, profile: SurveyProfile, night: str, found: Sequence[DetectionRow]
) -> dict[str, object]:
    """Append the truth reviewer's events; return what was known and what was found."""
    from astrid_assets.surveys.sources.simulated import frame_index_of, truth

    source: SimulatedSource = profile.source  # type: ignore[assignment]  # has_known_truth
    known = truth(source, night)
    by_frame: dict[str, list[DetectionRow]] = defaultdict(list)
    for row in found:
        by_frame[row.observation_id].append(row)
    injected: Counter[int] = Counter()
    recovered: Counter[int] = Counter()
    events: list[ValidationEvent] = []
    with tools.catalogue.read() as session:
        runs = frames.current_differences_of_night(session, profile.name, night)
        fwhm_px = {
            observation.id: run.fwhm_px or 0.0
            for observation, run in frames.preprocess_runs_of_night(session, profile.name, night)
        }
    for observation, run in runs:
        if run.status != "accepted" or run.difference_key is None:
            continue
        index = frame_index_of(observation.source_path)
        rows = by_frame[observation.id]
        visible = [
            item
            for item in known
            if item.frame_index == index and abs(item.expected_snr) >= MIN_TRUE_SNR
        ]
        x = np.array([item.x for item in visible])
        y = np.array([item.y for item in visible])
        difference = difference_from_fits(tools.store.get(run.difference_key))
        match = match_truth(
            [row.x for row in rows],
            [row.y for row in rows],
            x,
            y,
            max(MATCH_RADIUS_FWHM * fwhm_px[observation.id], MIN_MATCH_RADIUS_PX),
        )
        signs = [int(np.sign(item.flux_e)) for item in visible]
        hits: set[int] = set()
        for row, which in zip(rows, match.tolist(), strict=True):
            is_real = which >= 0 and signs[which] == row.sign
            if is_real:
                hits.add(which)
            events.append(
                ValidationEvent(
                    event_key=f"truth:{row.detection_id}",
                    detection_id=row.detection_id,
                    reviewer=TRUTH_REVIEWER,
                    source="truth",
                    label="real" if is_real else "bogus",
                    classification=visible[which].kind if is_real else None,
                    confidence=1.0,
                    model_id=row.model_id,
                    created_at=now(),
                )
            )
        for which, item in enumerate(visible):
            if _is_hidden(difference.mask, x[which], y[which]):
                continue
            snr = abs(item.expected_snr)
            snr_bin = int(np.searchsorted(SNR_EDGES, snr, side="right") - 1)
            injected[snr_bin] += 1
            recovered[snr_bin] += which in hits
    with tools.catalogue.begin() as session:
        labels.append_events(session, events)
    bins = range(len(SNR_EDGES) - 1)
    return {
        "edges": [edge if np.isfinite(edge) else None for edge in SNR_EDGES],
        "injected": [injected[i] for i in bins],
        "found": [recovered[i] for i in bins],
    }


def _is_hidden(mask: np.ndarray, x: float, y: float) -> bool:
    column, row = round(float(x)), round(float(y))
    ny, nx = mask.shape
    if not (0 <= column < nx and 0 <= row < ny):
        return True
    return bool(mask[row, column] & HIDDEN)


def _asked_again(session: Session, survey: str, night: str) -> int:
    """Count the detections whose answers were carried over in doubt."""
    query = select(func.count()).where(
        ReviewItem.survey == survey,
        ReviewItem.night == night,
        ReviewItem.queue != "closed",
        ReviewItem.doubt.is_not(None),
    )
    return session.scalar(query) or 0


def _report(
    survey: str,
    night: str,
    n_found: int,
    rows: Sequence[Label],
    asked_again: int,
    truth: dict[str, object],
) -> NightReport:
    counts = Counter(row.label for row in rows)
    summary: dict[str, object] = {
        "detections": n_found,
        "labelled": len(rows),
        "unlabelled": n_found - len(rows),
        "real": counts["real"],
        "bogus": counts["bogus"],
        "disputed": counts["disputed"],
        "unsure": counts["unsure"],
        "carried_over": sum(row.carried_from is not None for row in rows),
        "asked_again": asked_again,
        "by_source": dict(Counter(row.source for row in rows)),
    }
    if truth:
        summary["truth"] = truth
    verdicts = (
        label_agreement([row.agreement for row in rows]),
        label_balance(NIGHT_BALANCE, counts["real"], counts["bogus"], BALANCE_LIMITS),
    )
    return NightReport(survey, night, ASSET, summary, verdicts)
