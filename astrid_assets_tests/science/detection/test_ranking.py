"""The ranking without a model: the order of S/N, whatever the sign."""

from __future__ import annotations

import numpy as np

from astrid_assets.science.detection.ranking import HALF_SCORE_SIGMA, snr_ranking


def test_the_order_is_that_of_significance(rng):
    significance = rng.normal(0, 20, 500)
    ranking = snr_ranking(significance)
    assert (np.argsort(ranking) == np.argsort(np.abs(significance))).all()
    assert ((ranking >= 0) & (ranking < 1)).all()


def test_a_faded_source_ranks_like_one_that_rose():
    assert snr_ranking(np.array([-7.0])) == snr_ranking(np.array([7.0]))
    assert snr_ranking(np.array([HALF_SCORE_SIGMA, 0.0])).tolist() == [0.5, 0.0]
