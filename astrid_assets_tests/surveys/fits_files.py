"""FITS files as bytes, made for one test each."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.profile_sources import FolderSource

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

    from numpy.typing import NDArray

LIGHT: Mapping[str, object] = {
    "DATE-OBS": "2025-03-01T22:00:00",
    "EXPTIME": 120.0,
    "FILTER": "r",
    "GAIN": 1.5,
    "RDNOISE": 5.0,
    "IMAGETYP": "Light Frame",
}
TAN: Mapping[str, object] = {
    "CTYPE1": "RA---TAN",
    "CTYPE2": "DEC--TAN",
    "CRPIX1": 20.5,
    "CRPIX2": 24.5,
    "CRVAL1": 150.0,
    "CRVAL2": 2.0,
    "CD1_1": -2.8e-4,
    "CD1_2": 0.0,
    "CD2_1": 0.0,
    "CD2_2": 2.8e-4,
}


def survey(toml: str = "") -> SurveyProfile:
    """Return a profile whose sections are given as TOML."""
    return SurveyProfile.from_toml(
        f'name = "test"\n{toml}\n[source]\nkind = "folder"\npath = "."\n'
    )


def folder_survey(path: Path) -> SurveyProfile:
    """Return a profile of a folder with nothing else said."""
    return SurveyProfile.named("test", FolderSource(path=path))


def header_of(cards: Mapping[str, object]) -> fits.Header:
    """Return a header with these cards."""
    header = fits.Header()
    for keyword, value in cards.items():
        header[keyword] = value
    return header


def pixels(shape: tuple[int, int] = (48, 40)) -> NDArray[np.uint16]:
    """Return an image whose every pixel is different and known."""
    return (np.arange(shape[0] * shape[1]).reshape(shape) % 60000).astype(np.uint16)


def to_bytes(*hdus: fits.hdu.base._BaseHDU) -> bytes:
    """Return the file that holds these HDUs."""
    out = io.BytesIO()
    fits.HDUList(list(hdus)).writeto(out, output_verify="silentfix")
    return out.getvalue()


def light(data: NDArray[np.generic] | None = None, **changes: object) -> bytes:
    """Return a light frame; a change to None leaves the keyword out.

    ``DATE_OBS`` stands for ``DATE-OBS``.
    """
    cards = dict(LIGHT)
    for keyword, value in changes.items():
        cards[keyword.replace("_OBS", "-OBS")] = value
    cards = {k: v for k, v in cards.items() if v is not None}
    return to_bytes(fits.PrimaryHDU(pixels() if data is None else data, header_of(cards)))
