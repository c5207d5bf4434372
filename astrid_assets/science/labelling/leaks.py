"""Leaks: what stands on two sides of a frozen split, found from the rows themselves.

Nothing here knows how sides were given: the search is written anew, so that a fault there
is not repeated here. A row leaks when another side has the same object, the same position
on the sky, the same position on the same frame, the same pixels, or nearly the same.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy import units
from astropy.coordinates import SkyCoord, search_around_sky

from astrid_assets.science.labelling.duplicates import correlations, standard_pixels

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator

    from numpy.typing import NDArray

    Rows = NDArray[np.int64]
    ReadImages = Callable[[Rows], NDArray[np.float32]]

COMPARED_PIXELS = 256
"""Pixels of each cutout from which its correlation with others is estimated."""

ESTIMATE_ERROR = 0.03
"""How far an estimate of a correlation near 1 may be off: ten times its scatter."""

READ_ROWS = 1024
BLOCK_ROWS = 4096
SHOWN = 5


@dataclass(frozen=True, kw_only=True)
class FrozenRows:
    """The rows of a frozen version; every array has shape ``(n,)``.

    Attributes
    ----------
    detection_id, side, object_id
        Empty `object_id`: none is known.
    sky
        Name of the sky that `ra_deg` and `dec_deg` (degrees) are on.
    frame
        Content of the frame that the cutout is from.
    x, y
        Position on it, pixels.
    """

    detection_id: NDArray[np.str_]
    side: NDArray[np.str_]
    object_id: NDArray[np.str_]
    sky: NDArray[np.str_]
    ra_deg: NDArray[np.float64]
    dec_deg: NDArray[np.float64]
    frame: NDArray[np.str_]
    x: NDArray[np.float64]
    y: NDArray[np.float64]

    def __len__(self) -> int:
        """Count the rows."""
        return len(self.detection_id)


@dataclass(frozen=True, kw_only=True)
class Leaks:
    """How many rows share something with a row of another side.

    `examples` name some of them.
    """

    objects: int
    positions: int
    frame_positions: int
    pixels: int
    near_duplicates: int
    examples: tuple[str, ...]

    @property
    def total(self) -> int:
        """Sum over the kinds; 0: nothing leaks."""
        return (
            self.objects
            + self.positions
            + self.frame_positions
            + self.pixels
            + self.near_duplicates
        )

    def __str__(self) -> str:
        counts = {name: value for name, value in asdict(self).items() if isinstance(value, int)}
        found = [f"{value} by {name.replace('_', ' ')}" for name, value in counts.items() if value]
        if not found:
            return "no row shares anything with another side"
        return (
            f"rows that share something with another side: {', '.join(found)}; "
            f"for example {', '.join(self.examples)}"
        )


def find_leaks(
    rows: FrozenRows, read: ReadImages, *, radius_arcsec: float, radius_px: float, limit: float
) -> Leaks:
    """Return what stands on two sides.

    Parameters
    ----------
    rows
        Table of the frozen version.
    read
        Returns cutouts of some rows: (k, channels, ny, nx), the score or difference last.
    radius_arcsec, radius_px
        Distance on a sky, and on a frame, below which two positions are one.
    limit
        Correlation above which two cutouts are near-duplicates.

    Returns
    -------
    leaks
        Counts of rows, those of both sides.
    """
    hashes, estimates = _digest(read, len(rows))
    kinds = {
        "objects": _shared(rows.side, rows.object_id),
        "positions": _shared_positions(rows, radius_arcsec),
        "frame_positions": _shared_pixels(rows, radius_px),
        "pixels": _shared(rows.side, hashes),
        "near_duplicates": _alike(rows.side, estimates, read, limit),
    }
    leaking = sorted(set().union(*kinds.values()))
    return Leaks(
        **{name: len(found) for name, found in kinds.items()},
        examples=tuple(rows.detection_id[leaking[:SHOWN]].tolist()),
    )


def _digest(read: ReadImages, count: int) -> tuple[NDArray[np.str_], NDArray[np.float32]]:
    """Return the hash of each cutout's pixels, and some of its standard pixels (n, 256)."""
    hashes: list[str] = []
    parts: list[NDArray[np.float32]] = []
    for start in range(0, count, READ_ROWS):
        images = read(np.arange(start, min(start + READ_ROWS, count)))
        hashes += [hashlib.sha256(image.tobytes()).hexdigest() for image in images]
        standard = standard_pixels(images[:, -1])
        chosen = np.random.default_rng(COMPARED_PIXELS).permutation(standard.shape[1])
        some = standard[:, np.sort(chosen[:COMPARED_PIXELS])]
        norm = np.linalg.norm(some, axis=1, keepdims=True)
        parts.append(np.divide(some, norm, out=np.zeros_like(some), where=norm > 0))
    return np.array(hashes, dtype=np.str_), np.concatenate(parts)


