"""What was said follows a source when the detections of its frame are made anew."""

from __future__ import annotations

import datetime as dt
import itertools
import random
import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from sqlalchemy import func, select, update

from astrid_assets.science.labelling.rules import ConsensusRules
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.review import (
    FormerDetection,
    Label,
    ReviewItem,
    ReviewLease,
    ValidationEvent,
    VoteRow,
)
from astrid_assets.storage.queries import frames
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.carrying import carry_night
from astrid_assets.storage.review.drawn_masks import draw_mask, drawn_masks
from astrid_assets.storage.review.events import (
    Statement,
    StatementRefused,
    record_statement,
)
from astrid_assets.storage.review.positions import open_night
from astrid_assets.storage.review.queue import QueueRequest, draw
from astrid_assets.storage.review.reviewer_stats import purity, reviewer_stats
from astrid_assets.storage.review.views import refresh
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.storage.world import WHEN, World

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue

pytestmark = pytest.mark.slow

NIGHT = "2025-03-04"
ONE_VOTE = "[labels]\ndouble_share = 0.0\nsample_share = 0.0\n"
HOUR = dt.timedelta(hours=1)

Peaks = dict[str, tuple[int, int]]


@pytest.fixture
def on_sqlite(tmp_path: Path) -> Iterator[Catalogue]:
    """A catalogue of which only the queries matter that both databases share."""
    catalogue = new_catalogue(tmp_path)
    yield catalogue
    catalogue.close()


@dataclass
class Frame:
    """A frame (FWHM 3 px) that is subtracted and searched again and again."""

    session: Session
    number: int = 0
    profile: str = ONE_VOTE

    def __post_init__(self) -> None:
        """Register and process it."""
        self.world = World(self.session)
        self.session.execute(update(Survey).values(profile_toml=self.profile))
        self.observation = self.world.processed(self.world.observation(NIGHT, self.number))
        self.runs = itertools.count()

    def run(
        self,
        settings: str,
        peaks: Peaks,
        *,
        sigma: float = 10.0,
        sign: int = 1,
        carried: bool = True,
    ) -> dict[str, str]:
        """Make difference and detections anew, as the steps do; returns ids by name."""
        difference = self.world.difference(self.observation, settings)
        frames.make_current(self.session, [self.observation], [difference])
        self.session.execute(
            update(CandidateRow)
            .where(CandidateRow.difference_id == difference)
            .values(is_current=False)
        )
        found = {}
        for name, peak in peaks.items():
            known = self.session.scalar(
                select(Detection.id)
                .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
                .where(
                    CandidateRow.difference_id == difference,
                    CandidateRow.peak_x == peak[0],
                    CandidateRow.peak_y == peak[1],
                )
            )
            id_ = self.world.detection(
                self.observation, difference, peak, score_sigma=sigma, night=NIGHT
            )
            found[name] = id_
            if known is None:
                self.session.execute(
                    update(Detection)
                    .where(Detection.id == id_)
                    .values(detected_at=WHEN + next(self.runs) * HOUR)
                )
            if sign < 0:
                of_it = select(Detection.candidate_id).where(Detection.id == id_)
                self.session.execute(
                    update(CandidateRow).where(CandidateRow.id.in_(of_it)).values(sign=sign)
                )
        if carried:
            refresh(self.session, carry_night(self.session, "sim", NIGHT))
            open_night(self.session, "sim", NIGHT)
        return found

    def say(self, who: str, detection: str, label: str, drawn_as: str | None = None) -> None:
        """Record what a reviewer says."""
        say(self.session, who, detection, label, drawn_as)


def say(
    session: Session, who: str, detection: str, label: str, drawn_as: str | None = None
) -> None:
    if drawn_as is not None:
        lease = ReviewLease(
            detection_id=detection, reviewer=who, drawn_as=drawn_as, expires_on=WHEN + HOUR
        )
        session.merge(lease)
        session.flush()
    statement = Statement(
        event_key=str(uuid.uuid4()), detection_id=detection, reviewer=who, label=label
    )
    record_statement(session, statement, WHEN)


def label_of(session: Session, detection: str) -> tuple[str, str | None] | None:
    session.expire_all()
    row = session.get(Label, detection)
    return None if row is None else (row.label, row.carried_from)


def item_of(session: Session, detection: str) -> tuple[str, str | None]:
    session.expire_all()
    row = session.get_one(ReviewItem, detection)
    return row.queue, row.doubt


def counted(session: Session) -> list[tuple[str, str]]:
    """Return what a dataset would take."""
    rows = labels.labelled_detections(session)
    return sorted((row.detection_id, row.label) for row in rows)


