"""Two real fields: a sparse one with bad frames, a crowded one without a WCS."""

from __future__ import annotations

import csv
import warnings

import numpy as np
import pytest
from astropy.time import Time
from astropy.wcs import WCS

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.frame import Frame
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.processing.anchor import Anchor, anchor_rank, make_anchor
from astrid_assets.science.processing.measuring import MeasuredFrame, measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.reference.stacking import build_reference
from astrid_assets.science.settings import ProcessingSettings, ReferenceSettings
from astrid_assets_tests.science.real_images import first_image

KINDS = {  # what the eye saw → codes that say the same
    "readout_failure": {"line_noise", "noise_wave", "noise_ripple"},
    "wrong_field": {"wrong_field"},
    "defocused": {"defocused"},
    "no_stars": {"too_few_stars"},
    "elongated_stars": {"elongated_stars"},
    "trailed": {"elongated_stars"},
    "bright_sky_part_missing": {
        "line_noise",
        "noise_wave",
        "noise_ripple",
        "sky_near_saturation",
        "missing_data",
    },
    "pickup_noise_pattern": {"line_noise", "noise_wave", "noise_ripple"},
    "poor_seeing": {"poor_seeing"},
    "low_transparency": {"low_transparency"},
}


def read(path, *, gain=1.0, saturation_e=float("inf"), wcs=True) -> Frame:
    with warnings.catch_warnings():
        # Headers of these sets hold cards that strict readers complain about.
        warnings.simplefilter("ignore")
        image, header = first_image(path)
        data = image.astype(np.float32) * np.float32(gain)
        solution = WCS(header) if wcs else None
    exposure_s = header["EXPTIME"]
    assert isinstance(exposure_s, (int, float))
    return Frame(
        frame_id=path.name,
        data=data,
        mask=np.zeros(data.shape, np.uint16),
        wcs=solution,
        observed_mjd=float(np.asarray(Time(header["DATE-OBS"]).to_value("mjd"))),
        exposure_s=float(exposure_s),
        band="x",
        saturation_e=saturation_e,
    )


def table(folder):
    with (folder / "frames.csv").open() as lines:
        return list(csv.DictReader(lines))


@pytest.fixture(scope="module")
def kmtnet(shared_data):
    """Every frame of the series, measured and solved as a survey would."""
    folder, settings = shared_data / "kmtnet_supernova", ProcessingSettings()
    rows = table(folder)
    measured = {}
    for row in rows:
        try:
            measured[row["file"]] = measure_frame(read(folder / row["file"]), None, settings)
        except FrameRejected as error:
            measured[row["file"]] = error
    night = min(row["utc_date"] for row in rows)
    candidates = [
        row["file"]
        for row in rows
        if row["utc_date"] == night and not isinstance(measured[row["file"]], FrameRejected)
    ]
    best = max(candidates, key=lambda file: anchor_rank(measured[file]))
    anchor = make_anchor(measured[best], settings)
    found = {
        file: m if isinstance(m, FrameRejected) else solve_frame(m, anchor, settings)
        for file, m in measured.items()
    }
    return rows, found, best


@pytest.mark.data
@pytest.mark.slow
def test_every_good_sparse_frame_is_accepted(kmtnet):
    rows, found, _ = kmtnet
    lost = {
        row["file"]: str(found[row["file"]])
        for row in rows
        if row["visual_tag"] == "good"
        and (isinstance(found[row["file"]], FrameRejected) or not found[row["file"]].is_accepted)
    }
    assert lost == {}
    assert sum(row["visual_tag"] == "good" for row in rows) == 23


@pytest.mark.data
@pytest.mark.slow
def test_every_bad_frame_is_rejected_or_flagged_for_the_right_reason(kmtnet):
    rows, found, _ = kmtnet
    rejected = 0
    for row in rows:
        if row["visual_tag"] == "good":
            continue
        result = found[row["file"]]
        if isinstance(result, FrameRejected):
            codes, is_rejected = {result.code}, True
        else:
            codes = {r.code for r in (*result.reasons, *result.flags)}
            is_rejected = not result.is_accepted
        assert codes & KINDS[row["visual_tag"]], (row["file"], codes)
        rejected += is_rejected
    assert rejected >= 11


