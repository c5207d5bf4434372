"""Masters of small cameras, from files to what a light frame is calibrated with."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import select

from astrid_assets.compute import Compute
from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.calibration.masters import Masters
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.steps.calibration_masters.keys import MasterKeys, check_masters, load_masters
from astrid_assets.steps.calibration_masters.masters import masters_nights, masters_of
from astrid_assets.steps.nights import Tools
from astrid_assets.steps.processed_frames import frame_task
from astrid_assets.steps.raw_observations.ingest import index_source, register_from_source
from astrid_assets.storage.database.tables.masters import CalibrationMaster
from astrid_assets.storage.fits.frames import image_from_fits
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.queries import observations
from astrid_assets.surveys.check.check import suggest_profile
from astrid_assets.surveys.fits.reader import raw_image_to_frame, read_image
from astrid_assets.surveys.sources.opening import open_source
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.small_survey import add_survey, objects_of, rows_of
from astrid_assets_tests.surveys.fits_files import light

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from astrid_assets.steps.nights import NightReport
    from astrid_assets.surveys.profile import SurveyProfile

SHAPE = (64, 80)
FIRST, SECOND, THIRD = "2025-03-01", "2025-03-02", "2025-03-03"
WORDS = {"bias": "Bias", "dark": "Dark", "flat": "Flat", "light": "Light Frame"}


class Camera:
    """A folder that a small camera writes to, and the survey of it."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "frames"
        self.folder.mkdir()
        self.rng = np.random.default_rng(8)
        catalogue = new_catalogue(folder)
        store = open_object_store((folder / "store").as_uri())
        self.tools = Tools(catalogue, store, Compute())

    def take(
        self,
        kind: str,
        night: str,
        n: int = 5,
        *,
        level: float = 0.0,
        strip: int = 0,
        cards: Mapping[str, object] | None = None,
    ) -> None:
        """Write `n` frames of a kind; the pedestal is 1000 ADU, the gain 1.5.

        Light and dark charge leave out a strip of so many columns on the left.
        """
        times = {"bias": 0.0, "dark": 100.0, "flat": 2.0, "light": 50.0}
        levels = {"bias": 0, "dark": 20, "flat": 20_000, "light": 500}
        for _ in range(n):
            signal = level or levels[kind]
            noise = self.rng.normal(0, 4 + np.sqrt(signal), SHAPE)
            collected = np.where(np.arange(SHAPE[1]) < strip, 0, signal)
            data = (1000 + collected + noise).astype(np.uint16)
            number = len(list(self.folder.iterdir()))
            values: dict[str, object] = {
                "DATE_OBS": f"{night}T01:00:{number % 60:02d}",
                "IMAGETYP": WORDS[kind],
                "EXPTIME": times[kind],
                "INSTRUME": "cam",
                "CCD-TEMP": -10.0,
            } | dict(cards or {})
            (self.folder / f"{kind}{number:03d}.fits").write_bytes(light(data, **values))

    def survey(self, calibration: str = "", detector: str = "") -> SurveyProfile:
        """Store the survey's profile and register all nights."""
        profile = add_survey(
            self.tools.catalogue,
            f'name = "cam"\n[source]\nkind = "folder"\npath = "{self.folder}"\n'
            f'[calibration]\nframes_are = "raw"\n{calibration}\n[detector]\n{detector}',
        )
        list(register_from_source(self.tools, profile, [FIRST, SECOND, THIRD]))
        return profile

    def lights(self, night: str):
        """Return the night's light frames."""
        with self.tools.catalogue.read() as session:
            return observations.observations_of_night(session, "cam", night, kind="light")

    def keys(self, profile: SurveyProfile, night: str, **how: bool) -> list[MasterKeys]:
        """Return the masters of the night's light frames."""
        found = masters_of(self.tools, profile, self.lights(night), **how)
        return [found[frame.id] for frame in self.lights(night)]

    def masters(self):
        """Return all masters of the survey."""
        with self.tools.catalogue.read() as session:
            query = select(CalibrationMaster).order_by(
                CalibrationMaster.kind,
                CalibrationMaster.band,
                CalibrationMaster.night,
                CalibrationMaster.exposure_s.nulls_first(),
                CalibrationMaster.id,
            )
            return list(session.scalars(query))