def _shared(side: NDArray[np.str_], key: NDArray[np.str_]) -> set[int]:
    members: dict[str, list[int]] = defaultdict(list)
    for row, value in enumerate(key.tolist()):
        if value:
            members[value].append(row)
    return {row for rows in members.values() if len(set(side[rows])) > 1 for row in rows}


def _shared_positions(rows: FrozenRows, radius_arcsec: float) -> set[int]:
    found: set[int] = set()
    known = np.isfinite(rows.ra_deg) & np.isfinite(rows.dec_deg) & (rows.sky != "")
    for sky in np.unique(rows.sky[known]).tolist():
        on_sky = known & (rows.sky == sky)
        for one, other in _pairs_of_sides(rows.side, np.flatnonzero(on_sky)):
            first, second, _, _ = search_around_sky(
                SkyCoord(rows.ra_deg[one], rows.dec_deg[one], unit="deg"),
                SkyCoord(rows.ra_deg[other], rows.dec_deg[other], unit="deg"),
                radius_arcsec * units.arcsec,
            )
            found |= {*one[first].tolist(), *other[second].tolist()}
    return found


def _shared_pixels(rows: FrozenRows, radius_px: float) -> set[int]:
    found: set[int] = set()
    on_frame: dict[str, list[int]] = defaultdict(list)
    for row, frame in enumerate(rows.frame.tolist()):
        on_frame[frame].append(row)
    for members in on_frame.values():
        for one, other in _pairs_of_sides(rows.side, np.array(members)):
            distance = np.hypot(
                rows.x[one, None] - rows.x[None, other], rows.y[one, None] - rows.y[None, other]
            )
            first, second = np.nonzero(distance <= radius_px)
            found |= {*one[first].tolist(), *other[second].tolist()}
    return found


def _alike(
    side: NDArray[np.str_], estimates: NDArray[np.float32], read: ReadImages, limit: float
) -> set[int]:
    def score(rows: Rows) -> NDArray[np.float32]:
        return read(rows)[:, -1]

    found: set[int] = set()
    usable = np.flatnonzero(estimates.any(axis=1))
    for one, other in _pairs_of_sides(side, usable):
        for left in _blocks(one):
            for right in _blocks(other):
                near = estimates[left] @ estimates[right].T > limit - ESTIMATE_ERROR
                for pairs in _blocks(np.argwhere(near)):
                    first, second = left[pairs[:, 0]], right[pairs[:, 1]]
                    # Rows that are found already need no further proof.
                    new = ~(np.isin(first, [*found]) & np.isin(second, [*found]))
                    first, second = first[new], second[new]
                    if len(first):
                        same = correlations(score, first, second) > limit
                        found |= {*first[same].tolist(), *second[same].tolist()}
    return found


def _pairs_of_sides(side: NDArray[np.str_], rows: Rows) -> Iterator[tuple[Rows, Rows]]:
    names = np.unique(side[rows]).tolist()
    for index, name in enumerate(names):
        for other in names[index + 1 :]:
            yield rows[side[rows] == name], rows[side[rows] == other]


def _blocks(rows: Rows) -> Iterable[Rows]:
    return (rows[start : start + BLOCK_ROWS] for start in range(0, len(rows), BLOCK_ROWS))
