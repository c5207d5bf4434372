"""Consensus: one label from every event of a detection.

Events are never changed; a second thought is another event. The result depends on
the events alone, not on the order in which they are given.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from astrid_assets.science.labelling.rules import DEFAULT_RULES

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from astrid_assets.science.labelling.rules import ConsensusRules

SOURCES = ("person", "truth", "catalogue", "import")
"""Which source decides first. A reviewer has seen the cutout; a truth table or a catalogue
contains the sky, not the artefacts of this subtraction."""

REAL, BOGUS, DISPUTED, UNSURE = "real", "bogus", "disputed", "unsure"
ROUNDING = 1e-9  # 2 of 3 is two thirds however the weights add up
DECISIVE = frozenset({REAL, BOGUS})
VOTES = DECISIVE | {UNSURE}
EVENTS = VOTES | {"skip", "undo"}


class Event(Protocol):
    """One statement of one reviewer; the rows of ``validation_events`` are such."""

    @property
    def sequence(self) -> int:
        """Order of the statement among all events; unique."""
        ...

    @property
    def reviewer(self) -> str:
        """Name of the reviewer."""
        ...

    @property
    def source(self) -> str:
        """One of `SOURCES`."""
        ...

    @property
    def label(self) -> str:
        """One of `EVENTS`."""
        ...

    @property
    def classification(self) -> str | None:
        """Class of the candidate, where the reviewer gave one."""
        ...


@dataclass(frozen=True)
class Vote:
    """An event that is not in the catalogue: for imports and tests."""

    sequence: int
    reviewer: str
    label: str
    source: str = "person"
    classification: str | None = None


@dataclass(frozen=True)
class Consensus:
    """The label of one detection.

    Attributes
    ----------
    label
        ``real``, ``bogus``, ``disputed`` or ``unsure``.
    source
        The kind of reviewer that decided.
    n_votes
        Votes for real or bogus from that source (for unsure: all votes from it).
    agreement
        Weight share of the leading label; 0.5 in a tie, 1 for unsure.
    last_sequence
        Newest event of the detection, whatever its label.
    """

    label: str
    classification: str | None
    source: str
    n_votes: int
    agreement: float
    last_sequence: int


def consensus(
    events: Iterable[Event],
    rules: ConsensusRules = DEFAULT_RULES,
    weights: Mapping[str, float] | None = None,
) -> Consensus | None:
    """Return the label of one detection from all its events.

    Each reviewer has one vote, the last one not undone. The first source in `SOURCES` with
    a vote for real or bogus decides; where all who voted are unsure, so is the result.

    Parameters
    ----------
    events
        All events of the detection.
    rules
        When a label is decided and when it is disputed.
    weights
        Weight of the votes of these reviewers; all others have 1.

    Returns
    -------
    consensus
        None when nothing is left to count: no events, only skips, all undone.

    Raises
    ------
    ValueError
        If an event has an unknown label or source.
    """
    ordered = sorted(events, key=lambda event: event.sequence)
    _are_known(ordered)
    votes = standing_votes(ordered)
    if not votes:
        return None
    last_sequence = ordered[-1].sequence
    for source in SOURCES:
        cast = [vote for vote in votes if vote.source == source and vote.label in DECISIVE]
        if cast:
            own = weights if source == "person" else None
            return _decide(cast, source, last_sequence, rules.min_agreement, own or {})
    source = min((vote.source for vote in votes), key=SOURCES.index)
    unsure = [vote for vote in votes if vote.source == source]
    return Consensus(UNSURE, None, source, len(unsure), 1.0, last_sequence)


def standing_votes(events: Iterable[Event]) -> list[Event]:
    """Return each reviewer's last vote that was not undone, by sequence.

    An undo takes back the reviewer's newest statement still standing, so two undos take
    back two; a skip is a statement without a vote and leaves earlier votes as they are.

    Parameters
    ----------
    events
        All events of one detection.

    Returns
    -------
    votes
        At most one of each reviewer.
    """
    said: dict[tuple[str, str], list[Event]] = {}
    for event in sorted(events, key=lambda event: event.sequence):
        own = said.setdefault((event.source, event.reviewer), [])
        if event.label != "undo":
            own.append(event)
        elif own:
            own.pop()
    votes = []
    for own in said.values():
        counted = [event for event in own if event.label in VOTES]
        votes += counted[-1:]
    return sorted(votes, key=lambda vote: vote.sequence)


def _decide(
    cast: list[Event],
    source: str,
    last_sequence: int,
    min_agreement: float,
    weights: Mapping[str, float],
) -> Consensus:
    weight: dict[str, float] = {}
    for vote in cast:
        weight[vote.label] = weight.get(vote.label, 0) + weights.get(vote.reviewer, 1)
    label, most = max(weight.items(), key=lambda item: (item[1], item[0]))
    agreement = most / sum(weight.values())
    if agreement < min_agreement - ROUNDING:
        return Consensus(DISPUTED, None, source, len(cast), agreement, last_sequence)
    named = Counter(
        vote.classification for vote in cast if vote.label == label and vote.classification
    )
    # The most frequent name; among equals the first in the alphabet.
    classification = min(named, key=lambda name: (-named[name], name), default=None)
    return Consensus(label, classification, source, len(cast), agreement, last_sequence)


def _are_known(events: list[Event]) -> None:
    for event in events:
        if event.label not in EVENTS:
            raise ValueError(
                f"event {event.sequence} says {event.label!r}; known are "
                f"{', '.join(sorted(EVENTS))}"
            )
        if event.source not in SOURCES:
            raise ValueError(
                f"event {event.sequence} comes from {event.source!r}; known are "
                f"{', '.join(SOURCES)}"
            )
