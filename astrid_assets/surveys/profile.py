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
from typing import Annotated, Literal

from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    ValidationError,
    field_validator,
    model_validator,
)

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

SURVEY_NAME = re.compile(r"^[a-z0-9][a-z0-9_-]{0,39}$")
# `|`, `[`, `]` and `,` mean something in Dagster's partition keys, `/` in object keys.


class ProfileError(ValueError):
    """A profile that cannot be used; the message names the file and the key."""


class Section(BaseModel):
    """A part of the profile: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


FITS_PATTERNS = (
    "*.fits",
    "*.fit",
    "*.fts",
    "*.fz",
    "*.fits.gz",
    "*.fit.gz",
    "*.fts.gz",
    "*.fits.bz2",
    "*.fits.Z",
    "*.fit.Z",
)
"""File names taken for FITS, whatever their case. ``.Z`` is among them so that
such a file is refused with advice instead of being passed over in silence."""


class FolderSource(Section):
    """Frames in a folder of this machine, searched recursively."""

    kind: Literal["folder"] = "folder"
    path: Path
    patterns: tuple[str, ...] = FITS_PATTERNS
    exclude: tuple[str, ...] = ()
    """Glob patterns of paths (below the folder) to leave alone."""


class ObjectPrefixSource(Section):
    """Frames below a prefix of an object store (``s3://bucket/prefix``).

    Endpoint and credentials come from the environment, never from the profile.
    """

    kind: Literal["object_prefix"]
    url: str
    patterns: tuple[str, ...] = FITS_PATTERNS
    exclude: tuple[str, ...] = ()
    """Glob patterns of paths (below the prefix) to leave alone."""


class ArchiveSource(Section):
    """Frames of an HTTP archive: a manifest (CSV) of addresses, one per line.

    Columns ``url`` and ``night`` (YYYY-MM-DD), optionally ``sha256``. The manifest
    is a file or an address; relative urls in it are relative to its own address.
    """

    kind: Literal["archive"]
    manifest: str
    max_file_mb: int = Field(default=1024, ge=1, le=65536)
    """A larger answer is refused while it arrives."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)


class SimulatedSource(Section):
    """Frames of a simulated sky whose truth is known; made, not read."""

    kind: Literal["simulated"]
    seed: int = 1
    scene: Literal["wide", "deep"] = "wide"
    first_night: str = "2025-03-01"
    nights: int = Field(default=12, ge=1, le=400)
    frames_per_night: int = Field(default=3, ge=1, le=50)
    shape: tuple[int, int] = (768, 768)


class AlertSource(Section):
    """No frames: the survey's detections are public alerts that somebody imports."""

    kind: Literal["alerts"] = "alerts"


Source = Annotated[
    FolderSource | ObjectPrefixSource | ArchiveSource | SimulatedSource | AlertSource,
    Field(discriminator="kind"),
]


class Keywords(Section):
    """Header keywords, each a list of alternatives; the first usable one counts.

    A keyword without a value, or with one that cannot be what it should be, is not
    usable. Image extensions inherit what they lack from the primary header.
    """

    date_obs: tuple[str, ...] = ("DATE-OBS", "DATE_OBS", "MJD-OBS", "MJD_OBS", "MJD", "JD")
    time_obs: tuple[str, ...] = ("TIME-OBS", "TIME_OBS", "UT", "UTC-OBS", "UTSTART", "UT-STR")
    exposure_s: tuple[str, ...] = ("EXPTIME", "EXPOSURE", "EXP_TIME", "TELAPSE")
    band: tuple[str, ...] = ("FILTER", "FILTERS", "FILTER1", "FILTER01", "INSFLNAM", "BAND")
    gain: tuple[str, ...] = ("EGAIN", "GAIN")
    """Electrons per ADU. EGAIN comes first: where both stand in one header, GAIN is
    the setting of an amateur camera."""
    read_noise: tuple[str, ...] = ("RDNOISE", "READNOIS", "RON", "ENOISE")
    saturation: tuple[str, ...] = ("SATURATE", "SATURAT", "SATLEVEL")
    image_type: tuple[str, ...] = ("IMAGETYP", "OBSTYPE", "FRAME", "IMTYPE")
    time_system: tuple[str, ...] = ("TIMESYS",)
    field: tuple[str, ...] = ()
    """Keyword that names the field; empty: the whole survey is one field."""
    instrument: tuple[str, ...] = ("INSTRUME", "DETECTOR", "CAMERA")
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
    gain_e_per_adu: float | None = Field(default=None, gt=0)
    """None: the frame's gain."""


class Detector(Section):
    """Detector constants; None means: take the header's keyword, which must exist."""

    gain_e_per_adu: float | None = Field(default=None, gt=0)
    read_noise_e: float | None = Field(default=None, ge=0)
    saturation_adu: float | None = Field(default=None, gt=0)
    date_is: Literal["start", "middle", "end"] = "start"
    band: str | None = None
    """The only band of the survey, when headers do not say."""
    exposure_s: float | None = Field(default=None, gt=0)
    """The exposure time, when headers do not say."""
    hdu: int | Literal["auto", "all"] = "auto"
    """Which HDU holds the image; auto: every 2-D image extension of at least
    32 pixels a side that is not a mask, variance or weight; all: those too."""
    max_megapixels: float = Field(default=150.0, gt=0, le=2000)
    """Larger images are refused before memory is taken for them; 150 holds every
    single detector in use (the largest have 111), one frame then needs 0.6 GB."""
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


class Night(Section):
    """How a night is dated: UTC of mid-exposure, shifted, then cut to the date."""

    utc_shift_hours: float | None = Field(default=None, ge=-24, le=24)
    longitude_deg: float | None = Field(default=None, ge=-180, le=360)
    """East-positive; shifts by ``longitude / 15 - 12`` hours, so that the date
    is that of the local evening."""


class MaxAge(Section):
    """Days between a night and the night of a master it may use, before or after."""

    bias: int = Field(default=90, ge=0)
    dark: int = Field(default=90, ge=0)
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
    on_missing_master: Literal["reject", "continue"] = "reject"
    min_master_frames: int = Field(default=5, ge=1)
    max_age_days: MaxAge = MaxAge()
    temperature_tolerance_c: float = Field(default=2.0, gt=0)
    """Largest difference inside a master, and between it and the frame."""
    temperature_policy: Literal["nearest", "reject"] = "nearest"
    """When no bias or dark is near enough in temperature: take the nearest, with a
    flag, or count it as missing."""
    bias: tuple[str, ...] = ()
    dark: tuple[str, ...] = ()
    flat: tuple[str, ...] = ()


class CatalogueFile(Section):
    """A star catalogue that ties every field's anchor to the sky (optional).

    A table (CSV, Parquet, FITS) with right ascension, declination (degrees, ICRS)
    and magnitude; used when present: error, colour, proper motion (mas per year,
    Gaia's), epoch. The other fields name its columns where they are spelled in an
    uncommon way.
    """

    path: Path
    epoch_year: float = Field(default=2016.0, ge=1900, le=2100)
    """Epoch of the positions, Julian year, when the table has no column of it."""
    ra: str | None = None
    dec: str | None = None
    mag: str | None = None
    """Which band's magnitudes to use; default ``mag``, then Gaia's G."""
    err: str | None = None
    colour: str | None = None
    pmra: str | None = None
    pmdec: str | None = None


class SurveyProfile(Section):
    """One survey, as its user describes it."""

    name: str
    description: str = ""
    source: Source
    keywords: Keywords = Keywords()
    detector: Detector = Detector()
    night: Night = Night()
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
