"""What the API takes and gives: pydantic models, the source of its OpenAPI document.

Names and units are those of the catalogue. Lists come as pages: ``items`` and the
``next`` cursor, null on the last page.
"""

from __future__ import annotations

import datetime as dt
import uuid
from typing import Annotated, Generic, Literal, TypeVar

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from astrid_assets.science.labelling.score_limits import Opinion
from astrid_assets.web.texts import Day, PlainText

Item = TypeVar("Item")
Text = Annotated[PlainText, StringConstraints(max_length=80)]
LabelWord = Literal["real", "bogus", "unsure", "skip", "undo"]
SourceWord = Literal["person", "truth", "catalogue", "import"]


class Out(BaseModel):
    """An answer, read from attributes of rows and dataclasses."""

    model_config = ConfigDict(from_attributes=True)


class Body(BaseModel):
    """What a request brings; unknown keys are errors."""

    model_config = ConfigDict(extra="forbid")


class PageOf(BaseModel, Generic[Item]):
    """One page of a list."""

    items: list[Item]
    next: str | None = Field(description="cursor of the next page, null on the last")


class Health(Out):
    """The application answers, and so does its catalogue."""

    status: Literal["ok"]
    version: str
    login_needed: bool


class SurveyOut(Out):
    """A survey with how much there is of it."""

    name: str
    n_observations: int
    first_night: str | None
    last_night: str | None
    updated_at: dt.datetime


class ReasonOut(Out):
    """Why something was rejected or flagged."""

    code: str
    message: str


class ObservationOut(Out):
    """An image and what became of it; ``processed`` is null before that."""

    id: str
    survey: str
    night: str
    source_path: str
    kind: str
    field: str
    band: str
    observed_mjd: float | None
    exposure_s: float | None
    width: int | None
    height: int | None
    status: str
    refused_because: ReasonOut | None
    processed: ProcessedOut | None


class ProcessedOut(Out):
    """What became of a frame."""

    status: str
    reasons: list[ReasonOut]
    flags: list[ReasonOut]
    n_stars: int | None
    fwhm_px: float | None
    elongation: float | None
    zero_point_mag: float | None
    limiting_mag: float | None
    ra_deg: float | None
    dec_deg: float | None
    quality_score: float | None
    numbers: dict[str, float | None] = Field(
        description="every declared number of a frame by its name; null: not measured"
    )


class BlindDetection(Out):
    """A detection as a reviewer meets it: without scores and what others said."""

    detection_id: str
    object_id: str | None
    name: str | None = Field(description="name of its object and a number, to be read out")
    observation_id: str
    survey: str
    night: str
    field: str
    band: str
    observed_mjd: float
    observed_at: dt.datetime
    x: float
    y: float
    ra_deg: float | None
    dec_deg: float | None
    score_sigma: float
    sign: int
    flux_e: float
    flux_err_e: float
    aperture_flux_e: float | None
    aperture_flux_err_e: float | None
    mag: float | None
    mag_err: float | None
    fwhm_px: float | None = Field(description="of the frame's stars")
    candidate_fwhm_px: float | None
    elongation: float | None
    mask: list[str]


class DetectionOut(BlindDetection):
    """A kept candidate with its score and label.

    ``score_kind`` snr_ranking: no model was in force and the score only ranks by S/N.
    """

    score: float
    score_kind: str
    model_id: str | None
    opinion: Opinion | None = Field(
        description="what the score says by the model's threshold and the survey's "
        "`undecided_odds`; null where it only ranks by S/N"
    )
    label: str | None
    label_source: str | None
    classification: str | None
    n_votes: int | None
    agreement: float | None
    carried_from: str | None = Field(
        description="former detection of the same source on which the newest answer was given; "
        "null: this one"
    )


class ScoreOut(Out):
    """A score a detection once got."""

    model_id: str
    score: float
    scored_at: dt.datetime


class DetectionDetail(DetectionOut):
    """A detection with its history and where its pictures are."""

    candidate_id: str
    difference_id: str
    source_path: str
    scores: list[ScoreOut]
    n_events: int
    method: str = Field(description="zogy, …; alert_d, alert_scorr: a public alert")
    cutouts: dict[str, str] = Field(description="address of each cutout by its name")


class EventIn(Body):
    """What one reviewer says; sent again with the same key it is stored once."""

    event_key: str = Field(
        min_length=1,
        max_length=38,
        pattern=r"^[A-Za-z0-9_.:-]+$",
        description="Chosen by the sender, new for each decision (a UUID).",
        examples=["5a3c2f0e-6a53-4f0e-8d5e-2f0d6f6f4c11"],
    )
    label: LabelWord = Field(
        description="The decision; `undo` withdraws the reviewer's newest one on this detection."
    )
    classification: Text | None = Field(
        default=None, description="Kind of source, such as `supernova`, where it is known."
    )
    confidence: float | None = Field(
        default=None, ge=0, le=1, description="The reviewer's own certainty, 0 to 1."
    )
    notes: Annotated[PlainText, StringConstraints(max_length=2000)] | None = Field(
        default=None, description="Free text."
    )


class EventOut(Out):
    """What one reviewer said once."""

    sequence: int
    event_key: str
    detection_id: str = Field(
        description="the detection that was judged; another than the one asked for: carried over"
    )
    reviewer: str
    source: str
    label: str
    classification: str | None
    confidence: float | None
    notes: str | None
    model_id: str | None
    cutout_key: str | None
    cutout_index: int | None
    drawn_as: str | None
    score_seen: bool = Field(description="given after the model's score was shown")
    created_at: dt.datetime


class ObjectOut(Out):
    """Detections of one position on the sky."""

    id: str
    name: str | None = Field(description="name that can be read out")
    survey: str
    ra_deg: float
    dec_deg: float


class PointOut(Out):
    """Flux at an object's position on one frame, against the reference."""

    observation_id: str
    detection_id: str | None
    night: str
    band: str
    observed_mjd: float
    flux_e: float = Field(description="electrons of its frame")
    flux_err_e: float
    flux_ujy: float | None = Field(description="null where no zero point is known")
    flux_err_ujy: float | None
    mag: float | None = Field(description="of the flux's size, where it is seen")
    mag_err: float | None
    limit_mag: float | None = Field(description="5 sigma, where nothing is seen")


class LightCurveOut(Out):
    """An object's light curve, in order of time."""

    object: ObjectOut
    is_forced: bool = Field(description="measured on every frame, not on detections")
    points: list[PointOut]


class QueueOut(Out):
    """How many detections are in each state of the review queue."""

    survey: str | None
    waiting: dict[str, int]


class NextIn(Body):
    """Which detections to review."""

    count: int = Field(default=1, ge=1, le=50, description="Number of detections to draw.")
    survey: Text | None = Field(default=None, description="Only of this survey.")
    night: Day | None = Field(default=None, description="Only of this night.")


class LoginIn(Body):
    """Name and password of a reviewer."""

    name: Text = Field(description="Name of the account.")
    password: PlainText = Field(max_length=1000, description="Password of the account.")


class PersonOut(Out):
    """Who is asking; ``how``: token, session, or a name on this machine."""

    name: str
    role: str
    how: str


Id = uuid.UUID
