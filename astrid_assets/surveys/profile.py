"""The survey profile: everything AstrID has to know about a survey, in one TOML.

A profile says where frames come from, what their headers call things, what the
detector is like, how a night is dated, and what the survey asks of its frames.
It is data, never code: `SurveyProfile.from_toml` is the only way in, and unknown
keys are errors. Settings of the algorithms are the models that stand beside
those algorithms, so one document describes the whole chain.
"""

from __future__ import annotations

import re
import tomllib
from pathlib import Path
from typing import Literal

from pydantic import Field, ValidationError, field_validator, model_validator

from astrid_assets.science.calibration.overscan import OverscanModel
from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.labelling.rules import DEFAULT_RULES, ConsensusRules
from astrid_assets.science.settings import (
    InjectionSettings,
    LightCurveSettings,
    ProcessingSettings,
    ReferenceSettings,
)
from astrid_assets.surveys.profile_sources import Section, SimulatedSource, Source

SURVEY_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,39}$")
# `|`, `[`, `]` and `,` mean something in Dagster's partition keys, `/` in object keys.


class ProfileError(ValueError):
    """A profile that cannot be used; the message names the file and the key."""


class Keywords(Section):
    """Header keywords, each a list of alternatives; the first usable one counts.

    A keyword without a value, or with one that cannot be what it should be, is not
    usable. Image extensions inherit what they lack from the primary header.
    """

    date_obs: tuple[str, ...] = ("DATE-OBS", "DATE_OBS", "MJD-OBS", "MJD_OBS", "MJD", "JD")
    """Date, or date and time, of the exposure; or its MJD or JD."""
    time_obs: tuple[str, ...] = ("TIME-OBS", "TIME_OBS", "UT", "UTC-OBS", "UTSTART", "UT-STR")
    """Time of day, where the date keyword has none."""
    exposure_s: tuple[str, ...] = ("EXPTIME", "EXPOSURE", "EXP_TIME", "TELAPSE")
    """Exposure time, seconds."""
    band: tuple[str, ...] = ("FILTER", "FILTERS", "FILTER1", "FILTER01", "INSFLNAM", "BAND")
    """Filter."""
    gain: tuple[str, ...] = ("EGAIN", "GAIN")
    """Electrons per ADU. EGAIN comes first: where both stand in one header, GAIN is
    the setting of an amateur camera."""
    read_noise: tuple[str, ...] = ("RDNOISE", "READNOIS", "RON", "ENOISE")
    """Read noise, electrons."""
    saturation: tuple[str, ...] = ("SATURATE", "SATURAT", "SATLEVEL")
    """Level, in ADU, from which a pixel is saturated."""
    image_type: tuple[str, ...] = ("IMAGETYP", "OBSTYPE", "FRAME", "IMTYPE")
    """What the frame is: light, bias, dark or flat."""
    time_system: tuple[str, ...] = ("TIMESYS",)
    """Time scale of the date, such as UTC or TAI."""
    field: tuple[str, ...] = ()
    """Keyword that names the field; empty: the whole survey is one field."""
    instrument: tuple[str, ...] = ("INSTRUME", "DETECTOR", "CAMERA")
    """Instrument or camera; masters are kept apart by it."""
    readout_mode: tuple[str, ...] = ("READMODE", "READOUTM", "RDMODE", "CCDSPEED", "SPEED")
    """What changes the bias, such as a speed or an amplifier."""
    binning: tuple[str, ...] = ("XBINNING", "CCDXBIN", "CCDBINX", "BINX", "CCDSUM")
    """Along x; the keyword with Y in place of X gives the other axis."""
    ccd_temperature_c: tuple[str, ...] = (
        "CCD-TEMP",
        "CCDTEMP",
        "CCD_TEMP",
        "DETTEMP",
        "DET-TEMP",
        "TEMPERAT",
    )
    """Measured, in degrees Celsius."""


