"""Tables of what is watched: drift of nights, and the health of models and labels."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import BigInteger, ForeignKey, Index, Integer, String, Text
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
    median_low: Mapped[float | None] = mapped_column(default=None)
    """Lower limit of the median's 95 % interval; None with too few detections."""
    median_high: Mapped[float | None] = mapped_column(default=None)
    """Upper limit of the median's 95 % interval."""
    n_reference: Mapped[int]
    """Reference nights: the first ones that the model scored, this one not among them."""
    effect: Mapped[float | None] = mapped_column(default=None)
    """Largest difference of the cumulative distributions, less what the sizes leave to luck,
    0 to 1; None with too few detections or reference nights."""
    usual: Mapped[float | None] = mapped_column(default=None)
    """The same of the most different reference night from the others."""
    measured_at: Mapped[dt.datetime]
    """When it was first measured (UTC)."""


class HealthNumber(Base, kw_only=True):
    """A number of the health of a model on a survey, of a survey, or of labels and datasets.

    ``number``: error | purity | calibration | calibration_error | ms_per_cutout | frames_age_d |
    search_delay_d | backlog | kappa | label_age_d | quality_score.
    """

    __tablename__ = "health_numbers"
    __table_args__ = (
        Index("ix_health_numbers_measured_at", "measured_at"),
        Index("ix_health_numbers_model_id", "model_id", "survey", "number", "sequence"),
    )
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
        init=False,
    )
    """Counts the numbers; the larger, the newer."""
    survey: Mapped[str] = mapped_column(String(40))
    """The survey; empty for labels and datasets."""
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"), default=None)
    """The model; None for a survey's frames, labels and datasets."""
    number: Mapped[str] = mapped_column(String(20))
    """What was measured."""
    n: Mapped[int]
    """Items that it is made of."""
    value: Mapped[float | None] = mapped_column(default=None)
    """The number; None where there were too few items."""
    low: Mapped[float | None] = mapped_column(default=None)
    """Lower limit of its 95 % interval; None without one."""
    high: Mapped[float | None] = mapped_column(default=None)
    """Upper limit of its 95 % interval."""
    limit: Mapped[float | None] = mapped_column(default=None)
    """What it is compared with: a limit, or what the model promises."""
    passed: Mapped[bool | None] = mapped_column(default=None)
    """False where it is beyond what luck or the limit allows; None: not judged."""
    detail: Mapped[str] = mapped_column(Text)
    """The number in a sentence."""
    measured_at: Mapped[dt.datetime]
    """When it was measured (UTC)."""
