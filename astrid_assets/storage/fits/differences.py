"""Differences as bytes of a FITS file, and back; nothing is read or kept here.

The flux image is not written: it is the score times its error, by definition.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from astrid_assets.science.differencing.difference import Difference
from astrid_assets.science.errors import Reason
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.reasons import ReasonCode, current_code
from astrid_assets.storage.database.column_types import json_text
from astrid_assets.storage.fits.cards import (
    FORMAT_VERSION,
    OURS,
    data_of,
    header_of,
    integer,
    number_or_none,
    set_number,
    text_card,
    text_from,
    wcs_from_cards,
    write_wcs,
)
from astrid_assets.storage.fits.opening import opened
from astrid_assets.storage.fits.planes import (
    file_of,
    lossless_plane,
    mask_plane,
    noisy_plane,
    planes_from,
    positive_plane,
    stepped_plane,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.storage.fits.planes import Extension, Plane

SCORE_STEP = 1 / 32  # sigma; half of it is the most a score is off
CHANGES = "PSF_D_CHANGES"
TEXT_CHUNK = 60  # characters of the reasons per card

N_STARS = "NSTARS"
OPTIONAL = {
    "ZPMAG": "zero_point_mag",
    "LIMMAG": "limiting_mag",
    "RESPOWER": "residual_power",
}
"""Numbers that are None where they were not written."""

NUMBERS = {
    "STDSCORE": "std_score",
    "FRATIO": "flux_ratio",
    "FRSCAT": "flux_ratio_scatter",
    "OFFSETPX": "offset_px",
    "ASTNOISE": "astrometric_noise_px",
    "PSFERROR": "psf_error",
    "SKYRMS": "sky_rms_e",
    "REFRMS": "reference_rms_e",
    "NOISEFAC": "noise_factor",
    "COVERAGE": "coverage",
    "AREADEG2": "area_deg2",
    "SKYSTRUC": "sky_structure",
    "FRCHANGE": "flux_ratio_change",
} | {
    number.keyword: number.name
    for number in DIFFERENCE_NUMBERS
    if number.keyword not in (*OPTIONAL, N_STARS)
}
"""Header keyword of each number, in the order of the cards; NaN where it was not written."""


def difference_to_fits(difference: Difference) -> bytes:
    """Return a difference as the bytes of a FITS file."""
    reference, changes = difference.registered_reference, difference.psf_d_changes
    extensions: list[Callable[[], Extension]] = [
        lambda: _d_plane(difference),
        lambda: stepped_plane("SCORE", difference.score, SCORE_STEP),
        lambda: positive_plane("FLUX_ERR", difference.flux_err),
        lambda: noisy_plane("REFERENCE", reference, difference.reference_rms_e),
        lambda: mask_plane("MASK", difference.mask),
        lambda: lossless_plane("PSF_D", difference.psf_d.astype(np.float32)),
    ]
    if changes is not None:
        extensions.append(lambda: lossless_plane(CHANGES, changes.astype(np.float32)))
    return file_of(_header(difference), extensions)


def difference_from_fits(content: bytes) -> Difference:
    """Return the difference in a file written by `difference_to_fits`."""
    with opened(content) as hdus:
        header = header_of(hdus, 0)
        d, score, flux_err, reference, mask = planes_from(
            content, "DIFFERENCE", "SCORE", "FLUX_ERR", "REFERENCE", "MASK"
        )
        wcs = wcs_from_cards(header_of(hdus, "DIFFERENCE"))
        numbers = {name: float(str(header.get(key, "nan"))) for key, name in NUMBERS.items()}
        return Difference(
            frame_id=text_from(header["FRAMEID"]),
            reference_id=text_from(header["REFID"]),
            d=d,
            score=score,
            flux=score * flux_err,
            flux_err=flux_err,
            mask=mask,
            registered_reference=reference,
            psf_d=np.array(data_of(hdus, "PSF_D"), dtype=np.float32),
            wcs=WCS(naxis=2) if wcs is None else wcs,
            psf_d_changes=(
                np.array(data_of(hdus, CHANGES), dtype=np.float32) if CHANGES in hdus else None
            ),
            evidence=None,  # of the subtraction itself; the file holds what it reported
            n_stars=integer(header, N_STARS),
            reasons=_reasons_from(header, "REASON"),
            flags=_reasons_from(header, "FLAG"),
            zero_point_mag=number_or_none(header, "ZPMAG"),
            limiting_mag=number_or_none(header, "LIMMAG"),
            residual_power=number_or_none(header, "RESPOWER"),
            **numbers,
        )


@dataclass(frozen=True)
class ScorePlanes:
    """What forced photometry needs of a difference: a third of its file."""

    score: Image
    flux_err: Image
    mask: Mask
    wcs: WCS
    zero_point_mag: float | None


def score_planes_from_fits(content: bytes) -> ScorePlanes:
    """Return score, flux error and mask of a file written by `difference_to_fits`."""
    with opened(content) as hdus:
        wcs = wcs_from_cards(header_of(hdus, "DIFFERENCE"))
        score, flux_err, mask = planes_from(content, "SCORE", "FLUX_ERR", "MASK")
        return ScorePlanes(
            score=score,
            flux_err=flux_err,
            mask=mask,
            wcs=WCS(naxis=2) if wcs is None else wcs,
            zero_point_mag=number_or_none(header_of(hdus, 0), "ZPMAG"),
        )


def _d_plane(difference: Difference) -> Plane:
    plane = noisy_plane("DIFFERENCE", difference.d, difference.sky_rms_e)
    plane.header["BUNIT"] = "electron"
    write_wcs(plane.header, difference.wcs)
    return plane


def _header(difference: Difference) -> fits.Header:
    header = fits.Header()
    header[OURS] = (FORMAT_VERSION, "version of this layout")
    header["FRAMEID"] = text_card(difference.frame_id)
    header["REFID"] = text_card(difference.reference_id)
    header[N_STARS] = (int(difference.n_stars), "that gave the flux ratio")
    for key, name in (NUMBERS | OPTIONAL).items():
        set_number(header, key, getattr(difference, name), name)
    _write_reasons(header, "REASON", difference.reasons)
    _write_reasons(header, "FLAG", difference.flags)
    return header


def _write_reasons(header: fits.Header, word: str, reasons: tuple[Reason, ...]) -> None:
    # Cards of their own: astropy's CONTINUE cards do not keep every text.
    text = text_card(json_text([reason.as_dict() for reason in reasons]))
    for number, start in enumerate(range(0, len(text), TEXT_CHUNK)):
        header[f"HIERARCH {word} {number}"] = text[start : start + TEXT_CHUNK]


def _reasons_from(header: fits.Header, word: str) -> tuple[Reason, ...]:
    parts = []
    while (key := f"{word} {len(parts)}") in header:
        parts.append(str(header[key]))
    return tuple(
        Reason(
            ReasonCode(current_code(item["code"], item["measurements"])),
            item["message"],
            {
                name: float("nan") if value is None else value
                for name, value in item["measurements"].items()
            },
        )
        for item in json.loads(text_from("".join(parts)))
    )
