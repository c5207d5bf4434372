"""Training: deterministic, tidy, resumed, and good enough on an easy sky."""

from __future__ import annotations

import shutil
import signal

import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger

from astrid_assets.learning.checkpoints import BEST, LAST, CheckpointMismatch
from astrid_assets.learning.evaluation import choose_threshold, evaluate
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.inference import OnnxScorer
from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.learning.stamps import write_stamps
from astrid_assets.learning.training import TrainedModel, train
from astrid_assets_tests.learning.conftest import SMALL
from astrid_assets_tests.learning.synthetic import synthetic_cutouts

pytestmark = pytest.mark.slow


def same_weights(first: TrainedModel, second: TrainedModel) -> bool:
    ours, theirs = first.network.state_dict(), second.network.state_dict()
    return all(torch.equal(ours[name], theirs[name]) for name in ours)


def again(small, run_dir, **changes) -> TrainedModel:
    settings = SMALL.model_copy(update=changes)
    return train(small.stamps, small.cutouts.arrays(), settings, run_dir)


def test_the_loss_falls(small_training):
    history = small_training.model.history
    assert len(history) == SMALL.epochs
    assert history[-1]["train_loss"] < 0.8 * history[0]["train_loss"]
    assert history[-1]["val_loss"] < history[0]["val_loss"]


def test_the_network_is_that_of_the_best_epoch(small_training):
    model = small_training.model
    losses = [epoch["val_loss"] for epoch in model.history]
    assert model.best_epoch == int(np.argmin(losses))
    best = torch.load(small_training.run_dir / BEST, weights_only=True)
    assert best["epoch"] == model.best_epoch
    weights = model.network.state_dict()
    assert all(
        torch.equal(value, weights[name.removeprefix("network.")])
        for name, value in best["state_dict"].items()
    )


def test_two_trainings_give_the_same_weights(small_training, tmp_path):
    torch.manual_seed(999)  # the global generator must not matter
    second = again(small_training, tmp_path)
    assert same_weights(small_training.model, second)
    assert second.temperature == small_training.model.temperature
    assert second.history == small_training.model.history


def test_another_seed_gives_other_weights(small_training, tmp_path):
    second = again(small_training, tmp_path, seed=6, epochs=1)
    assert not same_weights(small_training.model, second)


def test_a_finished_training_is_returned_without_training(small_training):
    before = (small_training.run_dir / LAST).stat().st_mtime_ns
    epochs = []
    second = train(
        small_training.stamps,
        small_training.cutouts.arrays(),
        SMALL,
        small_training.run_dir,
        on_epoch=epochs.append,
    )
    assert same_weights(small_training.model, second)
    assert second.resumed_after == SMALL.epochs
    assert epochs == []
    assert (small_training.run_dir / LAST).stat().st_mtime_ns == before


def test_a_training_that_raised_is_resumed_to_the_same_weights(small_training, tmp_path):
    class Stop(Exception):
        pass

    def stop_after_two(metrics):
        if metrics["epoch"] == 1:
            raise Stop

    with pytest.raises(Stop):
        train(
            small_training.stamps,
            small_training.cutouts.arrays(),
            SMALL,
            tmp_path,
            on_epoch=stop_after_two,
        )
    resumed = again(small_training, tmp_path)
    assert resumed.resumed_after == 2
    assert same_weights(small_training.model, resumed)
    assert resumed.history == small_training.model.history


def test_an_interrupt_reaches_the_caller_and_the_training_can_be_resumed(small_training, tmp_path):
    before = signal.getsignal(signal.SIGINT)

    def interrupt(metrics):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        train(
            small_training.stamps,
            small_training.cutouts.arrays(),
            SMALL,
            tmp_path,
            on_epoch=interrupt,
        )
    assert signal.getsignal(signal.SIGINT) == before
    assert same_weights(small_training.model, again(small_training, tmp_path))


