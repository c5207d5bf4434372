"""Tables of surveys, their files and frames, masters, anchors and references."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    ForeignKey,
    Index,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.storage.database.tables.base import Base, Id, Json


class Survey(Base):
    """A survey and its profile, as last added."""

    __tablename__ = "surveys"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    profile_toml: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


class Observation(Base):
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
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    night: Mapped[str] = mapped_column(String(10))
    source_path: Mapped[str] = mapped_column(Text)
    hdu: Mapped[int]
    sha256: Mapped[str] = mapped_column(String(64))
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    raw_key: Mapped[str | None] = mapped_column(Text)
    status: Mapped[str] = mapped_column(String(20))
    reason: Mapped[Json | None]
    kind: Mapped[str] = mapped_column(String(20), default="light")
    field: Mapped[str] = mapped_column(String(80), default="")
    band: Mapped[str] = mapped_column(String(40), default="")
    observed_mjd: Mapped[float | None]
    exposure_s: Mapped[float | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    instrument: Mapped[str | None] = mapped_column(String(80))
    readout_mode: Mapped[str | None] = mapped_column(String(80))
    binning: Mapped[str | None] = mapped_column(String(20))
    ccd_temperature_c: Mapped[float | None]
    registered_at: Mapped[dt.datetime]


class SourceFileRow(Base):
    """A file of a survey's source as last seen, so that only new ones are read."""

    __tablename__ = "source_files"
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"), primary_key=True)
    path: Mapped[str] = mapped_column(Text, primary_key=True)
    size_bytes: Mapped[int] = mapped_column(BigInteger)
    mtime_ns: Mapped[int] = mapped_column(BigInteger)
    nights: Mapped[list[Any]]
    """Nights its images belong to; ``""`` for what has no date."""
    profile_hash: Mapped[str] = mapped_column(String(64))
    """Hash of what of the profile decided that; another one means: read it again."""
    checked_at: Mapped[dt.datetime]