@pytest.fixture
def camera(tmp_path: Path) -> Camera:
    return Camera(tmp_path)


def take_all(camera: Camera, night: str, cards: Mapping[str, object] | None = None) -> None:
    for kind in ("bias", "dark", "flat"):
        camera.take(kind, night, cards=cards)


def not_made(report: NightReport) -> dict[str, str]:
    """Return why each missing master could not be made."""
    found = report.summary["not_made"]
    assert isinstance(found, dict)
    return found


@pytest.mark.slow
def test_masters_are_kept_with_what_they_are(camera):
    take_all(camera, FIRST)
    camera.take("light", FIRST, 1)
    profile = camera.survey()
    (keys,) = camera.keys(profile, FIRST)
    bias, dark, flat = camera.masters()
    assert (bias.kind, dark.kind, flat.kind) == ("bias", "dark", "flat")
    assert [len(m.members) for m in (bias, dark, flat)] == [5, 5, 5]
    assert (flat.band, flat.instrument, flat.width, flat.height) == ("r", "cam", 80, 64)
    assert bias.ccd_temperature_c == -10
    assert bias.level == pytest.approx(1500, abs=2)
    assert bias.noise == pytest.approx(1.5 * 4 / np.sqrt(5), rel=0.05)
    assert (dark.made_with, dark.exposure_s) == ([bias.frame_key], 100)
    assert flat.made_with == [bias.frame_key, dark.frame_key]
    assert check_masters(profile, keys) == []
    masters = load_masters(camera.tools.store, keys)
    assert masters.bias is not None
    assert masters.bias_noise_e == bias.noise
    assert masters.dark_exposure_s == 100
    assert masters.defects.shape == SHAPE


@pytest.mark.slow
def test_again_is_the_same_rows_and_bytes(camera):
    take_all(camera, FIRST)
    camera.take("light", FIRST, 2)
    profile = camera.survey()
    tools = camera.tools
    (report,) = masters_nights(tools, profile, [FIRST])
    before = rows_of(tools.catalogue), objects_of(tools.store)
    (again,) = masters_nights(tools, profile, [FIRST])
    (forced,) = masters_nights(tools, profile, [FIRST], force=True)
    assert (report.unchanged, again.unchanged, forced.unchanged) == (False, True, False)
    assert (rows_of(tools.catalogue), objects_of(tools.store)) == before
    assert again.summary == report.summary


@pytest.mark.slow
def test_a_choice_is_kept_when_nearer_frames_come_later(camera):
    take_all(camera, FIRST)
    camera.take("light", THIRD, 1)
    profile = camera.survey()
    (kept,) = camera.keys(profile, THIRD)
    take_all(camera, SECOND)
    profile = camera.survey()
    assert camera.keys(profile, THIRD) == [kept]
    assert [m.night for m in camera.masters()] == [FIRST] * 3
    # Asked for a choice anew, or told other rules, it takes the nearest.
    (new,) = camera.keys(profile, THIRD, again=True)
    assert new != kept
    assert {m.night for m in camera.masters()} == {FIRST, SECOND}
    assert camera.keys(profile, THIRD) == [new]


@pytest.mark.slow
def test_another_gain_makes_other_masters(camera):
    take_all(camera, FIRST)
    camera.take("light", FIRST, 1)
    (one,) = camera.keys(camera.survey(), FIRST)
    other_gain = camera.survey(detector="gain_e_per_adu = 3.0")
    (other,) = camera.keys(other_gain, FIRST)
    assert one.bias != other.bias
    assert load_masters(camera.tools.store, other).bias_level_e == pytest.approx(3000, abs=4)