def offered(session: Session, who: str) -> set[str]:
    """Return what a reviewer's queue holds for them."""
    rules = ConsensusRules.model_validate(
        {"sample_share": 0.0, "repeat": 0.0, "gold": 0.0, "confirm": 0.0}
    )
    drawn = draw(session, QueueRequest(who), 20, rules, WHEN, random.Random(1))  # noqa: S311
    session.query(ReviewLease).delete()
    return {item.detection_id for item in drawn}


def test_an_answer_follows_its_source_to_the_new_detection(catalogue: Catalogue):
    with catalogue.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20), "lost": (50, 50), "alone": (80, 80)})
        frame.say("ann", old["sn"], "real")
        frame.say("ann", old["lost"], "bogus")
        newest = labels.last_sequence(session)
        new = frame.run("b", {"sn": (11, 20), "fresh": (30, 30), "alone": (80, 80)})
        assert counted(session) == [(new["sn"], "real")]
        assert label_of(session, new["sn"]) == ("real", old["sn"])
        assert label_of(session, old["sn"]) is None
        # Its source was not found again: its history stays, and counts nowhere.
        assert label_of(session, old["lost"]) == ("bogus", None)
        assert item_of(session, new["sn"]) == ("retired", None)
        # Whoever has answered is not asked again; what is new is open to all.
        assert offered(session, "ann") == {new["fresh"], new["alone"]}
        assert offered(session, "bob") == {new["fresh"], new["alone"]}
        # Nothing new was said.
        assert labels.last_sequence(session) == newest
        assert labels.new_labels(session, newest).total == 0


def test_going_back_gives_the_originals_back_without_doubling(catalogue: Catalogue):
    with catalogue.begin() as session:
        frame = Frame(session)
        first = frame.run("a", {"sn": (10, 20)})
        frame.say("ann", first["sn"], "real")
        second = frame.run("b", {"sn": (11, 20)})
        frame.say("bob", second["sn"], "real")
        for settings, peaks in [("a", (10, 20)), ("b", (11, 20)), ("c", (10, 21))] * 2:
            now = frame.run(settings, {"sn": peaks})["sn"]
            rows = session.scalars(select(VoteRow).order_by(VoteRow.reviewer)).all()
            assert [(r.detection_id, r.reviewer) for r in rows] == [(now, "ann"), (now, "bob")]
            given_on = {"ann": first["sn"], "bob": second["sn"]}
            assert [r.carried_from or now for r in rows] == list(given_on.values())
            assert counted(session) == [(now, "real")]
            carry_night(session, "sim", NIGHT)
            open_night(session, "sim", NIGHT)
            assert counted(session) == [(now, "real")]
        assert session.scalar(select(func.count()).select_from(ValidationEvent)) == 2
        (ann, bob) = reviewer_stats(session)
        assert (ann.decided, bob.decided) == (1, 1)
        assert (ann.with_others.hits, ann.with_others.total) == (1, 1)


@pytest.mark.parametrize("order", [("refresh", "open"), ("open", "carry"), ("carry", "open")])
def test_any_order_of_reruns_leads_to_the_same(on_sqlite: Catalogue, order: tuple[str, ...]):
    with on_sqlite.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        frame.say("ann", old, "bogus")
        new = frame.run("b", {"sn": (11, 20)}, carried=False)["sn"]
        for step in order:
            if step == "carry":
                refresh(session, carry_night(session, "sim", NIGHT))
            elif step == "open":
                open_night(session, "sim", NIGHT)
            else:
                refresh(session, [old, new])
        assert counted(session) == [(new, "bogus")]
        assert item_of(session, new) == ("retired", None)
        assert item_of(session, old)[0] == "closed"


def test_only_the_nearest_of_the_same_frame_and_sign_takes_over(on_sqlite: Catalogue):
    with on_sqlite.begin() as session:
        frame, other = Frame(session), Frame(session, 1)
        old = frame.run("a", {"left": (10, 20), "right": (14, 20)})
        frame.say("ann", old["left"], "real")
        frame.say("ann", old["right"], "bogus")
        new = frame.run("b", {"left": (11, 20), "right": (13, 20)})
        other.run("b", {"same": (10, 20)})
        assert counted(session) == sorted([(new["left"], "real"), (new["right"], "bogus")])
        # A source that faded is another change, and 3 px are one FWHM: too far.
        frame.run("c", {"fading": (11, 20)}, sign=-1)
        assert counted(session) == []
        frame.run("d", {"far": (10, 23)})
        assert counted(session) == []
        back = frame.run("e", {"left": (10, 20), "right": (14, 20)})
        assert counted(session) == sorted([(back["left"], "real"), (back["right"], "bogus")])


