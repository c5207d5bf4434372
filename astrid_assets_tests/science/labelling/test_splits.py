"""Splits: sides that stay however labels arrive, no object on two sides, both classes."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import pytest

from astrid_assets.science.labelling.splits import (
    DRAWN,
    SPLITS,
    GivenSides,
    KnownGroup,
    Merge,
    TooFewGroups,
    give_sides,
)

FRACTIONS = {"train": 0.6, "val": 0.2, "test": 0.2}


@dataclass
class Memory:
    """What a catalogue remembers: the group of each object, the side of each group."""

    group: dict[str, str] = field(default_factory=dict)
    side: dict[str, str] = field(default_factory=dict)

    def give(self, objects: np.ndarray, labels: np.ndarray, seed: int = 1) -> GivenSides:
        """Give the rows of a version their sides, and remember them."""
        known = [KnownGroup(name, side) for name, side in self.side.items()]
        number = {item.name: index for index, item in enumerate(known)}
        links = [(row, name) for row, name in enumerate(objects.tolist()) if name in self.group]
        given = give_sides(
            objects,
            (objects,),
            labels,
            FRACTIONS,
            seed,
            known=known,
            links=([row for row, _ in links], [number[self.group[name]] for _, name in links]),
        )
        self.group |= dict(zip(objects.tolist(), given.group.tolist(), strict=True))
        self.side |= dict(zip(given.group.tolist(), given.side.tolist(), strict=True))
        return given


@pytest.fixture(scope="module")
def stream() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Object, label and night of some 2600 detections of 400 objects."""
    rng = np.random.default_rng(0)
    number = np.repeat(np.arange(400), rng.integers(1, 13, 400))
    is_real = rng.random(400) < 0.6
    order = rng.permutation(400)
    names = np.array([f"o{order[one]:03d}" for one in number])
    return names, is_real[number], rng.integers(0, 60, len(number))


def orders(night: np.ndarray) -> dict[str, tuple[np.ndarray, np.ndarray]]:
    """Return rows of an earlier and of a later version, for each way in which labels arrive."""
    rows = np.arange(len(night))
    queue = np.random.default_rng(1).permutation(rows)
    by_time = np.argsort(night, kind="stable")
    return {
        "in the queue's order": (queue[:500], queue[:900]),
        "night by night": (rows[night < 30], rows),
        "an earlier range is backfilled": (rows[night >= 30], rows),
        "the newest 1200 of a stream": (by_time[:1500][-1200:], by_time[:1900][-1200:]),
    }


@pytest.mark.parametrize("how", orders(np.arange(2600)))
def test_no_object_changes_its_side_however_labels_arrive(stream, how):
    objects, labels, night = stream
    before, after = orders(night)[how]
    memory = Memory()
    first = memory.give(objects[before], labels[before])
    # Other settings in the launchpad come to nothing for what was given.
    second = memory.give(objects[after], labels[after], seed=99)
    side = dict(zip(objects[before].tolist(), first.side.tolist(), strict=True))
    then = dict(zip(objects[after].tolist(), second.side.tolist(), strict=True))
    common = side.keys() & then.keys()
    assert len(common) > 100
    assert [name for name in common if side[name] != then[name]] == []
    trained = {name for name, one in side.items() if one != "test"}
    leaked = [name for name, one in then.items() if one == "test" and name in trained]
    assert leaked == []


def test_the_order_of_the_rows_does_not_matter(stream, rng):
    objects, labels, _ = stream
    order = rng.permutation(len(objects))
    straight = Memory().give(objects, labels)
    mixed = Memory().give(objects[order], labels[order])
    np.testing.assert_array_equal(mixed.side, straight.side[order])
    np.testing.assert_array_equal(mixed.group, straight.group[order])


def test_rows_are_joined_through_any_key():
    names = np.array(["e", "d", "c", "b", "a", "f", "g", "h"])
    place = np.array(["1", "1", "2", "", "", "", "", ""])
    source = np.array(["", "x", "x", "", "", "", "", ""])
    labels = np.array([True, True, True, False, True, False, True, False])
    given = give_sides(names, (place, source), labels, FRACTIONS, 1)
    assert given.group.tolist() == ["c", "c", "c", "b", "a", "f", "g", "h"]
    assert len(set(given.side[:3].tolist())) == 1