@pytest.mark.slow
def test_modes_have_masters_of_their_own(camera):
    take_all(camera, FIRST, {"READMODE": "slow"})
    take_all(camera, FIRST, {"READMODE": "fast"})
    for mode in ("slow", "fast"):
        camera.take("light", FIRST, 1, cards={"READMODE": mode})
    slow, fast = camera.keys(camera.survey(), FIRST)
    assert len(camera.masters()) == 6
    assert not {slow.bias, slow.dark, slow.flat} & {fast.bias, fast.dark, fast.flat}


@pytest.mark.slow
def test_a_missing_master_rejects_or_is_flagged(camera):
    camera.take("bias", FIRST)
    camera.take("dark", FIRST, 3)
    camera.take("light", FIRST, 1)
    profile = camera.survey()
    (keys,) = camera.keys(profile, FIRST)
    assert keys.missing == ["dark", "flat"]
    with pytest.raises(FrameRejected, match="3 dark frames of 2025-03-01") as caught:
        check_masters(profile, keys)
    assert caught.value.code == "no_master"
    lenient = camera.survey('on_missing_master = "continue"')
    (flag,) = check_masters(lenient, keys)
    assert flag.code == "no_master"
    assert "went on without master dark, flat" in flag.message
    # The policy is no part of the choice.
    assert camera.keys(lenient, FIRST) == [keys]
    enough = camera.survey("min_master_frames = 3")
    assert camera.keys(enough, FIRST)[0].missing == ["flat"]


@pytest.mark.slow
def test_a_master_of_another_temperature_is_flagged(camera):
    take_all(camera, FIRST, {"CCD-TEMP": -20.0})
    camera.take("light", FIRST, 1)
    profile = camera.survey()
    (keys,) = camera.keys(profile, FIRST)
    flags = check_masters(profile, keys)
    assert [flag.code for flag in flags] == ["master_temperature"] * 2
    assert "the master dark was taken at -20.0 C, the frame at -10.0 C" in (flags[1].message)
    assert camera.keys(profile, FIRST) == [keys]
    strict = camera.survey('temperature_policy = "reject"')
    assert camera.keys(strict, FIRST)[0].missing == ["bias", "dark"]


@pytest.mark.slow
def test_flats_without_light_or_with_too_much_are_left_out(camera):
    take_all(camera, FIRST)
    camera.take("flat", FIRST, 2, level=50)
    camera.take("flat", FIRST, 2, level=60_000)
    camera.take("light", FIRST, 1)
    camera.keys(camera.survey(detector="saturation_adu = 60000"), FIRST)
    (flat,) = [m for m in camera.masters() if m.kind == "flat"]
    assert len(flat.members) == 5
    assert flat.level == pytest.approx(30_000, rel=0.01)


@pytest.mark.slow
def test_faint_flats_make_no_master_and_the_next_night_serves(camera):
    take_all(camera, FIRST)
    camera.take("bias", SECOND)
    camera.take("flat", SECOND, level=50)
    camera.take("light", SECOND, 1)
    profile = camera.survey()
    (keys,) = camera.keys(profile, SECOND)
    (flat,) = [m for m in camera.masters() if m.kind == "flat"]
    assert (flat.night, keys.flat) == (FIRST, flat.frame_key)
    (report,) = masters_nights(camera.tools, profile, [SECOND])
    ((name, why),) = not_made(report).items()
    assert name == "flat r frames of 2025-03-02 at -10.0 C"
    assert "0 of 5 flats have a sensible level" in why


@pytest.mark.slow
def test_darks_and_flats_need_a_bias_unless_there_is_an_overscan(camera):
    camera.take("dark", FIRST, strip=8)
    camera.take("flat", FIRST, strip=8)
    camera.take("light", FIRST, 1, strip=8)
    (keys,) = camera.keys(camera.survey(), FIRST)
    assert keys.missing == ["bias", "dark", "flat"]
    assert "it needs a master bias" in dict(keys.why_missing)["flat"]
    overscan = camera.survey(detector='overscan = "[1:8,1:64]"\ntrim = "[9:80,1:64]"')
    (keys,) = camera.keys(overscan, FIRST)
    assert keys.missing == ["bias"]


