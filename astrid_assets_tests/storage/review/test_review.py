"""The review queue and what reviewers say, on both databases."""

from __future__ import annotations

import datetime as dt
import random
from collections import Counter
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import func, select, update

from astrid_assets.science.labelling.rules import ConsensusRules
from astrid_assets.science.labelling.score_limits import score_limits
from astrid_assets.science.quality.gates import CANDIDATE_DENSITY
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, SkyObject
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.database.tables.review import ReviewItem, ReviewLease, ValidationEvent
from astrid_assets.storage.queries import gates
from astrid_assets.storage.queries.frames import known_transient_labels
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.drawn_masks import draw_mask, drawn_masks
from astrid_assets.storage.review.events import (
    NoSuchDetection,
    Statement,
    StatementRefused,
    record_statement,
)
from astrid_assets.storage.review.positions import open_night, stale_nights
from astrid_assets.storage.review.queue import QueueRequest, draw, release, waiting
from astrid_assets.storage.review.reviewer_stats import agreement
from astrid_assets_tests.storage.crowd import crowded_night
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue

NIGHT = "2025-03-04"
ONE_VOTE = "[labels]\ndouble_share = 0.0\n"
TWO_VOTES = "[labels]\ndouble_share = 1.0\n"


def rules(**changes: object) -> ConsensusRules:
    return ConsensusRules.model_validate(changes)


def lot(seed: int) -> random.Random:
    return random.Random(seed)  # noqa: S311  a queue is no secret


def night(session: Session, n: int, profile: str = ONE_VOTE) -> list[str]:
    """Make a night of so many detections with places in the queue."""
    ids = crowded_night(session, NIGHT, n)
    session.execute(update(Survey).values(profile_toml=profile))
    assert open_night(session, "sim", NIGHT) == n
    return ids


def speak(session: Session, reviewer: str, detection: str, label: str, **more: object):
    key = f"{reviewer[:4]}{label}{detection}"[-38:]
    spoken = {
        "event_key": key,
        "detection_id": detection,
        "reviewer": reviewer,
        "label": label,
    } | more
    return record_statement(session, Statement(**spoken), WHEN)  # type: ignore[arg-type]  # a dict of fields


def place(session: Session, detection: str) -> str:
    session.expire_all()
    return session.get_one(ReviewItem, detection).queue


def test_two_reviewers_never_get_the_same(catalogue: Catalogue):
    with catalogue.begin() as session:
        ids = night(session, 40)
        own = lot(1)
        ann = draw(session, QueueRequest("ann"), 15, rules(), WHEN, own)
        bob = draw(session, QueueRequest("bob"), 15, rules(), WHEN, own)
        again = draw(session, QueueRequest("ann"), 15, rules(), WHEN, own)
    first, second = ({item.detection_id for item in drawn} for drawn in (ann, bob))
    assert len(first) == len(second) == 15
    assert first | second <= set(ids)
    assert not first & second
    # A page that is loaded again shows what it had.
    assert {item.detection_id for item in again} == first


def test_a_lease_expires_and_is_given_back(catalogue: Catalogue):
    with catalogue.begin() as session:
        night(session, 5)
        own = lot(1)
        later = WHEN + dt.timedelta(minutes=rules().lease_minutes + 1)
        assert len(draw(session, QueueRequest("ann"), 9, rules(), WHEN, own)) == 5
        assert draw(session, QueueRequest("bob"), 9, rules(), WHEN, own) == []
        assert len(draw(session, QueueRequest("bob"), 9, rules(), later, own)) == 5
        release(session, "bob")
        assert len(draw(session, QueueRequest("cyd"), 9, rules(), later, own)) == 5


@pytest.mark.slow
def test_the_random_sample_is_drawn_for_nothing_else(catalogue: Catalogue):
    with catalogue.begin() as session:
        night(session, 400)
        sample = set(session.scalars(select(ReviewItem.detection_id).where(ReviewItem.is_sample)))
        assert len(sample) == pytest.approx(0.2 * 400, abs=4 * np.sqrt(400 * 0.16))
        own = lot(3)
        drawn = draw(session, QueueRequest("ann"), 200, rules(), WHEN, own)
        kinds = Counter(item.drawn_as for item in drawn)
        for item in drawn:
            assert (item.drawn_as == "random") == (item.detection_id in sample)
        # Without a model nothing is uncertain, and the stored reason says so.
        assert set(kinds) == {"random", "unscored"}
        # The sample is taken in the order of ids: a simple random sample of the night.
        taken = sorted(i.detection_id for i in drawn if i.drawn_as == "random")
        assert taken == sorted(sample)[: len(taken)]


