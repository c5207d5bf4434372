"""Pictures of the pages: cutouts, wider views, light curves, training masks.

Addresses hold ids, words from lists, and a mark of the content's version, so browsers
may keep them.
"""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Annotated, Literal

import numpy as np
from fastapi import APIRouter, Depends, Response
from pydantic import BaseModel, Field, StringConstraints

from astrid_assets.pictures.cutout_png import shared_level, signed_png, sky_png
from astrid_assets.pictures.orientation import as_seen, as_stored
from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.labelling.masks import training_mask
from astrid_assets.storage.database.tables.detections import DifferenceRun, SkyObject
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.database.tables.learning import ModelEvaluation
from astrid_assets.storage.queries import candidates
from astrid_assets.storage.review.drawn_masks import draw_mask, drawn_masks
from astrid_assets.storage.review.events import MAX_KEY
from astrid_assets.web.problems import Problem, not_found
from astrid_assets.web.security import Person, current_reviewer, reader
from astrid_assets.web.state import WebState, state_of
from astrid_assets.web.texts import PlainText
from astrid_assets.web.views.detection import spot_of
from astrid_assets.web.views.light_curve import drawn, light_curve
from astrid_assets.web.views.planes import HALF, PlaneStamps

if TYPE_CHECKING:
    from astrid_assets.storage.queries.detection_rows import DetectionRow

router = APIRouter(dependencies=[Depends(reader)])

State = Annotated[WebState, Depends(state_of)]
Reviewer = Annotated[Person, Depends(current_reviewer)]
Plane = Literal["science", "reference", "difference", "score"]
Stretch = Literal["faint", "normal", "bright"]

