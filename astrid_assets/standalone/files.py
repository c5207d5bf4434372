"""Results as files that every FITS reader opens: float32 images, one table.

The layout of the object store (`storage.fits`) is packed and rounded below the noise;
these files are for users, so the numbers are those of the arrays.
"""

from __future__ import annotations

import base64
import io
import warnings
from html import escape
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from astrid_assets.pictures.frame_panels import png_of
from astrid_assets.standalone.tables import rows_where
from astrid_assets.storage.fits.cards import set_number, write_wcs

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Mapping, Sequence
    from pathlib import Path

    from astropy.table import Table
    from astropy.wcs import WCS
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from astrid_assets.science.quality.numbers import MeasuredNumber

IMAGE, TABLE, PICTURE = (".fits",), (".csv", ".ecsv"), (".png",)
COMMENT_CHARS = 68
FITS_UNITS = {"px": "pixel"}
"""Units that FITS spells in another way."""

HTML_ROWS = 10


def fits_bytes(
    images: Mapping[str, tuple[NDArray[np.generic], str]],
    numbers: Mapping[str, tuple[float | None, str]],
    table: Table,
    table_name: str,
    wcs: WCS | None,
    notes: Sequence[str],
) -> bytes:
    """Return a FITS file: one extension per image, the table last.

    Parameters
    ----------
    images
        Array and unit by extension name; those of the first one's shape get the WCS.
    numbers
        Value and comment by keyword of the primary header.
    table, table_name
        Written as a binary table.
    wcs
        WCS of the first image; None: without.
    notes
        As COMMENT cards.
    """
    primary = fits.PrimaryHDU()
    for keyword, (value, comment) in numbers.items():
        set_number(primary.header, keyword, value, comment)
    for note in notes:
        text = note.encode("ascii", "replace").decode()
        for start in range(0, len(text), COMMENT_CHARS):
            primary.header.add_comment(text[start : start + COMMENT_CHARS])
    hdus: list[object] = [primary]
    shape = next(iter(images.values()))[0].shape
    for name, (image, unit) in images.items():
        hdu = fits.ImageHDU(np.ascontiguousarray(image), name=name)
        if unit:
            hdu.header["BUNIT"] = unit
        if wcs is not None and image.shape == shape:
            write_wcs(hdu.header, wcs)
        hdus.append(hdu)
    with warnings.catch_warnings(action="ignore"):
        # Units that FITS spells otherwise are of no consequence.
        rows = fits.table_to_hdu(table)
    rows.name = table_name
    buffer = io.BytesIO()
    fits.HDUList([*hdus, rows]).writeto(buffer)
    return buffer.getvalue()


def number_cards(
    numbers: Iterable[MeasuredNumber], values: Mapping[str, float | None]
) -> dict[str, tuple[float | None, str]]:
    """Return value and comment of declared numbers by their keyword.

    Parameters
    ----------
    values
        By the name of the number; None: not measured.
    """
    return {
        number.keyword: (values[number.name], _with_fits_unit(number.label, number.unit))
        for number in numbers
    }


def write_result(
    path: Path,
    table: Table,
    as_fits: Callable[[], bytes],
    as_figure: Callable[[], Figure],
    *,
    overwrite: bool,
) -> Path:
    """Write a result in the format that the suffix chooses, and return the path.

    Raises
    ------
    FileExistsError
        If the file is there and must not be overwritten.
    ValueError
        If the suffix chooses no format.
    """
    suffix = path.suffix.lower()
    if suffix not in (*IMAGE, *TABLE, *PICTURE):
        known = ", ".join((*IMAGE, *TABLE, *PICTURE))
        raise ValueError(f"{path.name}: the suffix chooses what is written, one of {known}")
    if path.exists() and not overwrite:
        raise FileExistsError(f"{path} exists; pass overwrite=True to replace it")
    if suffix in IMAGE:
        content = as_fits()
    elif suffix in TABLE:
        content = _csv(table, suffix)
    else:
        content = png_of(as_figure())
    path.write_bytes(content)
    return path


def html(sentence: str, figure: Figure, table: Table, notes: Sequence[str]) -> str:
    """Return a result for a notebook: sentence, picture, first rows, notes."""
    picture = base64.b64encode(png_of(figure)).decode("ascii")
    shown = rows_where(table, np.arange(len(table)) < HTML_ROWS)
    rows = "".join(shown.pformat(html=True, max_lines=-1, max_width=-1))
    more = len(table) - len(shown)
    return (
        f"<p><b>{escape(sentence)}</b></p>"
        f'<img src="data:image/png;base64,{picture}" style="max-width:100%"/>'
        f"{rows if len(table) else ''}"
        f"{f'<p>and {more} more rows</p>' if more > 0 else ''}"
        f"<ul>{''.join(f'<li>{escape(note)}</li>' for note in notes)}</ul>"
    )


def _with_fits_unit(label: str, unit: str) -> str:
    return label if label.endswith(unit) else f"[{FITS_UNITS.get(unit, unit)}] {label}"


def _csv(table: Table, suffix: str) -> bytes:
    """Return a table as CSV, or as ECSV, which keeps the units."""
    buffer = io.StringIO()
    table.write(buffer, format="ascii.ecsv" if suffix == ".ecsv" else "ascii.csv")
    return buffer.getvalue().encode("utf-8")