def test_detections_of_one_run_are_never_one_source(on_sqlite: Catalogue):
    with on_sqlite.begin() as session:
        frame = Frame(session)
        both = frame.run("a", {"bright": (10, 20), "near": (12, 20)})
        frame.say("ann", both["near"], "bogus")
        session.execute(update(Detection).values(detected_at=WHEN))
        # The same difference, searched with a stricter limit: the weak one is gone.
        frame.run("a", {"bright": (10, 20)})
        assert label_of(session, both["bright"]) is None
        assert counted(session) == []


@pytest.mark.parametrize(
    ("peak", "sigma", "doubt"),
    [((11, 20), 10.0, None), ((12, 20), 10.0, "far"), ((10, 20), 21.0, "snr")],
)
def test_what_is_in_doubt_counts_and_is_asked_again(
    on_sqlite: Catalogue, peak: tuple[int, int], sigma: float, doubt: str | None
):
    with on_sqlite.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        frame.say("ann", old, "real")
        new = frame.run("b", {"sn": peak}, sigma=sigma)["sn"]
        assert counted(session) == [(new, "real")]
        assert item_of(session, new) == ("second" if doubt else "retired", doubt)
        again = {new} if doubt else set()
        assert offered(session, "ann") == again
        assert offered(session, "bob") == again
        # An answer on the new detection settles it, also that of the same reviewer.
        frame.say("ann", new, "real")
        assert item_of(session, new) == ("retired", None)
        assert offered(session, "bob") == set()
        assert counted(session) == [(new, "real")]


def test_contradictory_answers_near_one_detection_are_asked_again(on_sqlite: Catalogue):
    with on_sqlite.begin() as session:
        frame = Frame(session)
        left = frame.run("a", {"one": (9, 20)})["one"]
        frame.say("ann", left, "real")
        # Too far from the first, so that nobody knew of it.
        right = frame.run("b", {"one": (12, 20)})["one"]
        frame.say("ann", right, "bogus")
        between = frame.run("c", {"one": (10, 20)})["one"]
        assert label_of(session, between) == ("bogus", right)
        assert item_of(session, between) == ("second", "contradictory")
        assert offered(session, "ann") == {between}
        frame.say("ann", between, "bogus")
        assert item_of(session, between) == ("retired", None)
        # Settled once, and not asked again after the next run.
        last = frame.run("d", {"one": (10, 21)})["one"]
        assert item_of(session, last) == ("retired", None)
        assert counted(session) == [(last, "bogus")]


def test_an_undo_takes_back_an_answer_that_was_carried_over(on_sqlite: Catalogue):
    with on_sqlite.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        frame.say("ann", old, "real", drawn_as="uncertain")
        new = frame.run("b", {"sn": (11, 20)})["sn"]
        frame.say("ann", new, "undo")
        assert counted(session) == []
        assert session.get(ReviewLease, (new, "ann")) is not None
        back = frame.run("a", {"sn": (10, 20)})["sn"]
        assert back == old
        assert counted(session) == []
        with pytest.raises(StatementRefused, match="nothing to undo"):
            frame.say("bob", old, "undo")


def test_an_answer_that_comes_late_on_a_former_detection_counts_at_the_new(
    catalogue: Catalogue,
):
    with catalogue.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        new = frame.run("b", {"sn": (11, 20)})["sn"]
        assert session.get(FormerDetection, old) is None
        frame.say("ann", old, "real")
        assert counted(session) == [(new, "real")]
        assert label_of(session, new) == ("real", old)


def test_the_truth_of_a_simulation_speaks_about_each_detection_itself(on_sqlite: Catalogue):
    def truth(detection: str, label: str) -> None:
        event = ValidationEvent(
            event_key=f"truth:{detection}",
            detection_id=detection,
            reviewer="truth",
            source="truth",
            label=label,
            created_at=WHEN,
        )
        labels.append_events(session, [event])
        refresh(session, [detection])

    with on_sqlite.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        truth(old, "real")
        frame.say("ann", old, "real")
        new = frame.run("b", {"sn": (11, 20)})["sn"]
        truth(new, "bogus")
        assert session.get_one(ReviewItem, new).gold_label == "bogus"
        assert label_of(session, new) == ("real", old)
        frame.run("a", {"sn": (10, 20)})
        assert session.get_one(ReviewItem, old).gold_label == "real"


