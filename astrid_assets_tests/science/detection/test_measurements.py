"""Measurements of candidates against what the simulated sky says."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.detection.measurements import MEASUREMENTS, as_columns, unmeasured

N = len(MEASUREMENTS)


def test_columns_stand_in_their_order_and_gaps_are_no_numbers():
    found = as_columns({"edge": np.array([3.0, np.inf]), "significance": np.array([1.5, 2.0])}, 2)
    assert found.shape == (2, N)
    assert found.dtype == np.float32
    names = list(MEASUREMENTS)
    assert found[:, names.index("significance")].tolist() == [1.5, 2.0]
    assert found[0, names.index("edge")] == 3.0
    assert np.isnan(found[1, names.index("edge")])
    assert np.isnan(found).sum() == 2 * N - 3
    assert np.isnan(unmeasured(4)).all()


@pytest.mark.parametrize(
    ("numbers", "sentence"),
    [
        ({"colour": np.zeros(2)}, "nothing measured is called 'colour'"),
        ({"edge": np.zeros(3)}, "edge needs 2 numbers"),
    ],
)
def test_other_columns_are_refused(numbers, sentence):
    with pytest.raises(ValueError, match=sentence):
        as_columns(numbers, 2)
