"""Connected patches as scipy numbers them: the oracle of the package's own."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy import ndimage

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray


def scipy_patches(mask: NDArray[np.bool_], structure: ArrayLike) -> tuple[NDArray[np.int32], int]:
    """Return the number of each pixel's patch, 0 outside, and how many patches there are."""
    labels = np.zeros(mask.shape, np.int32)
    count = ndimage.label(mask, structure, output=labels)
    assert isinstance(count, int)
    return labels, count