class AmplifierSections(Section):
    """One amplifier of a detector: where its pixels and its overscan are."""

    data: str
    """Section such as ``[1:1024,1:2048]`` that is kept."""
    overscan: str | None = None
    """Section with this amplifier's overscan; None: it has none."""
    gain_e_per_adu: float | None = Field(default=None, gt=0)
    """None: the frame's gain."""


class Detector(Section):
    """Detector constants; None means: take the header's keyword, which must exist."""

    gain_e_per_adu: float | None = Field(default=None, gt=0)
    """Gain."""
    read_noise_e: float | None = Field(default=None, ge=0)
    """Read noise per pixel."""
    saturation_adu: float | None = Field(default=None, gt=0)
    """Level from which a pixel is saturated."""
    date_is: Literal["start", "middle", "end"] = "start"
    """Which moment of the exposure the header's date gives."""
    band: str | None = None
    """The only band of the survey, when headers do not say."""
    exposure_s: float | None = Field(default=None, gt=0)
    """The exposure time, when headers do not say."""
    hdu: int | Literal["auto", "all"] = "auto"
    """Which HDU holds the image; auto: every 2-D image extension of at least
    32 pixels a side that is not a mask, variance or weight; all: those too."""
    max_megapixels: float = Field(default=150.0, gt=0, le=2000)
    """Larger images are refused before memory is taken for them; 150 holds every
    single detector in use (the largest have 111), one frame then needs 0.6 GB. A file,
    unpacked or not, may have 8 bytes for each of these pixels and 64 MB beside them."""
    overscan: str | None = None
    """Section such as ``[1:16,1:520]`` whose level is subtracted; ``header``:
    the keyword BIASSEC."""
    overscan_model: OverscanModel = "median"
    """``median``: one level per frame; ``rows``: one per line of the section;
    ``polynomial``: a smooth curve through those."""
    trim: str | None = None
    """Section that is kept; ``header``: the keyword TRIMSEC."""
    amplifiers: tuple[AmplifierSections, ...] = ()
    """One per amplifier, instead of `overscan` and `trim`."""
    linear_max_adu: float | None = Field(default=None, gt=0)
    """End of the linear range, in ADU of the file; from there on pixels count as
    saturated."""
    bad_pixel_map: Path | None = None
    """A FITS image of the (trimmed) detector's size; what is not 0 is bad."""

    @model_validator(mode="after")
    def _sections_are_given_once(self) -> Detector:
        if self.amplifiers and (self.overscan or self.trim):
            raise ValueError(
                "amplifiers have sections of their own: leave detector.overscan and "
                "detector.trim out"
            )
        return self


class NightDating(Section):
    """How a night is dated: UTC of mid-exposure, shifted, then cut to the date."""

    utc_shift_hours: float | None = Field(default=None, ge=-24, le=24)
    """Hours that are added to UTC before the date is cut off."""
    longitude_deg: float | None = Field(default=None, ge=-180, le=360)
    """East-positive; shifts by ``longitude / 15 - 12`` hours, so that the date
    is that of the local evening."""


class MaxAge(Section):
    """Days between a night and the night of a master it may use, before or after."""

    bias: int = Field(default=90, ge=0)
    """The age of a master bias, at most."""
    dark: int = Field(default=90, ge=0)
    """The age of a master dark, at most."""
    flat: int = Field(default=30, ge=0)
    """Dust moves: flats age fastest."""


class Calibration(Section):
    """Whether frames are raw, and what to do when a master frame is missing.

    Calibration frames of one night that agree in instrument, read-out mode, binning,
    size, temperature and (flats) filter make one master; a light frame takes the
    nearest in time of those that agree with it.

    `bias`, `dark`, `flat`: glob patterns of source paths; they outrank the headers,
    because headers lie about image types (flats marked "Light Frame").
    """

    frames_are: Literal["calibrated", "raw"] = "calibrated"
    """raw: bias, dark and flat are applied; calibrated: pixels are used as they are."""
    on_missing_master: Literal["reject", "continue"] = "reject"
    """reject: a frame without its master is rejected; continue: it gets a flag."""
    min_master_frames: int = Field(default=5, ge=1)
    """Fewest calibration frames that make a master."""
    max_age_days: MaxAge = MaxAge()
    temperature_tolerance_c: float = Field(default=2.0, gt=0)
    """Largest difference inside a master, and between it and the frame."""
    temperature_policy: Literal["nearest", "reject"] = "nearest"
    """When no bias or dark is near enough in temperature: take the nearest, with a
    flag, or count it as missing."""
    bias: tuple[str, ...] = ()
    """Paths of bias frames."""
    dark: tuple[str, ...] = ()
    """Paths of dark frames."""
    flat: tuple[str, ...] = ()
    """Paths of flat frames."""


