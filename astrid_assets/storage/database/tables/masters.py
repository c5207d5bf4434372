"""Tables of master frames, and of which frame each calibrates."""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import JSON, ForeignKey, String, Text
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.storage.database.tables.base import Base, Id


class CalibrationMaster(Base, kw_only=True):
    """A combined bias, dark or flat frame, versioned by what it was made of.

    `level` and `noise` in electrons (bias), electrons per second (dark); of a flat the
    light of its frames in electrons, and the noise relative to 1.
    """

    __tablename__ = "calibration_masters"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of survey, kind, band, exposure and members."""
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    """The survey whose frames it calibrates."""
    kind: Mapped[str] = mapped_column(String(20))
    """bias | dark | flat."""
    band: Mapped[str] = mapped_column(String(40), default="")
    """Name of the filter of a flat; empty for bias and dark."""
    exposure_s: Mapped[float | None] = mapped_column(default=None)
    """Harmonic mean of the exposure times of a dark's members; None for bias and flat."""
    night: Mapped[str] = mapped_column(String(10))
    """Night of the members."""
    members: Mapped[list[Any]]
    """Observations that went in."""
    made_with: Mapped[list[Any] | None] = mapped_column(JSON, default=None)
    """Object keys of the masters subtracted from its members."""
    instrument: Mapped[str | None] = mapped_column(String(80), default=None)
    """Instrument of the members."""
    readout_mode: Mapped[str | None] = mapped_column(String(80), default=None)
    """Read-out mode of the members."""
    binning: Mapped[str | None] = mapped_column(String(20), default=None)
    """Binning of the members."""
    ccd_temperature_c: Mapped[float | None] = mapped_column(default=None)
    """Median temperature of the detector over the members."""
    width: Mapped[int | None] = mapped_column(default=None)
    """Columns of the members as read, overscan included."""
    height: Mapped[int | None] = mapped_column(default=None)
    """Rows of the members as read, overscan included."""
    level: Mapped[float | None] = mapped_column(default=None)
    """Median level, in the unit stated above."""
    noise: Mapped[float | None] = mapped_column(default=None)
    """Typical standard deviation of a pixel, in the unit stated above; None: a single frame."""
    clipped_fraction: Mapped[float | None] = mapped_column(default=None)
    """Fraction of the members' pixel values that were left out as outliers."""
    frame_key: Mapped[str] = mapped_column(Text)
    """Object key of the FITS file."""
    created_at: Mapped[dt.datetime]
    """When it was made (UTC)."""


class FrameMaster(Base, kw_only=True):
    """Which master a frame is calibrated with: chosen once and kept."""

    __tablename__ = "frame_masters"
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"), primary_key=True)
    """The frame that is calibrated."""
    kind: Mapped[str] = mapped_column(String(20), primary_key=True)
    """bias | dark | flat."""
    master_id: Mapped[str] = mapped_column(ForeignKey("calibration_masters.id"))
    """The master chosen for it."""
    settings_hash: Mapped[str] = mapped_column(String(64))
    """Hash of what the choice depends on in the profile; when it changes, choose again."""
    flags: Mapped[list[Any]]
    """Codes, sentences and numbers of what to know about the choice, such as its age."""
