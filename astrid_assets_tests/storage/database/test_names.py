"""Ids, hashes, keys and the layout of the store: the same names every time."""

from __future__ import annotations

import datetime as dt
import hashlib
import math
import uuid
from dataclasses import dataclass
from enum import IntFlag
from pathlib import PurePosixPath

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.storage.database import ids
from astrid_assets.storage.objects import layout
from astrid_assets.storage.objects.keys import check_prefix, content_key, hash_in

HASH = "0123456789abcdef" * 4


def test_ids_are_the_same_for_ever():
    # Written down once: another value would orphan every catalogue there is.
    assert ids.observation_id("sim", "ab", 0) == "58f1e54d-70dc-557e-b946-cae925e34282"
    text = b'{"a":"\\u00fc","b":[1,2.5,null]}'
    expected = hashlib.sha256(text).hexdigest()
    assert ids.content_hash({"b": [1, 2.5, None], "a": "ü"}) == expected


def test_every_kind_of_id_is_another_uuid():
    made = [
        ids.observation_id("a", "b", 0),
        ids.preprocess_id("a"),
        ids.anchor_id("a", "b", "c"),
        ids.master_id("a", "b", "c", None, ["d"]),
        ids.reference_id("a"),
        ids.difference_id("a", "b", "c"),
        ids.difference_id("a", None, "c"),
        ids.candidate_id("a", 1, 2, 3),
        ids.candidate_id("a", -1, 2, 3),
        ids.detection_id("a"),
        ids.object_id("a"),
        ids.dataset_id("a"),
        ids.sample_id("a", "b"),
        ids.training_run_id("a", "b"),
        ids.model_id("a"),
    ]
    assert len(set(made)) == len(made)
    assert {uuid.UUID(value).version for value in made} == {5}


def test_parts_of_a_key_do_not_run_into_each_other():
    assert ids.anchor_id("a", "b,c", "d") != ids.anchor_id("a", "b", "c,d")
    assert ids.anchor_id("a", "", "b") != ids.anchor_id("a", "b", "")


def test_the_order_of_a_masters_members_does_not_matter():
    first = ids.master_id("s", "flat", "r", 1.0, ["a", "b"])
    assert ids.master_id("s", "flat", "r", 1.0, ["b", "a"]) == first
    assert ids.master_id("s", "flat", "r", 2.0, ["a", "b"]) != first


class Bits(IntFlag):
    """A flag."""

    ONE = 1


@dataclass
class Pair:
    """A plain record."""

    x: float
    y: float


@pytest.mark.parametrize(
    ("value", "same"),
    [
        ({"a": 1, "b": 2}, {"b": 2, "a": 1}),
        ((1, 2), [1, 2]),
        ({3, 1, 2}, [1, 2, 3]),
        (np.float64(0.1), 0.1),
        (np.int64(7), 7),
        (np.array([[1.0, 2.0]]), [[1.0, 2.0]]),
        (Bits.ONE, 1),
        (PurePosixPath("a/b"), "a/b"),
        (dt.date(2025, 3, 1), "2025-03-01"),
        (Pair(1.0, 2.0), {"x": 1.0, "y": 2.0}),
    ],
)
def test_values_that_mean_the_same_hash_alike(value: object, same: object):
    assert ids.content_hash(value) == ids.content_hash(same)


@pytest.mark.parametrize(("value", "other"), [(1, 1.5), ("1", 1), ([], {}), ([1], 1)])
def test_values_that_differ_hash_apart(value: object, other: object):
    assert ids.content_hash(value) != ids.content_hash(other)


def test_what_was_not_measured_can_be_hashed():
    assert ids.content_hash(math.nan) == ids.content_hash(np.float32("nan"))


def test_an_object_without_a_plain_value_is_refused():
    with pytest.raises(TypeError, match="object has no canonical form"):
        ids.content_hash({"a": [object()]})


names = st.text(st.characters(), max_size=100)


@pytest.mark.slow
@given(first=names, second=names)
def test_any_two_names_have_their_own_portable_part(first: str, second: str):
    parts = layout.part(first), layout.part(second)
    for part in parts:
        check_prefix(part)
        assert "/" not in part
        assert len(part) <= 80
    assert (parts[0] == parts[1]) == (first == second)


@pytest.mark.slow
@given(survey=names, field=names, band=names, night=names)
def test_every_prefix_makes_a_key(survey: str, field: str, band: str, night: str):
    prefixes = [
        layout.raw_key(survey, night, field),
        layout.processed_key(survey, night, field),
        layout.master_key(survey, band, night),
        layout.reference_key(survey, field, band, "v1"),
        layout.difference_key(survey, night, field),
        layout.cutouts_key(survey, night, field),
        layout.samples_key(HASH),
        layout.shard_key(band),
        layout.model_key(field),
        layout.picture_key(survey, night, field),
    ]
    assert len(set(prefixes)) == len(prefixes)
    for prefix in prefixes:
        assert hash_in(content_key(prefix, HASH, ".fits")) == HASH[:32]


def test_ordinary_names_stay_readable():
    assert layout.raw_key("sim-wide", "2025-03-01", "ab12") == "raw/sim-wide/2025-03-01/ab12"
    assert layout.reference_key("kmt", "", "I", "v1") == "references/kmt/_/I/v1"
    assert layout.raw_key("kmt", "", "ab12") == "raw/kmt/undated/ab12"
    assert layout.part("NGC 4993 (host)").startswith("_NGC_4993_host_")
