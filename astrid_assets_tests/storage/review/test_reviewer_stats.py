"""What is known of reviewers: counts, kappas, gold, repeats, purity, reliability."""

from __future__ import annotations

import datetime as dt
import uuid
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import update

from astrid_assets.science.arrays.intervals import wilson_interval
from astrid_assets.science.labelling.agreement import cohen_kappa
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.review import ReviewLease, ValidationEvent
from astrid_assets.storage.review import accounts, labels
from astrid_assets.storage.review.events import Statement, record_statement
from astrid_assets.storage.review.positions import open_night
from astrid_assets.storage.review.reliability import known_reviewers, learn_reliability
from astrid_assets.storage.review.reviewer_stats import agreement, purity, reviewer_stats
from astrid_assets.storage.review.views import refresh, rules_of
from astrid_assets_tests.storage.crowd import crowded_night
from astrid_assets_tests.storage.world import WHEN

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue

NIGHT = "2025-03-04"
OTHER = {"real": "bogus", "bogus": "real"}


def night(session: Session, n: int, profile: str = "") -> list[str]:
    ids = crowded_night(session, NIGHT, n)
    session.execute(update(Survey).values(profile_toml=profile))
    open_night(session, "sim", NIGHT)
    return ids


def speak(
    session: Session,
    reviewer: str,
    detection: str,
    label: str,
    *,
    drawn_as: str | None = None,
    source: str = "person",
) -> None:
    if drawn_as is not None:
        lease = ReviewLease(
            detection_id=detection,
            reviewer=reviewer,
            drawn_as=drawn_as,
            expires_on=WHEN + dt.timedelta(hours=1),
        )
        session.add(lease)
        session.flush()
    statement = Statement(
        event_key=str(uuid.uuid4()),
        detection_id=detection,
        reviewer=reviewer,
        label=label,
        source=source,
    )
    record_statement(session, statement, WHEN)


def event(detection_id: str, reviewer: str, label: str) -> ValidationEvent:
    return ValidationEvent(
        event_key=str(uuid.uuid4()),
        detection_id=detection_id,
        reviewer=reviewer,
        source="person",
        label=label,
        created_at=WHEN,
    )


@pytest.mark.slow
def test_counts_agree_with_votes_counted_by_hand(catalogue: Catalogue):
    ann = ["real", "real", "bogus", "bogus", "unsure", "real"]
    bob = ["real", "bogus", "bogus", "real", "real", "real"]
    gold = ["real", "real", "bogus", "bogus", "real", "bogus"]
    with catalogue.begin() as session:
        for id_, a, b, g in zip(night(session, 6), ann, bob, gold, strict=True):
            speak(session, "ann", id_, a)
            speak(session, "bob", id_, b)
            speak(session, "truth", id_, g, source="truth")
        found = agreement(session)
        (one,) = reviewer_stats(session, reviewer="ann")
    assert [r.reviewer for r in found.reviewers] == ["ann", "bob"]
    assert found.reviewers[0] == one
    assert (one.decided, one.real, one.unsure) == (5, 3, 1)
    assert (one.with_others.hits, one.with_others.total) == (3, 5)
    assert (one.gold.hits, one.gold.total) == (4, 5)
    assert one.gold.interval == wilson_interval(4, 5)
    (pair,) = found.pairs
    both = [i for i in range(6) if ann[i] != "unsure"]
    assert (pair.first, pair.second, pair.both) == ("ann", "bob", 5)
    assert pair.kappa == pytest.approx(cohen_kappa([ann[i] for i in both], [bob[i] for i in both]))
    assert found.doubly_reviewed == 5
    assert found.noise == pytest.approx((1 - np.sqrt(1 - 2 * 0.4)) / 2)


def test_who_settles_a_dispute_says_nothing_about_agreement(catalogue: Catalogue):
    with catalogue.begin() as session:
        one, other = night(session, 2)
        speak(session, "ann", one, "real")
        speak(session, "bob", one, "bogus")
        speak(session, "cyd", one, "real", drawn_as="disputed")
        for name in ("ann", "bob"):
            speak(session, name, other, "real")
        found = agreement(session)
    assert [(p.first, p.second, p.both) for p in found.pairs] == [("ann", "bob", 2)]
    assert found.noise == pytest.approx(0.5)
    shares = {r.reviewer: r.with_others.total for r in found.reviewers}
    assert shares == {"ann": 2, "bob": 2, "cyd": 0}


def test_only_the_random_sample_measures_purity(catalogue: Catalogue):
    with catalogue.begin() as session:
        ids = night(session, 8)
        for id_ in ids[:4]:
            speak(session, "ann", id_, "bogus", drawn_as="uncertain")
        for id_, label in zip(ids[4:], ["real", "real", "real", "bogus"], strict=True):
            speak(session, "ann", id_, label, drawn_as="random")
        share = purity(session)
        assert (share.hits, share.total) == (3, 4)
        assert purity(session, "elsewhere").value is None


def test_repeats_compare_with_what_was_said_before(catalogue: Catalogue):
    with catalogue.begin() as session:
        one, other = night(session, 2)
        for id_ in (one, other):
            speak(session, "ann", id_, "real")
        speak(session, "ann", one, "real", drawn_as="repeat")
        speak(session, "ann", other, "bogus", drawn_as="repeat")
        (found,) = reviewer_stats(session)
    assert (found.repeats.hits, found.repeats.total) == (1, 2)


def test_an_experts_vote_weighs_more(catalogue: Catalogue):
    with catalogue.begin() as session:
        (one,) = night(session, 1)
        accounts.add_reviewer(session, "eva", "expert")
        accounts.add_reviewer(session, "ann", "reviewer")
        speak(session, "ann", one, "bogus")
        speak(session, "eva", one, "real")
        label = labels.labels_for(session, [one])[one]
    assert (label.label, label.n_votes) == ("real", 2)
    assert label.agreement == pytest.approx(2 / 3)


@pytest.mark.slow
def test_dawid_skene_believes_the_reliable_one(catalogue: Catalogue, rng):
    profile = '[labels]\nmethod = "dawid_skene"\n'
    accuracy = {"sure": 0.98, "poor": 0.6, "weak": 0.6}
    with catalogue.begin() as session:
        ids = night(session, 400, profile)
        truth = np.where(rng.random(400) < 0.5, "real", "bogus").tolist()
        labels.append_events(
            session,
            [
                event(id_, name, right if rng.random() < share else OTHER[right])
                for id_, right in zip(ids, truth, strict=True)
                for name, share in accuracy.items()
            ],
        )
        refresh(session, ids)
        before = {id_: row.label for id_, row in labels.labels_for(session, ids).items()}
        learned = learn_reliability(session, "sim")
        refresh(session, ids)
        after = labels.labels_for(session, ids)
        rules = rules_of(session, "sim")
        known = known_reviewers(session, "sim", rules, {})
    assert learned is not None
    assert set(known.confusion) == set(accuracy)
    right = dict(zip(ids, truth, strict=True))
    wrong_before = sum(before[id_] != right[id_] for id_ in ids)
    wrong_after = sum(after[id_].label != right[id_] for id_ in ids)
    assert wrong_after < 0.6 * wrong_before
    assert min(label.agreement for label in after.values()) > 0.5