@pytest.mark.data
@pytest.mark.slow
def test_the_anchor_is_a_reference_frame_of_the_first_night(kmtnet):
    assert kmtnet[2].startswith("reference/kmtnet_20150920")


@pytest.mark.data
@pytest.mark.slow
def test_good_sparse_frames_agree_on_the_sky(kmtnet):
    rows, found, _ = kmtnet
    for row in rows:
        if row["visual_tag"] == "good":
            frame = found[row["file"]].frame
            x, y = frame.wcs.all_world2pix(14.263292, -37.039889, 0)
            assert x == pytest.approx(float(row["sn_x0"]), abs=0.6)
            assert y == pytest.approx(float(row["sn_y0"]), abs=0.6)
            assert found[row["file"]].quality.astrometric_rms_px < 0.4


@pytest.mark.data
@pytest.mark.slow
def test_frames_of_another_field_are_rejected_for_that(kmtnet):
    rows, found, _ = kmtnet
    elsewhere = [r["file"] for r in rows if r["visual_tag"] == "wrong_field"]
    assert len(elsewhere) == 2
    for file in elsewhere:
        assert [reason.code for reason in found[file].reasons] == ["wrong_field"]
        assert found[file].frame.wcs is None


@pytest.fixture(scope="module")
def saao(shared_data):
    """The crowded series without a WCS, solved against its earliest good frame."""
    folder = shared_data / "saao_microlensing"
    settings = ProcessingSettings(wcs="stars", ra_deg=273.87, dec_deg=-25.285)
    rows = sorted(table(folder), key=lambda row: float(row["mjd_start"]))
    measured = [
        measure_frame(
            read(folder / row["file"], gain=1.9, saturation_e=1.8 * 62_000, wcs=False),
            None,
            settings,
        )
        for row in rows
    ]
    first = max(range(2), key=lambda index: anchor_rank(measured[index]))
    anchor = make_anchor(measured[first], settings)
    return rows, [solve_frame(m, anchor, settings) for m in measured], first, measured


@pytest.mark.data
@pytest.mark.slow
def test_every_crowded_frame_is_solved_from_its_stars(saao):
    rows, found, first, _ = saao
    for row, processed in zip(rows, found, strict=True):
        assert processed.is_accepted, (row["file"], processed.reasons)
        assert max(processed.solution.residuals.rms_px) < 0.1
        assert processed.quality.n_matched > 200
    target = (float(rows[first]["target_x0"]), float(rows[first]["target_y0"]))
    ra, dec = found[first].frame.wcs.all_pix2world(*target, 0)
    for row, processed in zip(rows, found, strict=True):
        x, y = processed.frame.wcs.all_world2pix(ra, dec, 0)
        assert x == pytest.approx(float(row["target_x0"]), abs=0.1)
        assert y == pytest.approx(float(row["target_y0"]), abs=0.1)


@pytest.mark.data
@pytest.mark.slow
def test_crowding_is_not_noise(saao):
    for measured in saao[3]:
        shot = np.sqrt(measured.sky_level_e + 25)
        assert measured.sky_rms_e == pytest.approx(shot, rel=0.1)


@pytest.mark.data
@pytest.mark.slow
def test_the_known_cosmic_ray_is_marked_and_only_where_it_is(saao):
    rows, _, _, measured = saao
    near = np.s_[148:159, 362:373]
    for row, one in zip(rows, measured, strict=True):
        if row["file"].startswith("cosmic_ray_pair"):
            hit = (one.frame.mask[near] & MaskBit.COSMIC_RAY) != 0
            assert hit.any() == ("i0017" in row["file"])


def kept(frame, reference):
    """The difference, and what is kept of it above 6 sigma."""
    difference = subtract(frame, reference, DifferencingSettings())
    found = detect(difference, frame, DetectionSettings())
    return difference, [c for c in found if c.is_kept and abs(c.score) > 6]