def test_the_random_sample_stays_a_sample(catalogue: Catalogue):
    with catalogue.begin() as session:
        frame = Frame(session, profile="[labels]\nsample_share = 0.3\ndouble_share = 0.5\n")
        peaks = {str(n): (10 * n, 20) for n in range(30)}
        old = frame.run("a", peaks)
        before = {
            n: (item.is_sample, item.votes_wanted)
            for n, id_ in old.items()
            if (item := session.get(ReviewItem, id_))
        }
        sampled = [n for n, (is_sample, _) in before.items() if is_sample]
        others = [n for n, (is_sample, _) in before.items() if not is_sample]
        for n in others[:10]:
            frame.say("ann", old[n], "bogus", drawn_as="uncertain")
        for n in sampled[:3]:
            frame.say("ann", old[n], "real", drawn_as="random")
        for settings in "bc":
            new = frame.run(settings, {n: (x + 1, y) for n, (x, y) in peaks.items()})
            session.expire_all()
            after = {n: session.get_one(ReviewItem, id_) for n, id_ in new.items()}
            assert {n: (i.is_sample, i.votes_wanted) for n, i in after.items()} == before
            assert {n for n, i in after.items() if i.queue == "sample"} == set(sampled[3:])
            share = purity(session)
            assert (share.hits, share.total) == (3, 3)


def test_a_repeat_is_compared_with_what_was_said_before_the_rerun(on_sqlite: Catalogue):
    with on_sqlite.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        frame.say("ann", old, "real")
        new = frame.run("b", {"sn": (11, 20)})["sn"]
        frame.say("ann", new, "bogus", drawn_as="repeat")
        (ann,) = reviewer_stats(session)
        assert (ann.repeats.hits, ann.repeats.total) == (0, 1)


def test_a_drawn_mask_moves_with_its_source(catalogue: Catalogue, rng: np.random.Generator):
    mask = np.zeros((64, 64), dtype=np.uint8)
    mask[28:37, 30:35] = rng.integers(0, 2, (9, 5))
    with catalogue.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        draw_mask(session, "k", old, "ann", mask, WHEN)
        new = frame.run("b", {"sn": (12, 19)})["sn"]
        # The middle of the cutout went 2 px right and 1 px down the rows.
        expected = np.roll(mask, (1, -2), axis=(0, 1))
        assert (drawn_masks(session, [new])[new] == expected).all()
        draw_mask(session, "l", new, "ann", None, WHEN)
        assert drawn_masks(session, [new]) == {}


def test_frames_with_known_transients_stay_the_same(on_sqlite: Catalogue):
    with on_sqlite.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        frame.say("ann", old, "real")
        frame.say("bob", old, "real")
        known = {frame.observation}
        assert frames.with_known_transients(session, "sim", "f1", "r", reviewers=2) == known
        new = frame.run("b", {"sn": (11, 20)})["sn"]
        assert frames.with_known_transients(session, "sim", "f1", "r", reviewers=2) == known
        # Taken back where it counts now, the frame is free again.
        for who in ("ann", "bob"):
            frame.say(who, new, "bogus")
        assert frames.with_known_transients(session, "sim", "f1", "r", reviewers=2) == set()


def test_differences_without_detections_yet_lose_nothing(on_sqlite: Catalogue):
    with on_sqlite.begin() as session:
        frame = Frame(session)
        old = frame.run("a", {"sn": (10, 20)})["sn"]
        frame.say("ann", old, "real")
        session.execute(update(DifferenceRun).values(is_current=False))
        frame.world.difference(frame.observation, "b")
        open_night(session, "sim", NIGHT)
        frame.say("bob", old, "real")
        assert counted(session) == []
        new = frame.run("b", {"sn": (11, 20)})["sn"]
        assert counted(session) == [(new, "real")]
        assert session.get_one(Label, new).n_votes == 2


def test_skips_and_votes_that_agree_make_no_label_new(on_sqlite: Catalogue) -> None:
    with on_sqlite.begin() as session:
        frame = Frame(session)
        found = frame.run("a", {"sn": (10, 20), "ghost": (50, 50)})
        frame.say("ann", found["sn"], "real")
        frame.say("ann", found["ghost"], "bogus")
        newest = labels.last_sequence(session)
        for number in range(60):
            frame.say(f"reviewer {number}", found["sn"], "skip" if number % 2 else "real")
        assert labels.last_sequence(session) == newest + 60
        assert labels.new_labels(session, newest).total == 0
        # Detected anew, it is the same label still.
        again = frame.run("b", {"sn": (11, 20)})
        assert label_of(session, again["sn"]) == ("real", found["sn"])
        assert labels.new_labels(session, newest).total == 0
        # A mind that is changed is a new label, and so is the way back.
        frame.say("ann", found["ghost"], "undo")
        frame.say("ann", found["ghost"], "real")
        assert labels.new_labels(session, newest) == labels.NewLabels(1, 0, newest + 62)
