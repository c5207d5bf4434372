"""Consensus: whose word counts, and that the order of events handed in does not."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from astrid_assets.science.labelling.consensus import Vote, consensus, standing_votes


def votes(*said: str) -> list[Vote]:
    """Build events from words like ``ann:real`` or ``sim/truth:bogus``."""
    events = []
    for sequence, word in enumerate(said, start=1):
        who, label = word.split(":")
        reviewer, _, source = who.partition("/")
        events.append(Vote(sequence, reviewer, label, source or "person"))
    return events


@pytest.mark.parametrize(
    ("said", "label", "source", "n_votes", "agreement"),
    [
        (["ann:real"], "real", "person", 1, 1.0),
        (["ann:real", "bob:bogus"], "disputed", "person", 2, 0.5),
        (["ann:real", "bob:bogus", "cyd:bogus"], "bogus", "person", 3, 2 / 3),
        (["ann:real", "ann:bogus"], "bogus", "person", 1, 1.0),
        (["ann:real", "bob:unsure"], "real", "person", 1, 1.0),
        (["ann:unsure"], "unsure", "person", 1, 1.0),
        (["sim/truth:real", "ann:bogus"], "bogus", "person", 1, 1.0),
        (["sim/truth:real", "gaia/catalogue:bogus"], "real", "truth", 1, 1.0),
        (["gaia/catalogue:bogus", "csv/import:real"], "bogus", "catalogue", 1, 1.0),
        (["ann:unsure", "sim/truth:real"], "real", "truth", 1, 1.0),
        (["ann:real", "ann:skip"], "real", "person", 1, 1.0),
        (["ann:real", "ann:bogus", "ann:undo"], "real", "person", 1, 1.0),
        (["ann:real", "bob:bogus", "bob:undo"], "real", "person", 1, 1.0),
        (["ann:real", "ann:undo", "sim/truth:bogus"], "bogus", "truth", 1, 1.0),
        (["ann:real", "ann:undo", "ann:bogus"], "bogus", "person", 1, 1.0),
        (["ann:undo", "ann:real"], "real", "person", 1, 1.0),
    ],
)
def test_the_label_follows_from_what_was_said(said, label, source, n_votes, agreement):
    found = consensus(votes(*said))
    assert found is not None
    assert (found.label, found.source, found.n_votes) == (label, source, n_votes)
    assert found.agreement == pytest.approx(agreement)
    assert found.last_sequence == len(said)


@pytest.mark.parametrize(
    "said",
    [
        [],
        ["ann:skip"],
        ["ann:real", "ann:undo"],
        ["ann:real", "ann:bogus", "ann:undo", "ann:undo"],
    ],
)
def test_where_nothing_stands_there_is_no_label(said):
    assert consensus(votes(*said)) is None


def test_an_undo_takes_back_the_own_word_only():
    standing = standing_votes(votes("ann:real", "bob:bogus", "ann:undo"))
    assert [vote.reviewer for vote in standing] == ["bob"]


def test_an_undo_also_takes_back_a_skip():
    found = consensus(votes("ann:real", "ann:skip", "ann:undo"))
    assert found is not None
    assert found.label == "real"


def test_the_classification_is_that_of_the_winners():
    events = [
        Vote(1, "ann", "real", classification="asteroid"),
        Vote(2, "bob", "real", classification="supernova"),
        Vote(3, "cyd", "real", classification="supernova"),
        Vote(4, "dan", "bogus", classification="dipole"),
    ]
    found = consensus(events)
    assert found is not None
    assert found.classification == "supernova"


def test_a_tie_of_classifications_goes_by_the_alphabet():
    events = [
        Vote(1, "ann", "real", classification="supernova"),
        Vote(2, "bob", "real", classification="asteroid"),
    ]
    found = consensus(events)
    assert found is not None
    assert found.classification == "asteroid"


@pytest.mark.slow
@settings(deadline=None)
@given(
    st.lists(
        st.tuples(
            st.sampled_from(["ann", "bob", "cyd"]),
            st.sampled_from(["real", "bogus", "unsure", "skip", "undo"]),
            st.sampled_from(["person", "truth", "catalogue", "import"]),
        ),
        max_size=12,
    ),
    st.randoms(use_true_random=False),
)
def test_the_order_in_which_events_arrive_does_not_matter(said, random):
    events = [
        Vote(sequence, reviewer, label, source)
        for sequence, (reviewer, label, source) in enumerate(said)
    ]
    shuffled = events.copy()
    random.shuffle(shuffled)
    assert consensus(shuffled) == consensus(events)


@pytest.mark.parametrize(
    ("event", "message"),
    [
        (Vote(1, "ann", "maybe"), "event 1 says 'maybe'"),
        (Vote(2, "ann", "real", "rumour"), "event 2 comes from 'rumour'"),
    ],
)
def test_unknown_words_are_errors(event, message):
    with pytest.raises(ValueError, match=message):
        consensus([event])
