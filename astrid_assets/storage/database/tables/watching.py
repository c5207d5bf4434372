"""Tables of what is watched: drift of nights, and the health of models and labels."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import ForeignKey, String
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.storage.database.tables.base import Base, Id


class NightDrift(Base, kw_only=True):
    """How one number of a night's detections differs from the first nights of its model.

    ``number``: score | snr | fwhm_px | sky_rms_ratio.
    """

    __tablename__ = "night_drifts"
    survey: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The survey that the night belongs to."""
    model_id: Mapped[str] = mapped_column(Id, ForeignKey("models.id"), primary_key=True)
    """The model that scored the night."""
    number: Mapped[str] = mapped_column(String(20), primary_key=True)
    """score | snr | fwhm_px | sky_rms_ratio."""
    night: Mapped[str] = mapped_column(String(10), primary_key=True)
    """The night."""
    n: Mapped[int]
    """Detections that have the number."""
    median: Mapped[float | None] = mapped_column(default=None)
    """Median of the number; None without detections."""
    n_reference: Mapped[int]
    """Reference nights: the first ones that the model scored, this one not among them."""
    effect: Mapped[float | None] = mapped_column(default=None)
    """Largest difference of the cumulative distributions, less what the sizes leave to luck,
    0 to 1; None with too few detections or reference nights."""
    usual: Mapped[float | None] = mapped_column(default=None)
    """The same of the most different reference night from the others."""
    measured_at: Mapped[dt.datetime]
    """When it was first measured (UTC)."""
