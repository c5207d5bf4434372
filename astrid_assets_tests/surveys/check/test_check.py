"""Checks and suggestions: a profile that fits the folder it was made for."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.surveys.check.check import check_survey, suggest_profile
from astrid_assets.surveys.check.suggestion import evening_shift_hours
from astrid_assets.surveys.profile import ProfileError, SurveyProfile
from astrid_assets.surveys.sources.base import SourceUnavailable
from astrid_assets.surveys.sources.opening import open_source
from astrid_assets_tests.surveys.fits_files import TAN, folder_survey, light, survey

if TYPE_CHECKING:
    from pathlib import Path

SHAPE = (96, 96)


def starry(rng: np.random.Generator, level: float = 500) -> np.ndarray:
    y, x = np.mgrid[: SHAPE[0], : SHAPE[1]]
    image = rng.normal(level, 10, SHAPE)
    for _ in range(15):
        x0, y0 = rng.uniform(8, 88, 2)
        image += 2000 * np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / 6)
    return image.astype(np.int16)


def write(root: Path, name: str, content: bytes) -> None:
    (root / name).parent.mkdir(parents=True, exist_ok=True)
    (root / name).write_bytes(content)


def report_on(root: Path, toml: str = ""):
    profile = folder_survey(root)
    if toml:
        profile = survey(toml).model_copy(update={"source": profile.source})
    return check_survey(profile, open_source(profile))


def test_a_healthy_folder_is_reported_as_it_is(tmp_path: Path, rng: np.random.Generator) -> None:
    for night in (1, 2, 3):
        content = light(starry(rng), DATE_OBS=f"2025-03-0{night}T22:00:00", **TAN)
        write(tmp_path, f"n{night}/a.fits", content)
    write(tmp_path, "n3/broken.fits", b"SIMPLE")
    report = report_on(tmp_path)
    assert (report.n_files, report.n_images, report.n_usable) == (4, 4, 3)
    assert report.n_with_wcs == 3
    assert report.nights == {"2025-03-01": 1, "2025-03-02": 1, "2025-03-03": 1}
    assert report.bands == {"r": 3}
    assert report.kinds == {"light": 3}
    assert report.pixel_scale_arcsec == pytest.approx(2.8e-4 * 3600)
    assert report.gains_e_per_adu == (1.5,)
    assert report.contradictions == ()
    ((path, _, reason),) = report.rejected
    assert (path, reason.code) == ("n3/broken.fits", "truncated")
    by_role = {keyword.role: keyword for keyword in report.keywords}
    assert (by_role["gain"].found, by_role["gain"].missing) == (3, 0)
    assert by_role["gain"].examples == ("GAIN = 1.5",)
    assert by_role["saturation"].missing == 3


def test_keywords_of_another_name_are_found_and_suggested(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    for k in range(3):
        content = light(
            starry(rng),
            EXPTIME=None,
            FILTER=None,
            GAIN=None,
            ITIME=60.0,
            FILTNAME="clear",
            CCDGAIN=2.2,
            GAINDL=None,
            **TAN,
        )
        write(tmp_path, f"{k}.fits", content)
    report = report_on(tmp_path)
    assert report.n_usable == 0
    suggested = SurveyProfile.from_toml(report.suggested_toml)
    again = check_survey(suggested, open_source(suggested))
    assert again.n_usable == 3
    assert again.bands == {"clear": 3}
    assert again.gains_e_per_adu == (2.2,)


def test_flats_called_light_are_found_by_path_and_pixels(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    flat = rng.normal(20000, 100, SHAPE).astype(np.int16)
    bias = rng.normal(1000, 10, SHAPE).astype(np.int16)
    for k in range(3):
        write(tmp_path, f"flat/f{k}.fits", light(flat))
        write(tmp_path, f"bias/b{k}.fits", light(bias, EXPTIME=0, IMAGETYP="Bias"))
        write(tmp_path, f"light/l{k}.fits", light(starry(rng)))
    report = report_on(tmp_path)
    assert {path for path, _, _ in report.contradictions} == {
        "flat/f0.fits",
        "flat/f1.fits",
        "flat/f2.fits",
    }
    suggested = SurveyProfile.from_toml(report.suggested_toml)
    assert suggested.calibration.frames_are == "raw"
    assert suggested.calibration.flat == ("flat/*",)
    assert check_survey(suggested, open_source(suggested)).kinds == {
        "bias": 3,
        "flat": 3,
        "light": 3,
    }


def test_frames_without_a_wcs_are_aligned_by_stars(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    for k in range(2):
        content = light(starry(rng), RA="18:15:29", DEC="-25:17:06", PIXSCALE=0.31)
        write(tmp_path, f"reference/{k}.fits", content)
    suggested = SurveyProfile.from_toml(suggest_profile("new", tmp_path))
    assert suggested.processing.wcs == "stars"
    assert suggested.processing.ra_deg == pytest.approx(273.87083, abs=1e-5)
    assert suggested.processing.dec_deg == pytest.approx(-25.285, abs=1e-5)
    assert suggested.processing.pixel_scale_arcsec == 0.31
    assert suggested.reference.paths == ("reference/*",)


def test_what_a_profile_says_already_stays_in_the_suggestion(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    write(tmp_path, "a.fits", light(starry(rng), **TAN))
    toml = (
        "[detector]\ngain_e_per_adu = 3.5\n[night]\nlongitude_deg = -70.8\n"
        "[reference]\nmin_frames = 4\n[detection]\nthreshold_sigma = 6.5\n"
    )
    suggested = SurveyProfile.from_toml(report_on(tmp_path, toml).suggested_toml)
    assert suggested.detector.gain_e_per_adu == 3.5
    assert suggested.night.longitude_deg == -70.8
    assert suggested.reference.min_frames == 4
    assert suggested.detection.threshold_sigma == 6.5


def test_two_fields_are_told_apart_by_their_objects(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    for k, name in enumerate(("M31", "M33")):
        cards = {**TAN, "CRVAL1": 10.0 + 20 * k}
        write(tmp_path, f"{k}.fits", light(starry(rng), OBJECT=name, **cards))
    suggested = SurveyProfile.from_toml(suggest_profile("new", tmp_path))
    assert suggested.keywords.field == ("OBJECT",)


def test_two_names_of_one_field_stay_one_field(tmp_path: Path, rng: np.random.Generator) -> None:
    for k, name in enumerate(("NGC 2420", "NCG2420")):
        write(tmp_path, f"{k}.fits", light(starry(rng), OBJECT=name, **TAN))
    suggested = SurveyProfile.from_toml(suggest_profile("new", tmp_path))
    assert suggested.keywords.field == ()


@given(evening=st.floats(0, 24), length=st.floats(6, 12), nights=st.integers(2, 5))
def test_the_suggested_shift_keeps_every_night_whole(
    evening: float, length: float, nights: int
) -> None:
    times = [
        60000 + night + (evening + part * length / 8) / 24
        for night in range(nights)
        for part in range(9)
    ]
    shift = evening_shift_hours(times)
    assert shift is not None
    dates = [int(time + shift / 24) for time in times]
    assert [dates.count(date) for date in sorted(set(dates))] == [9] * nights


def test_sites_around_the_world_get_no_shift() -> None:
    assert evening_shift_hours([60000 + k / 6 for k in range(40)]) is None
    assert evening_shift_hours([60000.1, 60000.2]) is None


def test_an_empty_folder_and_a_bad_name_are_refused(tmp_path: Path) -> None:
    with pytest.raises(SourceUnavailable, match="holds no file"):
        suggest_profile("new", tmp_path)
    with pytest.raises(ProfileError, match="not a survey name"):
        suggest_profile("Not A Name", tmp_path)
    with pytest.raises(ProfileError, match=r"detector\.gian"):
        SurveyProfile.from_toml(
            'name = "x"\n[source]\nkind = "folder"\npath = "."\n[detector]\ngian = 1'
        )


def test_what_no_light_frame_can_use_is_told(tmp_path: Path, rng: np.random.Generator) -> None:
    flat = rng.normal(20000, 100, SHAPE).astype(np.int16)
    bias = rng.normal(1000, 10, (64, 64)).astype(np.int16)
    write(tmp_path, "flat.fits", light(flat, IMAGETYP="Flat", FILTER="g"))
    write(tmp_path, "bias.fits", light(bias, IMAGETYP="Bias", EXPTIME=0))
    write(tmp_path, "light-expos30s.fits", light(starry(rng)))
    exposure, setup, flat_missing = report_on(tmp_path).oddities
    assert exposure == (
        "light-expos30s.fits: the name says an exposure of 30 s, the header 120 s; "
        "the header counts"
    )
    assert setup == (
        "bias.fits: this bias frame has the set-up 64 x 64, which no light frame has (96 x 96)"
    )
    assert flat_missing == ("there are light frames in 'r', but no flat among these files")


def test_settings_inside_settings_stay_in_the_suggestion(
    tmp_path: Path, rng: np.random.Generator
) -> None:
    write(tmp_path, "a.fits", light(starry(rng), **TAN))
    toml = (
        "[calibration.max_age_days]\nbias = 3\n"
        '[[detector.amplifiers]]\ndata = "[1:96,1:96]"\ngain_e_per_adu = 2.0\n'
    )
    suggested = SurveyProfile.from_toml(report_on(tmp_path, toml).suggested_toml)
    assert suggested.calibration.max_age_days.bias == 3
    assert suggested.detector.amplifiers[0].gain_e_per_adu == 2.0
