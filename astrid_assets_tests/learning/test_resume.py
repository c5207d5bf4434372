"""Killed without warning, a training goes on from its last checkpoint."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import numpy as np
import pytest
import torch

from astrid_assets.learning.training import train
from astrid_assets_tests.learning.conftest import SMALL

pytestmark = pytest.mark.slow  # Lightning alone takes six seconds to import

CHILD = """
    import sys, time
    from pathlib import Path
    import numpy as np
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.learning.datamodule import TrainArrays
    from astrid_assets.learning.stamps import Stamps
    from astrid_assets.learning.training import train

    folder = Path(sys.argv[1])
    settings = TrainingSettings.model_validate_json(sys.argv[2])
    arrays = np.load(folder / "arrays.npz")

    def wait(metrics):
        # Time to be killed in: the second epoch is on disk, the third has not begun.
        if metrics["epoch"] == 1:
            (folder / "two-epochs-done").touch()
            time.sleep(60)

    train(
        Stamps(*(tuple(map(Path, arrays[part].tolist())) for part in ("images", "masks"))),
        TrainArrays(arrays["labels"], arrays["split"]),
        settings, folder / "run", on_epoch=wait,
    )
"""


def test_a_killed_training_resumes_to_the_weights_of_an_undisturbed_one(
    small_training, small_cutouts, tmp_path
):
    stamps = small_cutouts.save(tmp_path)
    arrays = small_cutouts.arrays()
    np.savez(
        tmp_path / "arrays.npz",
        labels=arrays.labels,
        split=arrays.split,
        images=np.array([str(path) for path in stamps.images]),
        masks=np.array([str(path) for path in stamps.masks]),
    )
    child = subprocess.Popen(
        [
            sys.executable,
            "-c",
            textwrap.dedent(CHILD),
            str(tmp_path),
            SMALL.model_dump_json(),
        ],
        cwd=Path(__file__).parents[2],
    )
    try:
        deadline = time.monotonic() + 300
        while not (tmp_path / "two-epochs-done").exists():
            assert child.poll() is None, "the training ended before it was killed"
            assert time.monotonic() < deadline, "two epochs took five minutes"
            time.sleep(0.05)
    finally:
        os.kill(child.pid, signal.SIGKILL)
        child.wait()
    assert child.returncode == -signal.SIGKILL

    resumed = train(stamps, arrays, SMALL, tmp_path / "run")
    assert resumed.resumed_after == 2
    assert resumed.history == small_training.model.history
    expected = small_training.model.network.state_dict()
    for name, value in resumed.network.state_dict().items():
        assert torch.equal(value, expected[name]), name
