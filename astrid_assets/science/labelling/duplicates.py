"""Near-duplicates: cutouts that show the same pixels again, scaled, rounded or resampled.

Two point sources look alike, two draws of noise never do. So pixels count the less the
further they are from the sky, and nothing beyond a few sigma: what is left is mostly
noise, and only a copy of the same exposure correlates. Candidates come from a random
projection, which keeps distances but for a known scatter; each candidate is then compared
in full.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA
from astrid_assets.science.labelling.positions import components

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    Floats = NDArray[np.float32]
    ReadCutouts = Callable[[Rows], Floats]

SOURCE_SIGMA = 4.0
"""Beyond it a pixel shows a source, whose shape many share, and counts nothing."""

PADDED_FRACTION = 0.02
"""With more pixels than this at exactly 0, these are taken for empty and left out."""

PROJECTED = 64
"""Numbers per cutout from which candidates are found."""

LOOSE = 2.2
"""A squared distance of 64 projected numbers exceeds the true one by this factor once in
ten million pairs (chi-square)."""

READ_ROWS = 1024
BLOCK_ROWS = 4096
CHECKED_PAIRS = 2048


class DuplicateSearch:
    """Finds near-duplicates among cutouts that are shown once, block by block.

    It keeps 64 numbers per cutout, so memory stays small however many there are.

    Parameters
    ----------
    count
        Number of cutouts, n.
    """

    def __init__(self, count: int) -> None:
        self._features = np.zeros((count, PROJECTED), dtype=np.float32)
        self._usable = np.zeros(count, dtype=bool)
        self._basis: Floats | None = None

    def add(self, first_row: int, cutouts: Floats) -> None:
        """Take the difference or score cutouts of some rows.

        Parameters
        ----------
        first_row
            Row of the first of them; the others follow.
        cutouts : (k, ny, nx)
        """
        for start in range(0, len(cutouts), READ_ROWS):
            vectors = standard_pixels(cutouts[start : start + READ_ROWS])
            if self._basis is None:
                shape = (vectors.shape[1], PROJECTED)
                rng = np.random.default_rng(PROJECTED)
                self._basis = rng.normal(0, PROJECTED**-0.5, shape).astype(np.float32)
            rows = slice(first_row + start, first_row + start + len(vectors))
            self._features[rows] = vectors @ self._basis
            self._usable[rows] = vectors.any(axis=1)

    def keys(self, read: ReadCutouts, limit: float) -> NDArray[np.str_]:
        """Return one key per group of cutouts that show the same pixels.

        Parameters
        ----------
        read
            Returns the same cutouts again, those of some rows: (k, ny, nx).
        limit
            Correlation above which two are near-duplicates, 0.9 to 1.

        Returns
        -------
        keys : (n,)
            Equal within a group; empty for a cutout that has no near-duplicate.
        """
        group = np.arange(len(self._features))
        most = 2 * (1 - limit) * LOOSE
        for rows, others in _candidates(self._features, self._usable, most):
            for start in range(0, len(rows), CHECKED_PAIRS):
                first = rows[start : start + CHECKED_PAIRS]
                second = others[start : start + CHECKED_PAIRS]
                # Pairs that are joined already say nothing new: a thousand copies cost a few.
                apart = group[first] != group[second]
                first, second = first[apart], second[apart]
                if len(first):
                    same = correlations(read, first, second) > limit
                    group = _united(group, first[same], second[same])
        size = np.bincount(group, minlength=len(group))
        return np.where(size[group] > 1, group.astype(str), "")


def correlations(read: ReadCutouts, first: Rows, second: Rows) -> NDArray[np.float64]:
    """Return the correlation of each pair of cutouts, their sources left out.

    Parameters
    ----------
    read
        Returns the cutouts of some rows: (k, ny, nx).
    first, second : (m,)
        Rows of the pairs.

    Returns
    -------
    correlation : (m,)
        -1 to 1; 0 where a cutout is blank.
    """
    rows = np.unique(np.concatenate([first, second]))
    pixels = standard_pixels(read(rows)).astype(np.float64)
    return np.einsum(
        "ij,ij->i",
        pixels[np.searchsorted(rows, first)],
        pixels[np.searchsorted(rows, second)],
    )


def standard_pixels(cutouts: Floats) -> Floats:
    """Return cutouts as unit vectors: noise in sigma, without sources, of zero mean.

    Parameters
    ----------
    cutouts : (k, ny, nx)
        In any unit; NaN and infinite pixels count as empty, and so do those at exactly 0
        where there are many (padding).

    Returns
    -------
    vectors : (k, ny * nx)
        All 0 for a blank cutout.
    """
    pixels = np.array(cutouts, dtype=np.float32).reshape(len(cutouts), -1)
    pixels[~np.isfinite(pixels)] = 0
    empty = pixels == 0
    is_padded = empty.mean(axis=1) > PADDED_FRACTION
    for row in np.flatnonzero(is_padded).tolist():
        seen = pixels[row][~empty[row]]
        if len(seen):
            pixels[row][~empty[row]] = _in_sigma(seen[None])[0]
    pixels[~is_padded] = _in_sigma(pixels[~is_padded])
    norm = np.linalg.norm(pixels, axis=1, keepdims=True)
    return np.divide(pixels, norm, out=np.zeros_like(pixels), where=norm > 0)


def _in_sigma(pixels: Floats) -> Floats:
    """Return pixels over their robust sigma, without sources, of zero mean: (k, m)."""
    if not pixels.size:
        return pixels
    less_median = pixels - np.median(pixels, axis=1, keepdims=True)
    sigma = MAD_TO_SIGMA * np.median(np.abs(less_median), axis=1, keepdims=True)
    # Half of the pixels are one number: their scatter is that of the others.
    sigma = np.where(sigma > 0, sigma, less_median.std(axis=1, keepdims=True))
    noise = np.divide(less_median, sigma, out=np.zeros_like(less_median), where=sigma > 0)
    # Tukey's biweight: falls to 0 smoothly, so that a little noise more changes little.
    noise *= np.maximum(1 - (noise / SOURCE_SIGMA) ** 2, 0) ** 2
    return noise - noise.mean(axis=1, keepdims=True)


def _candidates(
    features: Floats, usable: NDArray[np.bool_], most: float
) -> list[tuple[Rows, Rows]]:
    """Return pairs of rows whose squared distance is at most so much, by block."""
    found: list[tuple[Rows, Rows]] = []
    rows = np.flatnonzero(usable)
    kept = features[rows]
    # One product of matrices gives (most - squared distance) / 2 of a pair.
    half = (most / 2 - (kept**2).sum(axis=1)) / 2
    one = np.ones_like(half)
    left, right = np.column_stack([kept, half, one]), np.column_stack([kept, one, half])
    for start in range(0, len(rows), BLOCK_ROWS):
        for other in range(start, len(rows), BLOCK_ROWS):
            near = left[start : start + BLOCK_ROWS] @ right[other : other + BLOCK_ROWS].T >= 0
            first, second = np.nonzero(near)
            before = first + start < second + other
            if before.any():
                found.append((rows[first[before] + start], rows[second[before] + other]))
    return found


def _united(group: Rows, first: Rows, second: Rows) -> Rows:
    """Join the groups of each pair; a group is named after its first row."""
    if not len(first):
        return group
    everyone = np.arange(len(group))
    part = components(
        len(group), np.concatenate([everyone, first]), np.concatenate([group, second])
    )
    _, leader, member = np.unique(part, return_index=True, return_inverse=True)
    return leader[member]
