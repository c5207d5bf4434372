"""The chain of one frame against the simulation's truth."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from scipy.spatial import KDTree

from astrid_assets.science.astrometry.wcs_tools import moved
from astrid_assets.science.calibration.masters import Masters, make_master
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.frame import Frame
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.processing.anchor import (
    NO_ANCHOR,
    anchor_from_frame,
    anchor_rank,
    make_anchor,
)
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.science.simulation.detector import calibration_adu
from astrid_assets.science.simulation.exposure import expose
from astrid_assets.science.simulation.scene import SimulationPlan
from astrid_assets.science.stars.measurement import select
from astrid_assets_tests.science.star_fields import raw_frame, star_field, tangent_wcs

SETTINGS = ProcessingSettings()
PLAN = SimulationPlan(
    scene_name="wide", seed=3, shape=(448, 448), frames_per_night=3, first_mjd=60735.0
)
HEADER_ERROR_PX = np.array([3.0, -2.0])


@pytest.fixture(scope="module")
def masters() -> Masters:
    gain = np.float32(PLAN.scene.gain_e_per_adu)

    def frames(kind):
        return [calibration_adu(PLAN, kind, k) * gain for k in range(5)]

    time = PLAN.scene.exposure_s
    bias = make_master(frames("bias"), "bias").image
    dark = make_master(frames("dark"), "dark", bias=bias, exposures_s=[time] * 5).image
    return Masters(bias=bias, dark=dark, flat=make_master(frames("flat"), "flat", bias=bias).image)


def light(night, index):
    """Return truth and raw frame; the header's WCS is off by a few pixels."""
    scene, exposure = PLAN.scene, expose(PLAN, night, index)
    data = exposure.adu.astype(np.float32) * np.float32(scene.gain_e_per_adu)
    wrong = moved(exposure.truth.wcs, np.eye(2), HEADER_ERROR_PX)
    frame = Frame(
        frame_id=f"{night}.{index}",
        data=data,
        mask=np.zeros(PLAN.shape, np.uint16),
        wcs=wrong if (night, index) != (0, 0) else exposure.truth.wcs,
        observed_mjd=60735.0 + night,
        exposure_s=scene.exposure_s,
        band="r",
        gain_e_per_adu=scene.gain_e_per_adu,
        read_noise_e=scene.read_noise_e,
        saturation_e=0.95 * scene.full_well_e,
    )
    return exposure.truth, frame


@pytest.fixture(scope="module")
def first(masters):
    truth, frame = light(0, 0)
    return truth, measure_frame(frame, masters, SETTINGS)


@pytest.fixture(scope="module")
def second(masters, first):
    truth, frame = light(1, 1)
    anchor = make_anchor(first[1], SETTINGS)
    return truth, solve_frame(measure_frame(frame, masters, SETTINGS), anchor, SETTINGS)


@pytest.mark.slow
def test_the_noise_is_that_of_the_detector_and_the_sky(first):
    truth, measured = first
    assert measured.sky_rms_e == pytest.approx(truth.sky_sigma_e, rel=0.05)


def test_variance_explains_the_scatter_about_the_true_scene(first):
    truth, measured = first
    frame = measured.frame
    assert frame.variance is not None
    assert frame.variance.min() > 0
    good = (frame.mask == 0) & (truth.mask == 0)
    pull = ((frame.data - truth.clean_e) / np.sqrt(frame.variance))[good]
    assert np.median(pull) == pytest.approx(0, abs=0.1)
    low, high = np.percentile(pull, [16, 84])
    assert (high - low) / 2 == pytest.approx(1, abs=0.05)


def test_the_psf_is_as_wide_as_the_true_one(first):
    truth, measured = first
    assert measured.fwhm_px == pytest.approx(truth.psf.fwhm_px, rel=0.08)


def test_saturated_pixels_are_known(first):
    truth, measured = first
    full = (truth.mask & MaskBit.SATURATED) != 0
    assert full.any()
    assert ((measured.frame.mask[full] & MaskBit.SATURATED) != 0).mean() > 0.98


def test_a_good_frame_is_accepted_and_placed_within_a_twentieth_of_a_pixel(second):
    truth, processed = second
    assert processed.reasons == ()
    assert processed.is_accepted
    x, y = truth.stars_x[:100], truth.stars_y[:100]
    ra, dec = truth.wcs.all_pix2world(x, y, 0)
    found = processed.frame.wcs.all_world2pix(ra, dec, 0)
    assert np.median(found[0] - x) == pytest.approx(0, abs=0.05)
    assert np.median(found[1] - y) == pytest.approx(0, abs=0.05)


