"""Tiles: subtracting frames whose PSF changes from place to place.

ZOGY takes one PSF per image. A frame is cut into as many tiles as keep the change
of either PSF within a tile small; each overlaps its neighbours by a halo as wide
as the filters reach, and only its core is kept.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy import fft

from astrid_assets.science.differencing.zogy import Matched, Power, match
from astrid_assets.science.frame import Image

if TYPE_CHECKING:
    from numpy.typing import NDArray

PsfAt = Callable[[float, float], Image]
"""A stamp, unit sum, centred on its middle, at a position (x, y)."""

PowerOn: TypeAlias = Callable[[tuple[int, int]], Power]
"""Power of a noise over that of white noise, on rfft2's half of a shape."""

SAMPLES = 5  # positions per axis at which the change of a PSF is judged


@dataclass(frozen=True)
class Tile:
    """Core of a tile, as slices of the frame."""

    rows: slice
    columns: slice

    @property
    def centre(self) -> tuple[float, float]:
        """(x, y)."""
        return (
            (self.columns.start + self.columns.stop - 1) / 2,
            (self.rows.start + self.rows.stop - 1) / 2,
        )


@dataclass(frozen=True, kw_only=True)
class Side:
    """One image of the pair, ready for the filter; `noise` of single sky pixels."""

    image: Image
    variance: Image
    psf_at: PsfAt
    noise: float
    power_on: PowerOn


def count_tiles(
    sides: tuple[Side, Side], shape: tuple[int, int], tolerance: float, most: int
) -> int:
    """Tiles per axis that keep each PSF within `tolerance` of its tile's centre."""
    largest = max(_psf_change(side.psf_at, shape) for side in sides)
    return int(np.clip(np.ceil(largest / tolerance), 1, most))


def tile_grid(shape: tuple[int, int], count: int) -> Iterator[Tile]:
    """Cut a frame into ``count * count`` cores, row by row."""
    ny, nx = shape
    row_edges = np.linspace(0, ny, count + 1).round().astype(int)
    column_edges = np.linspace(0, nx, count + 1).round().astype(int)
    for top, bottom in itertools.pairwise(row_edges):
        for left, right in itertools.pairwise(column_edges):
            yield Tile(slice(top, bottom), slice(left, right))


def match_tiled(
    new: Side,
    ref: Side,
    *,
    count: int,
    workers: int = 1,
) -> Matched:
    """Run `zogy.match` tile by tile; `psf_d` is that of the frame's centre."""
    shape = new.image.shape
    planes = {
        name: np.empty(shape, dtype=np.float32)
        for name in ("d", "flux_new", "flux_ref", "variance")
    }
    central, nearest = None, np.inf
    middle = np.array(shape[::-1]) / 2
    for tile in tile_grid((shape[0], shape[1]), count):
        result, core = _match_tile(new, ref, tile, workers)
        for name, plane in planes.items():
            plane[tile.rows, tile.columns] = getattr(result, name)[core]
        distance = float(np.hypot(*(np.array(tile.centre) - middle)))
        if distance < nearest:
            central, nearest = result.psf_d, distance
    if central is None:
        raise ValueError(f"a frame of shape {shape} has no tile")
    return Matched(psf_d=central, **planes)


def _match_tile(
    new: Side,
    ref: Side,
    tile: Tile,
    workers: int,
) -> tuple[Matched, tuple[slice, slice]]:
    x, y = tile.centre
    new_psf, ref_psf = new.psf_at(x, y), ref.psf_at(x, y)
    halo = max(new_psf.shape[0], ref_psf.shape[0])
    cut = _Cut(tile, halo, new.image.shape)
    result = match(
        cut.data(new.image),
        cut.data(ref.image),
        corner_psf(new_psf, cut.shape),
        corner_psf(ref_psf, cut.shape),
        cut.variance(new.variance),
        cut.variance(ref.variance),
        new_noise=new.noise,
        ref_noise=ref.noise,
        new_power=new.power_on(cut.shape),
        ref_power=ref.power_on(cut.shape),
        workers=workers,
    )
    return result, cut.core


class _Cut:
    """A tile with its halo, padded to a size the transform likes."""

    def __init__(self, tile: Tile, halo: int, shape: tuple[int, ...]) -> None:
        self._slices, self._pads, core, sizes = [], [], [], []
        for span, n in zip((tile.rows, tile.columns), shape, strict=True):
            start, stop = max(span.start - halo, 0), min(span.stop + halo, n)
            before = halo - (span.start - start)
            size = fft.next_fast_len(span.stop - span.start + 2 * halo, real=True)
            self._slices.append(slice(start, stop))
            self._pads.append((before, size - before - (stop - start)))
            core.append(slice(halo, halo + span.stop - span.start))
            sizes.append(size)
        self.core = (core[0], core[1])
        self.shape = (sizes[0], sizes[1])

    def data(self, image: Image) -> Image:
        return np.pad(image[tuple(self._slices)], self._pads)

    def variance(self, image: Image) -> Image:
        return np.pad(image[tuple(self._slices)], self._pads, mode="edge")


def corner_psf(stamp: Image, shape: tuple[int, int]) -> Image:
    """Put a centred stamp on an empty image with its centre at pixel [0, 0]."""
    n, m = stamp.shape
    image = np.zeros(shape, dtype=np.float32)
    image[:n, :m] = stamp
    return np.roll(image, (-(n // 2), -(m // 2)), axis=(0, 1))


def centred_psf(image: Image, size: int) -> Image:
    """Cut the stamp of odd `size` out of a PSF that peaks at pixel [0, 0]."""
    half = size // 2
    rolled = np.roll(image, (half, half), axis=(0, 1))[:size, :size]
    return np.ascontiguousarray(rolled)


def _psf_change(psf_at: PsfAt, shape: tuple[int, int]) -> float:
    """Largest rms difference to the central PSF, over that PSF's rms."""
    ny, nx = shape
    centre = psf_at((nx - 1) / 2, (ny - 1) / 2)
    scale = float(np.sqrt((centre**2).sum()))
    return max(
        float(np.sqrt(((psf_at(x, y) - centre) ** 2).sum())) / scale
        for x in np.linspace(0, nx - 1, SAMPLES)
        for y in np.linspace(0, ny - 1, SAMPLES)
    )


def frequencies(
    shape: tuple[int, int],
) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Return rfft2's frequencies along x and y, cycles per pixel."""
    return (
        np.fft.rfftfreq(shape[1]).astype(np.float64),
        np.fft.fftfreq(shape[0]).astype(np.float64),
    )