@pytest.mark.slow
def test_shares_are_kept_and_uncertain_ones_come_first(catalogue: Catalogue):
    with catalogue.begin() as session:
        ids = night(session, 600)
        for number, id_ in enumerate(ids):
            session.execute(
                update(ReviewItem)
                .where(ReviewItem.detection_id == id_)
                .values(
                    uncertainty=number / 600,
                    gold_label=("real", "bogus", None)[number % 3],
                )
            )
        nothing = dict.fromkeys(rules().shares, 0.0)
        shares = nothing | {"uncertain": 0.5, "random": 0.25, "gold": 0.25}
        wanted = rules(**shares)
        drawn = draw(session, QueueRequest("ann"), 120, wanted, WHEN, lot(5))
        kinds = Counter(item.drawn_as for item in drawn)
        assert len(drawn) == 120
        assert kinds["uncertain"] > kinds["random"] > 15
        assert kinds["gold"] > 15
        rank = {id_: number for number, id_ in enumerate(ids)}
        uncertain = [rank[i.detection_id] for i in drawn if i.drawn_as == "uncertain"]
        assert max(uncertain) < 150
        golds = [rank[i.detection_id] % 3 for i in drawn if i.drawn_as == "gold"]
        assert set(golds) <= {0, 1}


def test_what_the_model_does_not_decide_comes_first_among_the_uncertain(catalogue: Catalogue):
    with catalogue.begin() as session:
        model = Model(
            id="m",
            name="unet",
            version="1",
            training_run_id=None,
            onnx_sha256="m",
            onnx_key="none",
            metrics={},
            # Far from the middle: 0.98 is nearer to it than 0.76, but decided.
            threshold=0.9,
            created_at=WHEN,
        )
        session.add(model)
        session.flush()
        ids = crowded_night(session, NIGHT, 60, model_id="m")
        rows = [{"id": id_, "score": number / 60} for number, id_ in enumerate(ids)]
        session.execute(update(Detection), rows)
        profile = "[labels]\nundecided_odds = 3\nsample_share = 0\n"
        session.execute(update(Survey).values(profile_toml=profile))
        open_night(session, "sim", NIGHT)
        known = score_limits(0.9, 3.0)
        said = {row["id"]: known.opinion(row["score"]) for row in rows}
        undecided = {id_ for id_, opinion in said.items() if opinion == "undecided"}
        assert 10 < len(undecided) < 15
        only = rules(**dict.fromkeys(rules().shares, 0.0) | {"uncertain": 1.0})
        drawn = draw(session, QueueRequest("ann"), len(undecided), only, WHEN, lot(5))
        assert {item.detection_id for item in drawn} == undecided
        row = session.scalars(select(Detection).where(Detection.score == 0.75)).one()
        item = session.get_one(ReviewItem, row.id)
        # Odds of 3 against 9.
        assert item.uncertainty == pytest.approx(1 - 3 / 9)


def test_one_vote_retires_two_disagree_three_decide(catalogue: Catalogue):
    with catalogue.begin() as session:
        (single,) = night(session, 1)
        speak(session, "ann", single, "real", classification="supernova")
        assert place(session, single) == "retired"
        assert labels.labels_for(session, [single])[single].classification == "supernova"
        session.execute(update(ReviewItem).values(votes_wanted=2))
        speak(session, "bob", single, "bogus")
        assert place(session, single) == "disputed"
        drawn = draw(session, QueueRequest("cyd"), 1, rules(), WHEN, lot(1))
        assert [item.drawn_as for item in drawn] == ["disputed"]
        found = speak(session, "cyd", single, "bogus", classification="dipole")
        assert found.event.drawn_as == "disputed"
        assert place(session, single) == "retired"
        label = labels.labels_for(session, [single])[single]
        assert (label.label, label.n_votes) == ("bogus", 3)
        assert session.scalar(select(func.count()).select_from(ReviewLease)) == 0


