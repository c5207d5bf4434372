"""Suspects: labels that are probably wrong are offered again, once."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.storage.database.tables.review import ReviewItem
from astrid_assets.storage.review.suspects import ask_again
from astrid_assets_tests.storage.review.test_review import night, place, speak

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue


def test_a_label_of_one_reviewer_wants_a_second_one_and_then_rests(catalogue: Catalogue):
    with catalogue.begin() as session:
        single, twice, unseen, other = night(session, 4)
        for detection in (single, twice, other):
            speak(session, "ann", detection, "real")
        speak(session, "bob", twice, "real")
        assert place(session, single) == "retired"
        assert ask_again(session, [single, twice, unseen]) == 2
        assert place(session, single) == "second"
        assert place(session, twice) == place(session, other) == "retired"
        assert session.get_one(ReviewItem, unseen).uncertainty == 0
        # Asking again changes nothing; a second vote settles it for good.
        assert ask_again(session, [single]) == 1
        speak(session, "bob", single, "real")
        assert place(session, single) == "retired"
        assert ask_again(session, [single]) == 0
        assert place(session, single) == "retired"
