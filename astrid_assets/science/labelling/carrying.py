"""Answers that follow a source: which current detection a former one was of, and doubts.

When the detections of a frame are made anew, what was said about a former detection
belongs to the current one at its position. What was said is not read here.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from astrid_assets.science.labelling.consensus import DECISIVE

if TYPE_CHECKING:
    from collections.abc import Iterable

    from numpy.typing import NDArray

    from astrid_assets.science.labelling.consensus import Event

RADIUS_FWHM = 1.0
"""Two detections on one frame that are closer than this are of one source: a PSF does
not separate them."""

SURE_FWHM = 0.5
"""From this distance on it may be a neighbour: noise moves a detection at the
threshold (S/N 5) by about 0.1 FWHM."""

MAX_SNR_FACTOR = 2.0
"""An S/N that changed by more may be another source, or another picture of it."""

Doubt = Literal["far", "snr", "contradictory"]


def nearest_pairs(
    former: NDArray[np.float64], current: NDArray[np.float64], radius_px: float
) -> list[tuple[int, int, float]]:
    """Pair former with current positions one to one, the closest pairs first.

    Parameters
    ----------
    former : (n, 2), pixels
        Positions of the former detections of one run.
    current : (m, 2), pixels
        Positions of the current detections.
    radius_px : pixels
        Pairs are closer than this.

    Returns
    -------
    pairs : at most min(n, m)
        (index into former, index into current, distance in pixels), by distance.
    """
    if not len(former) or not len(current) or not radius_px > 0:
        return []
    # Sensors read labels too, and the graph is loaded by every command.
    from scipy.spatial import KDTree

    near = KDTree(former).sparse_distance_matrix(
        KDTree(current), radius_px, output_type="coo_matrix"
    )
    rows, columns, distances = near.row, near.col, near.data
    # A pair at distance 0 is kept: the matrix is built from pairs, not from its values.
    order = np.lexsort((columns, rows, distances))
    pairs: list[tuple[int, int, float]] = []
    left, right = set[int](), set[int]()
    for i in order.tolist():
        one, other, distance = int(rows[i]), int(columns[i]), float(distances[i])
        if one in left or other in right or distance >= radius_px:
            continue
        left.add(one)
        right.add(other)
        pairs.append((one, other, distance))
    return pairs


def doubt_of(distance_fwhm: float, snr_ratio: float) -> Doubt | None:
    """Return why a pair may be two sources; None where nothing speaks for it.

    Parameters
    ----------
    distance_fwhm
        Distance of the two, in FWHM.
    snr_ratio
        S/N of the current over that of the former detection.

    Returns
    -------
    doubt
        ``far`` or ``snr``; None for no doubt.
    """
    if distance_fwhm >= SURE_FWHM:
        return "far"
    if not 1 / MAX_SNR_FACTOR <= snr_ratio <= MAX_SNR_FACTOR:
        return "snr"
    return None


def are_contradictory(answers: Iterable[tuple[str, Event]]) -> bool:
    """Say whether former detections of one source were answered differently.

    Each detection speaks by its newest decisive answer. A newest answer that an earlier
    one on another detection shares is a second thought that was settled.

    Parameters
    ----------
    answers
        Former detection, and a standing vote that was given on it.

    Returns
    -------
    contradictory
        True where the newest answer is shared by none before it.
    """
    newest: dict[str, Event] = {}
    for detection_id, vote in answers:
        known = newest.get(detection_id)
        if vote.label in DECISIVE and (known is None or known.sequence < vote.sequence):
            newest[detection_id] = vote
    ordered = [v.label for v in sorted(newest.values(), key=lambda vote: vote.sequence)]
    if not ordered:
        return False
    *earlier, last = ordered
    return bool(earlier) and last not in earlier
