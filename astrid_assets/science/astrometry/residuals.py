"""Residuals of an astrometric solution: star offsets, their scatter, a map."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

Array = NDArray[np.float64]
BRIGHT_SNR = 50.0
FAINTER_SNR = 10.0
MIN_BRIGHT = 3
CLIP_SIGMA = 5.0
"""Stars with larger residuals, in robust sigma, have a proper motion or are not single;
they are left out of the rms, not of the table."""

MAP_CELLS = 4


@dataclass(frozen=True)
class Residuals:
    """Matched stars of one frame: measured minus predicted position, in its pixels.

    All arrays have shape (n,): `x`, `y` the positions of the stars, `dx`, `dy` their
    residuals, `snr` the lower S/N of both lists, `is_clean` unflagged in both.
    `scale_arcsec` is the pixel's size.
    """

    x: Array
    y: Array
    dx: Array
    dy: Array
    snr: Array
    is_clean: NDArray[np.bool_]
    scale_arcsec: float

    def __len__(self) -> int:
        """Count the stars."""
        return len(self.x)

    @cached_property
    def used(self) -> NDArray[np.bool_]:
        """Which stars the rms is computed from: unflagged, S/N above 50, no outliers.

        Where fewer than three are so bright, those of S/N above 10; else all.
        """
        bright = [self.is_clean & (self.snr > s) for s in (BRIGHT_SNR, FAINTER_SNR)]
        everyone = np.ones(len(self), dtype=bool)
        chosen = next(w for w in (*bright, everyone) if w.sum() >= MIN_BRIGHT or w is everyone)
        off = np.hypot(self.dx, self.dy)
        if not chosen.any():
            return chosen
        # The median of a two-dimensional Gaussian's radius is 1.177 sigma.
        limit = CLIP_SIGMA * float(np.median(off[chosen])) / 1.177
        return chosen & (off <= max(limit, 1e-9))

    @property
    def rms_px(self) -> tuple[float, float]:
        """Scatter along x and y of the stars `used`, pixels; NaN without stars."""
        if not self.used.any():
            return float("nan"), float("nan")
        square = [float(np.mean(d[self.used] ** 2)) for d in (self.dx, self.dy)]
        return float(np.sqrt(square[0])), float(np.sqrt(square[1]))

    @property
    def rms_mas(self) -> tuple[float, float]:
        """Root mean square residual on the sky along the frame's axes, in milliarcseconds."""
        x, y = self.rms_px
        return x * self.scale_arcsec * 1000, y * self.scale_arcsec * 1000

    def grid(self, shape: tuple[int, int], cells: int = MAP_CELLS) -> Array:
        """Return the residual map: medians over a coarse grid of the frame.

        Parameters
        ----------
        shape : (ny, nx)
            Shape of the frame.
        cells
            Along each axis.

        Returns
        -------
        grid : (cells, cells, 3)
            Row 0 is at the lowest y; median `dx`, median `dy` (pixels, NaN in empty cells), and
            the number of stars, unflagged with S/N above 10 where there are any.
        """
        good = self.is_clean & (self.snr > FAINTER_SNR)
        if not good.any():
            good = np.ones(len(self), dtype=bool)
        ny, nx = shape
        column = np.clip((self.x / nx * cells).astype(int), 0, cells - 1)
        row = np.clip((self.y / ny * cells).astype(int), 0, cells - 1)
        result = np.full((cells, cells, 3), np.nan)
        for i in range(cells):
            for j in range(cells):
                here = good & (row == i) & (column == j)
                result[i, j, 2] = np.count_nonzero(here)
                if here.any():
                    result[i, j, :2] = (
                        np.median(self.dx[here]),
                        np.median(self.dy[here]),
                    )
        return result
