"""Light curves as SVG: fluxes with errors, and limits where nothing was seen.

No styles and no scripts inside, so a page with a strict policy shows it as an image.
"""

from __future__ import annotations

from dataclasses import dataclass
from html import escape
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Sequence

WIDTH, HEIGHT = 480, 180
LEFT, RIGHT, TOP, BOTTOM = 62, 10, 16, 30
LIMIT_SIGMA = 3.0
INK, FAINT = "#374151", "#9ca3af"
COLOURS = ("#c2410c", "#1d4ed8", "#15803d", "#7e22ce", "#b45309", "#0e7490")
MAX_TICKS = 4


@dataclass(frozen=True)
class LightPoint:
    """A flux at a time; `is_marked`: the detection that is being looked at."""

    mjd: float
    flux: float
    flux_err: float
    band: str
    is_detection: bool
    is_marked: bool = False


def light_curve_svg(points: Sequence[LightPoint], unit: str) -> bytes:
    """Draw fluxes against time: SVG bytes, UTF-8.

    A detection is a dot with its error; what is no detection and below 3 sigma is an
    arrow down from its 3-sigma limit, else a hollow dot.
    """
    if not points:
        middle = f'x="{WIDTH / 2}" y="{HEIGHT / 2}" text-anchor="middle"'
        return _svg([f'<text {middle} fill="{INK}">no measurements</text>'])
    mjd = np.array([point.mjd for point in points])
    limits = [_limit(point) for point in points]
    low = min(0.0, *(p.flux - p.flux_err for p in points))
    high = max(0.0, *(p.flux + p.flux_err for p in points), *limits)
    pad = 0.06 * (high - low) or 1.0
    first, last = float(mjd.min()), float(mjd.max())
    margin = 0.04 * (last - first) or 0.5
    to_x = _Scale(first - margin, last + margin, LEFT, WIDTH - RIGHT)
    to_y = _Scale(low - pad, high + pad, HEIGHT - BOTTOM, TOP)
    bands = sorted({point.band for point in points})
    colour = {band: COLOURS[i % len(COLOURS)] for i, band in enumerate(bands)}
    parts = _axes(to_x, to_y, unit)
    for point, limit in zip(points, limits, strict=True):
        parts.append(_mark(point, limit, to_x, to_y, colour[point.band]))
    for number, band in enumerate(bands):
        parts.append(
            f'<text x="{LEFT + 6 + 60 * number}" y="{TOP - 4}" '
            f'fill="{colour[band]}">{escape(band or "no band")}</text>'
        )
    return _svg(parts)


@dataclass(frozen=True)
class _Scale:
    low: float
    high: float
    start: float
    end: float

    def __call__(self, value: float) -> float:
        share = (value - self.low) / (self.high - self.low)
        return round(self.start + share * (self.end - self.start), 1)

    def ticks(self) -> list[float]:
        """Return a few round values inside."""
        raw = (self.high - self.low) / MAX_TICKS
        power = 10.0 ** np.floor(np.log10(raw))
        step = next(power * m for m in (1, 2, 5, 10) if power * m >= raw)
        first = int(np.ceil(self.low / step))
        return [n * step for n in range(first, int(np.floor(self.high / step)) + 1)]


def _limit(point: LightPoint) -> float:
    return max(point.flux, 0.0) + LIMIT_SIGMA * point.flux_err


def _axes(to_x: _Scale, to_y: _Scale, unit: str) -> list[str]:
    zero = to_y(0)
    frame = f"M{LEFT} {TOP}V{HEIGHT - BOTTOM}H{WIDTH - RIGHT}"
    parts = [
        f'<path d="M{LEFT} {zero}H{WIDTH - RIGHT}" stroke="{FAINT}"/>',
        f'<path d="{frame}" stroke="{INK}" fill="none"/>',
    ]
    for value in to_x.ticks():
        x = to_x(value)
        parts.append(
            f'<path d="M{x} {HEIGHT - BOTTOM}v4" stroke="{INK}"/>'
            f'<text x="{x}" y="{HEIGHT - BOTTOM + 15}" text-anchor="middle" '
            f'fill="{INK}">{value:.10g}</text>'
        )
    for value in to_y.ticks():
        y = to_y(value)
        parts.append(
            f'<path d="M{LEFT} {y}h-4" stroke="{INK}"/>'
            f'<text x="{LEFT - 6}" y="{y + 4}" text-anchor="end" '
            f'fill="{INK}">{value:.4g}</text>'
        )
    parts.append(
        f'<text x="{WIDTH - RIGHT}" y="{HEIGHT - 2}" text-anchor="end" '
        f'fill="{INK}">MJD</text>'
        f'<text x="4" y="{HEIGHT - 2}" fill="{INK}">{escape(unit)}</text>'
    )
    return parts


def _mark(point: LightPoint, limit: float, to_x: _Scale, to_y: _Scale, colour: str) -> str:
    x, y = to_x(point.mjd), to_y(point.flux)
    ring = (
        f'<circle cx="{x}" cy="{y}" r="8" fill="none" stroke="{INK}"/>' if point.is_marked else ""
    )
    if not point.is_detection and abs(point.flux) < LIMIT_SIGMA * point.flux_err:
        top = to_y(limit)
        return (
            f'<path d="M{x - 4} {top}h8M{x} {top}v10m-3 -4l3 4l3 -4" '
            f'stroke="{colour}" fill="none"/>'
        )
    low, high = to_y(point.flux - point.flux_err), to_y(point.flux + point.flux_err)
    fill = colour if point.is_detection else "#ffffff"
    return (
        f'{ring}<path d="M{x} {low}V{high}" stroke="{colour}"/>'
        f'<circle cx="{x}" cy="{y}" r="3.5" fill="{fill}" stroke="{colour}"/>'
    )


def _svg(parts: Sequence[str]) -> bytes:
    body = "".join(parts)
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
        f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif" font-size="11">'
        f'<rect width="{WIDTH}" height="{HEIGHT}" fill="#ffffff"/>{body}</svg>'
    ).encode()
