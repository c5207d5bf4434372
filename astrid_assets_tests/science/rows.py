"""Arrays for kernels that write some of their rows: a test sees whether others changed."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.testing import assert_allclose

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, DTypeLike, NDArray

UNTOUCHED = 77


def untouched(shape: tuple[int, ...], dtype: DTypeLike = np.float32) -> NDArray:
    """Return an array in which every value shows that nobody wrote it."""
    return np.full(shape, UNTOUCHED, dtype)


def assert_rows(
    out: NDArray,
    expected: ArrayLike,
    first: int,
    last: int,
    *,
    rtol: float = 1e-5,
    atol: float = 0.0,
) -> None:
    """Assert that rows ``first..last - 1`` are as expected and the others untouched."""
    assert 0 < first < last < len(out), "leave rows out on either side"
    expected = np.asarray(expected)
    assert_allclose(out[first:last], expected[first:last], rtol=rtol, atol=atol)
    rest = np.delete(out, slice(first, last), axis=0)
    assert (rest == untouched(rest.shape, out.dtype)).all()
