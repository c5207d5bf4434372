"""Tables of nights: verdicts of the gates, and summaries per asset."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.storage.database.tables.base import Base, Json


class GateVerdict(Base, kw_only=True):
    """The verdict of one data-quality gate on one night (or on a whole asset).

    `night` and `survey` are ``""`` for unpartitioned assets.
    """

    __tablename__ = "gate_verdicts"
    survey: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The survey; empty for an asset that all surveys share."""
    night: Mapped[str] = mapped_column(String(10), primary_key=True)
    """The night; empty for an asset that all nights share."""
    asset: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The asset that the gate belongs to."""
    gate: Mapped[str] = mapped_column(String(60), primary_key=True)
    """Name of the gate; its claim stands on the page of measured numbers."""
    passed: Mapped[bool]
    """True where the value is within the limit."""
    holds_back: Mapped[bool]
    """True: a failure keeps the night (or the model) from going on."""
    value: Mapped[float | None] = mapped_column(default=None)
    """What was measured, in the unit of the gate's number; None: nothing to judge."""
    limit: Mapped[str] = mapped_column(String(80))
    """The limit with its side, as text."""
    detail: Mapped[str] = mapped_column(Text)
    """What was measured on what, in a sentence."""
    judged_at: Mapped[dt.datetime]
    """When it was judged (UTC)."""


class NightSummary(Base, kw_only=True):
    """The last finished run of an asset on a night, with its counts."""

    __tablename__ = "night_summaries"
    survey: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The survey that the night belongs to."""
    night: Mapped[str] = mapped_column(String(10), primary_key=True)
    """The night that was run."""
    asset: Mapped[str] = mapped_column(String(40), primary_key=True)
    """The asset that was run."""
    summary: Mapped[Json]
    """Counts and medians of the night, by name."""
    input_hash: Mapped[str] = mapped_column(String(64))
    """Hash of what went in; unchanged means there is nothing to do."""
    data_version: Mapped[str | None] = mapped_column(String(64), default=None)
    """Hash of the output, where the step states one; None: that of the inputs."""
    finished_at: Mapped[dt.datetime]
    """When the run finished (UTC)."""
