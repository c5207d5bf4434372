"""The true PSF: unit sum, integrated over pixels, where and as wide as it claims."""

from __future__ import annotations

import numpy as np
import pytest

from astrid_assets.science.simulation.painting import paint_stars
from astrid_assets.science.simulation.point_spread import PsfField, star_stamps

SHAPE = (200, 300)


def _moffat_by_brute_force(fwhm: float, beta: float, dx: float, dy: float, half: int) -> np.ndarray:
    """Integrate a round Moffat over pixels by 25 x 25 midpoints, infinite wings."""
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / beta) - 1))
    fine = (np.arange(25) + 0.5) / 25 - 0.5
    pixels = np.arange(-half, half + 1)
    x = (pixels[:, None] + fine[None, :]).ravel() - dx
    y = (pixels[:, None] + fine[None, :]).ravel() - dy
    r2 = (x**2)[None, :] + (y**2)[:, None]
    values = (beta - 1) / (np.pi * alpha**2) * (1 + r2 / alpha**2) ** -beta
    n = 2 * half + 1
    return values.reshape(n, 25, n, 25).mean(axis=(1, 3))


@pytest.mark.parametrize("fwhm", [2.1, 2.8, 4.4])
@pytest.mark.parametrize("beta", [2.5, 3.0, 4.5])
def test_a_star_has_unit_flux_wherever_between_the_pixels_it_lies(fwhm, beta):
    field = PsfField(frame_shape=SHAPE, fwhm_px=fwhm, beta=beta, ellipticity=(0.09, -0.06))
    offsets = np.array([0.0, 0.5, -0.31, 0.17])
    where = np.full(4, 100.0)
    drawn = star_stamps(field, where, where, offsets, offsets[::-1], field.size // 2)
    assert drawn.sum(axis=(1, 2), dtype=float) == pytest.approx(np.ones(4), abs=2e-5)


@pytest.mark.parametrize("fwhm", [2.1, 2.8, 4.4])
def test_pixels_hold_the_integral_of_the_profile(fwhm):
    field = PsfField(frame_shape=SHAPE, fwhm_px=fwhm)
    half = int(2 * fwhm)
    middle = np.array([150.0])
    drawn = star_stamps(field, middle, middle, np.array([0.3]), np.array([-0.4]), half)[0]
    exact = _moffat_by_brute_force(fwhm, 3.0, 0.3, -0.4, half)
    # The wings that were cut off make the rest brighter by about half a percent.
    assert np.abs(drawn / drawn.sum() - exact / exact.sum()).max() < 2e-3 * exact.max()


def test_the_centroid_is_the_position():
    image = np.zeros(SHAPE, np.float32)
    field = PsfField(frame_shape=SHAPE, fwhm_px=3.1, ellipticity=(0.05, 0.08))
    paint_stars(image, np.array([141.37]), np.array([88.81]), np.array([1e5]), field)
    rows, columns = np.indices(SHAPE)
    total = image.sum(dtype=float)
    assert total == pytest.approx(1e5, rel=1e-4)
    assert (image * columns).sum(dtype=float) / total == pytest.approx(141.37, abs=1e-3)
    assert (image * rows).sum(dtype=float) / total == pytest.approx(88.81, abs=1e-3)


def test_a_positive_second_shear_lengthens_stars_along_the_diagonal():
    tilted = PsfField(frame_shape=SHAPE, fwhm_px=4.0, ellipticity=(0.0, 0.1)).centre()
    wide = PsfField(frame_shape=SHAPE, fwhm_px=4.0, ellipticity=(0.1, 0.0)).centre()
    grid = np.arange(tilted.shape[0]) - tilted.shape[0] // 2
    x, y = grid[None, :], grid[:, None]
    assert (tilted * x * y).sum() > 0.05
    assert (wide * x * x).sum() > 1.3 * (wide * y * y).sum()


def test_the_polynomial_model_is_the_field_everywhere():
    field = PsfField(
        frame_shape=SHAPE,
        fwhm_px=3.0,
        fwhm_bowl=0.05,
        fwhm_slope=(0.02, -0.01),
        ellipticity=(0.02, 0.01),
        ellipticity_slope=((0.03, 0.0), (-0.01, 0.02)),
    )
    model = field.model()
    for x, y in ((0, 0), (299, 0), (40.5, 180.2), (150, 100)):
        true, fitted = field.at(x, y, model.size), model.at(x, y)
        # A width that grows by a tenth is more than six terms can follow exactly.
        assert np.abs(true - fitted).max() < 0.015 * true.max()
        assert fitted.sum(dtype=float) == pytest.approx(1, abs=1e-4)
    assert len(PsfField(frame_shape=SHAPE, fwhm_px=3.0).model().coefficients) == 1


def test_stars_beyond_the_border_leave_only_their_wings():
    image = np.zeros(SHAPE, np.float32)
    field = PsfField(frame_shape=SHAPE, fwhm_px=3.0)
    x, y = np.array([-2.0, 150.0, 900.0]), np.array([50.0, 201.0, 50.0])
    paint_stars(image, x, y, np.full(3, 1e4), field)
    assert 0 < image.sum() < 8e3
    assert image[:, 60:130].sum() == 0


def test_an_exponent_that_is_no_half_number_is_refused():
    field = PsfField(frame_shape=SHAPE, fwhm_px=3.0, beta=3.3)
    with pytest.raises(ValueError, match=r"beta of 1\.5, 2, 2\.5 … is needed, not 3\.3"):
        field.centre()