def test_bright_stars_scatter_by_less_than_a_twentieth_of_a_pixel(second):
    residuals = second[1].solution.residuals
    assert residuals.used.sum() > 15
    assert residuals.snr[residuals.used].min() > 50
    assert max(residuals.rms_px) < 0.05
    assert max(residuals.rms_mas) < 50 * PLAN.scene.pixel_scale_arcsec
    grid = residuals.grid(PLAN.shape)
    assert np.nanmax(np.abs(grid[..., :2])) < 0.3
    assert second[1].solution.offset_px == pytest.approx(np.hypot(3, 2), abs=0.1)


def test_magnitudes_follow_the_clouds(first, second):
    (truth0, _), (truth, processed) = first, second
    expected = truth.zero_point_mag - truth0.zero_point_mag
    found = processed.zero_point
    assert processed.frame.zero_point_mag == found.mag
    assert found.mag - 25 == pytest.approx(expected, abs=0.01)
    assert found.mag - 25 == pytest.approx(expected, abs=4 * found.error_mag)
    assert not found.field.is_uneven
    ratio = truth.transparency / truth0.transparency
    assert processed.quality.transparency == pytest.approx(ratio, rel=0.03)


def test_star_fluxes_are_those_of_the_sky(second):
    truth, processed = second
    stars = processed.stars
    points = np.column_stack([stars.x, stars.y])
    there = np.column_stack([truth.stars_x, truth.stars_y])
    distance, index = (np.asarray(found) for found in KDTree(points).query(there))
    ok = (distance < 0.7) & (stars.flag[index] == 0) & (truth.stars_flux_e > 5000)
    assert ok.sum() > 20
    ratio = stars.flux[index[ok]] / truth.stars_flux_e[ok]
    assert np.median(ratio) == pytest.approx(1, abs=0.04)


def test_quality_is_complete_and_high_for_a_good_frame(second):
    _, processed = second
    quality = processed.quality
    assert all(value is not None for value in vars(quality).values())
    assert 0.7 < quality.quality_score <= 1
    assert quality.area_deg2 < (448 * PLAN.scene.pixel_scale_arcsec / 3600) ** 2


def test_an_anchor_comes_back_from_its_stored_frame(masters, first):
    measured = first[1]
    anchor = make_anchor(measured, SETTINGS)
    itself = solve_frame(measured, anchor, SETTINGS)
    assert itself.quality.transparency == pytest.approx(1, abs=1e-6)
    again = anchor_from_frame(itself.frame, itself.stars, is_local=False)
    assert again.zero_point_mag == pytest.approx(anchor.zero_point_mag, abs=1e-9)
    assert again.fwhm_px == anchor.fwhm_px
    assert solve_frame(measured, again, SETTINGS).is_accepted


@pytest.mark.slow
def test_processing_twice_gives_the_same_bytes(masters):
    _, frame = light(1, 0)
    one, two = (measure_frame(frame, masters, SETTINGS) for _ in range(2))
    assert one.frame.data.tobytes() == two.frame.data.tobytes()
    assert one.frame.mask.tobytes() == two.frame.mask.tobytes()
    assert one.frame.psf is not None
    assert two.frame.psf is not None
    assert one.frame.psf.coefficients.tobytes() == two.frame.psf.coefficients.tobytes()
    assert one.stars.flux.tobytes() == two.stars.flux.tobytes()


@pytest.mark.slow
def test_measuring_leaves_its_argument_alone(masters):
    _, frame = light(1, 0)
    data, mask = frame.data.copy(), frame.mask.copy()
    measure_frame(frame, masters, SETTINGS)
    assert np.array_equal(frame.data, data)
    assert np.array_equal(frame.mask, mask)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("night", "index", "code"), [(4, 1, "defocused"), (8, 0, "elongated_stars")]
)
def test_a_spoilt_frame_is_rejected_for_what_spoilt_it(masters, first, night, index, code):
    truth, frame = light(night, index)
    assert truth.conditions.mishap != ""
    anchor = make_anchor(first[1], SETTINGS)
    found = solve_frame(measure_frame(frame, masters, SETTINGS), anchor, SETTINGS)
    assert code in [reason.code for reason in found.reasons]


