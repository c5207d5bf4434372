"""Light curves as tiny SVGs: Dagster shows markdown below 1000 characters inline."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT, MARGIN = 160, 40, 4
MAX_POINTS = 12
"""The newest ones; more would not fit into the inline limit."""


def light_curve_sparkline(mjd: Sequence[float], flux: Sequence[float]) -> bytes:
    """Draw difference fluxes against time with the zero line: SVG bytes, UTF-8.

    Parameters
    ----------
    mjd, flux : (n,), in time order, at least one
    """
    mjd, flux = mjd[-MAX_POINTS:], flux[-MAX_POINTS:]
    low, high = min(0.0, *flux), max(0.0, *flux)
    x = [_scaled(value, mjd[0], mjd[-1], WIDTH) for value in mjd]
    y = [HEIGHT - _scaled(value, low, high, HEIGHT) for value in flux]
    zero = HEIGHT - _scaled(0.0, low, high, HEIGHT)
    # Points are lines of no length with round ends: the shortest way to say it.
    dots = "".join(f"M{u} {v}h0" for u, v in zip(x, y, strict=True))
    return (
        f"<svg xmlns='http://www.w3.org/2000/svg' width='{WIDTH}' height='{HEIGHT}'>"
        f"<path d='M0 {zero}H{WIDTH}' stroke='#9ca3af'/>"
        f"<path d='{dots}' stroke='#c2410c' stroke-width='4' stroke-linecap='round'/>"
        "</svg>"
    ).encode()


def _scaled(value: float, low: float, high: float, size: int) -> int:
    if high <= low:
        return size // 2
    return round(MARGIN + (size - 2 * MARGIN) * (value - low) / (high - low))
