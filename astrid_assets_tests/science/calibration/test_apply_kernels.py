"""The pass over a raw frame against the formulas on whole arrays in float64."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from numpy.testing import assert_allclose

from astrid_assets.science.calibration.apply_kernels import apply_masters, variance_of
from astrid_assets_tests.science.rows import assert_rows, untouched

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

SHAPE = (17, 23)
NONE = np.empty((0, 0), dtype=np.float32)
EXPOSURE_S, FULL_E, HOT_E = 60.0, 900.0, 100.0
SATURATED, HOT = 4, 8


def masters(rng: np.random.Generator) -> tuple[Image, Image, Image]:
    bias = rng.normal(30, 3, SHAPE).astype(np.float32)
    dark = rng.uniform(0, 2.5, SHAPE).astype(np.float32)  # some pixels above HOT_E
    flat = rng.uniform(0.5, 1.5, SHAPE).astype(np.float32)
    return bias, dark, flat


@pytest.mark.parametrize("present", ["all", "bias", "dark", "flat", "none"])
def test_apply_masters_subtracts_and_divides_as_written(rng, present):
    bias, dark, flat = (
        master if present in ("all", name) else NONE
        for name, master in zip(("bias", "dark", "flat"), masters(rng), strict=True)
    )
    raw = rng.uniform(0, 1000, SHAPE).astype(np.float32)
    raw[3, 3] = FULL_E
    mask = rng.integers(0, 2, SHAPE).astype(np.uint16)
    defects = (2 * (rng.random(SHAPE) < 0.1)).astype(np.uint16)
    data, bits = untouched(SHAPE), untouched(SHAPE, np.uint16)
    levels = EXPOSURE_S, FULL_E, HOT_E
    apply_masters(raw, mask, bias, dark, flat, defects, *levels, SATURATED, HOT, data, bits, 2, 15)

    expected = raw.astype(np.float64)
    wanted = mask | defects | np.where(raw >= FULL_E, SATURATED, 0)
    if bias.size:
        expected -= bias
    if dark.size:
        charge = dark.astype(np.float64) * EXPOSURE_S
        expected -= charge
        wanted |= np.where(charge > HOT_E, HOT, 0)
        assert (charge > HOT_E).any()
    if flat.size:
        expected = np.where(defects > 0, expected, expected / flat)
    assert_rows(data, expected, 2, 15, rtol=1e-5, atol=1e-3)
    assert_rows(bits, wanted, 2, 15, rtol=0)


@pytest.mark.parametrize("with_dark", [True, False])
@pytest.mark.parametrize("with_flat", [True, False])
def test_variance_of_is_what_propagation_gives(rng, with_dark, with_flat):
    _, dark, flat = masters(rng)
    flat[4, :3] = 0, -1, 1e-9
    light = rng.normal(20, 30, SHAPE).astype(np.float32)
    floor_e2, relative = 25.0, 0.01
    out = untouched(SHAPE)
    variance_of(
        light,
        dark - np.float32(0.2) if with_dark else NONE,
        flat if with_flat else NONE,
        EXPOSURE_S,
        floor_e2,
        relative**2,
        out,
        2,
        15,
    )
    response = np.where(flat > 0, flat, 1).astype(np.float64) if with_flat else 1.0
    electrons = np.maximum(light * response, 0)
    if with_dark:
        electrons = electrons + np.maximum((dark - 0.2) * EXPOSURE_S, 0)
    # light = electrons / response: its error has a term from either factor.
    expected = (electrons + floor_e2) / response**2 + (light * relative / response) ** 2
    assert_rows(out, expected, 2, 15, rtol=1e-4)


def test_variance_of_is_the_scatter_of_simulated_pixels(rng):
    truth_e, dark_e, noise_e, response, relative = 400.0, 50.0, 6.0, 0.8, 0.02
    n = 200_000
    measured_flat = response * (1 + rng.normal(0, relative / response, n))
    electrons = rng.poisson(truth_e * response + dark_e, n) - dark_e
    pixels = (electrons + rng.normal(0, noise_e, n)) / measured_flat
    single = np.full((1, 1), 1, dtype=np.float32)
    out = np.zeros((1, 1), dtype=np.float32)
    variance_of(
        single * truth_e,
        single * dark_e,
        single * response,
        1.0,
        noise_e**2,
        relative**2,
        out,
        0,
        1,
    )
    assert_allclose(out[0, 0], pixels.var(), rtol=0.02)
