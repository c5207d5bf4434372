"""The benchmark of scoring, small: more cutouts take no more memory."""

from __future__ import annotations

import sys
import time

import numpy as np
import pytest

from benchmarks import scoring

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(sys.platform != "linux", reason="memory is read from /proc"),
]

COUNT = 32 * scoring.BATCH


def test_scoring_holds_a_batch_and_no_more_however_many_cutouts_there_are(tmp_path):
    from astrid_assets.learning.settings import NetworkSettings
    from astrid_assets.learning.unet import Ensemble, UNet

    settings = NetworkSettings(base_filters=2, depth=1)
    network = Ensemble([UNet(settings)], settings).eval()
    cutouts = scoring.mapped_cutouts(tmp_path / "cutouts.npy", COUNT)
    found = scoring.scored(network, cutouts)
    assert found.scores.shape == (COUNT,)
    assert np.isfinite(found.scores).all()
    # The cutouts and features of a batch of 128, which 4096 cutouts do not multiply.
    assert found.growth < cutouts.nbytes / 2
    assert found.per_s > 0


def test_memory_that_was_given_back_is_seen():
    with scoring.watched_memory() as growth:
        held = np.ones(2**23)
        deadline = time.monotonic() + 20
        while growth.most < held.nbytes / 2 and time.monotonic() < deadline:
            time.sleep(scoring.SAMPLED_EVERY_S)
        del held
    assert growth.most >= 2**25
