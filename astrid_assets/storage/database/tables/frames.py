"""Tables of surveys, their files and frames, anchors and references.

Master frames are in `masters`.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    BigInteger,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.storage.database.tables.base import Base, Id, Json, add_numbers


class Survey(Base, kw_only=True):
    """A survey and its profile, as last added."""

    __tablename__ = "surveys"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Name of the survey, as commands and partitions write it."""
    profile_toml: Mapped[str] = mapped_column(Text)
    """The profile as TOML, as it was added."""
    created_at: Mapped[dt.datetime]
    """When the survey was first added (UTC)."""
    updated_at: Mapped[dt.datetime]
    """When its profile was last replaced (UTC)."""


class Observation(Base, kw_only=True):
    """One image of one file, ingested once by its content.

    ``status``: ``registered`` | ``rejected`` (the reader could not use it; see `reason`).
    ``kind``: light | bias | dark | flat | unknown.
    """

    __tablename__ = "observations"
    __table_args__ = (
        UniqueConstraint("survey", "sha256", "hdu"),
        Index("ix_observations_survey_night", "survey", "night"),
        Index("ix_observations_time", "observed_mjd", "id"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of survey, content of the file and HDU."""
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    """The survey whose source has the file."""
    night: Mapped[str] = mapped_column(String(10))
    """Date of the night, shifted as the profile's `[night]` says."""
    source_path: Mapped[str] = mapped_column(Text)
    """Path of the file inside the survey's source."""
    hdu: Mapped[int]
    """Number of the HDU that holds the image, from 0."""
    sha256: Mapped[str] = mapped_column(String(64))
    """SHA-256 of the file's bytes; of its path where it could not be read."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Size of the file."""
    raw_key: Mapped[str | None] = mapped_column(Text, default=None)
    """Object key of the file in the store; None where no image of it could be used."""
    status: Mapped[str] = mapped_column(String(20))
    """``registered``: ingested; ``rejected``: the reader could not use it."""
    reason: Mapped[Json | None] = mapped_column(default=None)
    """Code, sentence and numbers of a rejection; None where it was ingested."""
    kind: Mapped[str] = mapped_column(String(20), default="light")
    """light | bias | dark | flat | unknown, by the header and the profile."""
    field: Mapped[str] = mapped_column(String(80), default="")
    """Name of the pointing; empty where the survey is one field."""
    band: Mapped[str] = mapped_column(String(40), default="")
    """Name of the filter, as the header writes it."""
    observed_mjd: Mapped[float | None] = mapped_column(default=None)
    """Middle of the exposure."""
    exposure_s: Mapped[float | None] = mapped_column(default=None)
    """Exposure time."""
    width: Mapped[int | None] = mapped_column(default=None)
    """Columns of the image, overscan included."""
    height: Mapped[int | None] = mapped_column(default=None)
    """Rows of the image, overscan included."""
    instrument: Mapped[str | None] = mapped_column(String(80), default=None)
    """Name of the instrument by the header; masters are of one."""
    readout_mode: Mapped[str | None] = mapped_column(String(80), default=None)
    """Read-out mode by the header; masters are of one."""
    binning: Mapped[str | None] = mapped_column(String(20), default=None)
    """Binning of the detector by the header, such as ``2x2``."""
    ccd_temperature_c: Mapped[float | None] = mapped_column(default=None)
    """Temperature of the detector by the header."""
    registered_at: Mapped[dt.datetime]
    """When it was ingested (UTC)."""


class SourceFileRow(Base, kw_only=True):
    """A file of a survey's source as last seen, so that only new ones are read."""

    __tablename__ = "source_files"
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"), primary_key=True)
    """The survey whose source was listed."""
    path: Mapped[str] = mapped_column(Text, primary_key=True)
    """Path of the file inside the source."""
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    """Size of the file when it was last read."""
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    """Time of its last change, in nanoseconds since 1970 (UTC)."""
    nights: Mapped[list[Any]]
    """Nights its images belong to; ``""`` for what has no date."""
    profile_hash: Mapped[str] = mapped_column(String(64))
    """Hash of what of the profile decided that; another one means: read it again."""
    checked_at: Mapped[dt.datetime]
    """When it was last read (UTC)."""


class FieldAnchor(Base, kw_only=True):
    """The frame whose stars define a field's astrometry and magnitudes, frozen."""

    __tablename__ = "field_anchors"
    __table_args__ = (UniqueConstraint("survey", "field", "band"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of survey, field and band."""
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    """The survey that the field belongs to."""
    field: Mapped[str] = mapped_column(String(80))
    """Name of the pointing; empty where the survey is one field."""
    band: Mapped[str] = mapped_column(String(40))
    """Name of the filter."""
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"))
    """The frame that is the anchor."""
    stars_key: Mapped[str] = mapped_column(Text)
    """Object key of the frame whose stars, WCS and zero point define the field."""
    is_local: Mapped[bool]
    """True: no frame of the field has a WCS; coordinates are only relative."""
    tie: Mapped[dict[str, Any] | None] = mapped_column(default=None)
    """How it was tied to a catalogue (`CatalogueTie.summary`); None without one."""
    created_at: Mapped[dt.datetime]
    """When the anchor was chosen (UTC)."""


class PreprocessRun(Base, kw_only=True):
    """What became of one frame; ``status``: accepted | rejected.

    Each declared number of a frame has its column.
    """

    __tablename__ = "preprocess_runs"
    __table_args__ = (UniqueConstraint("observation_id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the frame's id."""
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"))
    """The raw frame."""
    settings_hash: Mapped[str] = mapped_column(String(64))
    """Hash of the settings and code version it was processed with."""
    status: Mapped[str] = mapped_column(String(20))
    """accepted | rejected."""
    reasons: Mapped[list[Any]]
    """Codes, sentences and numbers of each reason to reject it; empty: accepted."""
    flags: Mapped[list[Any]]
    """Codes, sentences and numbers of what to know about an accepted frame."""
    frame_key: Mapped[str | None] = mapped_column(Text, default=None)
    """Object key of the processed FITS file; None for a rejected frame."""
    n_stars: Mapped[int | None] = mapped_column(default=None)
    fwhm_px: Mapped[float | None] = mapped_column(default=None)
    elongation: Mapped[float | None] = mapped_column(default=None)
    sky_level_e: Mapped[float | None] = mapped_column(default=None)
    """Typical level of the sky before it was subtracted, per pixel."""
    sky_rms_e: Mapped[float | None] = mapped_column(default=None)
    """Noise of the blank sky, per pixel."""
    zero_point_mag: Mapped[float | None] = mapped_column(default=None)
    """Magnitude of one electron in the exposure, on the scale of the field's anchor."""
    zero_point_scatter_mag: Mapped[float | None] = mapped_column(default=None)
    """Scatter of the matched stars about the zero point."""
    transparency: Mapped[float | None] = mapped_column(default=None)
    limiting_mag: Mapped[float | None] = mapped_column(default=None)
    """Magnitude of a star at 5 sigma of the sky, weighted by the PSF."""
    astrometric_rms_px: Mapped[float | None] = mapped_column(default=None)
    n_matched: Mapped[int | None] = mapped_column(default=None)
    """Stars matched with those of the field's anchor."""
    astrometric_rms_x_px: Mapped[float | None] = mapped_column(default=None)
    """Scatter of the bright matched stars along x."""
    astrometric_rms_y_px: Mapped[float | None] = mapped_column(default=None)
    """Scatter of the bright matched stars along y."""
    astrometric_rms_x_mas: Mapped[float | None] = mapped_column(default=None)
    """The same along x on the sky."""
    astrometric_rms_y_mas: Mapped[float | None] = mapped_column(default=None)
    """The same along y on the sky."""
    wcs_kind: Mapped[str | None] = mapped_column(String(20), default=None)
    """Kind of map from the anchor that the stars support, from shift to cubic."""
    zero_point_error_mag: Mapped[float | None] = mapped_column(default=None)
    """Standard error of the zero point."""
    psf_residual: Mapped[float | None] = mapped_column(default=None)
    """Root mean square that bright stars leave in their cores after the PSF is subtracted, beyond
    the noise, over their peak (90th percentile)."""
    noise_ratio: Mapped[float | None] = mapped_column(default=None)
    """Noise of the sky over what gain and read noise predict; None for calibrated frames."""
    diagnostics: Mapped[Json | None] = mapped_column(default=None)
    """Masks by bit, maps of PSF, residuals and zero point (`science.processing.diagnostics`)."""
    bad_fraction: Mapped[float | None] = mapped_column(default=None)
    ra_deg: Mapped[float | None] = mapped_column(default=None)
    """Right ascension of the frame's centre (ICRS, or relative to the field's anchor)."""
    dec_deg: Mapped[float | None] = mapped_column(default=None)
    """Declination of the frame's centre (ICRS, or relative to the field's anchor)."""
    radius_deg: Mapped[float | None] = mapped_column(default=None)
    """Radius of the circle about the centre that holds the frame."""
    area_deg2: Mapped[float | None] = mapped_column(default=None)
    """Area with usable data."""
    field_coverage: Mapped[float | None] = mapped_column(default=None)
    """Share of the field's anchor that lies on the frame."""
    quality_score: Mapped[float | None] = mapped_column(default=None)
    """Weighted mean of what is left to the limits, 0 (at them) to 1 (like the anchor)."""
    processed_at: Mapped[dt.datetime]
    """When it was processed (UTC)."""


add_numbers(PreprocessRun, FRAME_NUMBERS)


class ReferenceFrame(Base, kw_only=True):
    """A reference version: which frames, stacked how."""

    __tablename__ = "reference_frames"
    __table_args__ = (Index("ix_reference_frames_field", "survey", "field", "band"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the version."""
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    """The survey whose frames are stacked."""
    field: Mapped[str] = mapped_column(String(80))
    """Name of the pointing; empty where the survey is one field."""
    band: Mapped[str] = mapped_column(String(40))
    """Name of the filter."""
    version: Mapped[str] = mapped_column(String(64), unique=True)
    """Hash of the members, settings and code version."""
    last_night: Mapped[str] = mapped_column(String(10))
    """Night of the newest member."""
    n_frames: Mapped[int]
    """Number of members."""
    frame_key: Mapped[str] = mapped_column(Text)
    """Object key of the stacked FITS file."""
    fwhm_px: Mapped[float | None] = mapped_column(default=None)
    """FWHM of the stack's PSF."""
    limiting_mag: Mapped[float | None] = mapped_column(default=None)
    """Magnitude of a star at 5 sigma of the stack's sky."""
    coverage: Mapped[float | None] = mapped_column(default=None)
    """Share of its pixels that are good."""
    created_at: Mapped[dt.datetime]
    """When it was stacked (UTC)."""


class ReferenceMember(Base, kw_only=True):
    """One frame inside a reference.

    `rank` counts from 1, the best; `weight` is the frame's share of what the members
    know of a point source. None: chosen before there was a ranking.
    """

    __tablename__ = "reference_members"
    reference_id: Mapped[str] = mapped_column(ForeignKey("reference_frames.id"), primary_key=True)
    """The reference that contains it."""
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"), primary_key=True)
    """The member."""
    rank: Mapped[int | None] = mapped_column(default=None)
    """Position in the ranking by depth, from 1."""
    weight: Mapped[float | None] = mapped_column(default=None)
    """Share of the information on a point source, 0 to 1."""


class NightReference(Base, kw_only=True):
    """Which reference a night uses for a field and band."""

    __tablename__ = "night_references"
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"), primary_key=True)
    """The survey that the night belongs to."""
    night: Mapped[str] = mapped_column(String(10), primary_key=True)
    """The night whose frames are subtracted."""
    field: Mapped[str] = mapped_column(String(80), primary_key=True)
    """Name of the pointing; empty where the survey is one field."""
    band: Mapped[str] = mapped_column(String(40), primary_key=True)
    """Name of the filter."""
    reference_id: Mapped[str | None] = mapped_column(
        ForeignKey("reference_frames.id"), default=None
    )
    """The reference that is subtracted; None: there is none yet."""
    reason: Mapped[Json | None] = mapped_column(default=None)
    """Code and sentence of why there is no reference; None where there is one."""
