"""The catalogue's schema: what AstrID knows, and how one thing leads to another.

::

    surveys ─ source_files
    surveys ─ calibration_masters ─ frame_masters ─ observations
    surveys ─ observations ─ preprocess_runs ─ difference_runs ─ candidates ─ detections
                    │              │                 │                        │  │  │
                field_anchors  reference_members ─ reference_frames    objects  │  │
                                                            detection_scores ───┘  │
                                                            validation_events ─────┤
                                                            drawn_masks ───────────┤
                                          votes, labels, review_items (views) ─────┤
                                                            review_leases ─────────┤
      training_datasets ─ training_samples ────────────────────────────────────────┘
             └─ training_runs ─ models ─ deployments
    objects ─ forced_fluxes ─ difference_runs ─ injected_transients
    tracklets: detections of a night that move
    gate_verdicts, night_summaries: per survey × night × asset
    reviewers ─ reviewer_tokens, reviewer_sessions

Every id is a UUID5 of the row's natural key (`ids.py`), so running anything twice
writes the same rows. Object columns (``*_key``) name immutable, content-addressed
objects. Works on SQLite and PostgreSQL; migrations/ holds the Alembic history.
"""

from __future__ import annotations

import datetime as dt
from typing import Any

from sqlalchemy import (
    JSON,
    BigInteger,
    CheckConstraint,
    Float,
    ForeignKey,
    Index,
    Integer,
    MetaData,
    String,
    Text,
    UniqueConstraint,
)
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column

from astrid_assets.science.labelling.consensus import SOURCES
from astrid_assets.storage.database.column_types import UtcDateTime

NAMING = {
    "ix": "ix_%(column_0_label)s",
    "uq": "uq_%(table_name)s_%(column_0_name)s",
    "fk": "fk_%(table_name)s_%(column_0_name)s_%(referred_table_name)s",
    "pk": "pk_%(table_name)s",
}

Id = String(36)
Json = dict[str, Any]

SOURCE_IS_KNOWN = f"source IN ({', '.join(map(repr, SOURCES))})"
"""Where a label comes from is a type of its own: the database takes no other word."""


class Base(DeclarativeBase):
    """Types and constraint names shared by all tables."""

    metadata = MetaData(naming_convention=NAMING)
    type_annotation_map = {  # noqa: RUF012  SQLAlchemy reads it from the class
        float: Float(53),
        int: Integer,
        str: String(255),
        dt.datetime: UtcDateTime(),
        Json: JSON,
        list[Any]: JSON,
    }


class Survey(Base):
    """A survey and its profile, as last added."""

    __tablename__ = "surveys"
    name: Mapped[str] = mapped_column(String(40), primary_key=True)
    profile_toml: Mapped[str] = mapped_column(Text)
    created_at: Mapped[dt.datetime]
    updated_at: Mapped[dt.datetime]


class Observation(Base):
    """One image of one file, registered once by its content.

    ``status``: registered | rejected (the door could not use it; `reason` says why).
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
    """Object keys of the masters taken off its members."""
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
    """Of what the choice depends on in the profile; another one: choose again."""
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
    """Masks by bit, maps of PSF, residuals and zero point (`science.diagnostics`)."""
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


class Candidate(Base):
    """A peak of the score, kept or rejected; `reasons` has one bit per failed test."""

    __tablename__ = "candidates"
    __table_args__ = (UniqueConstraint("difference_id", "sign", "peak_x", "peak_y"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    difference_id: Mapped[str] = mapped_column(ForeignKey("difference_runs.id"), index=True)
    peak_x: Mapped[int]
    peak_y: Mapped[int]
    """Pixel of the peak: with the sign the natural key, so that a changed threshold
    or a repeated run never gives a candidate, and its labels, another place."""
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
    """Detections of one place on the sky."""

    __tablename__ = "objects"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    survey: Mapped[str] = mapped_column(ForeignKey("surveys.name"))
    ra_deg: Mapped[float]
    dec_deg: Mapped[float]
    healpix: Mapped[int] = mapped_column(BigInteger, index=True)
    created_at: Mapped[dt.datetime]


class ForcedFlux(Base):
    """The flux of an object's place on one difference, seen there or not.

    None where the place lies outside the frame; rows of differences that are no
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


class InjectedTransient(Base):
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


class Model(Base):
    """A trained network in its deployable form."""

    __tablename__ = "models"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    name: Mapped[str] = mapped_column(String(80))
    version: Mapped[str] = mapped_column(String(40))
    training_run_id: Mapped[str | None] = mapped_column(
        ForeignKey("training_runs.id", use_alter=True)
    )
    onnx_sha256: Mapped[str] = mapped_column(String(64), unique=True)
    onnx_key: Mapped[str] = mapped_column(Text)
    metrics: Mapped[Json]
    threshold: Mapped[float]
    """Score at and above which the model calls a detection real."""
    created_at: Mapped[dt.datetime]


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