class FieldAnchor(Base):
    """The frame whose stars define a field's astrometry and magnitudes, frozen."""

    __tablename__ = "field_anchors"
    __table_args__ = (UniqueConstraint("survey", "field", "band"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    field: Mapped[str] = mapped_column(String(80))
    band: Mapped[str] = mapped_column(String(40))
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"))
    stars_key: Mapped[str] = mapped_column(Text)
    is_local: Mapped[bool]
    """True: no frame of the field has a WCS; coordinates are only relative."""
    tie: Mapped[dict[str, Any] | None]
    """How it was tied to a catalogue (`CatalogueTie.summary`); None without one."""
    created_at: Mapped[dt.datetime]


class CalibrationMaster(Base):
    """A combined bias, dark or flat frame, versioned by what it was made of.

    `level` and `noise` in electrons (bias), electrons per second (dark); of a flat the
    light of its frames in electrons, and the noise relative to 1.
    """

    __tablename__ = "calibration_masters"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    kind: Mapped[str] = mapped_column(String(20))
    band: Mapped[str] = mapped_column(String(40), default="")
    exposure_s: Mapped[float | None]
    night: Mapped[str] = mapped_column(String(10))
    members: Mapped[list[Any]]
    """Observations that went in."""
    made_with: Mapped[list[Any] | None] = mapped_column(JSON)
    """Object keys of the masters subtracted from its members."""
    instrument: Mapped[str | None] = mapped_column(String(80))
    readout_mode: Mapped[str | None] = mapped_column(String(80))
    binning: Mapped[str | None] = mapped_column(String(20))
    ccd_temperature_c: Mapped[float | None]
    width: Mapped[int | None]
    height: Mapped[int | None]
    level: Mapped[float | None]
    noise: Mapped[float | None]
    clipped_fraction: Mapped[float | None]
    frame_key: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime]


class FrameMaster(Base):
    """Which master a frame is calibrated with: chosen once and kept."""

    __tablename__ = "frame_masters"
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"), primary_key=True)
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    master_id: Mapped[str] = mapped_column(ForeignKey("calibration_masters.id"))
    settings_hash: Mapped[str] = mapped_column(String(64))
    """Hash of what the choice depends on in the profile; when it changes, choose again."""
    flags: Mapped[list[Any]]


class PreprocessRun(Base):
    """What became of one frame; ``status``: accepted | rejected."""

    __tablename__ = "preprocess_runs"
    __table_args__ = (UniqueConstraint("observation_id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"))
    settings_hash: Mapped[str] = mapped_column(String(64))
    status: Mapped[str] = mapped_column(String(20))
    reasons: Mapped[list[Any]]
    flags: Mapped[list[Any]]
    frame_key: Mapped[str | None] = mapped_column(Text)
    n_stars: Mapped[int | None]
    fwhm_px: Mapped[float | None]
    elongation: Mapped[float | None]
    sky_level_e: Mapped[float | None]
    sky_rms_e: Mapped[float | None]
    zero_point_mag: Mapped[float | None]
    zero_point_scatter_mag: Mapped[float | None]
    transparency: Mapped[float | None]
    limiting_mag: Mapped[float | None]
    astrometric_rms_px: Mapped[float | None]
    n_matched: Mapped[int | None]
    astrometric_rms_x_px: Mapped[float | None]
    astrometric_rms_y_px: Mapped[float | None]
    astrometric_rms_x_mas: Mapped[float | None]
    astrometric_rms_y_mas: Mapped[float | None]
    wcs_kind: Mapped[str | None] = mapped_column(String(20))
    zero_point_error_mag: Mapped[float | None]
    psf_residual: Mapped[float | None]
    noise_ratio: Mapped[float | None]
    diagnostics: Mapped[Json | None]
    """Masks by bit, maps of PSF, residuals and zero point (`science.processing.diagnostics`)."""
    bad_fraction: Mapped[float | None]
    ra_deg: Mapped[float | None]
    dec_deg: Mapped[float | None]
    radius_deg: Mapped[float | None]
    area_deg2: Mapped[float | None]
    field_coverage: Mapped[float | None]
    """Share of the field's anchor that lies on the frame."""
    quality_score: Mapped[float | None]
    processed_at: Mapped[dt.datetime]


class ReferenceFrame(Base):
    """A reference version: which frames, stacked how."""

    __tablename__ = "reference_frames"
    __table_args__ = (Index("ix_reference_frames_field", "survey", "field", "band"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    field: Mapped[str] = mapped_column(String(80))
    band: Mapped[str] = mapped_column(String(40))
    version: Mapped[str] = mapped_column(String(64), unique=True)
    last_night: Mapped[str] = mapped_column(String(10))
    n_frames: Mapped[int]
    frame_key: Mapped[str] = mapped_column(Text)
    fwhm_px: Mapped[float | None]
    limiting_mag: Mapped[float | None]
    coverage: Mapped[float | None]
    """Share of its pixels that are good."""
    created_at: Mapped[dt.datetime]


class ReferenceMember(Base):
    """One frame inside a reference.

    `rank` counts from 1, the best; `weight` is the frame's share of what the members
    know of a point source. None: chosen before there was a ranking.
    """

    __tablename__ = "reference_members"
    reference_id: Mapped[str] = mapped_column(ForeignKey("reference_frames.id"), primary_key=True)
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"), primary_key=True)
    rank: Mapped[int | None]
    weight: Mapped[float | None]


class NightReference(Base):
    """Which reference a night uses for a field and band."""

    __tablename__ = "night_references"
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"), primary_key=True)
    night: Mapped[str] = mapped_column(String(10), primary_key=True)
    field: Mapped[str] = mapped_column(String(80), primary_key=True)
    band: Mapped[str] = mapped_column(String(40), primary_key=True)
    reference_id: Mapped[str | None] = mapped_column(ForeignKey("reference_frames.id"))
    reason: Mapped[Json | None]
