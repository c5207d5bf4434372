"""The transform of a stamp, summed from its few rows, against that of the plane."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.differencing.transform import StampSpectrum


@pytest.mark.parametrize("side", [1, 3, 9, 31])
@pytest.mark.parametrize("shape", [(64, 33), (75, 90), (32, 200)])
def test_columns_are_those_of_the_whole_plane(rng, side, shape):
    stamp = rng.normal(size=(side, side)).astype(np.float32)
    plane = np.zeros(shape)
    plane[:side, :side] = stamp
    expected = np.fft.rfft2(np.roll(plane, (-(side // 2), -(side // 2)), (0, 1)))
    spectrum = StampSpectrum(stamp, shape)
    scale = np.abs(expected).max()
    np.testing.assert_allclose(spectrum.whole(), expected, atol=3e-6 * scale)
    np.testing.assert_array_equal(spectrum.columns(3, 11), spectrum.whole()[:, 3:11])