class ValidationEvent(Base):
    """What one reviewer said once; never changed, never deleted.

    ``source``: person | catalogue | truth | import.
    ``label``: real | bogus | unsure | skip | undo.
    ``event_key`` makes a retried save one event.
    """

    __tablename__ = "validation_events"
    __table_args__ = (
        CheckConstraint(SOURCE_IS_KNOWN, name="ck_validation_events_source"),
        Index("ix_validation_events_reviewer", "reviewer", "detection_id"),
    )
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    )
    event_key: Mapped[str] = mapped_column(String(120), unique=True)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), index=True)
    reviewer: Mapped[str] = mapped_column(String(80))
    source: Mapped[str] = mapped_column(String(20))
    label: Mapped[str] = mapped_column(String(20))
    classification: Mapped[str | None] = mapped_column(String(40))
    confidence: Mapped[float | None]
    notes: Mapped[str | None] = mapped_column(Text)
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    cutout_key: Mapped[str | None] = mapped_column(Text)
    cutout_index: Mapped[int | None]
    """What was on the screen, also after the night was made again; None: the label
    came without looking."""
    drawn_as: Mapped[str | None] = mapped_column(String(20))
    """Why it was shown: uncertain | unscored (no model says how certain it is) |
    random | disputed | second | repeat | gold; None: the reviewer came to it by
    themselves. Only ``random`` measures purity."""
    created_at: Mapped[dt.datetime]


class Vote(Base):
    """Each reviewer's statement that stands: a view of the events, kept for queries."""

    __tablename__ = "votes"
    __table_args__ = (Index("ix_votes_reviewer", "reviewer", "detection_id"),)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    source: Mapped[str] = mapped_column(String(20), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    label: Mapped[str] = mapped_column(String(20))
    """real | bogus | unsure"""
    classification: Mapped[str | None] = mapped_column(String(40))
    drawn_as: Mapped[str | None] = mapped_column(String(20))
    n_said: Mapped[int]
    """How often this reviewer has decided about it; above 1 after a repeat."""
    sequence: Mapped[int] = mapped_column(BigInteger)
    """Of the event that stands."""


class ReviewItem(Base):
    """A detection people may be asked about: a view of its votes, kept for the queue.

    ``queue``: new | sample (new, and of the random sample) | second (wants another
    vote) | disputed | retired (decided) | capped (disputed for good) | closed (no
    longer current, or its night is held back).
    """

    __tablename__ = "review_items"
    __table_args__ = (
        Index("ix_review_items_uncertain", "queue", "uncertainty", "detection_id"),
        Index(
            "ix_review_items_survey_uncertain",
            *("queue", "survey", "uncertainty", "detection_id"),
        ),
        Index("ix_review_items_place", "queue", "detection_id"),
        Index("ix_review_items_survey_place", "queue", "survey", "detection_id"),
        Index("ix_review_items_gold", "gold_label", "detection_id"),
        Index("ix_review_items_night", "survey", "night"),
    )
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    survey: Mapped[str] = mapped_column(String(40))
    night: Mapped[str] = mapped_column(String(10))
    queue: Mapped[str] = mapped_column(String(12))
    uncertainty: Mapped[float | None]
    """Distance of the model's score from its threshold; None without a model."""
    is_sample: Mapped[bool]
    """Of the random sample: by its id alone, and never drawn for another reason
    before its first vote."""
    votes_wanted: Mapped[int]
    n_votes: Mapped[int]
    gold_label: Mapped[str | None] = mapped_column(String(20))
    """What a simulation's truth or a catalogue says; people are measured by it."""


class ReviewLease(Base):
    """What a reviewer has on the screen or in the hand, until it expires."""

    __tablename__ = "review_leases"
    __table_args__ = (Index("ix_review_leases_reviewer", "reviewer", "expires_on"),)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    reviewer: Mapped[str] = mapped_column(String(80), primary_key=True)
    drawn_as: Mapped[str] = mapped_column(String(20))
    expires_on: Mapped[dt.datetime]


class DrawnMask(Base):
    """A training mask as a reviewer drew it; never changed, the newest counts."""

    __tablename__ = "drawn_masks"
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    )
    event_key: Mapped[str] = mapped_column(String(120), unique=True)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), index=True)
    reviewer: Mapped[str] = mapped_column(String(80))
    bits: Mapped[str | None] = mapped_column(Text)
    """Base64 of one bit per pixel, row by row; None: back to the PSF's footprint."""
    created_at: Mapped[dt.datetime]


class Label(Base):
    """The consensus of a detection's events: a view, rewritten at will."""

    __tablename__ = "labels"
    __table_args__ = (CheckConstraint(SOURCE_IS_KNOWN, name="ck_labels_source"),)
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"), primary_key=True)
    label: Mapped[str] = mapped_column(String(20), index=True)
    """real | bogus | disputed | unsure"""
    classification: Mapped[str | None] = mapped_column(String(40))
    source: Mapped[str] = mapped_column(String(20))
    n_votes: Mapped[int]
    agreement: Mapped[float]
    last_sequence: Mapped[int] = mapped_column(BigInteger)


