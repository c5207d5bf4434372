"""The list of the stars of one frame, as it is passed between modules and stored."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray


@dataclass(frozen=True, kw_only=True)
class Stars:
    """Stars of one frame, brightest first; every array has shape ``(n,)``.

    `x`, `y` in pixels, `flux` and `flux_err` in electrons (PSF-like aperture),
    `fwhm_px`, `elongation` (a/b), `flag` non-zero where blended, saturated or
    masked; `ra_deg`, `dec_deg` NaN until the frame has a WCS.
    """

    x: NDArray[np.float64]
    y: NDArray[np.float64]
    flux: NDArray[np.float64]
    flux_err: NDArray[np.float64]
    fwhm_px: NDArray[np.float64]
    elongation: NDArray[np.float64]
    flag: NDArray[np.int16]
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]

    def __len__(self) -> int:
        """Count the stars."""
        return len(self.x)