@pytest.mark.slow
def test_each_kind_has_a_gate_that_tells_its_numbers(camera):
    take_all(camera, FIRST)
    camera.take("light", FIRST, 1)
    (report,) = masters_nights(camera.tools, camera.survey(), [FIRST])
    assert [v.gate for v in report.verdicts] == [
        *("bias_master", "bias_members_agree"),
        *("dark_master", "dark_members_agree"),
        *("flat_master", "flat_members_agree"),
    ]
    assert all(verdict.passed for verdict in report.verdicts)
    assert "5 members, " in report.verdicts[0].detail
    assert "clipped, level 1499 e-, noise 2." in report.verdicts[0].detail
    assert set(report.pictures) == {
        "master bias of 2025-03-01",
        "master dark of 2025-03-01",
        "master flat r of 2025-03-01",
    }
    for key in report.pictures.values():
        assert camera.tools.store.get(key).startswith(b"\x89PNG")


@pytest.mark.slow
def test_a_gate_fails_for_what_is_missing_or_does_not_belong_together(camera):
    take_all(camera, FIRST)
    camera.take("bias", FIRST, 2, level=300)  # light fell in
    camera.take("light", FIRST, 1)
    (report,) = masters_nights(camera.tools, camera.survey(), [FIRST])
    bias = report.verdicts[1]
    assert (bias.passed, bias.holds_back) == (False, False)
    assert bias.value == pytest.approx(2 / 7, rel=0.05)
    camera.take("light", FIRST, 1, cards={"FILTER": "z"})
    (report,) = masters_nights(camera.tools, camera.survey(), [FIRST])
    assert "1 light frames have no master flat" in report.verdicts[4].detail
    assert not report.verdicts[4].passed
    assert report.summary["frames_without"] == {"flat": 1}


@pytest.mark.slow
def test_a_map_of_bad_pixels_is_applied(camera, tmp_path):
    take_all(camera, FIRST)
    camera.take("light", FIRST, 1)
    listed = np.zeros(SHAPE, np.uint8)
    listed[3, 4] = 7
    fits.PrimaryHDU(listed).writeto(tmp_path / "bad.fits")
    profile = camera.survey(detector=f'bad_pixel_map = "{tmp_path}/bad.fits"')
    (keys,) = camera.keys(profile, FIRST)
    defects = load_masters(camera.tools.store, keys).defects
    assert np.argwhere(defects & MaskBit.BAD).tolist() == [[3, 4]]
    (tmp_path / "bad.fits").unlink()
    (keys,) = camera.keys(profile, FIRST)
    with pytest.raises(FrameRejected, match="bad_pixel_map cannot be read"):
        check_masters(profile, keys)


@pytest.mark.slow
def test_calibrated_frames_pass_untouched(camera, monkeypatch):
    take_all(camera, FIRST)
    camera.take("light", FIRST, 1)
    profile = camera.survey()
    calibrated = profile.model_copy(
        update={"calibration": type(profile.calibration)(frames_are="calibrated")}
    )
    (keys,) = camera.keys(calibrated, FIRST)
    assert keys == MasterKeys()
    assert check_masters(calibrated, keys) == []
    (report,) = masters_nights(camera.tools, calibrated, [FIRST])
    assert report.summary["masters"] == 0
    assert all(verdict.passed for verdict in report.verdicts)
    assert camera.masters() == []

    seen = []
    monkeypatch.setattr(
        frame_task, "measure_frame", lambda frame, masters, _: seen.append((frame, masters))
    )
    (row,) = camera.lights(FIRST)
    content = camera.tools.store.get(str(row.raw_key))
    frame_task._measure(
        frame_task.FrameTask(
            store=camera.tools.store,
            profile=calibrated,
            observation_id=row.id,
            night=FIRST,
            path=row.source_path,
            hdu=row.hdu,
            raw_key=str(row.raw_key),
            masters=keys,
            anchor=None,
            input_hash="",
        )
    )
    ((frame, masters),) = seen
    assert masters is None
    pixels = read_image(content, row.hdu, row.source_path, calibrated).data
    assert frame.data.tobytes() == (pixels * np.float32(1.5)).tobytes()


