"""Differences as bytes of a FITS file, and back; nothing is read or kept here.

The flux image is not written: it is the score times its error, by definition.
"""

from __future__ import annotations

import io
import json
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from astropy.wcs import WCS

from astrid_assets.science.differencing.difference import Difference
from astrid_assets.science.errors import Reason
from astrid_assets.storage.column_types import json_text
from astrid_assets.storage.fits_cards import (
    FORMAT_VERSION,
    OURS,
    data_of,
    header_of,
    integer,
    number_or_none,
    read_wcs,
    set_number,
    text_card,
    text_from,
    write_wcs,
)
from astrid_assets.storage.fits_planes import (
    image_from,
    mask_from,
    mask_plane,
    noisy_plane,
    positive_plane,
    stepped_plane,
)

if TYPE_CHECKING:
    from astrid_assets.science.frame import Image, Mask

SCORE_STEP = 1 / 32  # sigma; half of it is the most a score is off
CHANGES = "PSF_D_CHANGES"
TEXT_CHUNK = 60  # characters of the reasons per card

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
}
"""Header keyword of each number; NaN where it was not written."""

OPTIONAL = {
    "ZPMAG": "zero_point_mag",
    "LIMMAG": "limiting_mag",
    "RESPOWER": "residual_power",
}


def difference_to_fits(difference: Difference) -> bytes:
    """Return a difference as the bytes of a FITS file."""
    d = noisy_plane("DIFFERENCE", difference.d, difference.sky_rms_e)
    d.header["BUNIT"] = "electron"
    write_wcs(d.header, difference.wcs)
    score = stepped_plane("SCORE", difference.score, SCORE_STEP)
    flux_err = positive_plane("FLUX_ERR", difference.flux_err)
    reference = noisy_plane(
        "REFERENCE", difference.registered_reference, difference.reference_rms_e
    )
    psf = fits.ImageHDU(np.asarray(difference.psf_d, dtype=np.float32), name="PSF_D")
    planes = [
        fits.PrimaryHDU(header=_header(difference)),
        d,
        score,
        flux_err,
        reference,
        mask_plane("MASK", difference.mask),
        psf,
    ]
    if difference.psf_d_changes is not None:
        changes = np.asarray(difference.psf_d_changes, dtype=np.float32)
        planes.append(fits.ImageHDU(changes, name=CHANGES))
    buffer = io.BytesIO()
    fits.HDUList(planes).writeto(buffer, output_verify="exception")
    return buffer.getvalue()


def difference_from_fits(content: bytes) -> Difference:
    """Return the difference in a file written by `difference_to_fits`."""
    with fits.open(io.BytesIO(content), lazy_load_hdus=False) as hdus:
        header = header_of(hdus, 0)
        score = image_from(hdus, "SCORE")
        flux_err = image_from(hdus, "FLUX_ERR")
        wcs = read_wcs(header_of(hdus, "DIFFERENCE"))
        numbers = {
            name: float(str(header.get(key, "nan"))) for key, name in NUMBERS.items()
        }
        return Difference(
            frame_id=text_from(header["FRAMEID"]),
            reference_id=text_from(header["REFID"]),
            d=image_from(hdus, "DIFFERENCE"),
            score=score,
            flux=score * flux_err,
            flux_err=flux_err,
            mask=mask_from(hdus, "MASK"),
            registered_reference=image_from(hdus, "REFERENCE"),
            psf_d=np.array(data_of(hdus, "PSF_D"), dtype=np.float32),
            wcs=WCS(naxis=2) if wcs is None else wcs,
            psf_d_changes=(
                np.array(data_of(hdus, CHANGES), dtype=np.float32)
                if CHANGES in hdus
                else None
            ),
            evidence=None,  # of the subtraction itself; the file holds what it told
            n_stars=integer(header, "NSTARS"),
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
    with fits.open(io.BytesIO(content)) as hdus:
        wcs = read_wcs(header_of(hdus, "DIFFERENCE"))
        return ScorePlanes(
            score=image_from(hdus, "SCORE"),
            flux_err=image_from(hdus, "FLUX_ERR"),
            mask=mask_from(hdus, "MASK"),
            wcs=WCS(naxis=2) if wcs is None else wcs,
            zero_point_mag=number_or_none(header_of(hdus, 0), "ZPMAG"),
        )


def _header(difference: Difference) -> fits.Header:
    header = fits.Header()
    header[OURS] = (FORMAT_VERSION, "version of this layout")
    header["FRAMEID"] = text_card(difference.frame_id)
    header["REFID"] = text_card(difference.reference_id)
    header["NSTARS"] = (int(difference.n_stars), "that gave the flux ratio")
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
            item["code"],
            item["message"],
            {
                name: float("nan") if value is None else value
                for name, value in item["measurements"].items()
            },
        )
        for item in json.loads(text_from("".join(parts)))
    )
