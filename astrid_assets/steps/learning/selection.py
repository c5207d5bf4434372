"""Which detections a dataset is made of, and why the others are left out.

Labels of reviewers, catalogues, imports and simulated truth train and judge. A survey's own
score and the presumption that what nobody reviewed is bogus are taken only when asked
for, are marked by their source, and train only. No model of ours labels anything: its
probability only says which bogus detections are hard.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field, fields, replace
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.labelling.thinning import class_sizes, order_of, strata_of, thin
from astrid_assets.steps.learning.settings import SURVEY_SCORE, UNREVIEWED, TooFewLabels
from astrid_assets.storage.queries import collection
from astrid_assets.storage.queries.detection_rows import DetectionRow
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.labels import LabelledRow

if TYPE_CHECKING:
    from collections.abc import Callable, Sequence

    from sqlalchemy.orm import Session

    from astrid_assets.steps.learning.settings import CollectionSettings

MODEL_SCORE = "model"
"""Kind of a detection's score that is a model's probability."""


@dataclass(frozen=True)
class Chosen:
    """A detection that the dataset takes.

    Attributes
    ----------
    reviewer_confidence
        Mean confidence that the reviewers of its label stated; None where none did.
    may_judge
        False: it may only train.
    stands_for
        Labelled detections of its class, survey and S/N that it represents after
        thinning; 0 for what was added on top.
    """

    row: LabelledRow
    reviewer_confidence: float | None = None
    may_judge: bool = True
    stands_for: float = 1.0

    @property
    def is_real(self) -> bool:
        """Whether its label says real."""
        return self.row.label == "real"

    @property
    def model_probability(self) -> float | None:
        """The probability of the model that scored its night; None without one."""
        return self.row.score if self.row.score_kind == MODEL_SCORE else None


@dataclass(frozen=True)
class Selection:
    """What a collection takes, in the order of night, frame and detection.

    Attributes
    ----------
    considered
        Detections of the surveys and nights that had any label to look at.
    left_out
        How many of them were left out, by reason.
    last_sequence
        Newest validation event that it has seen.
    """

    chosen: list[Chosen]
    considered: int
    left_out: Counter[str] = field(default_factory=Counter)
    last_sequence: int = 0


def choose_samples(session: Session, settings: CollectionSettings) -> Selection:
    """Return the detections that fit the settings, thinned to the largest number.

    Raises
    ------
    TooFewLabels
        If fewer than ``min_samples`` fit, or one class is absent.
    """
    surveys = settings.survey_ids or None
    listed = labels.labelled_detections(session, surveys, settings.start, settings.end)
    confidence = collection.reviewer_confidences(session, [row.detection_id for row in listed])
    candidates = [Chosen(row, confidence.get(row.detection_id)) for row in listed]
    candidates += _survey_scored(session, settings, listed)
    if settings.validation_status == "any":
        known = {one.row.detection_id for one in candidates}
        candidates += [
            Chosen(_labelled(row, "bogus", UNREVIEWED), may_judge=False)
            for row in collection.unreviewed(session, surveys, settings.start, settings.end)
            if row.detection_id not in known
        ]
    left_out: Counter[str] = Counter()
    fitting = []
    for one in candidates:
        reason = _why_not(one, settings)
        if reason is None:
            fitting.append(one)
        else:
            left_out[reason] += 1
    chosen = _thinned(fitting, settings)
    left_out["thinned"] += len(fitting) - len(chosen)
    chosen.sort(key=lambda one: (one.row.night, one.row.observation_id, one.row.detection_id))
    _are_enough(chosen, left_out, settings)
    return Selection(chosen, len(candidates), +left_out, labels.last_sequence(session))


def _survey_scored(
    session: Session, settings: CollectionSettings, listed: Sequence[LabelledRow]
) -> list[Chosen]:
    """Return detections that only their survey's own score labels."""
    if SURVEY_SCORE not in settings.sources:
        return []
    judged = {(row.survey, row.label) for row in listed if row.source in settings.sources}
    found = []
    for row, score in collection.survey_scored(
        session, settings.survey_ids or None, settings.start, settings.end
    ):
        if score >= settings.survey_score_real:
            label = "real"
        elif score <= settings.survey_score_bogus:
            label = "bogus"
        else:
            continue
        may_judge = label in settings.judge_on_survey_score and (row.survey, label) not in judged
        found.append(Chosen(_labelled(row, label, SURVEY_SCORE), may_judge=may_judge))
    return found


def _labelled(row: DetectionRow, label: str, source: str) -> LabelledRow:
    """Return a detection with a label that nobody voted for."""
    own = {field.name: getattr(row, field.name) for field in fields(DetectionRow)}
    return LabelledRow(
        **own,
        label=label,
        classification=None,
        source=source,
        n_votes=0,
        agreement=float("nan"),
        last_sequence=0,
        carried_from=None,
    )


