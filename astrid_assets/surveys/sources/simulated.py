"""The simulated survey: files made on demand, of a sky whose truth is known.

Every file depends on the settings and its own name alone, so nights can be made in
any order and in parallel. The sky itself is `science.simulation`.
"""

from __future__ import annotations

import datetime as dt
import io
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING, BinaryIO, Literal

import numpy as np
from astropy.io import fits
from astropy.time import Time

from astrid_assets.science.settings import ReferenceSettings
from astrid_assets.science.simulation.detector import calibration_adu
from astrid_assets.science.simulation.exposure import expose
from astrid_assets.science.simulation.optics import true_wcs
from astrid_assets.science.simulation.scene import QUIET_NIGHTS, SimulationPlan
from astrid_assets.science.simulation.truth import (
    FrameTruth,
    TruthSource,
    sources_on_frame,
)
from astrid_assets.science.simulation.weather import conditions
from astrid_assets.surveys import profile_sources
from astrid_assets.surveys.profile import (
    Calibration,
    Keywords,
    MaxAge,
    NightDating,
    SurveyProfile,
)
from astrid_assets.surveys.sources.base import FileUnavailable, SourceFile, SourceUnavailable

if TYPE_CHECKING:
    from collections.abc import Iterator

    from numpy.typing import NDArray

Kind = Literal["bias", "dark", "flat", "light"]

CALIBRATION_FRAMES = 5
IMAGE_TYPES: dict[Kind, str] = {
    "bias": "Bias Frame",
    "dark": "Dark Frame",
    "flat": "Flat Field",
    "light": "Light Frame",
}
FLAT_EXPOSURE_S = 4.0
CALIBRATION_START_DAYS = 0.5 / 24
"""Calibration frames are taken from 00:30 UTC of the first night, every minute."""

NO_AGE = MaxAge(bias=400, dark=400, flat=400)
"""A simulated detector does not change: the first night's frames serve all nights."""

MINUTE_DAYS = 1.0 / 1440
FITS_BLOCK = 2880
SMALLEST_SIDE_PX = 96
"""Below it borders and bright stars leave no room for transients."""

_PATH = re.compile(r"(\d{4}-\d{2}-\d{2})/(bias|dark|flat|light)_(\d{3})\.fits")


@dataclass(frozen=True)
class _Named:
    """What the name of a file means; night and index count from 0."""

    kind: Kind
    night: int
    index: int


