"""The true point-spread function: a Moffat of finite size, integrated over pixels.

The profile is a Moffat function of the elliptical radius from which its tangent (in
radius squared) at the edge has been taken, so that it ends smoothly at `EDGE_FWHM`
and has unit sum there in closed form: no flux is lost in wings no one measures. How
width and shape vary over the frame is in `PsfField`; measuring a PSF is in
`science.frame.PsfModel`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from astrid_assets.science.frame import PsfModel, polynomial_terms

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image

Array = NDArray[np.float64]

EDGE_FWHM = 5.0
"""Radius at which the profile ends, in FWHM; light beyond it is `aureole`'s."""

_GAUSS_2 = (np.array([-0.5, 0.5]) / np.sqrt(3), np.array([0.5, 0.5]))
_GAUSS_3 = (np.array([-0.5, 0.0, 0.5]) * np.sqrt(0.6), np.array([5, 8, 5]) / 18)

SHARP_FWHM_PX = 2.8
"""Sharper PSFs need three Gauss-Legendre nodes per pixel and axis, others two."""


@dataclass(frozen=True, kw_only=True)
class PsfField:
    """The PSF everywhere in one frame.

    Attributes
    ----------
    fwhm_px : pixels
        In the middle of the frame, of the profile before pixel integration.
    beta
        Moffat exponent, a multiple of 0.5 above 1.
    ellipticity : (2,)
        Reduced shear components along the x axis and its diagonal.
    fwhm_slope, fwhm_bowl
        Relative growth of the FWHM: linear along (u, v), and with u² + v², where
        u and v run from -1 to 1 over the frame.
    ellipticity_slope : (2, 2)
        Change of both components along (u, v).
    """

    frame_shape: tuple[int, int]
    fwhm_px: float
    beta: float = 3.0
    ellipticity: tuple[float, float] = (0.0, 0.0)
    fwhm_slope: tuple[float, float] = (0.0, 0.0)
    fwhm_bowl: float = 0.0
    ellipticity_slope: tuple[tuple[float, float], tuple[float, float]] = (
        (0.0, 0.0),
        (0.0, 0.0),
    )

    def fwhm_at(self, x: Array, y: Array) -> Array:
        """Return the FWHM at positions.

        Parameters
        ----------
        x, y : (n,), pixels
            Positions on the frame.

        Returns
        -------
        fwhm : (n,), pixels
            Before pixel integration.
        """
        u, v = self._unit(x, y)
        sx, sy = self.fwhm_slope
        return self.fwhm_px * (1 + sx * u + sy * v + self.fwhm_bowl * (u * u + v * v))

    def shear_at(self, x: Array, y: Array) -> tuple[Array, Array]:
        """Return the reduced shear at positions.

        Parameters
        ----------
        x, y : (n,), pixels
            Positions on the frame.

        Returns
        -------
        g1, g2 : (n,)
            Components along the x axis and its diagonal.
        """
        u, v = self._unit(x, y)
        (ax, ay), (bx, by) = self.ellipticity_slope
        e1, e2 = self.ellipticity
        return e1 + ax * u + ay * v, e2 + bx * u + by * v

    def at(self, x: float, y: float, size: int | None = None) -> Image:
        """Return the PSF at a position.

        Parameters
        ----------
        x, y : pixels
            Position on the frame.
        size : pixels
            Odd side of the stamp; None: one that holds the whole profile.

        Returns
        -------
        psf : (size, size), unit sum
            Centred on the middle pixel.
        """
        half = (size or self.size) // 2
        where = np.array([x], float), np.array([y], float)
        stamp = star_stamps(self, *where, np.zeros(1), np.zeros(1), half)[0]
        return (stamp / stamp.sum(dtype=np.float64)).astype(np.float32)

    def centre(self, size: int | None = None) -> Image:
        """Return the PSF in the middle of the frame.

        Parameters
        ----------
        size : pixels
            Odd side of the stamp; None: one that holds the whole profile.

        Returns
        -------
        psf : (size, size), unit sum
            Centred on the middle pixel.
        """
        ny, nx = self.frame_shape
        return self.at((nx - 1) / 2, (ny - 1) / 2, size)

    @property
    def size(self) -> int:
        """Odd side of a stamp that holds the whole profile anywhere in the frame."""
        ny, nx = self.frame_shape
        corners = np.array([0, nx - 1, 0, nx - 1, nx / 2], float)
        rows = np.array([0, 0, ny - 1, ny - 1, ny / 2], float)
        return 2 * support(float(self.fwhm_at(corners, rows).max())) + 1

    def model(self, size: int | None = None) -> PsfModel:
        """Return the same PSF as the polynomial model that frames carry.

        A least-squares fit of six terms to stamps on a 7 x 7 grid; a PSF that does
        not vary becomes a model of one term.

        Parameters
        ----------
        size : pixels
            Odd side of the stamps; None: one that holds the whole profile.

        Returns
        -------
        psf
            At most quadratic in the position.
        """
        ny, nx = self.frame_shape
        n = size or self.size
        is_constant = (
            not any(self.fwhm_slope) and not self.fwhm_bowl and not np.any(self.ellipticity_slope)
        )
        if is_constant:
            return PsfModel(self.centre(n)[None], self.frame_shape, self.fwhm_px, 1)
        rows, columns = np.meshgrid(
            np.linspace(0, ny - 1, 7), np.linspace(0, nx - 1, 7), indexing="ij"
        )
        x, y = columns.ravel(), rows.ravel()
        pixels = star_stamps(self, x, y, np.zeros(x.size), np.zeros(x.size), n // 2)
        pixels = pixels / pixels.sum(axis=(1, 2), keepdims=True, dtype=np.float64)
        terms = np.stack(
            [polynomial_terms(a, b, self.frame_shape, 6) for a, b in zip(x, y)]  # noqa: B905
        )
        fit = np.linalg.lstsq(terms.astype(float), pixels.reshape(x.size, -1))[0]
        coefficients = fit.reshape(6, n, n).astype(np.float32)
        return PsfModel(coefficients, self.frame_shape, self.fwhm_px, x.size)

    def _unit(self, x: Array, y: Array) -> tuple[Array, Array]:
        ny, nx = self.frame_shape
        return 2 * x / max(nx - 1, 1) - 1, 2 * y / max(ny - 1, 1) - 1


def support(fwhm_px: float) -> int:
    """Return the half side of a stamp that holds the whole profile.

    Parameters
    ----------
    fwhm_px : pixels
        FWHM before pixel integration.

    Returns
    -------
    half : pixels
        For any ellipticity below 0.15.
    """
    # Ellipticities stay below 0.15: the long axis is at most 16 % longer.
    return int(np.ceil(EDGE_FWHM * fwhm_px * 1.1)) + 1


def star_stamps(
    field: PsfField,
    x: Array,
    y: Array,
    dx: Array,
    dy: Array,
    half: int,
    *,
    widening: Array | None = None,
) -> Image:
    """Return unit-flux stars at subpixel offsets, integrated over the pixels.

    Parameters
    ----------
    field
        The PSF at every position of the frame.
    x, y : (n,), pixels
        Positions on the frame, which decide width and shape.
    dx, dy : (n,), pixels
        Offset of the star from the middle pixel of its stamp.
    half : pixels
        Half side of the stamps; they have ``2 * half + 1`` pixels a side.
    widening : (n,), optional
        Factor on the FWHM, as bright stars have.

    Returns
    -------
    stamps : (n, 2 * half + 1, 2 * half + 1)
        Their sum is 1 when `half` is at least ``support(fwhm)``.

    Raises
    ------
    ValueError
        If the Moffat exponent is not a multiple of 0.5 above 1.
    """
    fwhm = field.fwhm_at(x, y)
    if widening is not None:
        fwhm = fwhm * widening
    g1, g2 = field.shear_at(x, y)
    # Moffat: half of the peak at r = alpha sqrt(2^(1/beta) - 1).
    alpha = fwhm / (2 * np.sqrt(2 ** (1 / field.beta) - 1))
    g_squared = g1 * g1 + g2 * g2
    scale = 1 / ((1 - g_squared) * alpha * alpha)
    xx = (1 + g_squared - 2 * g1) * scale
    xy = -4 * g2 * scale
    yy = (1 + g_squared + 2 * g1) * scale

    # The same edge (in units of alpha) for every star: the closed form of the sum.
    edge = (EDGE_FWHM * 2 * np.sqrt(2 ** (1 / field.beta) - 1)) ** 2
    level = (1 + edge) ** -field.beta
    slope = -field.beta * (1 + edge) ** (-field.beta - 1)
    whole = np.pi * (
        (1 - (1 + edge) ** (1 - field.beta)) / (field.beta - 1)
        - level * edge
        + slope * edge * edge / 2
    )
    peak = 1 / (whole * alpha * alpha)

    nodes, weights = _GAUSS_3 if fwhm.min() < SHARP_FWHM_PX else _GAUSS_2
    grid = np.arange(-half, half + 1, dtype=np.float64)
    total = np.zeros((len(fwhm), grid.size, grid.size), np.float32)
    for node_y, weight_y in zip(nodes, weights, strict=True):
        py = (grid[None, :] + node_y - dy[:, None]).astype(np.float32)[:, :, None]
        along_y = py * py * yy.astype(np.float32)[:, None, None]
        mixed = py * xy.astype(np.float32)[:, None, None]
        for node_x, weight_x in zip(nodes, weights, strict=True):
            px = (grid[None, :] + node_x - dx[:, None]).astype(np.float32)[:, None, :]
            s2 = px * (px * xx.astype(np.float32)[:, None, None] + mixed) + along_y
            profile = _inverse_power(s2 + np.float32(1), field.beta)
            profile -= np.float32(level) + np.float32(slope) * (s2 - np.float32(edge))
            profile[s2 > edge] = 0
            total += profile * np.float32(weight_x * weight_y)
    total *= peak.astype(np.float32)[:, None, None]
    return total


def _inverse_power(base: Image, beta: float) -> Image:
    """Return ``base ** -beta`` by products and roots, ten times faster than pow."""
    halves = round(2 * beta)
    if abs(halves - 2 * beta) > 1e-9 or halves <= 2:
        raise ValueError(f"a Moffat beta of 1.5, 2, 2.5 … is needed, not {beta}")
    result = np.sqrt(base) if halves % 2 else np.ones_like(base)
    for _ in range(halves // 2):
        result *= base
    return np.reciprocal(result, out=result)
