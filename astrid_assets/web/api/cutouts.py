"""Cutouts of detections as PNG pictures and FITS files.

Science and reference are in sigma of their sky and the score in sigma, as the network
saw them; the difference comes from its own file, in electrons. Addresses hold ids and
words from a list only, so none can name a file.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, Annotated, Literal, get_args

import numpy as np
from fastapi import APIRouter, Path, Query, Response

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.fits.stamps import difference_cutout
from astrid_assets.storage.objects.cutout_files import read_cutout
from astrid_assets.storage.queries import search
from astrid_assets.web.api.common import DetectionId, State, text_id
from astrid_assets.web.problems import Problem, not_found, responses

if TYPE_CHECKING:
    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from astrid_assets.storage.queries.search import FoundDetection
    from astrid_assets.web.state import WebState

    Stamp = NDArray[np.float32]

Plane = Literal["science", "reference", "difference", "score"]
Suffix = Literal["png", "fits"]
Stretch = Literal["faint", "normal", "bright"]
PLANES: tuple[Plane, ...] = get_args(Plane)
FORMATS: tuple[Suffix, ...] = get_args(Suffix)
CHANNELS: dict[Plane, int] = {"science": 0, "reference": 1, "score": 2}
ALERT_DIFFERENCE = "alert_d"
"""Method of alerts whose third channel is the difference over its sigma."""

BINARY = {"schema": {"type": "string", "format": "binary"}}
CACHE = {"Cache-Control": "private, max-age=3600"}

router = APIRouter(tags=["detections"])


@router.get(
    "/detections/{detection_id}/cutouts/{plane}.{suffix}",
    response_class=Response,
    responses={
        200: {
            "description": "the cutout",
            "content": {"image/png": BINARY, "image/fits": BINARY},
        }
    }
    | responses(404, 422, 503),
)
def cutout(
    state: State,
    detection_id: DetectionId,
    plane: Annotated[
        Plane, Path(description="Which image; `score` is S_corr. Alerts lack one of the last two.")
    ],
    suffix: Annotated[Suffix, Path(description="A picture (PNG), or the numbers (FITS).")],
    stretch: Annotated[
        Stretch, Query(description="Features that the picture shows best, by their brightness.")
    ] = "normal",
) -> Response:
    """Return one plane around a detection, which sits at [32, 32] of 64 x 64.

    PNG: science and reference on one asinh scale, difference and score linear about
    zero; first row below. FITS: the numbers, with the WCS where the frame is here.
    """
    with state.catalogue.read() as session:
        found = search.find_detection(session, text_id(detection_id))
        if found is None:
            raise not_found("detection", text_id(detection_id))
        run = session.get_one(DifferenceRun, found.difference_id)
    stamps = read_cutout(state.store.get(found.cutout_key), found.cutout_index).pixels[0]
    if suffix == "png":
        image, _, unit = _plane(state, found, run, stamps, plane, with_wcs=False)
        return Response(
            _png(image, unit, stamps, plane, stretch), headers=CACHE, media_type="image/png"
        )
    image, wcs, unit = _plane(state, found, run, stamps, plane, with_wcs=True)
    name = f"{found.detection_id}-{plane}.fits"
    return Response(
        _fits(image, wcs, unit, found, (plane, run.method)),
        media_type="image/fits",
        headers=CACHE | {"Content-Disposition": f'attachment; filename="{name}"'},
    )


def planes_of(run: DifferenceRun) -> tuple[Plane, ...]:
    """Return what there is of a detection: alerts come with one of the last two."""
    if run.method == ALERT_DIFFERENCE:
        return ("science", "reference", "difference")
    if run.difference_key is None:
        return ("science", "reference", "score")
    return PLANES


def _plane(
    state: WebState,
    found: FoundDetection,
    run: DifferenceRun,
    stamps: Stamp,
    plane: Plane,
    *,
    with_wcs: bool,
) -> tuple[Stamp, WCS | None, str]:
    """Return an image, its WCS and its unit."""
    if plane not in planes_of(run):
        there = "the difference" if plane == "score" else "the score"
        raise Problem(
            404,
            f"this detection came without its {plane} image: look at {there}",
            code="not-found",
        )
    if plane == "difference" and run.difference_key is None:
        return stamps[CHANNELS["score"]], None, "sigma"
    wcs = None
    if run.difference_key is not None and (with_wcs or plane == "difference"):
        content = state.store.get(run.difference_key)
        size = stamps.shape[-1]
        difference, wcs = difference_cutout(content, found.x, found.y, size)
        if plane == "difference":
            return difference, wcs, "electron"
    return stamps[CHANNELS[plane]], wcs, "sigma"


def _png(image: Stamp, unit: str, stamps: Stamp, plane: Plane, stretch: Stretch) -> bytes:
    from astrid_assets.pictures.cutout_png import shared_level, signed_png, sky_png

    if plane in {"science", "reference"}:
        level = shared_level(stamps[0], stamps[1])
        return sky_png(image, level, stretch, None)
    if unit != "sigma":
        middle = np.nanmedian(image) if np.isfinite(image).any() else 0.0
        spread = MAD_TO_SIGMA * np.nanmedian(np.abs(image - middle))
        image = (image - middle) / max(float(spread), 1e-6)
    return signed_png(image, stretch, None)


def _fits(
    image: Stamp,
    wcs: WCS | None,
    unit: str,
    found: FoundDetection,
    what: tuple[Plane, str],
) -> bytes:
    from astropy.io import fits

    from astrid_assets.storage.fits.cards import set_number, text_card, write_wcs

    hdu = fits.PrimaryHDU(np.ascontiguousarray(image))
    header = hdu.header
    header["OBJECT"] = (found.detection_id, "detection")
    header["PLANE"], header["METHOD"] = what
    header["BUNIT"] = unit
    header["SURVEY"] = text_card(found.survey)
    header["NIGHT"] = text_card(found.night)
    header["BAND"] = text_card(found.band)
    for key, value, comment in (
        ("RA", found.ra_deg, "[deg] of the detection"),
        ("DEC", found.dec_deg, "[deg] of the detection"),
        ("MJD-MID", found.observed_mjd, "[d] UTC at mid-exposure"),
        ("SCORR", found.score_sigma, "[sigma] of the detection"),
        ("DETX", found.x, "[pixel] of the whole frame, zero-based"),
        ("DETY", found.y, "[pixel] of the whole frame, zero-based"),
    ):
        set_number(header, key, value, comment)
    if wcs is not None:
        write_wcs(header, wcs)
    buffer = io.BytesIO()
    hdu.writeto(buffer, output_verify="exception")
    return buffer.getvalue()