class TrainingDataset(Base):
    """A frozen dataset version; its `content_hash` is its identity."""

    __tablename__ = "training_datasets"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    content_hash: Mapped[str] = mapped_column(String(64), unique=True)
    name: Mapped[str]
    description: Mapped[str | None] = mapped_column(Text)
    collection_params: Mapped[Json]
    total_samples: Mapped[int]
    anomaly_ratio: Mapped[float]
    quality_score: Mapped[float]
    quality_report: Mapped[Json]
    images_key: Mapped[str] = mapped_column(Text)
    masks_key: Mapped[str] = mapped_column(Text)
    samples_key: Mapped[str] = mapped_column(Text)
    last_sequence: Mapped[int] = mapped_column(BigInteger)
    """Newest validation event it has seen; the retraining sensor counts from it."""
    mlflow_run_id: Mapped[str | None] = mapped_column(String(64))
    created_at: Mapped[dt.datetime]
    created_by: Mapped[str]
    status: Mapped[str] = mapped_column(String(50), default="active")


class TrainingSample(Base):
    """One labelled cutout of a dataset; `split`: train | val | test."""

    __tablename__ = "training_samples"
    __table_args__ = (UniqueConstraint("dataset_id", "detection_id"),)
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("training_datasets.id"), index=True)
    observation_id: Mapped[str] = mapped_column(ForeignKey("observations.id"))
    detection_id: Mapped[str] = mapped_column(ForeignKey("detections.id"))
    image_path: Mapped[str] = mapped_column(String(500))
    mask_path: Mapped[str] = mapped_column(String(500))
    labels: Mapped[Json]
    metadata_: Mapped[Json] = mapped_column("metadata")
    split: Mapped[str] = mapped_column(String(10))
    content_hash: Mapped[str] = mapped_column(String(64))
    created_at: Mapped[dt.datetime]


class TrainingRun(Base):
    """One training; ``status``: running | completed.

    One that failed or was killed stays ``running``: the next attempt resumes it. How
    each attempt ended is in MLflow and Dagster.
    """

    __tablename__ = "training_runs"
    id: Mapped[str] = mapped_column(Id, primary_key=True)
    dataset_id: Mapped[str] = mapped_column(ForeignKey("training_datasets.id"))
    model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    mlflow_run_id: Mapped[str | None] = mapped_column(String(255))
    training_params: Mapped[Json]
    performance_metrics: Mapped[Json | None]
    status: Mapped[str] = mapped_column(String(50), default="running")
    started_at: Mapped[dt.datetime]
    completed_at: Mapped[dt.datetime | None]


class Deployment(Base):
    """A decision about the champion; the newest deploy or rollback row is in force.

    ``action``: deploy | keep (the gate refused the challenger) | rollback.
    """

    __tablename__ = "deployments"
    sequence: Mapped[int] = mapped_column(
        BigInteger().with_variant(Integer, "sqlite"),
        primary_key=True,
        autoincrement=True,
    )
    action: Mapped[str] = mapped_column(String(20))
    model_id: Mapped[str] = mapped_column(ForeignKey("models.id"))
    """The model in force after this row for deploy and rollback; the refused
    challenger for keep."""
    previous_model_id: Mapped[str | None] = mapped_column(ForeignKey("models.id"))
    dataset_id: Mapped[str | None] = mapped_column(ForeignKey("training_datasets.id"))
    reason: Mapped[str] = mapped_column(Text)
    metrics: Mapped[Json]
    created_at: Mapped[dt.datetime]


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
    """Hash of what came out, where the step tells; None: as what went in."""
    finished_at: Mapped[dt.datetime]


class Reviewer(Base):
    """A person with an account; ``role``: reader | reviewer | expert | admin."""

    __tablename__ = "reviewers"
    name: Mapped[str] = mapped_column(String(80), primary_key=True)
    role: Mapped[str] = mapped_column(String(20))
    password_hash: Mapped[str | None] = mapped_column(Text)
    """None: this person comes with tokens only."""
    is_active: Mapped[bool]
    created_at: Mapped[dt.datetime]


class ReviewerToken(Base):
    """An API token, as its hash; the token itself is shown once and kept nowhere."""

    __tablename__ = "reviewer_tokens"
    token_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reviewer: Mapped[str] = mapped_column(ForeignKey("reviewers.name"), index=True)
    purpose: Mapped[str] = mapped_column(String(120))
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime | None]
    revoked_at: Mapped[dt.datetime | None]


class ReviewerSession(Base):
    """A login in a browser, as the hash of its cookie."""

    __tablename__ = "reviewer_sessions"
    session_hash: Mapped[str] = mapped_column(String(64), primary_key=True)
    reviewer: Mapped[str] = mapped_column(ForeignKey("reviewers.name"), index=True)
    created_at: Mapped[dt.datetime]
    expires_at: Mapped[dt.datetime]
