"""Which answers are of random draws, counted and in their order."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import insert

from astrid_assets.storage.database.tables.review import FormerDetection
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.random_sample import count_draws, random_items
from astrid_assets_tests.storage.review.test_reviewer_stats import night, speak

if TYPE_CHECKING:
    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue

pytestmark = pytest.mark.slow


def found(session: Session, *limits: int) -> list[tuple[str, int]]:
    """Return the items with the number of their draw."""
    return [(item.detection_id, item.draw) for item in random_items(session, *limits)]


def test_random_items_come_in_the_order_of_their_draws_whatever_was_said_between(
    catalogue: Catalogue,
) -> None:
    with catalogue.begin() as session:
        early, one, two, other, seen, skipped = night(session, 6)
        speak(session, "ann", early, "real")
        before = labels.last_sequence(session)
        speak(session, "ann", one, "real", drawn_as="random")
        speak(session, "ann", other, "real", drawn_as="uncertain")
        # Answered before the event from which it is counted: known to the training.
        speak(session, "bob", early, "real", drawn_as="random")
        speak(session, "ann", seen, "real", drawn_as="random")
        speak(session, "ann", seen, "undo")
        speak(session, "ann", seen, "bogus")
        speak(session, "ann", skipped, "skip", drawn_as="random")
        speak(session, "bob", two, "bogus", drawn_as="random")
        assert count_draws(session) == count_draws(session, before)
        draws = dict(found(session, before))
        assert list(draws) == [one, two]
        assert dict(found(session)) == draws | {early: 1}
        # One slice after the other gives the same items with the same numbers.
        count = count_draws(session, before)
        slices = [found(session, before, first, first + 2) for first in range(0, count, 2)]
        assert [item for items in slices for item in items] == list(draws.items())


def test_a_draw_counts_at_the_detection_that_is_current_now(catalogue: Catalogue) -> None:
    with catalogue.begin() as session:
        former, current = night(session, 2)
        speak(session, "ann", former, "real", drawn_as="random")
        before = labels.last_sequence(session)
        speak(session, "ann", current, "real", drawn_as="random")
        session.execute(
            insert(FormerDetection).values(
                detection_id=former, current_id=current, distance_fwhm=0.1, snr_ratio=1.0
            )
        )
        assert found(session) == [(current, 0)]
        # The former one was answered before, so the source was known then.
        assert found(session, before) == []