@pytest.mark.data
@pytest.mark.slow
def test_the_event_is_found_in_the_crowd_on_every_frame(saao):
    rows, found, _, _ = saao
    frames = [processed.frame for processed in found]
    faint = [
        frame
        for row, frame in zip(rows, frames, strict=True)
        if row["file"].startswith("reference/")
    ]
    reference = build_reference(faint, ReferenceSettings())
    others = []
    for row, frame in zip(rows, frames, strict=True):
        if row["file"].startswith("reference/"):
            continue
        difference, candidates = kept(frame, reference)
        assert difference.is_accepted
        assert difference.std_score == pytest.approx(1, abs=0.2)
        target = float(row["target_x0"]), float(row["target_y0"])
        far = [np.hypot(c.x - target[0], c.y - target[1]) for c in candidates]
        assert min(far) < 1, row["file"]
        others.append(len(far) - 1)
    # Two of them are variable stars that several frames show.
    assert np.mean(others) < 4


@pytest.fixture(scope="module")
def drifting(shared_data):
    """One night of a small telescope: raw frames without WCS that drift far."""
    folder = shared_data / "microobservatory_hatp32"
    # Raw frames: the columns' pattern is the missing bias's.
    settings = ProcessingSettings(
        wcs="stars", max_noise_pattern=40, pixel_scale_arcsec=5.21, max_elongation=2
    )
    rows = sorted(table(folder), key=lambda row: float(row["mjd_obs"]))
    measured = []
    for row in rows:
        data = first_image(folder / row["file"])[0].astype(np.float32)
        frame = Frame(
            frame_id=row["file"],
            data=data,
            mask=np.zeros(data.shape, np.uint16),
            observed_mjd=float(row["mjd_obs"]),
            exposure_s=60.0,
            band="clear",
            saturation_e=4000.0,
        )
        measured.append(measure_frame(frame, None, settings))
    return measured, settings


@pytest.mark.data
@pytest.mark.slow
def test_a_night_that_drifts_by_160_pixels_is_aligned(drifting):
    measured, settings = drifting
    anchor = make_anchor(measured[0], settings)
    middle = np.array([[325.0, 250.0]])
    drifts = []
    for one in measured:
        found = solve_frame(one, anchor, settings)
        assert found.frame.wcs is not None, found.reasons
        assert found.solution is not None
        assert max(found.solution.residuals.rms_px) < 0.1
        moved = found.solution.match.pixel_map(middle, middle) - middle
        drifts.append(float(np.hypot(*moved[0])))
    assert max(drifts) > 150


def solved_wcs(measured: MeasuredFrame, anchor: Anchor, settings: ProcessingSettings) -> WCS:
    wcs = solve_frame(measured, anchor, settings).frame.wcs
    assert wcs is not None
    return wcs


@pytest.mark.data
@pytest.mark.slow
def test_going_round_by_another_frame_leads_to_the_same_place(drifting):
    """A to B directly, and A to C to B: the errors of three independent solutions."""
    measured, settings = drifting
    first, last = (
        make_anchor(measured[0], settings),
        make_anchor(measured[-1], settings),
    )
    direct = solved_wcs(measured[-1], first, settings)
    x, y = (g.ravel() for g in np.meshgrid(np.linspace(250, 640, 5), np.linspace(60, 440, 5)))
    for one in measured[1:-1]:
        here = solved_wcs(one, first, settings).all_pix2world(x, y, 0)
        there = solved_wcs(one, last, settings).all_pix2world(x, y, 0)
        straight = np.array(first.wcs.all_world2pix(*here, 0))
        on_last = last.wcs.all_world2pix(*there, 0)
        around = np.array(first.wcs.all_world2pix(*direct.all_pix2world(*on_last, 0), 0))
        assert np.sqrt(np.mean((straight - around) ** 2)) < 0.1


@pytest.mark.data
@pytest.mark.slow
@pytest.mark.parametrize("n_members", [4, 6])
def test_nothing_is_found_where_nothing_happens(drifting, n_members):
    """The stack's members are trailed by different amounts."""
    measured, settings = drifting
    anchor = make_anchor(measured[0], settings)
    frames = [solve_frame(one, anchor, settings).frame for one in measured]
    reference = build_reference(frames[:n_members], ReferenceSettings())
    for frame in frames[n_members:]:
        difference, candidates = kept(frame, reference)
        assert difference.is_accepted
        assert candidates == []
