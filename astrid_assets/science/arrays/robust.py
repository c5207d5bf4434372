"""Scatter that a few outliers cannot move: the scaled median absolute deviation.

The estimator of the sky's noise, which works on whole counts too, is in
`sky.background`; the clipping that follows a scatter belongs to its caller.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from numpy.typing import NDArray

MAD_TO_SIGMA = 1.4826
"""Standard deviation over median absolute deviation of normal values: 1 / 0.67449."""


def median_deviation(values: NDArray[np.floating], centre: float | None = None) -> np.floating:
    """Return the median absolute deviation, in the precision of the values.

    Parameters
    ----------
    values : any shape
        In any unit, without NaN: one NaN makes the result NaN.
    centre
        What deviations are measured from, in the unit of the values; None: their
        median.

    Returns
    -------
    deviation
        In the unit of the values.

    References
    ----------
    Hampel 1974, J. Am. Stat. Assoc. 69, 383.
    """
    middle = np.median(values) if centre is None else centre
    return np.median(np.abs(values - middle))


def mad_sigma(values: NDArray[np.floating], centre: float | None = None) -> float:
    """Return the standard deviation that the median absolute deviation implies.

    Parameters
    ----------
    values : any shape
        In any unit, without NaN: one NaN makes the result NaN.
    centre
        What deviations are measured from, in the unit of the values; 0 for residuals,
        None for the median of the values.

    Returns
    -------
    sigma
        In the unit of the values; 1.4826 times the median absolute deviation.

    References
    ----------
    Rousseeuw & Croux 1993, J. Am. Stat. Assoc. 88, 1273.
    """
    return float(MAD_TO_SIGMA * median_deviation(values, centre))