class CatalogueFile(Section):
    """A star catalogue that ties every field's anchor to the sky (optional).

    A table (CSV, Parquet, FITS) with right ascension, declination (degrees, ICRS)
    and magnitude; used when present: error, colour, proper motion (mas per year,
    Gaia's), epoch. The other fields name its columns where they are spelled in an
    uncommon way.
    """

    path: Path
    """The table: CSV, Parquet or FITS."""
    epoch_year: float = Field(default=2016.0, ge=1900, le=2100)
    """Epoch of the positions, Julian year, when the table has no column of it."""
    ra: str | None = None
    """Column of the right ascension."""
    dec: str | None = None
    """Column of the declination."""
    mag: str | None = None
    """Which band's magnitudes to use; default ``mag``, then Gaia's G."""
    err: str | None = None
    """Column of the magnitude's error."""
    colour: str | None = None
    """Column of the colour."""
    pmra: str | None = None
    """Column of the proper motion in right ascension, times cos(dec)."""
    pmdec: str | None = None
    """Column of the proper motion in declination."""


class SurveyProfile(Section):
    """One survey, as its user describes it."""

    name: str
    """Name of the survey, and part of every partition key."""
    description: str = ""
    """Free text for reports."""
    source: Source
    """Where frames come from."""
    keywords: Keywords = Keywords()
    detector: Detector = Detector()
    night: NightDating = NightDating()
    calibration: Calibration = Calibration()
    catalogue: CatalogueFile | None = None
    processing: ProcessingSettings = ProcessingSettings.model_validate({})
    reference: ReferenceSettings = ReferenceSettings.model_validate({})
    differencing: DifferencingSettings = DifferencingSettings.model_validate({})
    detection: DetectionSettings = DetectionSettings.model_validate({})
    injection: InjectionSettings = InjectionSettings.model_validate({})
    light_curves: LightCurveSettings = LightCurveSettings.model_validate({})
    labels: ConsensusRules = DEFAULT_RULES

    @field_validator("name")
    @classmethod
    def _name_is_a_key(cls, name: str) -> str:
        if not SURVEY_NAME.match(name):
            raise ValueError(
                f"{name!r} is not a survey name: lower-case letters, digits, "
                "'-' and '_', at most 40"
            )
        return name

    @classmethod
    def from_toml(cls, text: str, *, where: str = "profile") -> SurveyProfile:
        """Read a profile; every problem is named with its key.

        Raises
        ------
        ProfileError
            If the text is no TOML, or a key is unknown, missing or out of range.
        """
        try:
            return cls.model_validate(tomllib.loads(text))
        except tomllib.TOMLDecodeError as error:
            raise ProfileError(f"{where} is no TOML: {error}") from error
        except ValidationError as error:
            problems = "; ".join(
                f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()
            )
            raise ProfileError(f"{where}: {problems}") from error

    @classmethod
    def named(cls, name: str, source: Source) -> SurveyProfile:
        """Return a profile with nothing but a name and a source.

        Raises
        ------
        ProfileError
            If the name cannot be a survey's.
        """
        try:
            return cls(name=name, source=source)
        except ValidationError as error:
            raise ProfileError(error.errors()[0]["msg"]) from error

    @property
    def has_known_truth(self) -> bool:
        """True for simulated surveys only."""
        return isinstance(self.source, SimulatedSource)
