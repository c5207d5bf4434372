"""Purity without truth: whether the sky shows a detection twice in one night.

A change on the sky is on every frame of its field and band of that night; noise, cosmic
rays, ghosts and hot pixels are on one. The purity is estimated by the share of detections
that another frame shows, among those that it is deep enough to show. This counts moving
objects as false. It counts as true whatever is on every frame: faults of the reference,
and artefacts that stand still on a detector that does. Faults of the reference look like
sources that fade (asteroids and ghosts in it): the two signs are counted apart, and the
purity of fading sources is overestimated.

Detections of the other sign do not measure the false ones: variable stars fade as often as
they brighten, and artefacts of the science frame have one sign.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

import numpy as np

from astrid_assets.science.mask_bits import UNUSABLE

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astropy.wcs import WCS
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.detection.candidate import Candidate

DEEP_ENOUGH_SIGMA = 5.0  # expected on the other frame: noise brings 2 % of these below 3 sigma
SHOWN_SIGMA = 3.0  # of the same sign, within a pixel: noise reaches it at 1 % of positions
SHOWN_SHARE = 0.5  # of what is expected: the flank of a ghost that moved shows less
MEANING = (
    "share of the detections that brightened, which the night's next frame of the "
    "field and band, where it is deep enough, shows too; what moves counts as false. "
    "Among those that faded, faults of the reference count as true"
)


class PlanesOfFrame(Protocol):
    """What is looked up on the other frame: a difference, or its score planes."""

    @property
    def score(self) -> Image:
        """S_corr, (ny, nx), sigma."""
        ...

    @property
    def flux_err(self) -> Image:
        """Error of the PSF flux, (ny, nx), electrons."""
        ...

    @property
    def mask(self) -> Mask:
        """Mask bits, (ny, nx)."""
        ...

    @property
    def wcs(self) -> WCS:
        """WCS of the planes."""
        ...


@dataclass(frozen=True)
class Repeats:
    """Detections that another frame could show, (n,): their score, and whether it shows them."""

    score: NDArray[np.float64]
    """In sigma, negative where the source faded."""

    repeated: NDArray[np.bool_]


def repeats(candidates: Sequence[Candidate], other: PlanesOfFrame, scale: float = 1.0) -> Repeats:
    """Look up the kept candidates of one frame on another of the same night.

    Parameters
    ----------
    candidates
        Candidates of one frame.
    other : (ny, nx)
        The other frame's difference, from the same reference.
    scale
        Electrons of the other frame per electron of this one.

    Returns
    -------
    repeats : (n,)
        Score in sigma of the candidates that the other frame could show, and whether it
        does.
    """
    kept = [candidate for candidate in candidates if candidate.is_kept]
    if not kept:
        return Repeats(np.zeros(0), np.zeros(0, dtype=bool))
    sign, score, flux, ra, dec = np.array(
        [(c.sign, c.score, abs(c.flux_e), c.ra_deg, c.dec_deg) for c in kept]
    ).T
    x, y = other.wcs.all_world2pix(ra, dec, 0)
    ny, nx = other.score.shape
    inside = (x >= 1) & (x < nx - 2) & (y >= 1) & (y < ny - 2)  # False for NaN
    column = np.rint(np.where(inside, x, 1)).astype(int)
    row = np.rint(np.where(inside, y, 1)).astype(int)
    dy, dx = np.mgrid[-1:2, -1:2].reshape(2, -1)
    near = row[:, None] + dy, column[:, None] + dx
    usable = ((other.mask[near] & UNUSABLE) == 0).all(axis=1)
    expected = scale * flux / other.flux_err[row, column]
    tested = inside & usable & (expected >= DEEP_ENOUGH_SIGMA)
    least = np.maximum(SHOWN_SIGMA, SHOWN_SHARE * expected)
    shown = (sign[:, None] * other.score[near]).max(axis=1) >= least
    return Repeats(score[tested], shown[tested])
