"""Pixels around a detection: its cutouts, the difference, and a wider view.

Cutouts come from the array that the network saw as well; the difference and the
wider view are read from the stored planes, only the tiles that hold them. Bytes of
recent files are kept in memory, because neighbours in the queue often share them.
"""

from __future__ import annotations

import math
import threading
from collections import OrderedDict
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.orientation import Orientation, orientation_of
from astrid_assets.science.arrays.robust import MAD_TO_SIGMA, median_deviation
from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.detection.measurements import MEASUREMENTS
from astrid_assets.storage.objects.cutout_files import MeasuredCutouts, read_cutout
from astrid_assets.storage.objects.store_errors import ObjectMissing

if TYPE_CHECKING:
    from astropy.io.fits import HDUList
    from numpy.typing import NDArray

    from astrid_assets.storage.objects.object_store import ObjectStore

    Stamp = NDArray[np.float32]

PLANES = ("science", "reference", "difference", "score")
HALF = CUTOUT_SIZE // 2 - 1
"""Shown are 63 pixels, so that the candidate is in the middle however it is turned."""

CONTEXT_HALF = 150  # pixels; a wider view of 301 pixels a side
CACHE_BYTES = 192 * 2**20
MAX_STAMPS = 256  # detections; 64 kB each
SOURCE_SIGMA = 5.0  # per pixel, and this many pixels: a source of the reference
SOURCE_PIXELS = 5


@dataclass(frozen=True)
class ReferenceSource:
    """The source of the reference that is nearest to a detection."""

    distance_arcsec: float | None
    distance_px: float
    mag: float | None


@dataclass(frozen=True)
class PlaneStamps:
    """What is around a detection, each plane in sigma; first row at the bottom.

    `difference` is None where no difference is kept; then nothing is known of north
    and of the reference's sources either. Alerts of other surveys have a difference
    and no `score`.
    """

    science: Stamp
    reference: Stamp
    difference: Stamp | None
    score: Stamp | None
    orientation: Orientation | None = None
    neighbour: ReferenceSource | None = None

    @property
    def planes(self) -> list[tuple[str, Stamp | None]]:
        """The planes by name, in the order they are shown."""
        return [(name, getattr(self, name)) for name in PLANES]


@dataclass
class ByteCache:
    """Recently read objects, the oldest forgotten first; safe between threads."""

    limit: int = CACHE_BYTES
    _kept: OrderedDict[str, bytes] = field(default_factory=OrderedDict)
    _size: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def get(self, store: ObjectStore, key: str) -> bytes:
        """Return the object's bytes; raises what the store raises."""
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        content = store.get(key)
        with self._lock:
            if key not in self._kept and len(content) <= self.limit:
                self._kept[key] = content
                self._size += len(content)
            while self._size > self.limit:
                _, old = self._kept.popitem(last=False)
                self._size -= len(old)
        return content


@dataclass(frozen=True)
class Spot:
    """Where a detection's pixels are kept."""

    cutout_key: str
    cutout_index: int
    difference_key: str | None
    x: float
    y: float
    third_is_difference: bool = False


