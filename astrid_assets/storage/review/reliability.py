"""What is known of a survey's reviewers, and the label their votes then make.

The plain way is a weighted majority. Where the rules say ``dawid_skene``,
`learn_reliability` estimates a confusion matrix per reviewer from all votes and keeps it;
single labels follow from it by Bayes' rule until it is learned again.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy import select

from astrid_assets.science.labelling.consensus import (
    BOGUS,
    DECISIVE,
    DISPUTED,
    REAL,
    Consensus,
    consensus,
    standing_votes,
)
from astrid_assets.science.labelling.dawid_skene import (
    PRIOR_RIGHT,
    PRIOR_WRONG,
    Reliability,
    dawid_skene,
    expected_classes,
)
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.review import ReviewItem, VoteRow
from astrid_assets.storage.queries import gates

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from numpy.typing import NDArray
    from sqlalchemy.orm import Session

    from astrid_assets.science.labelling.consensus import Event
    from astrid_assets.science.labelling.rules import ConsensusRules

ASSET = "reviewers"
"""Stands in the night summaries, without a night, for what was learned."""

CLASSES = (BOGUS, REAL)
STRANGER = ((PRIOR_RIGHT, PRIOR_WRONG), (PRIOR_WRONG, PRIOR_RIGHT))


@dataclass(frozen=True)
class KnownReviewers:
    """Rules, weights of experts and, once learned, each reviewer's confusion matrix.

    `confusion` maps a reviewer to (true class, said class), in the order bogus, real.
    """

    rules: ConsensusRules
    weights: Mapping[str, float] = field(default_factory=dict)
    confusion: Mapping[str, NDArray[np.float64]] = field(default_factory=dict)
    prevalence: tuple[float, float] | None = None

    def label(self, events: Iterable[Event]) -> Consensus | None:
        """Return the label that all events of one detection add up to."""
        ordered = sorted(events, key=lambda event: event.sequence)
        plain = consensus(ordered, self.rules, self.weights)
        if plain is None or plain.source != "person" or self.prevalence is None:
            return plain
        votes = [
            vote
            for vote in standing_votes(ordered)
            if vote.source == "person" and vote.label in DECISIVE
        ]
        if not votes:
            return plain
        posterior = self._posterior(votes)
        agreement = float(posterior.max())
        label = CLASSES[int(posterior.argmax())]
        if agreement < self.rules.min_agreement:
            label = DISPUTED
        named = Counter(
            vote.classification for vote in votes if vote.label == label and vote.classification
        )
        name = min(named, key=lambda word: (-named[word], word), default=None)
        return Consensus(label, name, plain.source, len(votes), agreement, plain.last_sequence)

    def agreement(self, decisive: Sequence[Event]) -> float:
        """Return how far these votes of reviewers agree, as the label counts it."""
        if not decisive:
            return 1.0
        if self.prevalence is not None:
            return float(self._posterior(decisive).max())
        weight: Counter[str] = Counter()
        for vote in decisive:
            weight[vote.label] += self.weights.get(vote.reviewer, 1)  # type: ignore[assignment]  # counts may be fractions
        return max(weight.values()) / sum(weight.values())

    def _posterior(self, votes: Sequence[Event]) -> NDArray[np.float64]:
        stranger = np.array(STRANGER) / sum(STRANGER[0])
        matrices = np.stack([self.confusion.get(vote.reviewer, stranger) for vote in votes])
        each = np.arange(len(votes))
        said = np.array([CLASSES.index(vote.label) for vote in votes])
        prevalence = np.array(self.prevalence)
        return expected_classes(np.zeros_like(each), each, said, matrices, prevalence, 1)[0]


def known_reviewers(
    session: Session,
    survey: str,
    rules: ConsensusRules,
    weights: Mapping[str, float],
) -> KnownReviewers:
    """Return what is known of a survey's reviewers, as last learned."""
    stored = None
    if rules.method == "dawid_skene":
        stored = gates.night_summary(session, survey, "", ASSET)
    if stored is None:
        return KnownReviewers(rules, weights)
    learned = stored.summary
    low, high = learned["prevalence"]
    return KnownReviewers(
        rules,
        weights,
        {name: np.array(matrix) for name, matrix in learned["confusion"].items()},
        (float(low), float(high)),
    )


def learn_reliability(session: Session, survey: str) -> Reliability | None:
    """Estimate and keep every reviewer's confusion matrix; None without votes.

    Gold labels count as known.
    """
    query = (
        select(VoteRow.detection_id, VoteRow.reviewer, VoteRow.label, ReviewItem.gold_label)
        .join(Detection, Detection.id == VoteRow.detection_id)
        .outerjoin(ReviewItem, ReviewItem.detection_id == VoteRow.detection_id)
        .where(
            Detection.survey == survey,
            VoteRow.source == "person",
            VoteRow.label.in_(sorted(DECISIVE)),
            # In these the model speaks as well.
            VoteRow.score_seen.is_(False),
        )
    )
    rows = session.execute(query).all()
    if not rows:
        return None
    ids, item = np.unique([row[0] for row in rows], return_inverse=True)
    names, reviewer = np.unique([row[1] for row in rows], return_inverse=True)
    said = np.array([CLASSES.index(row[2]) for row in rows])
    known = np.full(len(ids), -1)
    for index, row in zip(item.tolist(), rows, strict=True):
        if row[3] in CLASSES:
            known[index] = CLASSES.index(row[3])
    found = dawid_skene(item, reviewer, said, known=known)
    learned = {
        "confusion": dict(zip(names.tolist(), found.confusion.tolist(), strict=True)),
        "prevalence": found.prevalence.tolist(),
        "votes": len(rows),
        "noise": found.noise,
    }
    gates.record_summary(session, survey, "", ASSET, learned, ASSET)
    return found
