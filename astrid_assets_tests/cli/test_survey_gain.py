"""`astrid survey gain`: the gain and the read noise that simulated frames were made with."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits

from astrid_assets.cli.workplace import open_catalogue, prepare_home
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.profile_sources import SimulatedSource
from astrid_assets.surveys.sources.simulated import plan_of
from astrid_assets_tests import small_survey

if TYPE_CHECKING:
    from pathlib import Path

GAIN, READ_NOISE_E, BIAS_ADU = 2.3, 7.0, 500.0
FULL_ADU = 20_000
SHAPE = (256, 192)


def write(
    path: Path, rng: np.random.Generator, kind: str, level_e: float, **cards: str | float
) -> None:
    """Write a frame of a detector of known gain and read noise."""
    light = rng.poisson(level_e, SHAPE) if level_e else 0.0
    adu = BIAS_ADU + (light + rng.normal(0, READ_NOISE_E, SHAPE)) / GAIN
    hdu = fits.PrimaryHDU(np.clip(np.rint(adu), 0, FULL_ADU).astype(np.uint16))
    hdu.header["DATE-OBS"] = "2025-03-01T18:00:00"
    hdu.header["EXPTIME"] = 0.0 if kind == "bias" else 4.0
    hdu.header["IMAGETYP"] = kind
    hdu.header["FILTER"] = "r"
    hdu.header.update(cards)
    hdu.writeto(path)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    made = tmp_path / "camera"
    made.mkdir()
    return made


def add(folder: Path, detector: str = "") -> None:
    prepare_home()
    toml = f'name = "cam"\n[source]\nkind = "folder"\npath = "{folder}"\n[detector]\n{detector}'
    small_survey.add_survey(open_catalogue(), toml)


def measured(output: str) -> tuple[float, float]:
    """Return gain and read noise of the lines for the profile."""
    profile = SurveyProfile.from_toml(
        'name = "x"\nsource = { kind = "folder", path = "/x" }\n'
        + output[output.index("[detector]") :]
    )
    assert profile.detector.gain_e_per_adu is not None
    assert profile.detector.read_noise_e is not None
    return profile.detector.gain_e_per_adu, profile.detector.read_noise_e


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_the_gain_of_simulated_flats_is_printed_as_lines_of_the_profile(cli, folder, rng):
    for number, level_e in enumerate((40_000.0, 36_000.0)):
        write(folder / f"flat_{number}.fits", rng, "flat", level_e)
        write(folder / f"zero_{number}.fits", rng, "bias", 0)
    add(folder, "gain_e_per_adu = 1.9")
    said = cli("survey", "gain", "cam")
    assert said.exit_code == 0, said.output
    gain, read_noise = measured(said.output)
    error = float(re.findall(r"gain +[\d.]+ ± ([\d.]+)", said.output)[0])
    assert gain == pytest.approx(GAIN, rel=0.03)
    assert abs(gain - GAIN) < 4 * error
    assert error < 0.05 * GAIN
    assert read_noise == pytest.approx(READ_NOISE_E, rel=0.03)
    assert f"pixels   {SHAPE[0] * SHAPE[1]}" in said.output
    assert "the profile says 1.9" in said.output
    assert "the profile says nothing, 0 is used" in said.output


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_simulated_survey_has_the_gain_of_its_scene(cli):
    prepare_home()
    profile = small_survey.add_survey(open_catalogue())
    said = cli("survey", "gain", profile.name, "--night", small_survey.NIGHTS[0])
    assert said.exit_code == 0, said.output
    assert isinstance(profile.source, SimulatedSource)
    gain, read_noise = measured(said.output)
    scene = plan_of(profile.source).scene
    assert gain == pytest.approx(scene.gain_e_per_adu, rel=0.02)
    assert read_noise == pytest.approx(scene.read_noise_e, rel=0.03)


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_flats_of_two_bands_are_no_pair(cli, folder, rng):
    for number, band in enumerate("gr"):
        write(folder / f"flat_{number}.fits", rng, "flat", 30_000, FILTER=band)
        write(folder / f"bias_{number}.fits", rng, "bias", 0)
    add(folder)
    said = cli("survey", "gain", "cam")
    assert said.exit_code == 1
    assert "two flats of one band and two biases are needed" in said.output
    assert "4 files hold 2 bias, 2 flat; name their paths in calibration.flat" in said.output


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_one_bias_is_too_few(cli, folder, rng):
    write(folder / "bias_0.fits", rng, "bias", 0)
    for number in range(2):
        write(folder / f"flat_{number}.fits", rng, "flat", 30_000)
    add(folder)
    said = cli("survey", "gain", "cam")
    assert said.exit_code == 1
    assert "3 files hold 1 bias, 2 flat" in said.output


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_frames_of_another_night_do_not_count(cli, folder, rng):
    for number in range(2):
        write(folder / f"flat_{number}.fits", rng, "flat", 30_000)
        write(folder / f"bias_{number}.fits", rng, "bias", 0)
    add(folder)
    said = cli("survey", "gain", "cam", "--night", "2025-03-09")
    assert said.exit_code == 1
    assert "of 2025-03-09 hold no image" in said.output


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_a_pair_of_unequal_flats_is_passed_over(cli, folder, rng):
    for number, level_e in enumerate((9_000, 40_000, 39_000)):
        write(folder / f"flat_{number}.fits", rng, "flat", level_e)
        write(folder / f"bias_{number}.fits", rng, "bias", 0)
    add(folder)
    said = cli("survey", "gain", "cam")
    assert said.exit_code == 0, said.output
    assert "flat_1.fits and flat_2.fits" in said.output
    assert measured(said.output)[0] == pytest.approx(GAIN, rel=0.03)


@pytest.mark.slow
@pytest.mark.usefixtures("home")
def test_saturated_flats_show_no_gain(cli, folder, rng):
    for number in range(2):
        write(folder / f"flat_{number}.fits", rng, "flat", 45_000)
        write(folder / f"bias_{number}.fits", rng, "bias", 0)
    add(folder, f"saturation_adu = {FULL_ADU}")
    said = cli("survey", "gain", "cam")
    assert said.exit_code == 1
    assert "flat_0.fits is saturated" in said.output
    assert "about half of saturation" in said.output
