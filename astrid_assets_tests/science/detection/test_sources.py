"""Detection on simulated pairs: what is found, what is kept, what is thrown away."""

from __future__ import annotations

import functools
from dataclasses import replace

import numpy as np
import pytest

from astrid_assets.science.detection.apertures import aperture_fluxes
from astrid_assets.science.detection.candidate import RejectReason, reason_names
from astrid_assets.science.detection.measurements import MEASUREMENTS
from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected, ShapeMismatch
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.simulation.pair import simulate_pair

SETTINGS = DetectionSettings()
SHAPE = (448, 448)


@functools.cache
def pair_of(seed=1, **options):
    return simulate_pair(seed, SHAPE, **options)


@functools.cache
def blank_pair(seed=1):
    return pair_of(seed, n_transients=0)


def candidates_of(science, reference, settings=SETTINGS):
    return detect(subtract(science, reference, DifferencingSettings()), science, settings)


def near(candidates, x, y, radius=2.0):
    return [c for c in candidates if np.hypot(c.x - x, c.y - y) < radius]


def stamp(fwhm, n=41, elongation=1.0):
    r = np.arange(n) - n // 2
    x, y = np.meshgrid(r, r)
    s = fwhm / 2.3548
    g = np.exp(-0.5 * ((x / (s * elongation)) ** 2 + (y / s) ** 2))
    return g / g.sum()


def quiet_place(pair, margin=40, away=30):
    """A place far from every star that is bright enough to matter."""
    bright = pair.stars_flux_e > 1000
    for y in range(margin, SHAPE[0] - margin, 7):
        for x in range(margin, SHAPE[1] - margin, 7):
            d = np.hypot(pair.stars_x[bright] - x, pair.stars_y[bright] - y)
            if d.min() > away:
                return x, y
    raise AssertionError("no quiet place in this field")


def with_stamp(frame, light, x, y):
    h = light.shape[0] // 2
    data = frame.data.copy()
    data[y - h : y + h + 1, x - h : x + h + 1] += light
    return replace(frame, data=data)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"science_fwhm_px": 2.6, "reference_fwhm_px": 3.4, "shift_px": (3.3, -1.6)},
        {"reference_exposures": 1, "shift_px": (0.5, 0.5)},
        {"stars_per_mpx": 10000.0},
        {"jitter_px": 0.08, "negative_fraction": 0.5},
        {"psf_variation": 0.08, "flux_ratio": 0.6},
    ],
)
def test_sources_of_ten_sigma_are_kept_where_they_are(options):
    found = total = false = 0
    offsets, ratios = [], []
    for seed in (2, 3):
        pair = pair_of(seed, snr_range=(10, 60), **options)
        candidates = candidates_of(pair.science, pair.reference)
        kept = [c for c in candidates if c.is_kept]
        for t in pair.transients:
            hits = near(kept, t.x, t.y)
            total += 1
            found += bool(hits)
            if hits:
                offsets.append(np.hypot(hits[0].x - t.x, hits[0].y - t.y))
                ratios.append(hits[0].flux_e / t.flux_e)
        far = [c for c in kept if not any(near([c], t.x, t.y, 8) for t in pair.transients)]
        false += len(far)
    assert found / total >= 0.95
    assert np.median(offsets) < 0.15
    assert np.mean(ratios) == pytest.approx(1, abs=0.03)
    assert false <= 2


@pytest.mark.slow
def test_faint_sources_are_not_thrown_away_by_noise():
    listed = kept = 0
    for seed in range(4, 8):
        pair = pair_of(seed, snr_range=(5.5, 8))
        candidates = candidates_of(pair.science, pair.reference)
        hits = [near(candidates, t.x, t.y) for t in pair.transients]
        listed += sum(bool(h) for h in hits)
        kept += sum(h[0].is_kept for h in hits if h)
    assert listed > 80
    assert kept / listed > 0.97


@pytest.mark.slow
def test_a_faded_source_is_negative():
    pair = pair_of(3, snr_range=(10, 60), negative_fraction=1.0)
    kept = [c for c in candidates_of(pair.science, pair.reference) if c.is_kept]
    assert len(kept) >= 24
    assert all(c.sign == -1 and c.flux_e < 0 and c.score < 0 for c in kept)


@pytest.mark.slow
def test_candidates_come_in_order_and_with_their_place_on_the_sky():
    pair = pair_of(2, snr_range=(10, 60))
    candidates = candidates_of(pair.science, pair.reference)
    heights = [abs(c.score) for c in candidates]
    assert heights == sorted(heights, reverse=True)
    best = candidates[0]
    truth = min(pair.transients, key=lambda t: np.hypot(t.x - best.x, t.y - best.y))
    assert best.ra_deg == pytest.approx(truth.ra_deg, abs=0.2 / 3600)
    assert best.dec_deg == pytest.approx(truth.dec_deg, abs=0.2 / 3600)
    assert best.mag == pytest.approx(25 - 2.5 * np.log10(truth.flux_e), abs=0.1)
    assert best.mag_err == pytest.approx(1.0857 / best.score, rel=0.01)
    assert best.fwhm_px == pytest.approx(3.6, abs=0.7)
    assert best.elongation is not None
    assert best.elongation < 1.3