def test_a_second_reviewer_is_asked_and_never_the_first(catalogue: Catalogue):
    with catalogue.begin() as session:
        ids = night(session, 3, TWO_VOTES)
        for id_ in ids:
            speak(session, "ann", id_, "real")
        assert waiting(session) == {"second": 3}
        assert draw(session, QueueRequest("ann"), 5, rules(), WHEN, lot(1)) == []
        drawn = draw(session, QueueRequest("bob"), 5, rules(), WHEN, lot(1))
        assert Counter(item.drawn_as for item in drawn) == {"second": 3}


def test_a_lone_real_is_offered_to_others_until_references_have_enough(catalogue: Catalogue):
    with catalogue.begin() as session:
        one, other, bogus, faded = night(session, 4)
        for id_, label in ((one, "real"), (other, "real"), (bogus, "bogus"), (faded, "real")):
            speak(session, "ann", id_, label)
        candidate = session.get_one(Detection, faded).candidate_id
        session.execute(update(CandidateRow).where(CandidateRow.id == candidate).values(sign=-1))
        assert waiting(session) == {"retired": 4}
        assert draw(session, QueueRequest("ann"), 5, rules(), WHEN, lot(1)) == []
        drawn = draw(session, QueueRequest("bob"), 5, rules(), WHEN, lot(1))
        assert {item.detection_id: item.drawn_as for item in drawn} == {
            one: "confirm",
            other: "confirm",
        }
        where = ("sim", "f1", "r")
        assert known_transient_labels(session, *where, reviewers=2) == {}
        speak(session, "bob", one, "real")
        speak(session, "bob", other, "bogus")
        assert set(known_transient_labels(session, *where, reviewers=2)) == {one}
        # Votes that confirm say nothing about how reviewers agree.
        assert agreement(session).doubly_reviewed == 0
        drawn = draw(session, QueueRequest("cyd"), 5, rules(), WHEN, lot(1))
        assert {item.detection_id: item.drawn_as for item in drawn} == {other: "disputed"}


@pytest.mark.parametrize("declared", ["known_transient_reviewers = 1", 'known_transients = "keep"'])
def test_a_lone_real_is_decided_where_one_reviewer_suffices(catalogue: Catalogue, declared: str):
    with catalogue.begin() as session:
        (single,) = night(session, 1, f"{ONE_VOTE}[reference]\n{declared}\n")
        speak(session, "ann", single, "real")
        assert draw(session, QueueRequest("bob"), 5, rules(), WHEN, lot(1)) == []


def test_the_detections_of_one_object_are_confirmed_by_one_answer(catalogue: Catalogue):
    with catalogue.begin() as session:
        ids = night(session, 3)
        session.add(
            SkyObject(id="o", survey="sim", ra_deg=150.0, dec_deg=2.0, healpix=1, created_at=WHEN)
        )
        session.execute(update(Detection).values(object_id="o"))
        for id_ in ids:
            speak(session, "ann", id_, "real")
        (drawn,) = draw(session, QueueRequest("bob"), 5, rules(), WHEN, lot(1))
        assert drawn.drawn_as == "confirm"
        speak(session, "bob", drawn.detection_id, "real")
        for name in ("bob", "cyd"):
            assert draw(session, QueueRequest(name), 5, rules(), WHEN, lot(1)) == []


def test_a_retry_is_the_same_event_and_undo_takes_it_back(catalogue: Catalogue):
    with catalogue.begin() as session:
        one, other = night(session, 2)
        draw(session, QueueRequest("ann"), 2, rules(), WHEN, lot(1))
        first = speak(session, "ann", one, "real")
        again = speak(session, "ann", one, "real")
        assert (first.is_new, again.is_new) == (True, False)
        assert first.event.sequence == again.event.sequence
        assert first.event.cutout_key == "cutouts/x"
        speak(session, "ann", one, "undo")
        assert labels.labels_for(session, [one]) == {}
        assert place(session, one) in {"new", "sample"}
        # It comes back, for the reason it was shown.
        drawn = draw(session, QueueRequest("ann"), 5, rules(), WHEN, lot(1))
        assert {i.detection_id: i.drawn_as for i in drawn}[one] == first.event.drawn_as
        said = session.scalars(select(ValidationEvent.label)).all()
        assert said == ["real", "undo"]
        with pytest.raises(StatementRefused, match="nothing to undo"):
            speak(session, "bob", other, "undo")