KEEP = {"Cache-Control": "private, max-age=86400"}
SHOWN = 2 * HALF + 1
MASK_BYTES = -(-SHOWN * SHOWN // 8)


class MaskView(BaseModel):
    """A training mask as it lies on the picture: base64 of one bit per pixel."""

    side: int = SHOWN
    bits: str
    drawn: bool = Field(description="False: the PSF's footprint, for a real one")


class MaskDrawn(BaseModel, extra="forbid"):
    """What a reviewer painted; no bits: back to the PSF's footprint."""

    event_key: PlainText = Field(min_length=8, max_length=MAX_KEY)
    bits: Annotated[PlainText, StringConstraints(max_length=4 * MASK_BYTES)] | None


@router.get("/pictures/{detection_id}/{plane}.png")
def cutout_picture(
    state: State,
    detection_id: PlainText,
    plane: Plane,
    stretch: Stretch = "normal",
    wide: bool = False,
) -> Response:
    """Draw a cutout, or the wider view of the same plane, north up."""
    row, run, frame_key = _found(state, detection_id)
    if wide:
        png = _wide(state, row, run, frame_key, plane, stretch)
    else:
        stamps = state.planes.stamps(spot_of(row, run.difference_key, run.method))
        png = _cutout(stamps, plane, stretch)
    return Response(png, media_type="image/png", headers=KEEP)


@router.get("/pictures/{detection_id}/light-curve.svg")
def curve_picture(state: State, detection_id: PlainText) -> Response:
    """Draw the light curve of a detection's object, the detection marked."""
    row, _, _ = _found(state, detection_id)
    if row.object_id is None:
        raise Problem(404, "it has no coordinates, so no object", code="not-found")
    with state.catalogue.read() as session:
        svg = drawn(light_curve(session, row.object_id), detection_id)
    return Response(svg, media_type="image/svg+xml")


@router.get("/pictures/objects/{object_id}/light-curve.svg")
def object_curve(state: State, object_id: PlainText) -> Response:
    """Draw the light curve of an object."""
    with state.catalogue.read() as session:
        if session.get(SkyObject, object_id) is None:
            raise not_found("object", object_id)
        svg = drawn(light_curve(session, object_id))
    return Response(svg, media_type="image/svg+xml")


@router.get("/pictures/evaluations/{evaluation_id}/{name}.png")
def evaluation_picture(state: State, evaluation_id: PlainText, name: PlainText) -> Response:
    """Return a picture that an evaluation kept."""
    with state.catalogue.read() as session:
        row = session.get(ModelEvaluation, evaluation_id)
    if row is None or name not in row.pictures:
        raise not_found("picture", name)
    return Response(state.store.get(row.pictures[name]), media_type="image/png", headers=KEEP)


@router.get("/review/masks/{detection_id}")
def mask(state: State, detection_id: PlainText) -> MaskView:
    """Return the training mask of a detection as it lies on its picture."""
    row, run, _ = _found(state, detection_id)
    turn = state.planes.stamps(spot_of(row, run.difference_key, run.method)).orientation
    with state.catalogue.read() as session:
        own = drawn_masks(session, [detection_id]).get(detection_id)
    # A source without a known PSF gets an empty mask to draw on.
    whole = np.zeros((CUTOUT_SIZE, CUTOUT_SIZE), np.uint8) if own is None else own
    if own is None and row.fwhm_px:
        whole = training_mask("real", row.fwhm_px, CUTOUT_SIZE)
    seen = as_seen(whole[1:, 1:], turn)
    bits = base64.b64encode(np.packbits(seen).tobytes()).decode()
    return MaskView(bits=bits, drawn=own is not None)


@router.post("/review/masks/{detection_id}")
def save_mask(
    state: State, person: Reviewer, detection_id: PlainText, painted: MaskDrawn
) -> dict[str, bool]:
    """Keep a painted mask; the same key again is the same mask."""
    row, run, _ = _found(state, detection_id)
    whole = None
    if painted.bits is not None:
        turn = state.planes.stamps(spot_of(row, run.difference_key, run.method)).orientation
        whole = np.zeros((CUTOUT_SIZE, CUTOUT_SIZE), dtype=np.uint8)
        whole[1:, 1:] = as_stored(_unpacked(painted.bits), turn)
    with state.catalogue.begin() as session:
        is_new = draw_mask(
            session, painted.event_key, detection_id, person.name, whole, state.clock()
        )
    return {"is_new": is_new}


def _unpacked(bits: str) -> np.ndarray:
    try:
        packed = np.frombuffer(base64.b64decode(bits, validate=True), dtype=np.uint8)
    except ValueError as error:
        raise Problem(422, "the mask is not base64", code="bad-mask") from error
    if packed.size != MASK_BYTES:
        raise Problem(422, f"the mask has {packed.size} bytes, not {MASK_BYTES}", code="bad-mask")
    return np.unpackbits(packed)[: SHOWN * SHOWN].reshape(SHOWN, SHOWN)


def _found(state: WebState, detection_id: str) -> tuple[DetectionRow, DifferenceRun, str | None]:
    with state.catalogue.read() as session:
        row = candidates.detections_by_ids(session, [detection_id]).get(detection_id)
        if row is None:
            raise not_found("detection", detection_id)
        run = session.get_one(DifferenceRun, row.difference_id)
        frame = session.query(PreprocessRun.frame_key).filter_by(observation_id=row.observation_id)
        return row, run, frame.scalar()


def _cutout(stamps: PlaneStamps, plane: Plane, stretch: Stretch) -> bytes:
    image = dict(stamps.planes)[plane]
    if image is None:
        raise Problem(404, f"no {plane} is kept of this detection", code="not-found")
    if plane in {"science", "reference"}:
        level = shared_level(stamps.science, stamps.reference)
        return sky_png(image, level, stretch, stamps.orientation)
    return signed_png(image, stretch, stamps.orientation)


def _wide(
    state: WebState,
    row: DetectionRow,
    run: DifferenceRun,
    frame_key: str | None,
    plane: Plane,
    stretch: Stretch,
) -> bytes:
    if run.difference_key is None or frame_key is None:
        raise Problem(404, "no whole frame is kept of it", code="not-found")
    image, turn = state.planes.context(run.difference_key, frame_key, plane, row.x, row.y)
    if plane in {"science", "reference"}:
        return sky_png(image, shared_level(image, image), stretch, turn)
    return signed_png(image, stretch, turn)