@pytest.mark.slow
def test_a_frame_without_header_wcs_is_placed_by_its_stars(masters, first):
    truth, frame = light(2, 0)
    settings = SETTINGS.model_copy(update={"wcs": "stars"})
    anchor = make_anchor(first[1], SETTINGS)
    measured = measure_frame(replace(frame, wcs=None), masters, settings)
    found = solve_frame(measured, anchor, settings)
    assert found.is_accepted
    ra, dec = truth.wcs.all_pix2world(200.0, 200.0, 0)
    assert found.frame.wcs is not None
    there = np.array(found.frame.wcs.all_world2pix(ra, dec, 0))
    assert np.abs(there - 200).max() < 0.1


def test_patchy_clouds_are_flagged(masters, first):
    measured = first[1]
    anchor = make_anchor(measured, SETTINGS)
    stars = measured.stars
    dimmed = replace(stars, flux=stars.flux * (1 - 0.2 * stars.x / PLAN.shape[1]))
    found = solve_frame(replace(measured, stars=dimmed), anchor, SETTINGS)
    assert [flag.code for flag in found.flags] == ["patchy_clouds"]
    assert found.is_accepted


def test_a_frame_at_the_edge_of_its_field_shows_another_one(masters, first):
    measured = first[1]
    anchor = make_anchor(measured, SETTINGS)
    ny, nx = PLAN.shape
    shifted = replace(measured.stars, x=measured.stars.x + 0.6 * nx, y=measured.stars.y + 0.4 * ny)
    seen = (shifted.x < nx) & (shifted.y < ny)
    elsewhere = replace(measured, stars=select(shifted, seen))
    found = solve_frame(elsewhere, anchor, SETTINGS)
    assert [reason.code for reason in found.reasons] == ["wrong_field"]
    assert "24%" in found.reasons[0].message
    assert found.frame.wcs is None
    lenient = SETTINGS.model_copy(update={"min_overlap": 0.1})
    assert solve_frame(elsewhere, anchor, lenient).frame.wcs is not None


@pytest.mark.slow
def test_without_any_wcs_the_anchor_is_local_and_defines_the_sky(rng):
    field = star_field(rng, 80)
    measured = measure_frame(raw_frame(field.image), None, SETTINGS)
    anchor = make_anchor(measured, SETTINGS)
    assert anchor.is_local
    assert np.isfinite(anchor.stars.ra_deg).all()
    assert solve_frame(measured, anchor, SETTINGS).is_accepted


@pytest.mark.slow
def test_frames_with_a_wcs_and_many_sharp_stars_make_the_anchor(rng):
    wcs = tangent_wcs((384, 384))
    sharp = star_field(rng, 80, fwhm_px=2.6).image
    good = measure_frame(raw_frame(sharp, wcs), None, SETTINGS)
    blurred = measure_frame(raw_frame(star_field(rng, 80, fwhm_px=6).image, wcs), None, SETTINGS)
    lost = measure_frame(raw_frame(sharp), None, SETTINGS)
    assert anchor_rank(good) > anchor_rank(blurred) > anchor_rank(lost) > NO_ANCHOR


@pytest.mark.slow
def test_a_bad_frame_is_no_anchor(rng):
    trailed = star_field(rng, 60, elongation=2.5)
    measured = measure_frame(raw_frame(trailed.image), None, SETTINGS)
    assert [r.code for r in measured.reasons] == ["elongated_stars"]
    assert anchor_rank(measured) == NO_ANCHOR
    with pytest.raises(FrameRejected):
        make_anchor(measured, SETTINGS)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (lambda image, rng: np.full_like(image, np.nan), "missing_data"),
        (lambda image, rng: np.zeros_like(image), "constant"),
        (lambda image, rng: image * 0 + rng.normal(0, 9, image.shape), "too_few_stars"),
        (lambda image, rng: image + rng.normal(0, 50, image.shape[1]), "line_noise"),
    ],
)
def test_hopeless_frames_are_rejected_with_their_cause(rng, spoil, code):
    image = spoil(star_field(rng, 60).image, rng).astype(np.float32)
    with pytest.raises(FrameRejected) as caught:
        measure_frame(raw_frame(image), None, SETTINGS)
    assert caught.value.code == code
    assert str(caught.value)


def test_a_sky_near_saturation_is_called_bright(rng):
    image = star_field(rng, 60, sky_e=50_000).image
    frame = replace(raw_frame(image), saturation_e=65_000.0)
    with pytest.raises(FrameRejected) as caught:
        measure_frame(frame, None, SETTINGS)
    assert caught.value.code == "sky_near_saturation"
