"""Types of the arrays that travel between modules."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

Image: TypeAlias = NDArray[np.float32]


Mask: TypeAlias = NDArray[np.uint16]


Cutouts: TypeAlias = NDArray[np.float32]
"""(n, 3, size, size): science, reference and score (S_corr) around candidates;
the first two in units of the local sky sigma, the third in sigma."""


CUTOUT_SIZE = 64
"""Side of a candidate's cutout in pixels; the candidate sits at [32, 32]."""