def test_known_groups_that_become_one_go_to_the_furthest_side():
    names = np.array(["a", "b", "c", *(f"x{n}" for n in range(30))])
    same = np.array(["1", "1", "1", *[""] * 30])
    labels = np.arange(33) % 2 == 0
    known = [KnownGroup("old", "train"), KnownGroup("older", "test"), KnownGroup("far", "test")]
    given = give_sides(names, (same,), labels, FRACTIONS, 1, known=known, links=([0, 1], [0, 1]))
    assert set(given.side[:3].tolist()) == {"test"}
    assert set(given.group[:3].tolist()) == {"older"}
    assert given.merges == (Merge("old", "older", "train", "test"),)
    assert "older" not in given.causes


def test_the_fractions_are_kept_on_average():
    names = np.arange(5000).astype(str)
    given = give_sides(names, (), np.arange(5000) % 2 == 0, FRACTIONS, 0)
    for name, share in FRACTIONS.items():
        assert (given.side == name).mean() == pytest.approx(share, abs=0.02)
    assert set(given.causes.values()) == {DRAWN}
    other = give_sides(names, (), np.arange(5000) % 2 == 0, FRACTIONS, 1)
    assert (other.side != given.side).any()


@pytest.mark.parametrize("seed", range(30))
def test_three_new_objects_of_each_class_are_enough(seed):
    names = np.array(["a", "b", "c", "d", "e", "f"])
    labels = np.array([True, True, True, False, False, False])
    given = give_sides(names, (), labels, FRACTIONS, seed)
    for name in SPLITS:
        assert set(labels[given.side == name].tolist()) == {False, True}
    moved = [name for name, cause in given.causes.items() if cause != DRAWN]
    assert all("had nothing" in given.causes[name] for name in moved)


def test_a_class_that_a_split_lacks_moves_no_group_that_is_known():
    names = np.array([f"o{n:02d}" for n in range(24)])
    labels = np.arange(24) < 12
    known = [KnownGroup(name, "train") for name in names.tolist()]
    links = (range(24), range(24))
    with pytest.raises(TooFewGroups, match="a side that was given once stays"):
        give_sides(names, (), labels, FRACTIONS, 1, known=known, links=links)
    more = np.concatenate([names, ["n1", "n2", "n3", "n4"]])
    both = np.concatenate([labels, [True, True, False, False]])
    given = give_sides(more, (), both, FRACTIONS, 1, known=known, links=links)
    assert set(given.side[:24].tolist()) == {"train"}
    assert sorted(given.side[24:].tolist()) == ["test", "test", "val", "val"]


def test_rows_that_may_only_train_do_not_stand_for_their_class_in_the_test_split():
    names = np.array([f"o{n:02d}" for n in range(40)])
    labels = np.arange(40) % 2 == 0
    judges = np.ones(40, dtype=bool)
    judges[labels] = np.arange(20) < 1
    with pytest.raises(TooFewGroups, match="0 real"):
        give_sides(names, (), labels, FRACTIONS, 1, judges=judges)
    # Two that may judge are enough for two splits; the others train or are left out.
    judges[labels] = np.arange(20) < 2
    given = give_sides(names, (), labels, FRACTIONS, 1, judges=judges)
    assert sorted(given.side[labels & judges].tolist()) == ["test", "val"]


def test_too_few_objects_are_an_error_that_counts_them():
    names = np.array(["a"] * 50 + ["b"] * 50 + ["c", "d", "e"])
    labels = np.array([True] * 100 + [False] * 3)
    with pytest.raises(TooFewGroups, match="2 real and 3 bogus groups"):
        give_sides(names, (names,), labels, FRACTIONS, 0)


def test_fractions_that_do_not_add_up_are_an_error():
    with pytest.raises(ValueError, match="must sum to 1"):
        give_sides(
            np.array(["a"]), (), np.array([True]), {"train": 0.7, "val": 0.2, "test": 0.2}, 0
        )