@pytest.mark.slow
def test_a_closed_night_is_not_shown_and_comes_back(catalogue: Catalogue):
    with catalogue.begin() as session:
        ids = night(session, 4)
        speak(session, "ann", ids[0], "bogus")
        flood = CANDIDATE_DENSITY.judge(1.0, at_most=0.5, detail="")
        gates.record(session, "sim", NIGHT, "detections", [flood])
        open_night(session, "sim", NIGHT)
        assert waiting(session) == {"closed": 4}
        assert draw(session, QueueRequest("bob"), 9, rules(), WHEN, lot(1)) == []
        gates.record(session, "sim", NIGHT, "detections", [])
        open_night(session, "sim", NIGHT)
        assert waiting(session).get("retired") == 1
        assert len(draw(session, QueueRequest("bob"), 9, rules(), WHEN, lot(1))) == 3


def test_nights_with_newer_detections_are_stale(catalogue: Catalogue):
    with catalogue.begin() as session:
        World(session).chain(NIGHT)
        assert stale_nights(session) == []
        gates.record_summary(session, "sim", NIGHT, "detections", {"n": 1}, "a")
        assert stale_nights(session) == [("sim", NIGHT)]
        open_night(session, "sim", NIGHT)
        assert stale_nights(session) == []
        gates.record_summary(session, "sim", NIGHT, "detections", {"n": 2}, "b")
        assert stale_nights(session) == [("sim", NIGHT)]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"label": "perhaps"}, "is no label"),
        ({"label": "real", "classification": "dipole"}, "no class of real"),
        ({"label": "unsure", "classification": "agn"}, "there are none"),
        ({"label": "real", "confidence": 1.5}, "from 0 to 1"),
        ({"label": "real", "notes": "x" * 2001}, "2000 characters"),
        ({"label": "real", "event_key": "k" * 39}, "1 to 38"),
        ({"label": "real", "source": "gossip"}, "no source"),
    ],
)
def test_statements_that_make_no_sense_are_refused(catalogue, changes, words):
    with catalogue.begin() as session:
        (one,) = night(session, 1)
        spoken = {"event_key": "k", "detection_id": one, "reviewer": "ann"} | changes
        with pytest.raises(StatementRefused, match=words):
            record_statement(session, Statement(**spoken), WHEN)
        assert session.scalar(select(func.count()).select_from(ValidationEvent)) == 0


def test_nothing_is_said_about_what_is_not_there(catalogue: Catalogue):
    with catalogue.begin() as session, pytest.raises(NoSuchDetection):
        speak(session, "ann", "nobody", "real")


def test_the_newest_drawn_mask_counts(catalogue: Catalogue, rng):
    with catalogue.begin() as session:
        one, other = night(session, 2)
        first, second = rng.random((2, 64, 64)) < 0.1
        assert draw_mask(session, "a", one, "ann", first, WHEN)
        assert not draw_mask(session, "a", one, "ann", second, WHEN)
        np.testing.assert_array_equal(drawn_masks(session, [one, other])[one], first)
        draw_mask(session, "b", one, "bob", second, WHEN)
        np.testing.assert_array_equal(drawn_masks(session, [one])[one], second)
        draw_mask(session, "c", one, "ann", None, WHEN)
        assert drawn_masks(session, [one, other]) == {}
        with pytest.raises(StatementRefused, match="64 rows"):
            draw_mask(session, "d", one, "ann", first[:8], WHEN)


def test_truth_makes_gold_and_people_still_decide(catalogue: Catalogue):
    with catalogue.begin() as session:
        (one,) = night(session, 1)
        speak(session, "truth", one, "real", source="truth")
        item = session.get_one(ReviewItem, one)
        assert (item.gold_label, item.n_votes) == ("real", 0)
        assert item.queue in {"new", "sample"}
        assert labels.labels_for(session, [one])[one].source == "truth"
        speak(session, "ann", one, "bogus")
        assert labels.labels_for(session, [one])[one].label == "bogus"
