"""The simulated survey gives real files, always the same ones, and their truth."""

from __future__ import annotations

import io

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS

from astrid_assets.surveys import profile_sources
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.profile_sources import FolderSource
from astrid_assets.surveys.sources.base import FileUnavailable, SourceUnavailable
from astrid_assets.surveys.sources.simulated import (
    SimulatedFrames,
    demo_profiles,
    frame_index_of,
    plan_of,
    truth,
)

SETTINGS = profile_sources.SimulatedSource(
    kind="simulated",
    seed=5,
    scene="wide",
    nights=4,
    frames_per_night=2,
    shape=(256, 320),
    first_night="2025-02-27",
)
SOURCE = SimulatedFrames(SurveyProfile(name="little", source=SETTINGS))
LIGHT = "2025-03-02/light_002.fits"


def test_the_first_night_has_calibration_frames_and_every_night_its_lights():
    files = list(SOURCE.files())
    assert [f.path for f in files] == sorted(f.path for f in files)
    assert len(files) == 3 * 5 + 4 * 2
    calibrations = {f.night for f in files if "light" not in f.path}
    assert calibrations == {"2025-02-27"}
    # February 2025 has 28 days.
    assert sorted({f.night for f in files if f.night}) == [
        "2025-02-27",
        "2025-02-28",
        "2025-03-01",
        "2025-03-02",
    ]


@pytest.mark.slow
def test_every_file_has_the_size_that_the_listing_promises_and_repeats_exactly():
    for file in SOURCE.files():
        if file.path.endswith("_001.fits"):
            content = SOURCE.read(file.path)
            assert len(content) == file.size_bytes
            assert content == SimulatedFrames(SurveyProfile(name="another", source=SETTINGS)).read(
                file.path
            )


@pytest.mark.slow
def test_another_seed_is_another_sky():
    other = SETTINGS.model_copy(update={"seed": 6})
    source = SimulatedFrames(SurveyProfile(name="little", source=other))
    assert source.read(LIGHT) != SOURCE.read(LIGHT)


@pytest.mark.slow
def test_headers_say_what_the_frames_are():
    header = fits.getheader(io.BytesIO(SOURCE.read(LIGHT)))
    assert header["IMAGETYP"] == "Light Frame"
    assert header["DATE-OBS"].startswith("2025-03-02T02:25:00")
    assert (header["EXPTIME"], header["FILTER"]) == (60.0, "r")
    assert header["GAIN"] == plan_of(SETTINGS).scene.gain_e_per_adu
    assert header["OBJECT"] == "SIM-WIDE-1"
    with fits.open(io.BytesIO(SOURCE.read("2025-02-27/flat_003.fits"))) as hdus:
        hdu = hdus[0]
        assert isinstance(hdu, fits.PrimaryHDU)
        assert hdu.header["IMAGETYP"] == "Flat Field"
        assert hdu.data is not None
        assert hdu.data.shape == (256, 320)
        assert 15_000 < np.median(hdu.data) < 45_000


@pytest.mark.slow
def test_the_wcs_of_the_header_puts_the_truth_on_its_pixels():
    wcs = WCS(fits.getheader(io.BytesIO(SOURCE.read(LIGHT))))
    known = SOURCE.frame_truth(LIGHT)
    assert known.sources
    for source in known.sources:
        x, y = wcs.all_world2pix(source.ra_deg, source.dec_deg, 0)
        # Refraction moves coloured stars by a few hundredths; the rest is exact.
        limit = 0.1 if source.kind == "variable" else 0.01
        assert np.hypot(x - source.x, y - source.y) < limit
    corner = wcs.all_pix2world(319, 0, 0)
    assert known.wcs.all_world2pix(*corner, 0) == pytest.approx([319, 0], abs=0.001)


@pytest.mark.slow
def test_the_truth_of_a_night_is_that_of_its_frames():
    night = truth(SETTINGS, "2025-03-02")
    assert {s.frame_index for s in night} == {0, 1}
    of_second = tuple(s for s in night if s.frame_index == 1)
    assert of_second == SOURCE.frame_truth(LIGHT).sources
    assert truth(SETTINGS, "2025-03-03") == []
    assert truth(SETTINGS, "2025-02-26") == []


def test_a_strong_source_stands_out_at_its_place():
    known = SOURCE.frame_truth(LIGHT)
    rising = [s for s in known.sources if s.expected_snr > 12 and s.kind != "variable"]
    assert rising
    for source in rising:
        x, y = round(source.x), round(source.y)
        patch = known.clean_e[y - 1 : y + 2, x - 1 : x + 2]
        assert patch.sum() > 0.3 * source.flux_e


def test_masks_tell_how_much_of_a_source_is_lost():
    known = SOURCE.frame_truth(LIGHT)
    rows, columns = np.nonzero(known.mask)
    at = float(columns[0]), float(rows[0])
    assert known.masked_fraction(*at, 0.4) == 1.0
    assert known.masked_fraction(*at, 60.0) < 0.2
    assert known.masked_fraction(-50.0, -50.0, 3.0) == 1.0


@pytest.mark.parametrize(
    "path",
    [
        "light_001.fits",
        "2025-03-02/light_003.fits",
        "2025-03-02/light_000.fits",
        "2025-03-02/bias_001.fits",
        "2025-03-03/light_001.fits",
        "2025-13-45/light_001.fits",
        "../2025-03-02/light_001.fits",
    ],
)
def test_files_that_do_not_exist_are_refused_with_what_there_is(path):
    with pytest.raises(FileUnavailable, match="little has no file"):
        SOURCE.read(path)


def test_calibration_frames_have_no_truth():
    with pytest.raises(FileUnavailable, match="bias frame: it shows no sky"):
        SOURCE.frame_truth("2025-02-27/bias_001.fits")


def test_the_frame_index_is_read_from_the_name():
    assert frame_index_of(LIGHT) == 1
    assert frame_index_of("2025-02-27/bias_001.fits") is None
    assert frame_index_of("elsewhere.fits") is None


def test_a_frame_too_small_for_a_sky_is_refused(tmp_path):
    SOURCE.check()
    tiny = SETTINGS.model_copy(update={"shape": (20, 500)})
    with pytest.raises(SourceUnavailable, match="500 x 20 pixels"):
        SimulatedFrames(SurveyProfile(name="tiny", source=tiny)).check()
    folder = SurveyProfile(name="files", source=FolderSource(path=tmp_path))
    with pytest.raises(SourceUnavailable, match="its source is a folder"):
        SimulatedFrames(folder)


def test_the_demonstration_has_two_raw_surveys_whose_reference_is_the_quiet_nights():
    wide, deep = demo_profiles()
    assert (wide.name, deep.name) == ("sim-wide", "sim-deep")
    for profile in (wide, deep):
        assert profile.has_known_truth
        assert profile.calibration.frames_are == "raw"
        assert profile.reference.before == "2025-03-04"
        assert profile.reference.frames == 9
        SimulatedFrames(profile).check()


@pytest.mark.slow
def test_the_demonstration_holds_more_than_a_thousand_detectable_changes():
    count = 0
    for profile in demo_profiles():
        settings = profile.source
        assert isinstance(settings, profile_sources.SimulatedSource)
        nights = {f.night for f in SimulatedFrames(profile).files() if f.night}
        for night in nights:
            count += sum(abs(s.expected_snr) > 6 for s in truth(settings, night))
    assert count > 1000
