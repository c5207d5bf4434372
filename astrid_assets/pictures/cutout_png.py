"""Cutouts as small PNGs, pixel for pixel, in a fraction of a millisecond.

Science and reference share one asinh scale; difference and score are linear about
zero, which is mid-grey. What holds no data has a colour of its own.
"""

from __future__ import annotations

import io
from typing import TYPE_CHECKING

import numpy as np
from PIL import Image as Pillow

from astrid_assets.pictures.orientation import Orientation, as_seen

if TYPE_CHECKING:
    from numpy.typing import NDArray

    Stamp = NDArray[np.float32]

STRETCHES = {"faint": (0.3, 4.0), "normal": (1.0, 8.0), "bright": (6.0, 30.0)}
"""Per name: the softening of the asinh scale and the range of the linear one, in
sigma. Faint shows what hides in the noise, bright the cores of stars."""

MIN_LEVEL_SIGMA = 8.0
"""White is at least this bright, so that an empty field looks empty."""

SKY_GREY = 0.15  # where zero lies on the asinh scale; below it is darker than the sky
LEVEL_PERCENTILE = 99.7
NO_DATA_COLOUR = (150, 40, 160)
NO_DATA = 255  # palette entry; greys take 0 to 254


def shared_level(science: Stamp, reference: Stamp) -> float:
    """Return what is white on the scale that science and reference share, in sigma."""
    both = np.concatenate([science.ravel(), reference.ravel()])
    finite = both[np.isfinite(both)]
    if not finite.size:
        return MIN_LEVEL_SIGMA
    return max(float(np.percentile(finite, LEVEL_PERCENTILE)), MIN_LEVEL_SIGMA)


def sky_png(image: Stamp, level: float, stretch: str, orientation: Orientation | None) -> bytes:
    """Draw science or reference (in sigma of their sky) on the asinh scale.

    Parameters
    ----------
    level : sigma
        From `shared_level`, so that both can be compared by eye.
    stretch
        One of `STRETCHES`.
    """
    soft, _ = STRETCHES[stretch]
    scaled = np.arcsinh(image / soft) / np.arcsinh(level / soft)
    return _png(SKY_GREY + (1 - SKY_GREY) * scaled, _is_empty(image), orientation)


def signed_png(image: Stamp, stretch: str, orientation: Orientation | None) -> bytes:
    """Draw difference or score (in sigma) linearly about zero."""
    _, limit = STRETCHES[stretch]
    return _png(0.5 + image / (2 * limit), _is_empty(image), orientation)


def _is_empty(image: Stamp) -> NDArray[np.bool_]:
    # Stored planes hold exact zeros where nothing was measured; noise never is.
    return ~np.isfinite(image) | (image == 0)


def _png(
    unit: NDArray[np.floating],
    empty: NDArray[np.bool_],
    orientation: Orientation | None,
) -> bytes:
    grey = (np.clip(np.nan_to_num(unit), 0, 1) * (NO_DATA - 1)).astype(np.uint8)
    grey[empty] = NO_DATA
    drawn = np.ascontiguousarray(as_seen(grey, orientation))
    picture = Pillow.fromarray(drawn, "P")
    picture.putpalette(PALETTE)
    buffer = io.BytesIO()
    picture.save(buffer, "PNG", compress_level=1)
    return buffer.getvalue()


PALETTE = [channel for grey in range(NO_DATA) for channel in (round(grey * 255 / 254),) * 3] + list(
    NO_DATA_COLOUR
)
