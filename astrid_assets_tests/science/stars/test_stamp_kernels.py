"""Spline PSFs on pixels against scipy's B-splines; fits against numpy's least squares."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose, assert_array_equal
from scipy.optimize import least_squares

from astrid_assets.science.stars.stamp_kernels import (
    MARGIN,
    add_star,
    combine_nodes,
    fit_stars,
    flux_at,
    gather_all,
    lay,
    lay_all,
    position_step,
    spline_weights,
)
from astrid_assets_tests.science.stars.splines import CUBIC, along, gaussian_nodes, stamp

SHAPE = (40, 44)
STEPS = pytest.mark.parametrize("step", [1, 2, 3])


@pytest.mark.slow
@pytest.mark.parametrize("t", [0.0, 0.3, 0.5, 0.99])
def test_spline_weights_are_scipys_b_spline_and_its_slope(t):
    values, slopes = np.zeros(4), np.zeros(4)
    spline_weights(t, values, slopes)
    at = t - np.arange(-1, 3)
    assert_allclose(values, np.nan_to_num(CUBIC(at)), atol=1e-15)
    assert_allclose(slopes, np.nan_to_num(CUBIC.derivative()(at)), atol=1e-15)


@pytest.mark.parametrize("reach", [2, 4, 50])
def test_combine_nodes_sums_the_terms_near_the_middle(rng, reach):
    nodes, terms = rng.normal(size=(3, 11, 11)), rng.normal(size=3)
    out = np.full((11, 11), 77.0)
    combine_nodes(nodes, terms, reach, out)
    near = np.abs(np.arange(11) - 5) <= reach
    inside = np.outer(near, near)
    assert_allclose(out[inside], np.tensordot(terms, nodes, 1)[inside], rtol=1e-12)
    assert (out[~inside] == 77).all()


@STEPS
@pytest.mark.parametrize("derivative", [0, 1])
def test_lay_is_a_tensor_product_of_b_splines(rng, step, derivative):
    here, shift, radius = rng.normal(size=(15, 15)), (0.31, -0.47), 6
    at = [15 // 2 - step * s for s in shift]
    base = [int(np.floor(a)) for a in at]
    weights = []
    for place, whole, order in zip(at, base, (0, derivative), strict=True):
        knots = place - whole - np.arange(-1, 3)
        spline = CUBIC.derivative(order) if order else CUBIC
        weights.append(np.nan_to_num(spline(knots)))
    line, out = np.full(15 + 2 * MARGIN, 77.0), np.full((13, 13), 77.0)
    lay(here, weights[0], weights[1], base[0], base[1], step, radius, line, out)
    up, across = along(15, step, shift[0], 6), along(15, step, shift[1], 6, derivative)
    assert_allclose(out, up @ here @ across.T / step**derivative, atol=1e-12)
    assert np.abs(out).max() > 0.1


@STEPS
def test_lay_all_evaluates_each_star_at_its_offset(rng, step):
    nodes, terms = rng.normal(size=(3, 13, 13)), rng.normal(size=(5, 3))
    shift = rng.uniform(-0.5, 0.5, (5, 2))
    out = np.zeros((5, 9, 9))
    lay_all(nodes, terms, shift, step, 4, out)
    for star in range(5):
        here = np.einsum("k,kml->ml", terms[star], nodes)
        expected = stamp(here, step, (shift[star, 0], shift[star, 1]), 4)
        assert_allclose(out[star], expected, atol=1e-12)


@STEPS
@pytest.mark.parametrize("squared", [False, True])
def test_gather_all_is_the_transpose_as_a_matrix(rng, step, squared):
    stamps, terms = rng.normal(size=(4, 7, 7)), rng.normal(size=(4, 2))
    shift = rng.uniform(-0.5, 0.5, (4, 2))
    before = rng.normal(size=(2, 13, 13))
    out = before.copy()
    gather_all(stamps, terms, shift, step, squared, out)
    expected = before.copy()
    for star in range(4):
        up, across = (along(13, step, s, 3) for s in shift[star])
        factors = terms[star]
        if squared:
            up, across, factors = up**2, across**2, factors**2
        one = np.einsum("jm,ji,il->ml", up, stamps[star], across)
        expected += factors[:, None, None] * one
    assert_allclose(out, expected, atol=1e-12)


@pytest.mark.parametrize("place", [(20, 20), (0, 43), (-2, 5), (41, 41)])
def test_add_star_adds_what_lies_inside(rng, place: tuple[int, int]):
    image, laid = rng.normal(size=SHAPE).astype(np.float32), rng.random((9, 9))
    added = image.copy()
    add_star(added, laid, *place, -50.0)
    padded = np.zeros((SHAPE[0] + 20, SHAPE[1] + 20))
    padded[place[0] + 6 : place[0] + 15, place[1] + 6 : place[1] + 15] = -50 * laid
    assert_allclose(added, image + padded[10:-10, 10:-10], atol=1e-4)
    assert (added != image).any()


def field(rng: np.random.Generator, stars) -> tuple[np.ndarray, np.ndarray]:
    """An image of stars (y, x, flux) over sky noise, and its variance."""
    nodes = gaussian_nodes(33, 2, 1.4)
    light = np.zeros(SHAPE)
    for y, x, flux in stars:
        up = along(33, 2, y - 20, 20)[: SHAPE[0]]
        across = along(33, 2, x - 22, 22)[:, : SHAPE[1]]
        light += flux * up[: SHAPE[0]] @ nodes @ across[: SHAPE[1]].T
    variance = light + 100
    image = light + rng.normal(0, 1, SHAPE) * np.sqrt(variance)
    return image.astype(np.float32), variance.astype(np.float32)


@pytest.mark.parametrize("place", [(20, 20), (1, 42)])
def test_flux_at_is_a_least_squares_fit(rng, place: tuple[int, int]):
    image, variance = field(rng, [(place[0] + 0.2, place[1] - 0.3, 5000.0)])
    usable = rng.random(SHAPE) < 0.9
    laid = stamp(gaussian_nodes(33, 2, 1.4), 2, (0.2, -0.3), 5)
    out = np.zeros(2)
    flux_at(image, variance, usable, laid, *place, 0.3, out)
    rows, columns = np.indices((11, 11)) - 5 + np.reshape(place, (2, 1, 1))
    inside = (rows >= 0) & (rows < SHAPE[0]) & (columns >= 0) & (columns < SHAPE[1])
    seen = inside.copy()
    seen[inside] = usable[rows[inside], columns[inside]]
    at, p = (rows[seen], columns[seen]), laid[seen]
    (flux,), *_ = np.linalg.lstsq(p[:, None], image[at].astype(float), rcond=None)
    weight = np.linalg.pinv(p[:, None])[0]
    error = np.sqrt(weight @ np.diag(variance[at].astype(float)) @ weight)
    assert_allclose(out, [flux, error], rtol=1e-6)

    share = (p**2).sum() / (laid**2).sum()
    flux_at(image, variance, usable, laid, *place, share + 0.01, out)
    assert np.isnan(out).all()


def test_position_step_is_a_gauss_newton_step_with_free_flux(rng):
    row, column, flux = 20, 21, 5000.0
    image, variance = field(rng, [(row + 0.35, column - 0.15, flux)])
    usable = rng.random(SHAPE) < 0.95
    nodes, radius = gaussian_nodes(33, 2, 1.4), 5
    up, across = along(33, 2, 0.1, radius), along(33, 2, -0.1, radius)
    slope_up, slope_across = along(33, 2, 0.1, radius, 1), along(33, 2, -0.1, radius, 1)
    laid = up @ nodes @ across.T
    by_y, by_x = -slope_up @ nodes @ across.T, -up @ nodes @ slope_across.T
    out = np.zeros(2)
    assert position_step(image, variance, usable, laid, by_y, by_x, row, column, flux, out)

    box = np.s_[row - radius : row + radius + 1, column - radius : column + radius + 1]
    seen = usable[box]
    sky = variance[box][seen].min()
    root = 1 / np.sqrt(sky + np.maximum(flux * laid[seen], 0))
    design = np.transpose([laid[seen], flux * by_y[seen], flux * by_x[seen]]) * root[:, None]
    left = (image[box][seen] - flux * laid[seen]) * root
    solved, *_ = np.linalg.lstsq(design, left, rcond=None)
    assert_allclose(out, solved[1:], rtol=1e-5)
    # Towards the star: it lies 0.25 px up and 0.05 px to the left of here.
    assert_allclose(out, [0.25, -0.05], atol=0.1)


def test_position_step_knows_when_pixels_do_not_determine_a_position(rng):
    image, variance = field(rng, [])
    laid = stamp(gaussian_nodes(33, 2, 1.4), 2, (0, 0), 3)
    out, nothing = np.zeros(2), np.zeros(SHAPE, dtype=bool)
    assert not position_step(image, variance, nothing, laid, laid, laid, 20, 20, 100.0, out)
    usable = ~nothing
    flat = np.ones_like(laid)  # both slopes alike: only their sum is known
    assert not position_step(image, variance, usable, laid, flat, flat, 20, 20, 100.0, out)


def fitted(image, variance, usable, guesses, **options) -> tuple[np.ndarray, np.ndarray]:
    given = {"steps": 10, "limit": 2.0, "share": 0.3, "subtract": False} | options
    places = np.hstack([guesses, guesses]).astype(float)
    fluxes = np.full((len(places), 2), 0.0)
    terms = np.ones((len(places), 1))
    nodes = gaussian_nodes(33, 2, 1.4)[None]
    settings = (given["steps"], given["limit"], given["share"], given["subtract"])
    fit_stars(image, variance, usable, nodes, terms, 2, 4, 7, *settings, places, fluxes)
    return places, fluxes


def test_fit_stars_reaches_scipys_least_squares_position(rng):
    truth = [(12.3, 10.8, 8000.0), (28.6, 33.2, 3000.0)]
    image, variance = field(rng, truth)
    usable = np.ones(SHAPE, dtype=bool)
    guesses = np.array([(12.6, 10.5), (28.3, 33.6)])
    places, fluxes = fitted(image, variance, usable, guesses)
    nodes = gaussian_nodes(33, 2, 1.4)
    for (y, x, true_flux), place, flux in zip(truth, places, fluxes, strict=True):
        row, column = round(y), round(x)
        box = np.s_[row - 4 : row + 5, column - 4 : column + 5]
        weights = 1 / np.sqrt(
            variance[box].min() + true_flux * stamp(nodes, 2, (y - row, x - column), 4)
        )

        def misfit(p, box=box, row=row, column=column, weights=weights):
            model = p[2] * stamp(nodes, 2, (p[0] - row, p[1] - column), 4)
            return ((image[box] - model) * weights).ravel()

        best = least_squares(misfit, [y, x, true_flux], x_scale=[1, 1, 1000])
        assert_allclose(place[:2], best.x[:2], atol=0.01)
        assert_allclose(place[:2], [y, x], atol=0.15)
        # At its position the flux is the unweighted least-squares one.
        p = stamp(nodes, 2, (place[0] - row, place[1] - column), 4)
        assert_allclose(flux[0], (p * image[box]).sum() / (p * p).sum(), rtol=1e-3)
        assert abs(flux[0] - true_flux) < 4 * flux[1]


def test_fit_stars_leaves_the_image_without_them(rng):
    truth = [(12.3, 10.8, 8000.0), (17.6, 14.9, 5000.0), (28.6, 33.2, 3000.0)]
    clean = field(np.random.default_rng(0), truth)[1] - 100
    image, variance = clean.copy(), clean + 100
    guesses = np.array([star[:2] for star in truth])
    usable = np.ones(SHAPE, dtype=bool)
    places = np.hstack([guesses, guesses])
    fluxes, nodes = np.zeros((3, 2)), gaussian_nodes(33, 2, 1.4)[None]
    for _ in range(12):  # each pass subtracts every star anew, with the others gone
        fit_stars(
            image,
            variance,
            usable,
            nodes,
            np.ones((3, 1)),
            2,
            4,
            9,
            2,
            2.0,
            0.3,
            True,
            places,
            fluxes,
        )
    assert_allclose(fluxes[:, 0], [star[2] for star in truth], rtol=1e-3)
    assert_allclose(places[:, :2], guesses, atol=2e-3)
    assert np.abs(image).max() < 1e-3 * clean.max()


def test_fit_stars_resets_what_runs_away_and_skips_what_is_unknown(rng):
    image, variance = field(rng, [(20.0, 20.0, 9000.0)])
    usable = np.ones(SHAPE, dtype=bool)
    guesses = np.array([(20.0, 22.2), (np.nan, 5.0), (30.0, 30.0)])
    usable[26:35, 26:35] = False
    places, fluxes = fitted(image, variance, usable, guesses, limit=0.5)
    assert places[0, :2].tolist() == [20.0, 22.2]
    assert np.isfinite(fluxes[0]).all()
    assert np.isnan(fluxes[1]).all()
    assert np.isnan(fluxes[2]).all()
    assert places[2, :2].tolist() == [30.0, 30.0]


def test_fit_stars_keeps_positions_without_steps(rng):
    image, variance = field(rng, [(20.3, 20.1, 9000.0)])
    before = image.copy()
    guesses = np.array([(20.0, 20.4)])
    places, fluxes = fitted(image, variance, np.ones(SHAPE, bool), guesses, steps=0)
    p = stamp(gaussian_nodes(33, 2, 1.4), 2, (0.0, 0.4), 4)
    assert places[0, :2].tolist() == [20.0, 20.4]
    assert_allclose(fluxes[0, 0], (p * image[16:25, 16:25]).sum() / (p * p).sum(), rtol=1e-5)
    assert_array_equal(image, before)