@pytest.mark.slow
def test_many_frames_are_sampled_evenly(camera, monkeypatch):
    from astrid_assets.steps.calibration_masters import making as master_workshop

    monkeypatch.setattr(master_workshop, "MAX_MEMBERS", 6)
    camera.take("bias", FIRST, 13)
    camera.take("light", FIRST, 1)
    camera.keys(camera.survey(), FIRST)
    (bias,) = camera.masters()
    with camera.tools.catalogue.read() as session:
        rows = observations.calibration_frames(session, "cam", ["bias"])
    places = [[row.id for row in rows].index(member) for member in bias.members]
    assert places == [0, 2, 4, 6, 8, 10]


def register_all(tools: Tools, toml: str) -> SurveyProfile:
    """Store a survey of real frames and register all of its nights."""
    profile = add_survey(tools.catalogue, toml)
    source = open_source(profile)
    files = index_source(tools, profile, source)
    nights = sorted({night for file in files for night in file.nights})
    list(register_from_source(tools, profile, nights))
    return profile


@pytest.mark.data
def test_real_flats_even_out_the_sky_of_another_night(camera, shared_data):
    """CAFOS: from the suggested profile to calibrated frames, ten days later."""
    toml = suggest_profile("cam", shared_data / "calib_cafos_ngc2420")
    profile = register_all(camera.tools, toml)
    lights = {row.source_path[8:17]: row for row in camera.lights("2021-03-28")}
    keys = masters_of(camera.tools, profile, list(lights.values()))
    expected = {"uamA_0026": (0.042, 0.016), "uamA_0031": (0.040, 0.014)}
    for name, (before, after) in expected.items():
        row = lights[name]
        assert keys[row.id].missing == ["dark"]  # a cooled camera, none were taken
        masters = load_masters(camera.tools.store, keys[row.id])
        content = camera.tools.store.get(str(row.raw_key))
        raw = read_image(content, row.hdu, row.source_path, profile)
        frame = raw_image_to_frame(raw, row.id)
        only_bias = calibrate(frame, Masters(bias=masters.bias))
        assert spread(only_bias.data) == pytest.approx(before, abs=0.002)
        assert spread(calibrate(frame, masters).data) == pytest.approx(after, abs=0.002)


def spread(image: np.ndarray) -> float:
    """Return the scatter of sky levels over corners and centre, relative."""
    corners = ((40, 40), (40, 830), (830, 40), (830, 830), (437, 437))
    levels = [np.median(image[y : y + 150, x : x + 150]) for y, x in corners]
    return float(np.std(levels) / np.mean(levels))


@pytest.mark.data
def test_real_darks_scale_and_the_cold_bias_stays_apart(camera, shared_data):
    toml = suggest_profile("cam", shared_data / "calib_sbig_2017")
    profile = register_all(camera.tools, toml)
    (report,) = masters_nights(camera.tools, profile, ["2017-09-08"])
    assert list(not_made(report)) == ["bias frames of 2017-09-08 at -10.2 C"]
    bias, dark, flat = camera.masters()
    assert [len(m.members) for m in (bias, dark, flat)] == [4, 5, 2]
    assert bias.ccd_temperature_c == pytest.approx(-4.9, abs=0.1)
    assert (flat.made_with, flat.level) == (
        [bias.frame_key, dark.frame_key],
        pytest.approx(18_700 * 2.06, rel=0.01),
    )
    # Median levels of the darks rise by 0.36 ADU per second (frames.csv).
    assert dark.level == pytest.approx(0.36 * 2.06, rel=0.06)
    hot = image_from_fits(camera.tools.store.get(dark.frame_key))
    # Pixels of 60000 ADU within a minute are there.
    assert np.nanmax(hot) > 500