def _why_not(one: Chosen, settings: CollectionSettings) -> str | None:
    """Return why a detection does not fit; None where it does."""
    row = one.row
    refusals: tuple[tuple[str, Callable[[], bool]], ...] = (
        ("source_not_asked_for", lambda: row.source not in {*settings.sources, UNREVIEWED}),
        ("low_agreement", lambda: row.agreement < settings.min_agreement),
        (
            "low_reviewer_confidence",
            lambda: (
                one.reviewer_confidence is not None
                and one.reviewer_confidence < settings.confidence_threshold
            ),
        ),
        (
            "other_type",
            lambda: (
                one.is_real
                and bool(settings.anomaly_types)
                and row.classification not in settings.anomaly_types
            ),
        ),
        (
            "low_frame_quality",
            lambda: (
                row.quality_score is not None
                and row.quality_score < settings.quality_score_threshold
            ),
        ),
        ("outside_region", lambda: not _is_inside(row, settings)),
    )
    return next((reason for reason, applies in refusals if applies()), None)


def _is_inside(row: LabelledRow, settings: CollectionSettings) -> bool:
    if not settings.cone_deg and not settings.box_deg:
        return True
    if row.ra_deg is None or row.dec_deg is None:
        return False
    ra, dec = row.ra_deg % 360, row.dec_deg
    if settings.cone_deg:
        ra0, dec0, radius = settings.cone_deg
        # The haversine keeps its precision at small angles.
        half = np.sin(np.radians(dec - dec0) / 2) ** 2 + np.cos(np.radians(dec)) * np.cos(
            np.radians(dec0)
        ) * (np.sin(np.radians(ra - ra0) / 2) ** 2)
        if np.degrees(2 * np.arcsin(min(np.sqrt(half), 1.0))) > radius:
            return False
    if settings.box_deg:
        from_ra, to_ra, from_dec, to_dec = settings.box_deg
        width = to_ra - from_ra if abs(to_ra - from_ra) >= 360 else (to_ra - from_ra) % 360
        return (ra - from_ra) % 360 <= width and from_dec <= dec <= to_dec
    return True


def _thinned(fitting: Sequence[Chosen], settings: CollectionSettings) -> list[Chosen]:
    """Return at most ``max_samples``, in no more than the accepted ratio of the classes."""
    by_class = {real: [one for one in fitting if one.is_real == real] for real in (True, False)}
    sizes = class_sizes(
        len(by_class[True]),
        len(by_class[False]),
        most=settings.max_samples,
        max_ratio=settings.max_class_ratio,
    )
    n_real, n_bogus = sizes
    kept = _taken(by_class[True], n_real)
    if n_bogus == len(by_class[False]):
        return kept + _taken(by_class[False], n_bogus)
    scored = sum(one.model_probability is not None for one in by_class[False])
    n_hard = min(n_bogus - round(n_bogus / (1 + settings.hard_negatives)), scored)
    drawn = _taken(by_class[False], n_bogus - n_hard)
    taken = {one.row.detection_id for one in drawn}
    return (
        kept
        + drawn
        + _hardest([one for one in by_class[False] if one.row.detection_id not in taken], n_hard)
    )


def _taken(those: Sequence[Chosen], count: int) -> list[Chosen]:
    """Return `count` of one class: what may judge first, each stratum keeping its part."""
    judging = [one for one in those if one.may_judge]
    others = [one for one in those if not one.may_judge]
    first = min(count, len(judging))
    return _of_each_stratum(judging, first) + _of_each_stratum(others, count - first)


def _of_each_stratum(those: Sequence[Chosen], count: int) -> list[Chosen]:
    if count >= len(those):
        return list(those)
    rows = [one.row for one in those]
    numbers = (
        np.array([row.survey for row in rows]),
        np.array([row.score_sigma for row in rows]),
        np.array([row.fwhm_px for row in rows]),
    )
    strata = strata_of(*numbers, np.array([row.night for row in rows]))
    stays = thin(strata, order_of([row.detection_id for row in rows]), count)
    # A stratum of a single night may lose all its members: those of its S/N stand for them.
    kinds = strata_of(numbers[0], numbers[1], np.ones(len(rows)))
    before, after = Counter(kinds.tolist()), Counter(kinds[stays].tolist())
    return [
        replace(one, stands_for=before[kind] / after[kind])
        for one, kind, stayed in zip(those, kinds.tolist(), stays.tolist(), strict=True)
        if stayed
    ]


def _hardest(rest: Sequence[Chosen], count: int) -> list[Chosen]:
    """Return the bogus ones that a model finds most likely real, to train only."""
    scored = [one for one in rest if one.model_probability is not None]
    order = order_of([one.row.detection_id for one in scored])
    probability = np.array([one.model_probability or 0.0 for one in scored])
    return [
        replace(scored[index], may_judge=False, stands_for=0.0)
        for index in np.lexsort((order, -probability))[:count].tolist()
    ]


def _are_enough(
    chosen: Sequence[Chosen], left_out: Counter[str], settings: CollectionSettings
) -> None:
    n_real = sum(one.is_real for one in chosen)
    if len(chosen) >= settings.min_samples and n_real not in {0, len(chosen)}:
        return
    refused = ", ".join(
        f"{count} {reason.replace('_', ' ')}" for reason, count in left_out.most_common() if count
    )
    raise TooFewLabels(
        f"{len(chosen)} labelled detections ({n_real} real) fit the selection, at least "
        f"{settings.min_samples} with both classes are needed"
        f"{f' (left out: {refused})' if refused else ''}: label more detections, backfill more "
        "nights, or widen the selection",
        {
            "any": max(settings.min_samples - len(chosen), 0),
            "real": int(n_real == 0),
            "bogus": int(n_real == len(chosen)),
        },
    )
