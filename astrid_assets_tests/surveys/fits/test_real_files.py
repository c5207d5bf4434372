"""Every real file goes through the door: accepted, or refused for the right reason."""

from __future__ import annotations

import csv
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from numpy.testing import assert_array_equal

from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.check.check import check_survey, suggest_profile
from astrid_assets.surveys.fits.facts import DoorRejection, ImageFacts
from astrid_assets.surveys.fits.reader import raw_image_to_frame, read_headers, read_image
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.profile_sources import FolderSource
from astrid_assets.surveys.sources.opening import open_source
from astrid_assets_tests.surveys.fits_files import survey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.data

SETS = (
    "odd_fits",
    "amateur_frames",
    "kmtnet_supernova",
    "saao_microlensing",
    "microobservatory_hatp32",
    "calib_cafos_ngc2420",
    "calib_sbig_2017",
    "satellite_trails",
)
REFUSED = {
    "odd_fits/empty.fits": "empty_file",
    "odd_fits/truncated_kmtnet.fits": "truncated",
    "odd_fits/truncated_header_kmtnet.fits": "truncated",
    "odd_fits/lsst_hsc_calexp_small.fits": "no_date",
    "odd_fits/astropy_compressed/m13.fits": "no_date",
    "odd_fits/astropy_compressed/compressed_with_nan.fits": "too_small",
    "odd_fits/astropy_io/lzw.fits.Z": "unreadable",
    "odd_fits/astropy_io/btable.fits": "no_image",
    "odd_fits/astropy_io/random_groups.fits": "no_image",
    "odd_fits/astropy_io/group_invalid.fits": "no_image",
    "odd_fits/astropy_io/zerowidth.fits": "no_image",
    "odd_fits/astropy_io/history_header.fits": "no_image",
    "odd_fits/astropy_io/fixed-1890.fits": "constant",
    "odd_fits/astropy_wcs/unit.hdr": "not_2d",
    "odd_fits/astropy_wcs/3d_cd.hdr": "unreadable",
    "odd_fits/astropy_wcs/irac_sip.hdr": "truncated",
    "amateur_frames/panoptes_bayer_solved.fits.fz": "colour_mosaic",
    "amateur_frames/panoptes_noheader.fits": "no_date",
    "satellite_trails/sdss_no_trail.fits": "no_date",
}
WITH_WCS = (
    "odd_fits/decam_raw_70_extensions.fits.fz",
    "odd_fits/lbc_four_chips.fits",
    "odd_fits/huntsman_ngc1566_sip_without_suffix.fits.fz",
    "odd_fits/apogee_sip_wcs.fits",
    "odd_fits/tess_difference_with_nans.fits",
    "odd_fits/lsst_calexp_with_tables.fits",
    "amateur_frames/asi6200_8bit_saturated_star.fits",
    "satellite_trails/vatt_trail_float64.fits",
)


def outcomes(content: bytes, path: str) -> list[ImageFacts | DoorRejection | str]:
    """Read a file to the end; a pixel rejection is given by its code."""
    profile = survey()
    found: list[ImageFacts | DoorRejection | str] = []
    for entry in read_headers(content, path, profile):
        found.append(entry)
        if isinstance(entry, ImageFacts):
            try:
                raw = read_image(content, entry.hdu, path, profile)
            except FrameRejected as rejected:
                found[-1] = rejected.code
                continue
            frame = raw_image_to_frame(raw, "id")
            assert np.isfinite(frame.data).all()
    return found


def files_of(root: Path) -> list[Path]:
    return [p for p in sorted(root.rglob("*")) if ".fit" in p.name or p.suffix == ".hdr"]


@pytest.mark.parametrize("name", SETS)
def test_every_file_is_accepted_or_refused_for_its_reason(shared_data: Path, name: str) -> None:
    for file in files_of(shared_data / name):
        path = file.relative_to(shared_data).as_posix()
        found = outcomes(file.read_bytes(), path)
        assert found, path
        codes = {
            e.reason.code if isinstance(e, DoorRejection) else e
            for e in found
            if not isinstance(e, ImageFacts)
        }
        if path in REFUSED:
            assert codes == {REFUSED[path]}, path
        if path in WITH_WCS:
            assert all(isinstance(e, ImageFacts) and e.has_wcs for e in found), path
        if name in ("kmtnet_supernova", "saao_microlensing", "microobservatory_hatp32"):
            assert codes == set(), path


def test_masks_and_variances_of_a_calexp_are_no_light_frames(shared_data: Path) -> None:
    content = (shared_data / "odd_fits/lsst_calexp_with_tables.fits").read_bytes()
    assert [entry.hdu for entry in read_headers(content, "x", survey())] == [1]


def test_all_chips_of_a_mosaic_are_found(shared_data: Path) -> None:
    content = (shared_data / "odd_fits/decam_raw_70_extensions.fits.fz").read_bytes()
    found = read_headers(content, "x", survey())
    assert [entry.hdu for entry in found] == list(range(1, 71))


