"""Tables of differences and of what was found on them: candidates, objects, fluxes."""

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

from astrid_assets.storage.database.tables.base import Base, Id, Json


class DifferenceRun(Base):
    """One subtraction; ``status``: accepted | rejected; one per frame is current."""

    __tablename__ = "difference_runs"
    __table_args__ = (UniqueConstraint("observation_id", "reference_id", "settings_hash"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"), index=True)
    reference_id: Mapped[str | None] = mapped_column(ForeignKey("reference_frames.id"))
    settings_hash: Mapped[str] = mapped_column(String(64))
    method: Mapped[str] = mapped_column(String(20))
    is_current: Mapped[bool]
    status: Mapped[str] = mapped_column(String(20))
    reasons: Mapped[list[Any]]
    flags: Mapped[list[Any]]
    difference_key: Mapped[str | None] = mapped_column(Text)
    std_score: Mapped[float | None]
    flux_ratio: Mapped[float | None]
    flux_ratio_scatter: Mapped[float | None]
    n_stars: Mapped[int | None]
    coverage: Mapped[float | None]
    offset_px: Mapped[float | None]
    astrometric_noise_px: Mapped[float | None]
    residual_power: Mapped[float | None]
    psf_error: Mapped[float | None]
    noise_factor: Mapped[float | None]
    cross_check: Mapped[Json | None]
    """How the other method's fluxes compare; None where none was asked."""
    limiting_mag: Mapped[float | None]
    area_deg2: Mapped[float | None]
    subtracted_at: Mapped[dt.datetime]


class CandidateRow(Base):
    """A peak of the score, kept or rejected; `reasons` has one bit per failed test."""

    __tablename__ = "candidates"
    __table_args__ = (UniqueConstraint("difference_id", "sign", "peak_x", "peak_y"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    difference_id: Mapped[str] = mapped_column(ForeignKey("difference_runs.id"), index=True)
    peak_x: Mapped[int]
    peak_y: Mapped[int]
    """Pixel of the peak: with the sign the natural key, so that a changed threshold
    or a repeated run never gives a candidate, and its labels, another position."""
    is_current: Mapped[bool]
    """False: an earlier run of the detection listed it, the newest did not."""
    x: Mapped[float]
    y: Mapped[float]
    ra_deg: Mapped[float | None]
    dec_deg: Mapped[float | None]
    healpix: Mapped[int | None] = mapped_column(BigInteger, index=True)
    score_sigma: Mapped[float] = mapped_column(index=True)
    sign: Mapped[int]
    flux_e: Mapped[float]
    flux_err_e: Mapped[float]
    aperture_flux_e: Mapped[float | None]
    aperture_flux_err_e: Mapped[float | None]
    mag: Mapped[float | None]
    mag_err: Mapped[float | None]
    fwhm_px: Mapped[float | None]
    elongation: Mapped[float | None]
    mask_bits: Mapped[int]
    reasons: Mapped[int]
    is_kept: Mapped[bool]


class SkyObject(Base):
    """Detections of one position on the sky."""

    __tablename__ = "objects"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    ra_deg: Mapped[float]
    dec_deg: Mapped[float]
    healpix: Mapped[int] = mapped_column(BigInteger, index=True)
    created_at: Mapped[dt.datetime]


class ForcedFlux(Base):
    """The flux at an object's position on one difference, seen there or not.

    None where the position lies outside the frame; rows of differences that are no
    longer current stay and are passed over.
    """

    __tablename__ = "forced_fluxes"
    object_id: Mapped[str] = mapped_column(ForeignKey("objects.id"), primary_key=True)
    difference_id: Mapped[str] = mapped_column(
        ForeignKey("difference_runs.id"), primary_key=True, index=True
    )
    flux_e: Mapped[float | None]
    flux_err_e: Mapped[float | None]
    mask_bits: Mapped[int]
    is_usable: Mapped[bool]


class TrackletRow(Base):
    """Detections of one night that one moving object explains."""

    __tablename__ = "tracklets"
    __table_args__ = (Index("ix_tracklets_survey_night", "survey", "night"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    night: Mapped[str] = mapped_column(String(10))
    members: Mapped[list[Any]]
    """Ids of its detections, in order of time."""
    rate_arcsec_h: Mapped[float]
    position_angle_deg: Mapped[float]
    rms_arcsec: Mapped[float]


class InjectedTransientRow(Base):
    """An artificial transient and what became of it; never a detection.

    `snr` is what theory promises, negative for a source that fades. `found`: a kept
    candidate came back; `listed`: any, with the failed tests in `reasons`.
    """

    __tablename__ = "injected_transients"
    difference_id: Mapped[str] = mapped_column(ForeignKey("difference_runs.id"), primary_key=True)
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    x: Mapped[float]
    y: Mapped[float]
    snr: Mapped[float]
    flux_e: Mapped[float]
    on_galaxy: Mapped[bool]
    found: Mapped[bool]
    listed: Mapped[bool]
    reasons: Mapped[int]
    score_sigma: Mapped[float | None]
    measured_flux_e: Mapped[float | None]
    measured_flux_err_e: Mapped[float | None]
    dx_px: Mapped[float | None]
    dy_px: Mapped[float | None]


class Detection(Base):
    """A kept candidate with its current score.

    ``score_kind``: model | snr_ranking (no model was deployed: the score is only a
    monotonic function of the S/N and says nothing about real or bogus).
    """

    __tablename__ = "detections"
    __table_args__ = (
        UniqueConstraint("candidate_id"),
        Index("ix_detections_survey_night", "survey", "night"),
        Index("ix_detections_score", "score", "id"),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"))
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"), index=True)
    object_id: Mapped[str | None] = mapped_column(ForeignKey("objects.id"), index=True)
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    night: Mapped[str] = mapped_column(String(10))
    cutout_key: Mapped[str] = mapped_column(Text)
    cutout_index: Mapped[int]
    score: Mapped[float]
    score_kind: Mapped[str] = mapped_column(String(20))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    detected_at: Mapped[dt.datetime]


class DetectionScore(Base):
    """Every score a detection ever got from a model."""

    __tablename__ = "detection_scores"
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), primary_key=True)
    score: Mapped[float]
    scored_at: Mapped[dt.datetime]
