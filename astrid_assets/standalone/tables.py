"""Candidates and stars as astropy tables, with units and a description per column."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from astropy.table import Column, Table

from astrid_assets.science.detection.candidate import reason_names as names_of_reasons
from astrid_assets.science.mask_bits import mask_names as names_of_bits

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.detection.candidate import Candidate
    from astrid_assets.science.stars.star_list import Stars

CANDIDATE_COLUMNS: dict[str, tuple[str, str]] = {
    "x": ("pix", "sub-pixel position along x on the science frame, from 0"),
    "y": ("pix", "sub-pixel position along y on the science frame, from 0"),
    "ra_deg": ("deg", "right ascension, in the system of the frame's WCS"),
    "dec_deg": ("deg", "declination, in the system of the frame's WCS"),
    "significance": ("", "S_corr at the peak, in sigma; negative where the source faded"),
    "flux_e": ("electron", "PSF flux of the change, in electrons of the science frame"),
    "flux_err_e": ("electron", "standard error of the PSF flux"),
    "aperture_flux_e": ("electron", "flux within 1.5 FWHM; NaN where most of it is masked"),
    "aperture_flux_err_e": ("electron", "standard error of the aperture flux"),
    "mag": ("mag", "magnitude of the size of the change"),
    "mag_err": ("mag", "standard error of the magnitude"),
    "fwhm_px": ("pix", "FWHM on the difference; NaN where noise leaves no width"),
    "elongation": ("", "ratio of the long to the short axis on the difference"),
}
"""Unit and description."""

STAR_COLUMNS: dict[str, tuple[str, str]] = {
    "x": ("pix", "position along x, from 0"),
    "y": ("pix", "position along y, from 0"),
    "ra_deg": ("deg", "right ascension, in the system of the frame's WCS"),
    "dec_deg": ("deg", "declination, in the system of the frame's WCS"),
    "flux": ("electron", "PSF flux"),
    "flux_err": ("electron", "standard error of the PSF flux"),
    "fwhm_px": ("pix", "FWHM of the star"),
    "elongation": ("", "ratio of the long to the short axis"),
    "flag": ("", "0 is an isolated good star; 1 blended, 2 saturated, 4 masked, 8 unlike a star"),
}
DIGITS = {"pix": ".3f", "deg": ".7f"}
"""Shown and written of a number, by unit; six significant ones of others."""
FAILED = "names of the failed tests, joined by commas"
BITS = "names of the mask bits within one FWHM, joined by commas"
SKY = ("ra_deg", "dec_deg")
MAGNITUDES = ("mag", "mag_err")


def candidate_table(
    candidates: Sequence[Candidate], *, with_sky: bool, with_magnitudes: bool
) -> Table:
    """Return one row per candidate, the most significant first.

    Beside the measurements: `kept` (no test failed), `failed_tests` and `mask` (names,
    joined by commas).
    """
    table = Table()
    for name, (unit, text) in CANDIDATE_COLUMNS.items():
        if (name in SKY and not with_sky) or (name in MAGNITUDES and not with_magnitudes):
            continue
        values = [_number(each, name) for each in candidates]
        table[name] = _column(np.array(values, dtype=np.float64), unit, text)
    kept = np.array([each.is_kept for each in candidates], dtype=bool)
    table["kept"] = Column(kept, description="True where no test failed")
    for name, words, text in (
        ("failed_tests", [names_of_reasons(each.reasons) for each in candidates], FAILED),
        ("mask", [names_of_bits(each.mask_bits) for each in candidates], BITS),
    ):
        joined = np.array([",".join(each) for each in words], dtype="U")
        table[name] = Column(joined, description=text)
    return table


def star_table(stars: Stars, *, with_sky: bool) -> Table:
    """Return one row per star, the brightest first."""
    table = Table()
    for name, (unit, text) in STAR_COLUMNS.items():
        if name in SKY and not with_sky:
            continue
        table[name] = _column(np.asarray(getattr(stars, name)), unit, text)
    return table


def _number(candidate: Candidate, name: str) -> float:
    value = candidate.score if name == "significance" else getattr(candidate, name)
    return float("nan") if value is None else float(value)


def column_values(table: Table, name: str) -> NDArray[np.float64]:
    """Return a column as plain numbers."""
    return np.asarray(table[name], dtype=np.float64)


def rows_where(table: Table, chosen: NDArray[np.bool_]) -> Table:
    """Return the chosen rows."""
    found = table[chosen]
    if not isinstance(found, Table):
        raise TypeError("a mask of rows chooses a table")
    return found


def _column(values: NDArray[np.generic], unit: str, text: str) -> Column:
    digits = DIGITS.get(unit, ".6g") if values.dtype.kind == "f" else None
    return Column(values, unit=unit or None, description=text, format=digits)  # type: ignore[return-value]  # its base class makes arrays
