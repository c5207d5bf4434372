"""Arrays on disk become batches; what cannot be trained on is refused with words."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.learning.datamodule import (
    CutoutData,
    EpochShuffle,
    TrainArrays,
    UnusableDataset,
)
from astrid_assets.learning.stamps import Stamps, write_stamps

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow  # Lightning alone takes six seconds to import


def arrays(n: int = 20) -> TrainArrays:
    labels = (np.arange(n) % 2).astype(np.uint8)
    split = np.array(["train"] * (n // 2) + ["val"] * (n - n // 2))
    return TrainArrays(labels, split)


@pytest.fixture
def stamps(tmp_path: Path, rng: np.random.Generator) -> Stamps:
    images = rng.normal(size=(20, 3, 8, 8)).astype(np.float32)
    masks = rng.integers(0, 2, (20, 8, 8)).astype(np.uint8)
    return write_stamps(tmp_path, images, masks, rows_per_shard=7)


def test_batches_hold_the_rows_of_their_split(stamps: Stamps):
    data = CutoutData(stamps, arrays(), batch_size=4, seed=1)
    batches = list(data.val_dataloader())
    assert [len(batch["labels"]) for batch in batches] == [4, 4, 2]
    images = np.concatenate([np.load(path) for path in stamps.images])[10:]
    found = np.concatenate([batch["images"].numpy() for batch in batches])
    np.testing.assert_array_equal(found, images)
    assert batches[0]["masks"].shape == (4, 1, 8, 8)


def test_a_left_over_batch_is_not_trained_on(stamps: Stamps):
    data = CutoutData(stamps, arrays(), batch_size=4, seed=1)
    assert [len(batch["labels"]) for batch in data.train_dataloader()] == [4, 4]


def test_fewer_rows_than_a_batch_are_one_batch(stamps: Stamps):
    data = CutoutData(stamps, arrays(), batch_size=64, seed=1)
    assert [len(batch["labels"]) for batch in data.train_dataloader()] == [10]


def test_each_epoch_has_its_own_order_that_is_always_the_same():
    rows = np.arange(50)
    orders = []
    for epoch in (0, 1, 0):
        shuffle = EpochShuffle(rows, (rows % 2).astype(np.uint8), seed=3)
        shuffle.set_epoch(epoch)
        orders.append(list(shuffle))
    assert orders[0] == orders[2] != orders[1]
    assert sorted(orders[1]) == list(range(50))


@pytest.mark.parametrize(
    ("labels", "split", "message"),
    [
        ([0, 1, 2, 1], ["train", "train", "val", "val"], "labels must be 0 or 1"),
        ([0, 1, 0, 1], ["train", "train", "val", "dev"], "split must be"),
        ([0, 1, 0], ["train", "train", "val", "val"], "same length"),
        ([0, 1, 1, 1], ["train", "train", "val", "val"], "val split needs both"),
        ([0, 0, 0, 1], ["train", "train", "val", "val"], "train split needs both"),
    ],
)
def test_labels_that_cannot_be_trained_on_are_refused(labels, split, message):
    with pytest.raises(UnusableDataset, match=message):
        TrainArrays(np.array(labels, dtype=np.uint8), np.array(split))


def test_images_and_labels_of_different_length_are_refused(stamps: Stamps):
    with pytest.raises(UnusableDataset, match="12 labels need as many cutouts, found 20"):
        CutoutData(stamps, arrays(12), batch_size=4, seed=1)


def test_the_digest_sees_every_label_and_split():
    base = arrays()
    flipped = base.labels.copy()
    flipped[[0, 1]] = flipped[[1, 0]]
    moved = base.split.copy()
    moved[0] = "test"
    digests = {
        base.digest(),
        TrainArrays(flipped, base.split).digest(),
        TrainArrays(base.labels, moved).digest(),
    }
    assert len(digests) == 3
    assert arrays().digest() == base.digest()


def test_few_rows_are_gone_through_again_until_the_epoch_is_full():
    labels = (np.arange(30) % 2).astype(np.uint8)
    shuffle = EpochShuffle(np.arange(30), labels, seed=3, at_least=70)
    rows = list(shuffle)
    assert len(rows) == len(shuffle) == 70
    counts = np.bincount(rows, minlength=30)
    assert set(counts.tolist()) == {2, 3}
    assert labels[rows].sum() == 35


@pytest.mark.parametrize("n", [999, 1000, 1001])
def test_the_length_of_an_epoch_grows_smoothly_with_the_rows(n):
    labels = (np.arange(n) % 2).astype(np.uint8)
    assert len(EpochShuffle(np.arange(n), labels, seed=3, at_least=1000)) == max(n, 1000)


def test_a_rare_class_is_drawn_more_often():
    labels = (np.arange(1000) < 5).astype(np.uint8)
    rows = np.array(list(EpochShuffle(np.arange(1000), labels, seed=3, rarest=0.1)))
    assert len(rows) == 1000
    assert labels[rows].sum() == 100
    assert np.bincount(rows)[:5].tolist() == [20] * 5
    common = rows[rows >= 5]
    assert len(set(common.tolist())) == len(common)


def test_weights_travel_with_their_rows_and_change_the_digest(stamps: Stamps):
    plain = arrays()
    weights = np.linspace(0, 1, 20).astype(np.float32)
    weighted = TrainArrays(plain.labels, plain.split, weights)
    assert weighted.digest() != plain.digest()
    data = CutoutData(stamps, weighted, batch_size=4, seed=1)
    found = np.concatenate([batch["weights"].numpy() for batch in data.val_dataloader()])
    np.testing.assert_array_equal(found, weights[10:])
    with pytest.raises(UnusableDataset, match="one number of at least 0"):
        TrainArrays(plain.labels, plain.split, -weights)
