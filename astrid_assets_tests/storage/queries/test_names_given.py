"""Names that a person gives: a whole one, a part, none, and one that several have."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import pytest

from astrid_assets.storage.queries.datasets import find_dataset
from astrid_assets.storage.queries.frame_names import AmbiguousFrame, frame_named
from astrid_assets.storage.queries.lineage_items import find_item
from astrid_assets.storage.queries.models import model_named
from astrid_assets_tests.storage.review.test_labels import add_dataset, add_model
from astrid_assets_tests.storage.world import World

if TYPE_CHECKING:
    from astrid_assets.storage.database.catalogue import Catalogue


def test_a_path_in_two_surveys_is_asked_about(catalogue: Catalogue):
    with catalogue.begin() as session:
        ours, theirs = (World(session, name).observation("2025-03-01") for name in ("a", "b"))
        alone = World(session, "b").observation("2025-03-02")
    with catalogue.read() as session:
        assert frame_named(session, ours) == ours
        assert frame_named(session, "2025-03-02/light-f1-r-0.fits") == alone
        assert frame_named(session, "nowhere.fits") is None
        both = re.escape(f"{ours} (a, image 0), {theirs} (b, image 0)")
        for find in (frame_named, find_item):
            with pytest.raises(AmbiguousFrame, match=both):
                find(session, "2025-03-01/light-f1-r-0.fits")


def test_nothing_is_the_beginning_of_no_id(catalogue: Catalogue):
    with catalogue.begin() as session:
        dataset_id = add_dataset(session, "night", 0)
        add_model(session, "1", 0)
    with catalogue.read() as session:
        assert model_named(session, "1") is not None
        assert find_dataset(session, dataset_id[:5]) is not None
        assert model_named(session, "") is None
        assert find_dataset(session, "") is None
