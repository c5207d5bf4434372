"""Training: deterministic, tidy, resumed, and good enough on an easy sky."""

from __future__ import annotations

import shutil
import signal

import numpy as np
import pytest
import torch

from astrid_assets.learning.checkpoints import BEST, LAST, CheckpointMismatch
from astrid_assets.learning.evaluation import evaluate
from astrid_assets.learning.export import to_onnx
from astrid_assets.learning.inference import OnnxScorer
from astrid_assets.learning.metrics.targets import choose_threshold
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


def test_what_a_training_cost_is_counted(small_training):
    model, cost = small_training.model, small_training.model.cost
    # 200 draws an epoch in whole batches of 16.
    assert cost.cutouts == 192 * len(model.history)
    assert cost.cpu_seconds > 0
    assert cost.cutouts_per_s == pytest.approx(cost.cutouts / cost.seconds)
    assert cost.flat()["cost/peak_memory_mb"] > 50
    untaken = small_training.cutouts.arrays()
    again = train(small_training.stamps, untaken, SMALL, small_training.run_dir)
    assert again.cost.cutouts == 0


def test_the_network_is_that_of_the_best_epoch(small_training):
    model = small_training.model
    losses = [epoch["val_loss"] for epoch in model.history]
    assert model.best_epochs == (int(np.argmin(losses)),)
    best = torch.load(small_training.run_dir / "member_1" / BEST, weights_only=True)
    assert best["epoch"] == model.best_epochs[0]
    weights = model.network.state_dict()
    assert all(
        torch.equal(value, weights[name.removeprefix("network.")])
        for name, value in best["state_dict"].items()
    )


def test_two_trainings_give_the_same_weights(small_training, tmp_path):
    torch.manual_seed(999)  # the global generator must not matter
    second = again(small_training, tmp_path)
    assert same_weights(small_training.model, second)
    assert second.calibration == small_training.model.calibration
    assert second.history == small_training.model.history


def test_another_seed_gives_other_weights(small_training, tmp_path):
    second = again(small_training, tmp_path, seed=6, epochs=1)
    assert not same_weights(small_training.model, second)


def test_a_finished_training_is_returned_without_training(small_training):
    before = (small_training.run_dir / "member_1" / LAST).stat().st_mtime_ns
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
    assert (small_training.run_dir / "member_1" / LAST).stat().st_mtime_ns == before


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


def test_a_training_goes_on_in_another_folder_to_the_same_weights(small_training, tmp_path):
    class Stop(Exception):
        pass

    # So high a learning rate makes an early epoch the best: it must be remembered.
    changes = {"epochs": 12, "patience": 2, "learning_rate": 0.9, "weight_decay": 0.0}
    settings = SMALL.model_copy(update=changes)
    arrays = small_training.cutouts.arrays()
    whole = train(small_training.stamps, arrays, settings, tmp_path / "whole")

    def stop_late(metrics):
        if metrics["epoch"] == whole.best_epochs[0]:
            raise Stop

    assert whole.best_epochs[0] < len(whole.history) - 1
    with pytest.raises(Stop):
        train(small_training.stamps, arrays, settings, tmp_path / "there", on_epoch=stop_late)
    shutil.move(tmp_path / "there", tmp_path / "here")
    resumed = train(small_training.stamps, arrays, settings, tmp_path / "here")
    assert resumed.history == whole.history
    assert same_weights(whole, resumed)


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
    files = sorted(path.name for path in (tmp_path / "run" / "member_1").iterdir())
    assert files == [BEST, LAST]
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["member_1"]


def test_members_differ_and_are_averaged(small_training, tmp_path):
    changes = {"members": 2, "epochs": 2}
    two = again(small_training, tmp_path, **changes)
    assert [(entry["member"], entry["epoch"]) for entry in two.history] == [
        (0, 0), (0, 1), (1, 0), (1, 1)
    ]  # fmt: skip
    first, second = two.network.members
    ours, theirs = first.state_dict(), second.state_dict()
    assert not torch.equal(ours["head.weight"], theirs["head.weight"])
    assert again(small_training, tmp_path, **changes).resumed_after == 4


def test_a_moving_average_of_the_weights_is_kept_and_resumed(small_training, tmp_path):
    changes = {"average_decay": 0.9, "epochs": 3}
    whole = again(small_training, tmp_path / "whole", **changes)
    assert not same_weights(whole, again(small_training, tmp_path / "plain", epochs=3))

    class Stop(Exception):
        pass

    def stop(metrics):
        raise Stop

    settings = SMALL.model_copy(update=changes)
    arrays = small_training.cutouts.arrays()
    with pytest.raises(Stop):
        train(small_training.stamps, arrays, settings, tmp_path / "cut", on_epoch=stop)
    resumed = again(small_training, tmp_path / "cut", **changes)
    assert resumed.resumed_after == 1
    assert resumed.history == whole.history
    assert same_weights(whole, resumed)


@pytest.mark.parametrize(
    "changes",
    [
        {"optimiser": "sgd", "learning_rate": 0.05, "schedule": "constant"},
        {"optimiser": "adam", "schedule": "cosine", "pixel_loss": "focal"},
        {"overlap_loss": "tversky", "dropout": 0.2, "activation": "silu", "accumulate": 2},
        {"size": 16, "channels": ["score"], "swap": 0.5, "blur_px": 0.8, "flux_scale": 1.2},
    ],
    ids="-".join,
)
def test_every_setting_trains(small_training, tmp_path, changes):
    history = again(small_training, tmp_path, epochs=3, **changes).history
    assert history[-1]["train_loss"] < history[0]["train_loss"]


def test_checkpoints_stay_every_so_often(small_training, tmp_path):
    again(small_training, tmp_path, epochs=4, keep_every=2)
    names = sorted(path.name for path in (tmp_path / "member_1").iterdir())
    assert names == [BEST, "epoch=001.ckpt", "epoch=003.ckpt", LAST]


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
    scorer = OnnxScorer(to_onnx(model.network, model.calibration), threads=2)
    scores = scorer.score(cutouts.images).astype(np.float64)
    real = cutouts.labels == 1
    val, test = arrays.rows("val"), arrays.rows("test")
    found = evaluate(
        scores[test],
        real[test],
        cutouts.snr[test],
        threshold=choose_threshold(scores[val], real[val]).threshold,
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