@pytest.mark.slow
def test_magnitudes_need_a_zero_point():
    pair = pair_of(2, snr_range=(10, 60))
    science = replace(pair.science, zero_point_mag=None)
    candidates = candidates_of(science, pair.reference)
    assert candidates[0].mag is None
    assert candidates[0].mag_err is None


@pytest.mark.slow
def test_blank_sky_has_hardly_a_candidate_and_a_higher_threshold_none():
    pair = blank_pair()
    candidates = candidates_of(pair.science, pair.reference)
    assert sum(c.is_kept for c in candidates) <= 1
    high = DetectionSettings(threshold_sigma=20)
    assert not [c for c in candidates_of(pair.science, pair.reference, high) if c.is_kept]


@pytest.mark.slow
@pytest.mark.parametrize("pixels", [[(0, 0)], [(0, 0), (0, 1)], [(0, 0), (1, 1)]])
def test_a_cosmic_ray_no_one_marked_is_rejected(pixels):
    pair = blank_pair()
    x, y = quiet_place(pair)
    data = pair.science.data.copy()
    for dy, dx in pixels:
        data[y + dy, x + dx] += 900
    hits = near(candidates_of(replace(pair.science, data=data), pair.reference), x, y)
    assert hits[0].score > 5
    assert hits[0].reasons & RejectReason.COSMIC_RAY


@pytest.mark.slow
def test_a_hot_pixel_of_the_reference_is_rejected():
    pair = blank_pair()
    x, y = quiet_place(pair)
    data = pair.reference.data.copy()
    data[y, x] += 900
    hits = near(candidates_of(pair.science, replace(pair.reference, data=data)), x, y)
    assert hits[0].sign == -1
    assert not hits[0].is_kept


@pytest.mark.slow
@pytest.mark.parametrize("light", [stamp(9.0), stamp(3.2, elongation=6.0)])
def test_what_is_no_point_source_is_rejected(light):
    pair = blank_pair()
    x, y = quiet_place(pair)
    hits = near(
        candidates_of(with_stamp(pair.science, 30000 * light, x, y), pair.reference),
        x,
        y,
        4.0,
    )
    assert hits
    assert hits[0].reasons & (RejectReason.SHAPE | RejectReason.BAD_FIT)


@pytest.mark.slow
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"science_fwhm_px": 2.6, "reference_fwhm_px": 3.4, "shift_px": (3.3, -1.6)},
        {"flux_ratio": 0.6, "negative_fraction": 0.5},
    ],
)
def test_the_aperture_flux_of_a_point_source_is_its_flux(options):
    """And its errors are right: 68 % lie within them, whichever the sign."""
    pulls, ratios = [], []
    for seed in range(2, 8):
        pair = pair_of(seed, snr_range=(10, 100), **options)
        candidates = candidates_of(pair.science, pair.reference)
        for t in pair.transients:
            for hit in near(candidates, t.x, t.y)[:1]:
                assert hit.aperture_flux_e is not None
                assert hit.aperture_flux_err_e is not None
                pulls.append((hit.aperture_flux_e - t.flux_e) / hit.aperture_flux_err_e)
                ratios.append(hit.aperture_flux_e / t.flux_e)
    assert len(pulls) > 130
    assert np.median(ratios) == pytest.approx(1, abs=0.01)
    assert np.mean(np.abs(pulls) < 1) == pytest.approx(0.683, abs=0.08)


@pytest.mark.slow
@pytest.mark.parametrize("fwhm_px", [3.2, 5.0])
def test_the_aperture_flux_does_not_depend_on_the_shape(fwhm_px):
    """The PSF flux of what is sharper or wider than the PSF is wrong."""
    pair = blank_pair()
    x, y = quiet_place(pair)
    science = with_stamp(pair.science, 30000 * stamp(fwhm_px), x, y)
    hit = near(candidates_of(science, pair.reference), x, y)[0]
    assert hit.aperture_flux_e == pytest.approx(30000, rel=0.06)
    assert hit.flux_e != pytest.approx(30000, rel=0.2)


