"""What a frame is: light, bias, dark or flat; by path, by header, and by pixels.

Headers lie about this more than about anything else, so a profile's path patterns
outrank them, and `kind_by_pixels` gives the survey's check a second opinion.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
import sep
from scipy import ndimage

from astrid_assets.surveys.fits.saturation import level_and_scatter
from astrid_assets.surveys.sources.base import matches_any

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.profile import Calibration, Keywords

Kind: TypeAlias = Literal["light", "bias", "dark", "flat", "unknown"]

LIGHT_WORDS = frozenset(
    {
        "light",
        "lights",
        "object",
        "obj",
        "science",
        "sci",
        "target",
        "normal",
        "ext",
        "imaging",
        "sky",
        "field",
        "exposure",
        "expose",
        "image",
        "standard",
    }
)
WORD = re.compile(r"[a-z]+")

LOOK_PX = 1024  # the middle of a large frame shows as much as all of it
STAR_SIGMA = 8.0
STAR_MIN_AREA_PX = 6  # a hot pixel with its neighbours is smaller
MIN_STARS = 5
FLAT_MIN_ADU = 3000.0  # below it a flat would add more noise than it removes
FLAT_OVER_NOISE = 30.0


def kind_of(
    path: str,
    header: HeaderView,
    keywords: Keywords,
    calibration: Calibration,
    notes: list[str],
) -> Kind:
    """Return what the profile says by path, else what the header says.

    A header without any image type is a light frame; one with a word that is not
    known is ``unknown``, with a note.
    """
    by_header = kind_by_header(header, keywords, notes)
    by_path: tuple[tuple[Kind, tuple[str, ...]], ...] = (
        ("bias", calibration.bias),
        ("dark", calibration.dark),
        ("flat", calibration.flat),
    )
    for kind, patterns in by_path:
        if matches_any(path, patterns):
            if by_header != kind:
                notes.append(f"the header says {by_header}, the profile's path {kind}")
            return kind
    return by_header


def kind_by_header(header: HeaderView, keywords: Keywords, notes: list[str]) -> Kind:
    """Return the image type of the header's first keyword that has a known word."""
    unknown: str | None = None
    for keyword in keywords.image_type:
        value = header.value(keyword)
        if not isinstance(value, str):  # FRAME = 27 is a number, not a type
            continue
        kind = kind_by_words(value)
        if kind is not None:
            return kind
        unknown = unknown or f"{keyword} = {value[:40]!r}"
    if unknown is None:
        return "light"
    notes.append(f"{unknown} is no image type that is known")
    return "unknown"


def kind_by_words(text: str) -> Kind | None:
    """Return the image type that words name, or None: ``Dome Flat`` is a flat."""
    words = WORD.findall(text.lower())
    # A dark for flats is a dark: this order matters.
    if any("dark" in word for word in words):
        return "dark"
    if any("bias" in word or word in ("zero", "zeros") for word in words):
        return "bias"
    if any(word.startswith("flat") or word.endswith(("flat", "flats")) for word in words):
        return "flat"
    return "light" if LIGHT_WORDS.intersection(words) else None


def kind_by_pixels(data: Image, exposure_s: float) -> Kind:
    """Return what the pixels look like; ``unknown`` where they fit several types.

    Stars make a light frame. Without stars, a level far above the noise makes a
    flat; a low one a bias or, with an exposure, something that may be a dark or an
    empty light frame: unknown.
    """
    ny, nx = data.shape
    y, x = max(0, (ny - LOOK_PX) // 2), max(0, (nx - LOOK_PX) // 2)
    middle = data[y : y + LOOK_PX, x : x + LOOK_PX]
    finite = middle[np.isfinite(middle)]
    if finite.size == 0:
        return "unknown"
    level, _ = level_and_scatter(finite)
    filled = np.where(np.isfinite(middle), middle, level).astype(np.float32)
    background = sep.Background(np.ascontiguousarray(filled), bw=32, bh=32)
    flat = filled - background.back()
    noise = float(background.globalrms)
    if noise > 0 and _stars(flat, noise) >= MIN_STARS:
        return "light"
    if level > FLAT_MIN_ADU and level > FLAT_OVER_NOISE * noise:
        return "flat"
    return "bias" if exposure_s == 0 else "unknown"


def _stars(data: Image, noise: float) -> int:
    """Count blobs that are wider than a hot pixel and no line or wide structure."""
    labels = np.zeros(data.shape, np.int32)
    ndimage.label(data > STAR_SIGMA * noise, output=labels)
    areas = np.bincount(labels.ravel())[1:]
    stars = 0
    for area, box in zip(areas, ndimage.find_objects(labels), strict=True):
        height, width = (edge.stop - edge.start for edge in box)
        is_round = max(height, width) <= 3 * min(height, width)
        stars += area >= STAR_MIN_AREA_PX and min(height, width) >= 2 and is_round
    return int(stars)
