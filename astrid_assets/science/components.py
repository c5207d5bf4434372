"""Connected pixels: labelled and grown, eight neighbours each."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

Bool = NDArray[np.bool_]
Labels = NDArray[np.intp]
EIGHT = np.ones((3, 3), dtype=bool)


def label(mask: Bool) -> tuple[Labels, int]:
    """Number the connected patches of a mask from 1; 0 is outside."""
    labels = np.zeros(mask.shape, dtype=np.intp)
    ndimage.label(mask, EIGHT, output=labels)
    return labels, int(labels.max(initial=0))


def grow(mask: Bool, pixels: int = 1) -> Bool:
    """Widen a mask by so many pixels."""
    if pixels < 1 or not mask.any():
        return mask
    grown = ndimage.binary_dilation(mask, EIGHT, iterations=pixels)
    return np.asarray(grown, dtype=bool)