@pytest.mark.slow
def test_masked_pixels_do_not_bias_the_aperture_flux():
    pair = blank_pair()
    x, y = quiet_place(pair)
    science = with_stamp(pair.science, 30000 * stamp(3.2), x, y)
    mask = science.mask.copy()
    mask[y + 2 : y + 5, x - 6 : x + 7] |= np.uint16(MaskBit.BAD)
    struck = replace(science, mask=mask)
    hit = near(candidates_of(struck, pair.reference), x, y, 4.0)[0]
    assert hit.aperture_flux_e == pytest.approx(30000, rel=0.05)


def test_aperture_fluxes_are_sums_over_the_light_that_they_hold():
    r = np.hypot(*np.mgrid[-10:11, -10:11])[None]
    model = stamp(4.0, 21)[None]
    everywhere = np.ones(r.shape, bool)
    half = np.broadcast_to(np.mgrid[-10:11, -10:11][0] >= 0, r.shape)
    less = np.broadcast_to(np.mgrid[-10:11, -10:11][0] >= 1, r.shape)
    for usable, pixels in ((everywhere, np.pi * 6**2), (half, np.pi * 18 + 6)):
        flux, error = aperture_fluxes(500 * model, model, usable, r, np.full(r.shape, 3.0), 4.0)
        assert flux == pytest.approx(500)
        share = (model * usable * (r <= 6)).sum()
        assert error == pytest.approx(3 * np.sqrt(pixels) / share, rel=0.05)
    flux, _ = aperture_fluxes(model, model, less, r, np.ones(r.shape), 4.0)
    assert np.isnan(flux)


@pytest.mark.slow
def test_a_star_that_moved_is_a_dipole():
    pair = blank_pair()
    x, y = quiet_place(pair)
    light = 8000 * stamp(3.2)
    science = with_stamp(pair.science, light, x + 1, y)
    reference = with_stamp(pair.reference, light, x - 1, y)
    hits = near(candidates_of(science, reference), x, y, 5.0)
    assert {c.sign for c in hits} == {1, -1}
    assert all(c.reasons & RejectReason.DIPOLE for c in hits)


@pytest.mark.slow
def test_a_hole_of_the_reference_is_no_source():
    pair = blank_pair()
    x, y = quiet_place(pair)
    reference = with_stamp(pair.reference, -4000 * stamp(2.7), x, y)
    hits = near(candidates_of(pair.science, reference), x, y)
    assert hits[0].sign == 1
    assert hits[0].reasons & RejectReason.REFERENCE_HOLE


@pytest.mark.slow
@pytest.mark.parametrize(
    ("bit", "reason"),
    [
        (MaskBit.HALO, RejectReason.HALO),
        (MaskBit.TRAIL, RejectReason.TRAIL),
        (MaskBit.BAD, RejectReason.MASKED),
    ],
)
def test_what_lies_in_or_beside_a_mask_is_rejected(bit, reason):
    pair = blank_pair()
    x, y = quiet_place(pair)
    bright = with_stamp(pair.science, 6000 * stamp(3.2), x, y)
    mask = bright.mask.copy()
    if bit == MaskBit.HALO:
        mask[y - 9 : y + 10, x - 9 : x + 10] |= np.uint16(bit)
    else:
        mask[y + 2, x - 15 : x + 16] |= np.uint16(bit)
        mask[y + 3, x - 15 : x + 16] |= np.uint16(bit)
    hits = near(candidates_of(replace(bright, mask=mask), pair.reference), x, y, 4.0)
    assert hits[0].reasons & reason
    assert hits[0].mask_bits & bit


@pytest.mark.slow
def test_what_is_cut_by_the_frame_is_rejected():
    pair = blank_pair()
    data = pair.science.data.copy()
    data[200:241, :22] += (6000 * stamp(3.2))[:, 19:].astype(np.float32)
    hits = near(candidates_of(replace(pair.science, data=data), pair.reference), 1, 220, 3.0)
    assert hits[0].reasons & RejectReason.EDGE


@pytest.mark.slow
def test_a_frame_of_another_shape_or_without_psf_is_refused():
    pair = blank_pair()
    difference = subtract(pair.science, pair.reference, DifferencingSettings())
    with pytest.raises(FrameRejected):
        detect(difference, replace(pair.science, psf=None), SETTINGS)
    small = replace(pair.science, data=pair.science.data[:100])
    with pytest.raises(ShapeMismatch):
        detect(difference, small, SETTINGS)


def test_reasons_have_names():
    assert reason_names(int(RejectReason.DIPOLE | RejectReason.HALO)) == ["dipole", "halo"]
    assert reason_names(0) == []


@pytest.mark.slow
def test_a_lit_pixel_is_a_cosmic_ray_though_the_difference_smears_it():
    # A softer reference of the same depth: the filter of D is wider than a pixel.
    pair = pair_of(
        3, n_transients=0, science_fwhm_px=2.0, reference_fwhm_px=2.6, reference_exposures=1
    )
    x, y = quiet_place(pair)
    hit = np.zeros((3, 3))
    hit[1, 1], hit[1, 2] = 450.0, 130.0
    struck = with_stamp(pair.science, hit, x, y)
    (candidate,) = near(candidates_of(struck, pair.reference), x, y)
    assert candidate.reasons & RejectReason.COSMIC_RAY


