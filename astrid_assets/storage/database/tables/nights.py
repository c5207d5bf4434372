"""Tables of nights: verdicts of the gates, and summaries per asset."""

from __future__ import annotations

import datetime as dt

from sqlalchemy import (
    String,
    Text,
)
from sqlalchemy.orm import Mapped, mapped_column

from astrid_assets.storage.database.tables.base import Base, Json


class GateVerdict(Base):
    """The verdict of one data-quality gate on one night (or on a whole asset).

    `night` and `survey` are ``""`` for unpartitioned assets.
    """

    __tablename__ = "gate_verdicts"
    survey: Mapped[str] = mapped_column(String(40), primary_key=True)
    night: Mapped[str] = mapped_column(String(10), primary_key=True)
    asset: Mapped[str] = mapped_column(String(40), primary_key=True)
    gate: Mapped[str] = mapped_column(String(60), primary_key=True)
    passed: Mapped[bool]
    holds_back: Mapped[bool]
    """True: a failure keeps the night (or the model) from going on."""
    value: Mapped[float | None]
    limit: Mapped[str] = mapped_column(String(80))
    detail: Mapped[str] = mapped_column(Text)
    judged_at: Mapped[dt.datetime]


class NightSummary(Base):
    """The last finished run of an asset on a night, with its counts."""

    __tablename__ = "night_summaries"
    survey: Mapped[str] = mapped_column(String(40), primary_key=True)
    night: Mapped[str] = mapped_column(String(10), primary_key=True)
    asset: Mapped[str] = mapped_column(String(40), primary_key=True)
    summary: Mapped[Json]
    input_hash: Mapped[str] = mapped_column(String(64))
    """Hash of what went in; unchanged means there is nothing to do."""
    data_version: Mapped[str | None] = mapped_column(String(64))
    """Hash of the output, where the step states one; None: that of the inputs."""
    finished_at: Mapped[dt.datetime]