class SimulatedFrames:
    """FITS files of a simulated survey; see `surveys.sources.base.FrameSource`."""

    def __init__(self, profile: SurveyProfile) -> None:
        self.settings = _settings_of(profile)
        self.survey = profile.name
        self.plan = plan_of(self.settings)

    def files(self) -> Iterator[SourceFile]:
        """Yield the files in the order of their paths."""
        sizes = {kind: self._size_bytes(kind) for kind in IMAGE_TYPES}
        for night in range(self.settings.nights):
            date = _date(self.settings, night)
            kinds: tuple[Kind, ...] = ("light",)
            if night == 0:
                kinds = ("bias", "dark", "flat", "light")
            for kind in kinds:
                is_light = kind == "light"
                count = self.settings.frames_per_night if is_light else CALIBRATION_FRAMES
                for index in range(count):
                    start = _start_mjd(self.plan, _Named(kind, night, index))
                    yield SourceFile(
                        path=f"{date}/{kind}_{index + 1:03d}.fits",
                        size_bytes=sizes[kind],
                        mtime_ns=_unix_ns(start),
                        night=date,
                    )

    def read(self, path: str) -> bytes:
        """Make one file: 16-bit FITS, the same bytes every time."""
        named = self._parse(path)
        if named.kind == "light":
            adu = expose(self.plan, named.night, named.index).adu
        else:
            adu = calibration_adu(self.plan, named.kind, named.index)
        return _to_fits(adu, self._header(named))

    def open(self, path: str) -> BinaryIO:
        """Return the content of a file, wrapped so that it reads like an open file."""
        return io.BytesIO(self.read(path))

    def check(self) -> None:
        """Raise `SourceUnavailable` when the settings cannot make a survey."""
        if min(self.settings.shape) < SMALLEST_SIDE_PX:
            raise SourceUnavailable(
                f"{self.survey}: simulated frames of "
                f"{self.settings.shape[1]} x {self.settings.shape[0]} pixels hold no "
                f"sky; set source.shape to at least {SMALLEST_SIDE_PX} a side"
            )

    def frame_truth(self, path: str) -> FrameTruth:
        """Return everything known of one light frame."""
        named = self._parse(path)
        if named.kind != "light":
            raise FileUnavailable(f"{path} is a {named.kind} frame: it shows no sky")
        return expose(self.plan, named.night, named.index).truth

    def _parse(self, path: str) -> _Named:
        match = _PATH.fullmatch(path)
        if match is None:
            raise FileUnavailable(
                f"{self.survey} has no file {path}: names read like "
                f"{self.settings.first_night}/light_001.fits"
            )
        date, kind, number = match.groups()
        dates = [_date(self.settings, i) for i in range(self.settings.nights)]
        night = dates.index(date) if date in dates else -1
        index = int(number) - 1
        is_light = kind == "light"
        count = self.settings.frames_per_night if is_light else CALIBRATION_FRAMES
        exists = 0 <= index < count and 0 <= night < self.settings.nights
        if not exists or (night > 0 and not is_light):
            raise FileUnavailable(
                f"{self.survey} has no file {path}: it has {self.settings.nights} "
                f"nights from {self.settings.first_night} with "
                f"{self.settings.frames_per_night} light frames each, and "
                f"{CALIBRATION_FRAMES} frames per kind of calibration on the first"
            )
        for known in IMAGE_TYPES:
            if known == kind:
                return _Named(known, night, index)
        raise AssertionError(kind)

    def _header(self, named: _Named) -> fits.Header:
        plan, scene = self.plan, self.plan.scene
        kind = named.kind
        exposure = {"bias": 0.0, "flat": FLAT_EXPOSURE_S}.get(kind, scene.exposure_s)
        start = _start_mjd(plan, named)
        header = fits.Header()
        header["OBJECT"] = (f"SIM-{scene.name.upper()}-1", "field")
        if kind != "light":
            header["OBJECT"] = kind
        header["IMAGETYP"] = IMAGE_TYPES[kind]
        header["DATE-OBS"] = (_iso(start), "UTC, start of exposure")
        header["EXPTIME"] = (exposure, "[s]")
        header["FILTER"] = scene.band
        header["GAIN"] = (scene.gain_e_per_adu, "[electron/adu]")
        header["RDNOISE"] = (scene.read_noise_e, "[electron]")
        header["SATURATE"] = (
            scene.saturation_adu + scene.bias_adu,
            "[adu] bias included",
        )
        header["TELESCOP"] = "AstrID simulation"
        header["INSTRUME"] = scene.name
        if kind == "light":
            of_frame = conditions(plan, named.night, named.index)
            header["AIRMASS"] = round(of_frame.airmass, 4)
            wcs = true_wcs(plan, of_frame.shift_px, of_frame.turn_deg)
            header.extend(wcs.to_header(relax=True), update=True)
        return header

    def _size_bytes(self, kind: Kind) -> int:
        ny, nx = self.plan.shape
        # Structure and scaling keywords of a 16-bit primary image: a tiny one's.
        tiny = _to_fits(np.zeros((1, 1), np.uint16), self._header(_Named(kind, 0, 0)))
        header = len(tiny) - FITS_BLOCK
        return header + -(-2 * ny * nx // FITS_BLOCK) * FITS_BLOCK


def plan_of(settings: profile_sources.SimulatedSource) -> SimulationPlan:
    """Return the plan that settings describe."""
    first = dt.date.fromisoformat(settings.first_night)
    return SimulationPlan(
        scene_name=settings.scene,
        seed=settings.seed,
        shape=settings.shape,
        frames_per_night=settings.frames_per_night,
        first_mjd=float((first - dt.date(1858, 11, 17)).days),
    )


def truth(settings: profile_sources.SimulatedSource, night: str) -> list[TruthSource]:
    """Return the changed sources of all light frames of a night (YYYY-MM-DD).

    Ordered by frame, on each frame the strongest first; empty for a night that the
    survey does not have.
    """
    number = _night_index(settings, night)
    if not 0 <= number < settings.nights:
        return []
    plan = plan_of(settings)
    return [
        source
        for index in range(settings.frames_per_night)
        for source in sources_on_frame(plan, number, index)
    ]


def frame_index_of(path: str) -> int | None:
    """Return the frame of the night a file of a simulated survey is, from 0.

    None for calibration frames and foreign names. Joins a catalogued observation
    to the `frame_index` of the truth.
    """
    match = _PATH.fullmatch(path)
    if match is None or match.group(2) != "light":
        return None
    return int(match.group(3)) - 1


def demo_profiles() -> list[SurveyProfile]:
    """Return the two simulated surveys of the demonstration."""
    return [
        _demo_profile("sim-wide", "wide", 7),
        _demo_profile("sim-deep", "deep", 11),
    ]


def tiny_profile() -> SurveyProfile:
    """Return one small simulated survey, which a laptop runs within a minute."""
    source = profile_sources.SimulatedSource(
        kind="simulated", scene="wide", seed=3, nights=6, frames_per_night=2, shape=(384, 384)
    )
    return _profile_of("sim-tiny", source)


def _demo_profile(name: str, scene: Literal["wide", "deep"], seed: int) -> SurveyProfile:
    return _profile_of(
        name, profile_sources.SimulatedSource(kind="simulated", scene=scene, seed=seed)
    )


def _profile_of(name: str, source: profile_sources.SimulatedSource) -> SurveyProfile:
    return SurveyProfile(
        name=name,
        description=f"Simulated {source.scene} field with known truth",
        source=source,
        keywords=Keywords(field=("OBJECT",)),
        night=NightDating(utc_shift_hours=0.0),
        calibration=Calibration(frames_are="raw", max_age_days=NO_AGE),
        reference=_reference_settings(source),
    )


def _reference_settings(source: profile_sources.SimulatedSource) -> ReferenceSettings:
    """Return settings that stack the quiet nights, which the truth is relative to."""
    return ReferenceSettings.model_validate(
        {
            "before": _date(source, QUIET_NIGHTS),
            "frames": QUIET_NIGHTS * source.frames_per_night,
            "min_frames": 3,
        }
    )


def _settings_of(profile: SurveyProfile) -> profile_sources.SimulatedSource:
    if not isinstance(profile.source, profile_sources.SimulatedSource):
        raise SourceUnavailable(
            f"{profile.name} is no simulated survey: its source is a {profile.source.kind}"
        )
    return profile.source


def _date(settings: profile_sources.SimulatedSource, night: int) -> str:
    first = dt.date.fromisoformat(settings.first_night)
    return (first + dt.timedelta(days=night)).isoformat()


def _night_index(settings: profile_sources.SimulatedSource, night: str) -> int:
    first = dt.date.fromisoformat(settings.first_night)
    return (dt.date.fromisoformat(night) - first).days


def _start_mjd(plan: SimulationPlan, named: _Named) -> float:
    if named.kind == "light":
        return conditions(plan, named.night, named.index).start_mjd
    slot = list(IMAGE_TYPES).index(named.kind) * CALIBRATION_FRAMES + named.index
    return plan.first_mjd + CALIBRATION_START_DAYS + slot * MINUTE_DAYS


def _iso(mjd: float) -> str:
    return str(Time(mjd, format="mjd", scale="utc", precision=3).isot)


def _unix_ns(mjd: float) -> int:
    return round((mjd - 40_587.0) * 86_400) * 1_000_000_000


def _to_fits(adu: NDArray[np.uint16], header: fits.Header) -> bytes:
    buffer = io.BytesIO()
    fits.PrimaryHDU(adu, header=header).writeto(buffer)
    return buffer.getvalue()
