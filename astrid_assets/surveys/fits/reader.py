"""The reader: bytes of a file in, frames or understandable rejections out.

Whatever the bytes are, `read_headers` answers with facts and rejections, and
`read_image` with an image or `FrameRejected`. Nothing else leaves this module for
bad input: one broken file must never stop a night.

Codes: ``empty_file``, ``unreadable``, ``truncated``, ``no_image``, ``not_2d``,
``too_small``, ``too_large``, ``colour_mosaic``, ``no_date``, ``no_exposure``,
``bad_section``, ``all_nan``, ``constant``. A broken WCS is a note: stars can still
solve the frame.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, BinaryIO

import numpy as np

from astrid_assets.science.errors import FrameRejected, Reason
from astrid_assets.science.frame import Frame
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.masking.fill_values import filled_pixels
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.surveys.fits.facts import (
    DoorRejection,
    ImageFacts,
    image_facts,
    is_two_dimensional,
    must_be_facts,
)
from astrid_assets.surveys.fits.header_wcs import survey_wcs
from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets.surveys.fits.pixels import must_hold_something, read_pixels
from astrid_assets.surveys.fits.planes import is_image_plane
from astrid_assets.surveys.fits.saturation import believable_saturation
from astrid_assets.surveys.fits.sections import without_sections
from astrid_assets.surveys.fits.structure import FitsFile, no_hdu, open_fits

if TYPE_CHECKING:
    from collections.abc import Collection, Sequence

    from astropy.wcs import WCS

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.surveys.fits.hdu import Hdu
    from astrid_assets.surveys.profile import SurveyProfile


PROVENANCE = (
    "OBJECT",
    "TELESCOP",
    "INSTRUME",
    "DETECTOR",
    "OBSERVAT",
    "OBSERVER",
    "AIRMASS",
    "SECZ",
    "RA",
    "DEC",
    "CCD-TEMP",
    "BUNIT",
    "XBINNING",
    "YBINNING",
    "TRIMSEC",
    "BIASSEC",
)
"""Keywords kept beside the pixels for users; no step depends on them."""


@dataclass(frozen=True, kw_only=True)
class RawImage:
    """One image as the file holds it.

    Attributes
    ----------
    data : (ny, nx), ADU
        NaN where the file has no value; overscan is subtracted and cut off if the
        profile says so.
    wcs
        For zero-based pixels of `data`; None if the header has none that works.
    header
        The few keywords of `PROVENANCE` that are there.
    """

    facts: ImageFacts
    data: Image
    wcs: WCS | None
    header: dict[str, str | float | bool]


def open_images(
    content: bytes | BinaryIO, profile: SurveyProfile, hdus: Collection[int] | None = None
) -> FitsFile:
    """Walk through a file once, for `read_headers`, `header_views` and `read_image`.

    Parameters
    ----------
    content
        The file as it is, packed or not; or an open one.
    hdus
        Those whose data are kept, for `read_image`; None: all.

    Raises
    ------
    FrameRejected
        If the file is empty, packed in a way that is not read, damaged or too large.
    """
    return open_fits(content, max_pixels(profile), lambda hdu: hdus is None or hdu.index in hdus)


def read_headers(
    content: bytes | BinaryIO | FitsFile, path: str, profile: SurveyProfile
) -> list[ImageFacts | DoorRejection]:
    """Return one entry per image of a file, usable or not; never an empty list.

    Parameters
    ----------
    content
        The file as it is, packed or not; or an open one, of which no pixel is read; or
        what `open_images` found.
    path
        The source's path: the profile may recognise image types by it.
    """
    try:
        file = _walked(content, profile)
    except FrameRejected as problem:
        return [DoorRejection(hdu=-1, reason=problem.reason)]
    found: list[ImageFacts | DoorRejection] = []
    for hdu in _chosen(file.hdus, profile):
        header, notes = _view(hdu, file), _notes(file)
        wcs = _wcs(hdu, header, notes, file)
        found.append(image_facts(hdu, header, path, profile, has_wcs=wcs is not None, notes=notes))
    if file.problem is not None:
        found.append(DoorRejection(hdu=len(file.hdus) or -1, reason=file.problem))
    return found or [DoorRejection(hdu=-1, reason=_no_image(file.hdus, profile))]


def read_image(content: bytes | FitsFile, hdu: int, path: str, profile: SurveyProfile) -> RawImage:
    """Decode one image, scaled and checked.

    Parameters
    ----------
    content
        The file as it is, packed or not; or what `open_images` found, from which any
        number of images can be read.

    Raises
    ------
    FrameRejected
        With one of the codes of this module.
    """
    file = content if isinstance(content, FitsFile) else open_images(content, profile, {hdu})
    if not 0 <= hdu < len(file.hdus):
        reason = file.problem or Reason(ReasonCode.NO_IMAGE, f"the file has no HDU {hdu}")
        raise FrameRejected(reason.code, reason.message, **reason.measurements)
    unit = file.hdus[hdu]
    if not _has_image(unit):
        raise FrameRejected(ReasonCode.NO_IMAGE, f"HDU {hdu} holds no image")
    header, notes = _view(unit, file), _notes(file)
    wcs = _wcs(unit, header, notes, file)
    facts = must_be_facts(
        image_facts(unit, header, path, profile, has_wcs=wcs is not None, notes=notes)
    )
    notes = list(facts.notes)
    data = read_pixels(unit, header, notes, max_pixels(profile))
    # Saturation is a matter of the numbers in the file, before anything is subtracted.
    saturation = believable_saturation(data, facts.saturation_adu, notes)
    saturation = min(saturation, profile.detector.linear_max_adu or saturation)
    trimmed = without_sections(data, header, profile.detector, facts.gain_e_per_adu)
    data, (first_row, first_column) = trimmed.image, trimmed.offset_px
    if wcs is not None and (first_row or first_column):
        wcs = wcs[first_row:, first_column:]
    if facts.kind in ("light", "unknown"):
        data = _without_fill(data, saturation - trimmed.highest_level, notes)
    if data.shape != (facts.height, facts.width):
        _must_hold_something(data)
    saturation = (saturation - trimmed.highest_level) * trimmed.saturation_factor
    height, width = data.shape
    kept = {k: v for k in PROVENANCE if (v := header.value(k)) is not None}
    return RawImage(
        facts=replace(
            facts,
            width=width,
            height=height,
            saturation_adu=saturation,
            notes=tuple(dict.fromkeys(notes)),
        ),
        data=data,
        wcs=wcs,
        header=kept,
    )


def header_views(
    content: bytes | BinaryIO | FitsFile, profile: SurveyProfile
) -> dict[int, HeaderView]:
    """Return the headers of all HDUs that can be read, by index."""
    try:
        file = _walked(content, profile)
    except FrameRejected:
        return {}
    return {hdu.index: _view(hdu, file) for hdu in file.hdus}


def max_pixels(profile: SurveyProfile) -> float:
    """Return how many pixels an image may have at most."""
    return profile.detector.max_megapixels * 1e6


def rejection_of(facts: ImageFacts, reason: Reason) -> DoorRejection:
    """Return the rejection of an image whose header was fine but pixels were not."""
    return DoorRejection(
        hdu=facts.hdu,
        reason=reason,
        night=facts.night,
        kind=facts.kind,
        field=facts.field,
        band=facts.band,
        observed_mjd=facts.observed_mjd,
        exposure_s=facts.exposure_s,
        width=facts.width,
        height=facts.height,
        notes=facts.notes,
    )


def raw_image_to_frame(raw: RawImage, frame_id: str) -> Frame:
    """Convert to electrons; blank pixels become 0 under ``NO_DATA``."""
    facts = raw.facts
    mask = np.zeros(raw.data.shape, np.uint16)
    blank = ~np.isfinite(raw.data)
    mask[blank] |= np.uint16(MaskBit.NO_DATA)
    with np.errstate(invalid="ignore"):
        mask[raw.data >= facts.saturation_adu] |= np.uint16(MaskBit.SATURATED)
    electrons = raw.data * np.float32(facts.gain_e_per_adu)
    electrons[blank] = 0
    return Frame(
        frame_id=frame_id,
        data=np.ascontiguousarray(electrons, dtype=np.float32),
        mask=mask,
        wcs=raw.wcs,
        observed_mjd=facts.observed_mjd,
        exposure_s=facts.exposure_s,
        band=facts.band,
        gain_e_per_adu=facts.gain_e_per_adu,
        read_noise_e=facts.read_noise_e,
        saturation_e=facts.saturation_adu * facts.gain_e_per_adu,
    )


def _walked(content: bytes | BinaryIO | FitsFile, profile: SurveyProfile) -> FitsFile:
    if isinstance(content, FitsFile):
        return content
    return open_fits(content, max_pixels(profile), no_hdu)


def _notes(file: FitsFile) -> list[str]:
    if file.claims_the_standard:
        return []
    return ["SIMPLE is not T: the file states that it breaks the FITS standard; it is read as FITS"]


def _chosen(hdus: Sequence[Hdu], profile: SurveyProfile) -> list[Hdu]:
    """Return the HDUs the profile asks for; in ``auto`` those that show the sky."""
    wanted = profile.detector.hdu
    images = [hdu for hdu in hdus if _has_image(hdu)]
    if wanted == "all":
        return images
    if isinstance(wanted, int):
        return [hdu for hdu in images if hdu.index == wanted]
    planes = [hdu for hdu in images if is_image_plane(hdu.header)]
    # Thumbnails and vectors beside a real image are not worth a rejection.
    usable = [hdu for hdu in planes if is_two_dimensional(hdu) and min(hdu.shape[-2:]) >= 32]
    return usable or planes


def _has_image(hdu: Hdu) -> bool:
    return hdu.is_image and 0 not in (len(hdu.shape), *hdu.shape)


def _view(hdu: Hdu, file: FitsFile) -> HeaderView:
    primary = None if hdu.index == 0 else file.hdus[0].header
    return HeaderView(hdu.header, primary)


def _wcs(hdu: Hdu, header: HeaderView, notes: list[str], file: FitsFile) -> WCS | None:
    if not is_two_dimensional(hdu):
        return None
    ny, nx = hdu.shape[-2:]
    return survey_wcs(header, (ny, nx), notes, file.lookup_tables)


def _without_fill(data: Image, saturation_adu: float, notes: list[str]) -> Image:
    """Return the image with NaN where a program filled it; a note says with which values."""
    filled, values = filled_pixels(data, saturation_adu)
    if not values:
        return data
    notes.append(
        f"{filled.mean():.1%} of the pixels have no data: patches or borders of the value "
        f"{', '.join(f'{value:g}' for value in values)}"
    )
    return np.where(filled, np.float32(np.nan), data)


def _must_hold_something(data: Image) -> None:
    low, high = float(np.fmin.reduce(data, axis=None)), float(np.fmax.reduce(data, axis=None))
    must_hold_something(*((low, high) if np.isfinite(low) else (np.inf, -np.inf)))


def _no_image(hdus: Sequence[Hdu], profile: SurveyProfile) -> Reason:
    wanted = profile.detector.hdu
    if isinstance(wanted, int):
        return Reason(
            ReasonCode.NO_IMAGE,
            f"HDU {wanted} is no image in this file of {len(hdus)} HDUs; correct "
            "detector.hdu in the profile",
        )
    tables = sum(not hdu.is_image for hdu in hdus)
    return Reason(
        ReasonCode.NO_IMAGE,
        f"the file holds no image of the sky: {len(hdus)} HDUs, of which {tables} are "
        "tables and the others headers, masks or noise planes",
    )
