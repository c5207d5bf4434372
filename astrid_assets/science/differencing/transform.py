"""Real Fourier transforms over the last two axes, in the input's precision."""

from __future__ import annotations

from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray
from scipy import fft

Spectrum: TypeAlias = NDArray[np.complexfloating]
Real: TypeAlias = NDArray[np.floating]


def forward(
    image: Real, shape: tuple[int, int] | None = None, workers: int = 1
) -> Spectrum:
    """Transform, padded with zeros to `shape` where that is given."""
    return np.asarray(fft.rfft2(image, s=shape, workers=workers))  # pyright: ignore[reportArgumentType]  # scipy's stub knows no s of two


def back(spectrum: Spectrum, shape: tuple[int, int], workers: int = 1) -> Real:
    """Transform back to an image of that shape."""
    return np.asarray(fft.irfft2(spectrum, s=shape, workers=workers))  # pyright: ignore[reportArgumentType]  # scipy's stub knows no s of two
