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

from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.storage.database.tables.base import Base, Id, Json, add_numbers


class DifferenceRun(Base, kw_only=True):
    """One subtraction; ``status``: accepted | rejected; one per frame is current."""

    __tablename__ = "difference_runs"
    __table_args__ = (UniqueConstraint("observation_id", "reference_id", "settings_hash"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the frame, the reference and the settings."""
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"), index=True)
    """The science frame."""
    reference_id: Mapped[str | None] = mapped_column(
        ForeignKey("reference_frames.id"), default=None
    )
    """The reference that was subtracted; None: there was none to subtract."""
    settings_hash: Mapped[str] = mapped_column(String(64))
    """Hash of the settings, code version and processed frame."""
    method: Mapped[str] = mapped_column(String(20))
    """zogy | kernel."""
    is_current: Mapped[bool]
    """True for the newest subtraction of the frame; False for those before."""
    status: Mapped[str] = mapped_column(String(20))
    """accepted | rejected."""
    reasons: Mapped[list[Any]]
    """Codes, sentences and numbers of each reason to reject it; empty: accepted."""
    flags: Mapped[list[Any]]
    """Codes, sentences and numbers of what to know about an accepted difference."""
    difference_key: Mapped[str | None] = mapped_column(Text, default=None)
    """Object key of the FITS file with D, S_corr, flux, mask and PSF; None if rejected."""
    std_score: Mapped[float | None] = mapped_column(default=None)
    flux_ratio: Mapped[float | None] = mapped_column(default=None)
    flux_ratio_scatter: Mapped[float | None] = mapped_column(default=None)
    n_stars: Mapped[int | None] = mapped_column(default=None)
    coverage: Mapped[float | None] = mapped_column(default=None)
    offset_px: Mapped[float | None] = mapped_column(default=None)
    astrometric_noise_px: Mapped[float | None] = mapped_column(default=None)
    residual_power: Mapped[float | None] = mapped_column(default=None)
    psf_error: Mapped[float | None] = mapped_column(default=None)
    noise_factor: Mapped[float | None] = mapped_column(default=None)
    """Noise of the reference on the scale of the PSF, over that of white noise."""
    cross_check: Mapped[Json | None] = mapped_column(default=None)
    """How the other method's fluxes compare; None where none was asked."""
    limiting_mag: Mapped[float | None] = mapped_column(default=None)
    """Magnitude of a change at 5 sigma, median over the usable pixels."""
    area_deg2: Mapped[float | None] = mapped_column(default=None)
    """Usable area that was searched."""
    subtracted_at: Mapped[dt.datetime]
    """When it was subtracted (UTC)."""


add_numbers(DifferenceRun, DIFFERENCE_NUMBERS)


class CandidateRow(Base, kw_only=True):
    """A peak of the score, kept or rejected; `reasons` has one bit per failed test."""

    __tablename__ = "candidates"
    __table_args__ = (UniqueConstraint("difference_id", "sign", "peak_x", "peak_y"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the difference, sign and pixel of the peak."""
    difference_id: Mapped[str] = mapped_column(ForeignKey("difference_runs.id"), index=True)
    """The difference that it was found on."""
    peak_x: Mapped[int]
    """Column of the peak's pixel on the science frame, from 0."""
    peak_y: Mapped[int]
    """Row of the peak's pixel, from 0. Pixel and sign are the natural key: neither a changed
    threshold nor a repeated run gives a candidate, and its labels, another position."""
    is_current: Mapped[bool]
    """False: an earlier run of the detection listed it, the newest did not."""
    x: Mapped[float]
    """Sub-pixel position along x on the science frame, from 0, in pixels."""
    y: Mapped[float]
    """Sub-pixel position along y on the science frame, from 0, in pixels."""
    ra_deg: Mapped[float | None] = mapped_column(default=None)
    """Right ascension (ICRS, or relative to the field's anchor without any WCS)."""
    dec_deg: Mapped[float | None] = mapped_column(default=None)
    """Declination (ICRS, or relative to the field's anchor without any WCS)."""
    healpix: Mapped[int | None] = mapped_column(BigInteger, index=True, default=None)
    """Pixel of the nested HEALPix grid of order 18 (0.8 arcsec), for searches."""
    score_sigma: Mapped[float] = mapped_column(index=True)
    """S_corr at the peak: its signal to noise, negative where the source faded."""
    sign: Mapped[int]
    """1: brighter than in the reference; -1: fainter."""
    flux_e: Mapped[float]
    """PSF flux of the change, in electrons of the science frame."""
    flux_err_e: Mapped[float]
    """Standard error of the PSF flux."""
    aperture_flux_e: Mapped[float | None] = mapped_column(default=None)
    """Flux within 1.5 FWHM on D; None where more than half of it is masked."""
    aperture_flux_err_e: Mapped[float | None] = mapped_column(default=None)
    """Standard error of the aperture flux."""
    mag: Mapped[float | None] = mapped_column(default=None)
    """Magnitude of the size of the change; None without a zero point."""
    mag_err: Mapped[float | None] = mapped_column(default=None)
    """Standard error of the magnitude."""
    fwhm_px: Mapped[float | None] = mapped_column(default=None)
    """FWHM of the candidate on D, weighted with the PSF; None where noise leaves no width."""
    elongation: Mapped[float | None] = mapped_column(default=None)
    """Ratio of its long to its short axis on D."""
    mask_bits: Mapped[int]
    """Bits of the difference's mask within one FWHM (`MaskBit`)."""
    reasons: Mapped[int]
    """One bit for each failed test (`RejectReason`); 0: kept."""
    is_kept: Mapped[bool]
    """True where no test failed."""


class SkyObject(Base, kw_only=True):
    """Detections of one position on the sky."""

    __tablename__ = "objects"
    __table_args__ = (Index("ix_objects_name", "name", unique=True),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the first detection at this position."""
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    """The survey whose detections they are."""
    ra_deg: Mapped[float]
    """Right ascension of the object (ICRS, or relative to the field's anchor)."""
    dec_deg: Mapped[float]
    """Declination of the object (ICRS, or relative to the field's anchor)."""
    healpix: Mapped[int] = mapped_column(BigInteger, index=True)
    """Pixel of the nested HEALPix grid of order 18 (0.8 arcsec), for searches."""
    created_at: Mapped[dt.datetime]
    """When its first detection was stored (UTC)."""
    name: Mapped[str | None] = mapped_column(String(24), default=None)
    """Name that can be read out, such as ``AST25aabc``: year of the first detection and
    letters; given once."""
    n_named: Mapped[int] = mapped_column(default=0, server_default="0")
    """How many of its detections were given a name."""


class NameCounter(Base, kw_only=True):
    """How many objects of a year were given a name."""

    __tablename__ = "name_counters"
    year: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Year of the night of the first detection."""
    given: Mapped[int]
    """Number of names that were given."""


class ForcedFlux(Base, kw_only=True):
    """The flux at an object's position on one difference, seen there or not.

    None where the position lies outside the frame; rows of differences that are no
    longer current stay and are passed over.
    """

    __tablename__ = "forced_fluxes"
    object_id: Mapped[str] = mapped_column(ForeignKey("objects.id"), primary_key=True)
    """The object whose position was measured."""
    difference_id: Mapped[str] = mapped_column(
        ForeignKey("difference_runs.id"), primary_key=True, index=True
    )
    """The difference that it was measured on."""
    flux_e: Mapped[float | None] = mapped_column(default=None)
    """PSF flux above the reference, in electrons of the science frame."""
    flux_err_e: Mapped[float | None] = mapped_column(default=None)
    """Standard error of the flux."""
    mask_bits: Mapped[int]
    """Bits of the difference's mask at the nearest pixel (`MaskBit`)."""
    is_usable: Mapped[bool]
    """True where neither mask nor border spoils the flux."""


class TrackletRow(Base, kw_only=True):
    """Detections of one night that one moving object explains."""

    __tablename__ = "tracklets"
    __table_args__ = (Index("ix_tracklets_survey_night", "survey", "night"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of its detections."""
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    """The survey that the night belongs to."""
    night: Mapped[str] = mapped_column(String(10))
    """The night of its detections."""
    members: Mapped[list[Any]]
    """Ids of its detections, in order of time."""
    rate_arcsec_h: Mapped[float]
    """Speed on the sky, in arcsec per hour."""
    position_angle_deg: Mapped[float]
    """Direction of the motion, from north through east."""
    rms_arcsec: Mapped[float]
    """Scatter of the positions about a uniform motion."""


class InjectedTransientRow(Base, kw_only=True):
    """An artificial transient and what became of it; never a detection.

    `snr` is what theory promises, negative for a source that fades. `found`: a kept
    candidate came back; `listed`: any, with the failed tests in `reasons`.
    """

    __tablename__ = "injected_transients"
    difference_id: Mapped[str] = mapped_column(ForeignKey("difference_runs.id"), primary_key=True)
    """The difference whose frame it was painted on."""
    number: Mapped[int] = mapped_column(primary_key=True, autoincrement=False)
    """Number among the transients injected into this frame, from 0."""
    x: Mapped[float]
    """True position along x on the science frame, from 0, in pixels."""
    y: Mapped[float]
    """True position along y on the science frame, from 0, in pixels."""
    snr: Mapped[float]
    """Theoretical signal to noise; negative for a source that fades."""
    flux_e: Mapped[float]
    """True flux, in electrons of the science frame."""
    on_galaxy: Mapped[bool]
    """True where it was painted on an extended source."""
    found: Mapped[bool]
    """True where a kept candidate came back."""
    listed: Mapped[bool]
    """True where any candidate came back, kept or rejected."""
    reasons: Mapped[int]
    """Bits of the tests that its candidate failed (`RejectReason`); 0: none."""
    score_sigma: Mapped[float | None] = mapped_column(default=None)
    """S_corr of its candidate; None where nothing came back."""
    measured_flux_e: Mapped[float | None] = mapped_column(default=None)
    """Measured flux, in electrons of the science frame."""
    measured_flux_err_e: Mapped[float | None] = mapped_column(default=None)
    """Standard error of the measured flux."""
    dx_px: Mapped[float | None] = mapped_column(default=None)
    """Measured less true position along x."""
    dy_px: Mapped[float | None] = mapped_column(default=None)
    """Measured less true position along y."""
    cutout_key: Mapped[str | None] = mapped_column(Text, default=None)
    """Object key of the array of cutouts of its frame; None where its own were not kept."""
    cutout_index: Mapped[int | None] = mapped_column(default=None)
    """Index of its cutouts in that array, from 0."""


class Detection(Base, kw_only=True):
    """A kept candidate with its current score.

    ``score_kind``: model | snr_ranking (no model was deployed: the score is only a
    monotonic function of the S/N and says nothing about real or bogus).
    """

    __tablename__ = "detections"
    __table_args__ = (
        UniqueConstraint("candidate_id"),
        Index("ix_detections_survey_night", "survey", "night"),
        Index("ix_detections_score", "score", "id"),
        Index("ix_detections_name", "name", unique=True),
    )
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    """Hash of the candidate's id."""
    candidate_id: Mapped[str] = mapped_column(ForeignKey("candidates.id"))
    """The candidate that was kept, with its measurements."""
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"), index=True)
    """The science frame."""
    object_id: Mapped[str | None] = mapped_column(
        ForeignKey("objects.id"), index=True, default=None
    )
    """The object at this position; None until the night is associated."""
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    """The survey that the frame belongs to."""
    night: Mapped[str] = mapped_column(String(10))
    """The night of the frame."""
    cutout_key: Mapped[str] = mapped_column(Text)
    """Object key of the array of cutouts of its frame."""
    cutout_index: Mapped[int]
    """Index of its cutouts in that array, from 0."""
    score: Mapped[float]
    """Probability of being real by the model; without one, a ranking by S/N, 0 to 1."""
    score_kind: Mapped[str] = mapped_column(String(20))
    """model | snr_ranking: what the score is."""
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"), default=None)
    """The model that gave the score; None for a ranking by S/N."""
    detected_at: Mapped[dt.datetime]
    """When it was stored (UTC)."""
    name: Mapped[str | None] = mapped_column(String(36), default=None)
    """Name of its object and a number, such as ``AST25aabc.2``; None without coordinates."""


class DetectionScore(Base, kw_only=True):
    """Every score a detection ever got from a model."""

    __tablename__ = "detection_scores"
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    """The detection that was scored."""
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"), primary_key=True)
    """The model that scored it."""
    score: Mapped[float]
    """Probability of being real by that model, 0 to 1."""
    scored_at: Mapped[dt.datetime]
    """When it was scored (UTC)."""
