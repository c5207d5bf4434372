"""Association: which known object a detection belongs to, by position on the sky."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from numpy.typing import ArrayLike, NDArray

UNMATCHED = -1


def associate(
    ra_deg: ArrayLike,
    dec_deg: ArrayLike,
    object_ra_deg: ArrayLike,
    object_dec_deg: ArrayLike,
    radius_arcsec: float,
) -> NDArray[np.int64]:
    """Return for each position the index of the nearest object, -1 beyond the radius.

    Works across RA 0 and at the poles; of equally near objects the first counts.

    Parameters
    ----------
    ra_deg, dec_deg : (n,), degrees
        Positions of the detections.
    object_ra_deg, object_dec_deg : (m,), degrees
        Positions of the known objects.
    radius_arcsec : arcseconds
        Largest distance.

    Returns
    -------
    index : (n,)
        Into the objects; `UNMATCHED` where none is near.
    """
    positions = _unit_vectors(ra_deg, dec_deg)
    objects = _unit_vectors(object_ra_deg, object_dec_deg)
    if not len(positions) or not len(objects):
        return np.full(len(positions), UNMATCHED, dtype=np.int64)
    chord = 2 * np.sin(np.radians(radius_arcsec / 3600) / 2)
    # The bound is exclusive; the radius itself counts as inside.
    distance, index = KDTree(objects).query(
        positions, distance_upper_bound=np.nextafter(chord, np.inf)
    )
    return np.where(np.isfinite(distance), index, UNMATCHED).astype(np.int64)


def _unit_vectors(ra_deg: ArrayLike, dec_deg: ArrayLike) -> NDArray[np.float64]:
    ra = np.radians(np.atleast_1d(np.asarray(ra_deg, dtype=np.float64)))
    dec = np.radians(np.atleast_1d(np.asarray(dec_deg, dtype=np.float64)))
    return np.column_stack([np.cos(dec) * np.cos(ra), np.cos(dec) * np.sin(ra), np.sin(dec)])