@pytest.mark.slow
def test_a_hit_on_four_pixels_is_no_star_where_stars_are_as_sharp():
    pair = pair_of(3, n_transients=0, science_fwhm_px=1.9, reference_fwhm_px=2.2)
    x, y = quiet_place(pair)
    hit = np.zeros((5, 5))
    hit[2:4, 2:4] = [[160.0, 130.0], [280.0, 95.0]]
    (candidate,) = near(candidates_of(with_stamp(pair.science, hit, x, y), pair.reference), x, y)
    assert candidate.reasons & RejectReason.COSMIC_RAY
    star = with_stamp(pair.science, 1200 * stamp(1.9), x, y)
    (source,) = near(candidates_of(star, pair.reference), x, y)
    assert source.is_kept
    assert source.score == pytest.approx(candidate.score, rel=0.5)


@pytest.mark.slow
def test_a_track_beside_a_star_is_seen_on_the_frame_itself():
    """Where the noise of D is large, the frame less the reference tells more."""
    pair = blank_pair()
    star = np.argsort(-pair.stars_flux_e * (pair.stars_flux_e < 8e4))
    inside = [i for i in star if 60 < pair.stars_x[i] < 388 and 60 < pair.stars_y[i] < 388]
    x, y = round(float(pair.stars_x[inside[0]])) + 6, round(float(pair.stars_y[inside[0]]))
    track = np.pad(np.full((7, 1), 110.0), ((0, 0), (3, 3)))
    found = candidates_of(with_stamp(pair.science, track, x, y), pair.reference)
    hits = near(found, x, y, 6)
    assert hits
    assert not any(candidate.is_kept for candidate in hits)


@pytest.mark.slow
def test_many_good_candidates_in_one_place_are_an_artefact():
    pair = pair_of(3, n_transients=0)
    x, y = quiet_place(pair, margin=80, away=40)
    science = pair.science
    for dx, dy in [(-16, 0), (16, 0), (0, 16), (0, -16), (0, 0), (16, 16), (-16, 16)]:
        light = 2500 * stamp(3.3, 21)
        science = with_stamp(science, light, x + dx, y + dy)
    found = candidates_of(science, pair.reference)
    crowd = [c for c in near(found, x, y, 24) if abs(c.score) > 8]
    assert len(crowd) == 7
    assert any(c.reasons & RejectReason.OVERDENSITY for c in crowd)
    few = candidates_of(science, pair.reference, DetectionSettings(overdensity_count=12))
    assert not any(c.reasons & RejectReason.OVERDENSITY for c in few)


def measured(candidate, name):
    return candidate.measurements[list(MEASUREMENTS).index(name)]


@pytest.mark.slow
def test_measurements_say_what_is_there():
    pair = pair_of(2, snr_range=(20, 60))
    candidates = candidates_of(pair.science, pair.reference)
    stars = [hits[0] for t in pair.transients if (hits := near(candidates, t.x, t.y))]
    for name, truth, error in (
        ("size_ratio", 1, 0.05),
        ("aperture_ratio", 1, 0.05),
        ("frame_chi2", 1, 0.3),
        ("psf_ratio", 1, 0.2),
    ):
        found = np.nanmedian([measured(star, name) for star in stars])
        assert found == pytest.approx(truth, abs=error), name
    for star in stars:
        assert measured(star, "significance") == pytest.approx(np.log(abs(star.score)), abs=1e-5)
        edge = min(star.x, star.y, SHAPE[1] - 1 - star.x, SHAPE[0] - 1 - star.y)
        assert measured(star, "edge") == pytest.approx(
            min(edge / measured(star, "fwhm_px"), 30), rel=1e-4
        )
    assert np.median([measured(star, "opposite_near") for star in stars]) < 0.2
    assert np.median([measured(star, "sharp_gain") for star in stars]) < 0

    blank = blank_pair()
    x, y = quiet_place(blank)
    light = 8000 * stamp(3.2)
    science = with_stamp(blank.science, light, x + 1, y)
    (rise, *_) = [
        c
        for c in near(candidates_of(science, with_stamp(blank.reference, light, x - 1, y)), x, y, 5)
        if c.sign > 0
    ]
    # Equal lights of both signs, two pixels apart.
    assert measured(rise, "opposite_near") == pytest.approx(1, abs=0.3)
    data = blank.science.data.copy()
    data[y, x] += 900
    (hit, *_) = near(candidates_of(replace(blank.science, data=data), blank.reference), x, y)
    assert measured(hit, "sharp_gain") > 9