@dataclass(frozen=True)
class PlaneReader:
    """Reads pixels around detections."""

    store: ObjectStore
    cache: ByteCache = field(default_factory=ByteCache)
    _stamps: OrderedDict[Spot, PlaneStamps] = field(default_factory=OrderedDict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def cutout(self, key: str, index: int) -> tuple[Stamp, Stamp, Stamp]:
        """Return science, reference and score as the network sees them, 64 px a side.

        Raises
        ------
        ObjectMissing
            If the array is not there, or has no such row.
        """
        science, reference, score = self._row(key, index).pixels[0]
        return science, reference, score

    def measurements(self, key: str, index: int) -> dict[str, float | None]:
        """Return what detection measured beside the pixels, by name; None: not measured.

        Raises
        ------
        ObjectMissing
            If the array is not there, or has no such row.
        """
        row = self._row(key, index).measurements[0].tolist()
        return {
            name: None if math.isnan(value) else value
            for name, value in zip(MEASUREMENTS, row, strict=True)
        }

    def _row(self, key: str, index: int) -> MeasuredCutouts:
        try:
            return read_cutout(self.cache.get(self.store, key), index)
        except IndexError as error:
            raise ObjectMissing(f"row {index} of {key}", self.store.url) from error

    def stamps(self, spot: Spot) -> PlaneStamps:
        """Return everything around a detection; read once, then remembered."""
        with self._lock:
            known = self._stamps.get(spot)
        if known is None:
            known = self._read(spot)
            with self._lock:
                self._stamps[spot] = known
                while len(self._stamps) > MAX_STAMPS:
                    self._stamps.popitem(last=False)
        return known

    def _read(self, spot: Spot) -> PlaneStamps:
        middle = slice(CUTOUT_SIZE // 2 - HALF, CUTOUT_SIZE // 2 + HALF + 1)
        science, reference, score = (
            plane[middle, middle] for plane in self.cutout(spot.cutout_key, spot.cutout_index)
        )
        if spot.third_is_difference:
            return PlaneStamps(science, reference, score, None)
        if spot.difference_key is None:
            return PlaneStamps(science, reference, None, score)
        with self._opened(spot.difference_key) as hdus:
            wide = _window(hdus, "DIFFERENCE", spot.x, spot.y, CONTEXT_HALF)
            inner = slice(CONTEXT_HALF - HALF, CONTEXT_HALF + HALF + 1)
            return PlaneStamps(
                science,
                reference,
                _in_sigma(wide)[inner, inner],
                score,
                _orientation(hdus, spot.x, spot.y),
                _neighbour(hdus, spot.x, spot.y),
            )

    def context(
        self,
        difference_key: str,
        frame_key: str,
        plane: str,
        x: float,
        y: float,
    ) -> tuple[Stamp, Orientation | None]:
        """Return a wider view of one plane, in sigma, and how to turn it."""
        with self._opened(difference_key) as hdus:
            orientation = _orientation(hdus, x, y)
            if plane != "science":
                name = plane.upper()
                wide = _window(hdus, name, x, y, CONTEXT_HALF)
                return wide if plane == "score" else _in_sigma(wide), orientation
        with self._opened(frame_key) as hdus:
            return _in_sigma(_window(hdus, "DATA", x, y, CONTEXT_HALF)), orientation

    def _opened(self, key: str) -> HDUList:
        from astrid_assets.storage.fits.opening import opened

        return opened(self.cache.get(self.store, key))


def _window(hdus: HDUList, name: str, x: float, y: float, half: int) -> Stamp:
    """Read a square around a pixel; NaN outside the image."""
    hdu = hdus[name]
    ny, nx = hdu.shape  # type: ignore[union-attr]  # astropy's list is untyped
    column, row = round(x), round(y)
    window = np.full((2 * half + 1, 2 * half + 1), np.nan, dtype=np.float32)
    y0, y1 = max(row - half, 0), min(row + half + 1, ny)
    x0, x1 = max(column - half, 0), min(column + half + 1, nx)
    if y0 < y1 and x0 < x1:
        part = hdu.section[y0:y1, x0:x1]  # type: ignore[union-attr]  # astropy's list is untyped
        top, left = y0 - row + half, x0 - column + half
        window[top : top + y1 - y0, left : left + x1 - x0] = part
    return window


def _in_sigma(image: Stamp) -> Stamp:
    """Return an image over its robust scatter, exact zeros and NaN left out."""
    measured = image[np.isfinite(image) & (image != 0)]
    if not measured.size:
        return image
    sigma = MAD_TO_SIGMA * float(median_deviation(measured))
    return image / np.float32(sigma) if sigma > 0 else image


def _neighbour(hdus: HDUList, x: float, y: float) -> ReferenceSource | None:
    """Find the source of the registered reference that is nearest."""
    import sep

    from astrid_assets.storage.fits.cards import header_of, number_or_none, wcs_from_cards

    window = _window(hdus, "REFERENCE", x, y, CONTEXT_HALF)
    usable = np.isfinite(window) & (window != 0)
    if not usable.any():
        return None
    sigma = MAD_TO_SIGMA * float(median_deviation(window[usable]))
    if sigma <= 0:
        return None
    filled = np.where(usable, window, 0).astype(np.float32)
    found = sep.extract(filled, SOURCE_SIGMA, err=sigma, mask=~usable, minarea=SOURCE_PIXELS)
    if not len(found):
        return None
    dx = found["x"] - CONTEXT_HALF - (x - round(x))
    dy = found["y"] - CONTEXT_HALF - (y - round(y))
    distance = np.hypot(dx, dy)
    nearest = int(np.argmin(distance))
    wcs = wcs_from_cards(header_of(hdus, "DIFFERENCE"))
    scale = None
    if wcs is not None and wcs.has_celestial:
        scale = 3600 * float(np.sqrt(abs(np.linalg.det(wcs.pixel_scale_matrix))))
    zero_point = number_or_none(header_of(hdus, 0), "ZPMAG")
    flux = float(found["flux"][nearest])
    return ReferenceSource(
        None if scale is None else float(distance[nearest]) * scale,
        float(distance[nearest]),
        None if zero_point is None or flux <= 0 else zero_point - 2.5 * math.log10(flux),
    )


def _orientation(hdus: HDUList, x: float, y: float) -> Orientation | None:
    from astrid_assets.storage.fits.cards import header_of, wcs_from_cards

    wcs = wcs_from_cards(header_of(hdus, "DIFFERENCE"))
    if wcs is None or not wcs.has_celestial:
        return None
    corners = np.array([[x, y], [x + 1, y], [x, y + 1]])
    here, right, up = np.asarray(wcs.all_pix2world(corners, 0), dtype=np.float64)
    scale = np.array([np.cos(np.radians(here[1])), 1.0])
    steps = np.array([right - here, up - here])
    steps[:, 0] = (steps[:, 0] + 180) % 360 - 180  # across RA 0
    return orientation_of((steps * scale).T)