def test_training_stops_early_and_a_second_call_does_not_go_on(small_training, tmp_path):
    # So high a learning rate makes the val loss jump up and down.
    changes = {"epochs": 12, "patience": 1, "learning_rate": 0.9, "weight_decay": 0.0}
    first = again(small_training, tmp_path, **changes)
    assert len(first.history) < 12
    second = again(small_training, tmp_path, **changes)
    assert second.history == first.history
    assert same_weights(first, second)


def test_a_folder_of_another_training_is_refused(small_training, tmp_path):
    shutil.copytree(small_training.run_dir, tmp_path / "run")
    with pytest.raises(CheckpointMismatch, match="other settings or other data"):
        again(small_training, tmp_path / "run", learning_rate=1e-3)


def test_other_pixels_are_another_training(small_training, tmp_path, small_cutouts):
    run_dir = tmp_path / "run"
    shutil.copytree(small_training.run_dir, run_dir)
    changed = small_cutouts.images.copy()
    changed[0, 0, 0, 0] += 1
    stamps = write_stamps(tmp_path, changed, small_cutouts.masks, 64)
    with pytest.raises(CheckpointMismatch):
        train(stamps, small_cutouts.arrays(), SMALL, run_dir)


def test_the_global_switches_are_put_back(small_training, tmp_path):
    before = torch.get_num_threads(), torch.random.get_rng_state()
    again(small_training, tmp_path, epochs=1)
    assert torch.get_num_threads() == before[0]
    assert torch.equal(torch.random.get_rng_state(), before[1])
    assert not torch.are_deterministic_algorithms_enabled()


def test_nothing_is_written_outside_the_run_folder(small_training, tmp_path, monkeypatch):
    work = tmp_path / "work"
    work.mkdir()
    monkeypatch.chdir(work)
    again(small_training, tmp_path / "run", epochs=1)
    assert list(work.iterdir()) == []
    files = sorted(path.name for path in (tmp_path / "run").iterdir())
    assert files == [BEST, LAST]


def test_loggers_get_every_epoch(small_training, tmp_path):
    logger = CSVLogger(tmp_path / "csv")
    train(
        small_training.stamps,
        small_training.cutouts.arrays(),
        SMALL.model_copy(update={"epochs": 2}),
        tmp_path / "run",
        loggers=[logger],
    )
    lines = (tmp_path / "csv").rglob("metrics.csv").__next__().read_text().split("\n")
    assert "val_auc" in lines[0]
    assert len([line for line in lines[1:] if line]) == 2


def test_cutouts_that_cannot_be_halved_so_often_are_refused(small_training, tmp_path):
    cutouts = small_training.cutouts
    stamps = write_stamps(tmp_path, cutouts.images[..., :30, :30], cutouts.masks[..., :30, :30])
    with pytest.raises(ValueError, match="30 px cannot be halved 2 times"):
        train(stamps, cutouts.arrays(), SMALL, tmp_path / "run")


@pytest.mark.slow
def test_an_easy_sky_is_learned_and_plain_snr_is_beaten(tmp_path, rng):
    cutouts = synthetic_cutouts(rng, 600, 64)
    settings = TrainingSettings(epochs=6, cutouts_per_epoch=400, batch_size=16)
    stamps = cutouts.save(tmp_path)
    arrays = cutouts.arrays()
    model = train(stamps, arrays, settings, tmp_path / "run")
    scorer = OnnxScorer(to_onnx(model.network, model.temperature), threads=2)
    scores = scorer.score(cutouts.images).astype(np.float64)
    real = cutouts.labels == 1
    val, test = arrays.rows("val"), arrays.rows("test")
    found = evaluate(
        scores[test],
        real[test],
        cutouts.snr[test],
        threshold=choose_threshold(scores[val], real[val]),
    )
    assert found.model.roc_auc.value > 0.97
    assert found.gain_roc_auc.low > 0.2
    assert found.completeness > 0.9
    assert found.purity is not None
    assert found.purity > 0.9
    masks_found = scorer.masks(cutouts.images[test]) > 0.5
    truth = cutouts.masks[test] == 1
    both, either = (masks_found & truth).sum(), (masks_found | truth).sum()
    assert both / either > 0.5