@pytest.mark.parametrize("algorithm", ["rice", "gzip", "hcomp", "plio"])
def test_a_real_image_is_the_same_in_every_compression(shared_data: Path, algorithm: str) -> None:
    profile = survey("[detector]\nexposure_s = 1.0\n[keywords]\ndate_obs = ['EPOCH']")
    # The image has no date: the pixels are compared through the decoder itself.
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.fits.pixels import read_pixels
    from astrid_assets.surveys.fits.structure import open_fits

    folder = shared_data / "odd_fits/astropy_compressed"
    decoded = []
    for name in ("m13.fits", f"m13_{algorithm}.fits"):
        content = (folder / name).read_bytes()
        limit = profile.detector.max_megapixels * 1e6
        hdu = open_fits(content, limit).hdus[-1]
        decoded.append(read_pixels(hdu, HeaderView(hdu.header), [], limit))
    assert_array_equal(decoded[0], decoded[1])
    assert_array_equal(decoded[0], fits.getdata(folder / "m13.fits"))


def test_times_of_the_night_with_local_dates_are_universal(shared_data: Path) -> None:
    folder = shared_data / "microobservatory_hatp32"
    with (folder / "frames.csv").open() as table:
        rows = list(csv.DictReader(table))
    for row in rows:
        (facts,) = read_headers((folder / row["file"]).read_bytes(), "x", survey())
        assert isinstance(facts, ImageFacts)
        middle = float(row["mjd_obs"]) + 30 / 86400
        # The table's times have three decimals.
        assert facts.observed_mjd == pytest.approx(middle, abs=6e-4)


@pytest.mark.parametrize("name", ["kmtnet_supernova", "saao_microlensing"])
def test_the_suggested_profile_makes_a_real_survey_usable(shared_data: Path, name: str) -> None:
    folder = shared_data / name
    profile = SurveyProfile.from_toml(suggest_profile("real", folder))
    report = check_survey(profile, open_source(profile), limit=60)
    assert report.n_usable == report.n_files == len(files_of(folder))
    assert report.rejected == ()
    assert report.kinds == {"light": report.n_files}
    assert profile.calibration.frames_are == "calibrated"
    assert profile.reference.paths == ("reference/*",)
    assert len(report.bands) == 1
    assert len(report.fields) == 1
    if name == "kmtnet_supernova":
        assert report.n_with_wcs == report.n_files
        assert report.pixel_scale_arcsec == pytest.approx(0.4, abs=0.005)
        assert profile.processing.wcs == "header"
        with (folder / "frames.csv").open() as table:
            dates = {row["utc_date"] for row in csv.DictReader(table)}
        assert set(report.nights) == dates
    else:
        assert profile.processing.wcs == "stars"
        assert profile.processing.ra_deg == pytest.approx(273.8708, abs=1e-3)
        assert report.gains_e_per_adu == (1.9,)


def test_flats_that_call_themselves_lights_are_unmasked(shared_data: Path) -> None:
    folder = shared_data / "calib_sbig_2017"
    profile = SurveyProfile.from_toml(suggest_profile("sbig", folder))
    assert profile.calibration.flat == ("flat/*",)
    report = check_survey(profile, open_source(profile))
    assert report.kinds == {"bias": 5, "dark": 5, "flat": 2}


def test_calibration_frames_of_a_real_camera_are_told_apart(shared_data: Path) -> None:
    folder = shared_data / "calib_cafos_ngc2420"
    profile = SurveyProfile.from_toml(suggest_profile("cafos", folder))
    report = check_survey(profile, open_source(profile))
    assert report.kinds == {"bias": 2, "flat": 2, "light": 6}
    assert report.contradictions == ()
    assert profile.calibration.frames_are == "raw"
    assert set(report.bands) == {"JohnsonB", "JohnsonV"}
    assert profile.calibration.min_master_frames == 1


def test_each_trap_of_a_real_camera_is_told_in_a_sentence(shared_data: Path) -> None:
    folder = shared_data / "calib_sbig_2017"
    profile = SurveyProfile.named("sbig", FolderSource(path=folder))
    report = check_survey(profile, open_source(profile))
    called_light = [s for s in report.oddities if "calls it a light frame" in s]
    assert called_light == [
        f"flat/flat-expos23s-Neg5-Vis_0000000{k}.fits.fz: the header calls it a light "
        "frame, but its name and its pixels say flat"
        for k in (0, 8)
    ]
    exposures = [s for s in report.oddities if "exposure" in s]
    assert exposures == [
        f"dark/darks-expos1-Neg5-Vis_0000000{k}_DARK.fits.fz: the name says an "
        "exposure of 1 s, the header 60 s; the header counts"
        for k in (0, 1)
    ]
    (cold,) = [s for s in report.oddities if " C, while " in s]
    assert cold == (
        "bias/bias-Neg10-Vis_00000000_BIAS.fits.fz: taken at -10.2 C, while the bias "
        "frames are at -4.8 C; it will not be combined with them"
    )
    assert len(report.oddities) == 5
    # Two flats are the smallest set; the bias apart counts for none.
    suggested = SurveyProfile.from_toml(report.suggested_toml)
    assert suggested.calibration.min_master_frames == 2
    again = check_survey(suggested, open_source(suggested))
    assert [s for s in again.oddities if "calls it" in s] == []
