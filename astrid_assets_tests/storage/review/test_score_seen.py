"""Answers after the model's score was shown count as labels, and measure nobody."""

from __future__ import annotations

from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.review import ValidationEvent
from astrid_assets.storage.queries import gates
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.reliability import ASSET, learn_reliability
from astrid_assets.storage.review.reviewer_stats import agreement, purity, reviewer_stats
from astrid_assets_tests.storage.review.test_reviewer_stats import night, speak

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue


def test_a_second_answer_after_an_undo_measures_nobody(catalogue: Catalogue):
    with catalogue.begin() as session:
        changed, kept = night(session, 2, '[labels]\nmethod = "dawid_skene"\n')
        for id_ in (changed, kept):
            speak(session, "truth", id_, "real", source="truth")
            speak(session, "bob", id_, "real")
            speak(session, "ann", id_, "bogus", drawn_as="random")
        before = (agreement(session), purity(session))
        assert (before[0].doubly_reviewed, before[0].reviewers[0].gold.total) == (2, 2)
        speak(session, "ann", changed, "undo")
        # The lease that the undo gave back states the first reason, also after the score.
        speak(session, "ann", changed, "real")
        events = session.scalars(
            select(ValidationEvent)
            .where(ValidationEvent.detection_id == changed, ValidationEvent.reviewer == "ann")
            .order_by(ValidationEvent.sequence)
        ).all()
        assert [event.score_seen for event in events] == [False, False, True]
        assert events[-1].drawn_as == "random"

        assert labels.labels_for(session, [changed])[changed].label == "real"
        found = agreement(session)
        ann = next(row for row in found.reviewers if row.reviewer == "ann")
        assert (ann.with_others.hits, ann.with_others.total) == (0, 1)
        assert (ann.gold.hits, ann.gold.total) == (0, 1)
        assert found.doubly_reviewed == 1
        assert [pair.both for pair in found.pairs] == [1]
        # The random one that is left is disputed, so no share is known.
        assert purity(session).total == 0
        assert learn_reliability(session, "sim") is not None
        learned = gates.night_summary(session, "sim", "", ASSET)
        assert learned is not None
        assert learned.summary["votes"] == 3
        assert [row.decided for row in found.reviewers] == [2, 2]


def test_purity_leaves_out_what_was_answered_after_the_score(catalogue: Catalogue):
    with catalogue.begin() as session:
        one, other = night(session, 2)
        for id_ in (one, other):
            speak(session, "ann", id_, "bogus", drawn_as="random")
        assert purity(session).total == 2
        speak(session, "ann", one, "undo")
        speak(session, "ann", one, "real")
        share = purity(session)
        assert (share.hits, share.total) == (0, 1)


def test_repeats_are_blind_unless_they_are_undone(catalogue: Catalogue):
    with catalogue.begin() as session:
        one, other = night(session, 2)
        for id_ in (one, other):
            speak(session, "ann", id_, "real")
            speak(session, "ann", id_, "real", drawn_as="repeat")
        speak(session, "ann", other, "undo")
        speak(session, "ann", other, "bogus")
        (ann,) = reviewer_stats(session)
        seen = session.scalars(
            select(ValidationEvent.score_seen).order_by(ValidationEvent.sequence)
        ).all()
        assert seen == [False, False, False, False, False, True]
        # The undone repeat was blind: what it states about the first answer stands.
        assert (ann.repeats.hits, ann.repeats.total) == (2, 2)
