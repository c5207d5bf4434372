"""How values and limits are printed: rounded away from a limit, never onto it.

A value that is shown never contradicts the verdict beside it. What the numbers are is
declared in `frame_numbers` and `difference_numbers`.
"""

from __future__ import annotations

import math
from html import escape
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable

COUNTED = ("stars",)
"""Units of counts, which are printed with all their digits."""

UNKNOWN = "–"
"""In tables: not measured, which is not zero."""


def heading(label: str, unit: str) -> str:
    """Return the heading of a column or an axis: the label, and its unit.

    Parameters
    ----------
    label, unit
        As a measured number declares them.

    Returns
    -------
    text
        Such as ``FWHM (px)``; the label alone where it names what is counted, or there is
        no unit.
    """
    _, after = _scale_and_unit(unit)
    return label if label.endswith(unit) else f"{label} ({after.strip()})"


def as_html(text: str) -> str:
    """Escape a text for a page, and set the index of ``S_corr`` low.

    Parameters
    ----------
    text
        A label, a heading or words around a value.

    Returns
    -------
    html
        Safe to put between tags.
    """
    return escape(text).replace("S_corr", "S<sub>corr</sub>")


def without_unit(value: float | None, limits: Iterable[float], unit: str = "") -> str:
    """Print a value for a table whose heading has the unit.

    Parameters
    ----------
    value, limits : in the same unit
        None: not measured.
    unit
        ``fraction`` is printed in percent.

    Returns
    -------
    text
        Rounded such that it stays on its side of every limit; `UNKNOWN` for None and NaN.
    """
    if value is None or math.isnan(value):
        return UNKNOWN
    if unit in COUNTED and float(value).is_integer():
        return f"{value:.0f}"
    scale, _ = _scale_and_unit(unit)
    return rounded_away(value, limits, scale=scale)


def labelled(label: str, value: float, limits: Iterable[float], unit: str = "") -> str:
    """Print a value with its label and its unit.

    Parameters
    ----------
    label
        As a measured number declares it.
    value, limits : in the same unit
    unit
        ``fraction`` is printed in percent.

    Returns
    -------
    text
        Such as ``FWHM 2.41 px`` or ``41 common stars``.
    """
    if unit and label.endswith(unit):
        return f"{without_unit(value, limits, unit)} {label}"
    return f"{label} {with_unit(value, limits, unit)}"


def with_unit(value: float, limits: Iterable[float], unit: str = "") -> str:
    """Print a value followed by its unit.

    Parameters
    ----------
    value, limits : in the same unit
    unit
        ``fraction`` is printed in percent.

    Returns
    -------
    text
        Rounded such that it stays on its side of every limit.
    """
    return without_unit(value, limits, unit) + _scale_and_unit(unit)[1]


def printed(value: float, limit: float, unit: str = "") -> str:
    """Print a value with as many digits as keep it on its side of the limit.

    Parameters
    ----------
    value, limit : in the same unit
    unit
        ``fraction`` is printed in percent.

    Returns
    -------
    text
        Reads as above, below or at the limit exactly as the value is.
    """
    scale, after = _scale_and_unit(unit)
    return rounded_away(value, (limit,), scale=scale) + after


def rounded_away(value: float, limits: Iterable[float], *, scale: float = 1.0) -> str:
    """Print a value so that it stays on its side of every limit.

    Parameters
    ----------
    value, limits : in the same unit
    scale
        Factor from that unit to the printed one.

    Returns
    -------
    text
        Three significant digits, or as many more as the limits need.
    """
    if not math.isfinite(value):
        return str(value)
    # In percent the limit is the one that is printed: 0.07 * 100 is not 7.
    wanted = [
        (limit if scale == 1 else float(f"{limit * scale:.12g}"), _order(value, limit))
        for limit in limits
    ]
    for digits in range(3, 18):
        text = f"{value * scale:.{digits}g}"
        if all(_order(float(text), limit) == order for limit, order in wanted):
            return _plain(float(text), digits)
    return repr(value * scale)


def printed_limit(limit: float, unit: str = "") -> str:
    """Print a limit as it is set.

    Parameters
    ----------
    limit
        In the number's unit.
    unit
        ``fraction`` is printed in percent.

    Returns
    -------
    text
        All digits of the setting.
    """
    scale, after = _scale_and_unit(unit)
    return f"{limit * scale:.12g}{after}"


def _scale_and_unit(unit: str) -> tuple[float, str]:
    """Return the factor to the printed unit, and what stands behind the number."""
    if unit == "fraction":
        return 100.0, " %"
    return 1.0, f" {unit}" if unit else ""


def _order(a: float, b: float) -> int:
    return int(a > b) - int(a < b)


def _plain(value: float, digits: int) -> str:
    """Print without an exponent where readers expect none."""
    text = f"{value:.{digits}g}"
    if "e" in text and 1e-4 <= abs(value) < 1e15:
        return f"{value:.0f}" if abs(value) >= 1 else f"{value:.{digits + 4}f}".rstrip("0")
    return text
