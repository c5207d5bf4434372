"""Cutouts from elsewhere, brought to the pipeline's own form: all the rules.

The pipeline's form is (3, 64, 64): science and reference less their sky in units of its
sigma, and a third channel in sigma; the candidate on pixel [32, 32]; 0 where nothing was
measured. The rules for what comes otherwise:

* **Pixels without data** (NaN, infinite, masked, beyond 1e20 of either sign) become 0, blank sky.
* **Other sizes**: the middle pixel, ``(side - 1) // 2`` along each axis, comes to 32.
  Larger cutouts lose their border, smaller ones (63², 61², 30²) are surrounded by 0.
  Pixels are not resampled, whatever their angle on the sky.
* **Counts**, in any unit: science and reference lose their median and are divided by the
  sigma of their fainter half, which stars spare; a difference loses its median and is
  divided by its robust sigma.
* **A score** in sigma (S_corr) is kept as it is.
* **Two channels**, science and difference: the reference is their difference. Science and
  reference: the third channel is theirs, in units of its robust sigma.
* **One channel**, a difference or a score: the other two are blank.
* A plane that is the same everywhere becomes 0.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Literal

import numpy as np

from astrid_assets.science.arrays.robust import MAD_TO_SIGMA
from astrid_assets.science.arrays.types import CUTOUT_SIZE

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Cutouts, Image

Plane = Literal["science", "reference", "difference", "score"]
Unit = Literal["sigma", "counts"]
UNITS: tuple[Unit, ...] = ("sigma", "counts")

PLANES: tuple[Plane, ...] = ("science", "reference", "difference", "score")
BY_COUNT: dict[int, tuple[Plane, ...]] = {
    1: ("difference",),
    2: ("science", "difference"),
    3: ("science", "reference", "difference"),
}
"""What channels are taken for where nobody names them."""

MISSING_FROM = 1e20
"""Values from here on, of either sign, are how some files say "no data"."""

OWN_SHAPE = (3, CUTOUT_SIZE, CUTOUT_SIZE)


class UnfitCutouts(ValueError):
    """Cutouts that no rule fits; the message says what is needed."""


def fitted_cutouts(
    cutouts: NDArray[np.floating],
    *,
    channels: Sequence[str] | None = None,
    unit: Unit | None = None,
    signs: NDArray[np.floating] | None = None,
) -> Cutouts:
    """Return cutouts in the pipeline's own form; those that have it are kept as they are.

    Parameters
    ----------
    cutouts : (n, channels, ny, nx)
        Of 1 to 3 channels and any size.
    channels
        Names of the channels in their order, of ``science``, ``reference``,
        ``difference``, ``score``. None: by their number, see `BY_COUNT`.
    unit
        ``sigma``: science and reference less their sky in units of its sigma, third
        channel in sigma. ``counts``: any unit. None: sigma for the pipeline's own
        shape (3, 64, 64), counts for every other.
    signs : (n,)
        -1 where the difference shows a source that faded as positive, as ZTF's packets
        do; None: the difference is science minus reference.

    Returns
    -------
    fitted : (n, 3, 64, 64)
        Without NaN.

    Raises
    ------
    UnfitCutouts
        If there are other channels, units or signs, or the array has another number of axes
        or no real numbers.
    """
    cutouts = np.asanyarray(cutouts)
    if cutouts.dtype.kind not in "fiub":
        raise UnfitCutouts(f"cutouts need real numbers, got {cutouts.dtype}")
    if cutouts.ndim != 4 or not all(cutouts.shape[1:]):
        raise UnfitCutouts(
            f"cutouts need the shape (n, channels, ny, nx), got {cutouts.shape}; one "
            "cutout is cutouts[None]"
        )
    names = tuple(channels) if channels is not None else BY_COUNT.get(cutouts.shape[1], ())
    if len(names) != cutouts.shape[1] or len(set(names)) != len(names) or set(names) - {*PLANES}:
        raise UnfitCutouts(
            f"{cutouts.shape[1]} channels, named {list(names)}: name each of them once, "
            f"of {', '.join(PLANES)}; without names there may be 1, 2 or 3"
        )
    if unit not in {None, *UNITS}:
        raise UnfitCutouts(f"unit {unit!r}: it is one of {', '.join(UNITS)}")
    if signs is not None:
        signs = np.asarray(signs)
        if signs.shape != (len(cutouts),) or not np.isin(signs, (-1, 1)).all():
            raise UnfitCutouts(
                f"signs need {len(cutouts)} numbers, each 1 or -1, got {signs.shape} of "
                f"{np.unique(signs)[:5]}"
            )
    if np.ma.isMaskedArray(cutouts):
        cutouts = np.ma.filled(cutouts.astype(np.result_type(cutouts, np.float32)), np.nan)
    in_sigma = unit == "sigma" or (unit is None and cutouts.shape[1:] == OWN_SHAPE)
    fitted = np.zeros((len(cutouts), *OWN_SHAPE), dtype=np.float32)
    for row, stack in enumerate(cutouts):
        planes = {name: _measured(plane) for name, plane in zip(names, stack, strict=True)}
        if signs is not None and "difference" in planes:
            planes["difference"] = planes["difference"] * np.float32(signs[row])
        fitted[row] = fitted_cutout(planes, in_sigma=in_sigma)
    return fitted


def fitted_cutout(planes: Mapping[str, Image], *, in_sigma: bool = False) -> Cutouts:
    """Return one cutout in the pipeline's own form, (3, 64, 64).

    Parameters
    ----------
    planes
        By name (`PLANES`), each (ny, nx); NaN where nothing was measured.
    in_sigma
        Planes are in units of their own sigma already.

    Returns
    -------
    fitted : (3, 64, 64)
        Without NaN.
    """
    science, reference = planes.get("science"), planes.get("reference")
    third, is_score = planes.get("score"), True
    if third is None:
        third, is_score = planes.get("difference"), False
    if reference is None and science is not None and third is not None and not is_score:
        # In sigma of two different skies nothing can be subtracted.
        reference = None if in_sigma else science - third
    if third is None and science is not None and reference is not None:
        ours = (in_sky_sigma(science), in_sky_sigma(reference))
        third, is_score = (ours[0] - ours[1]), False
        third = in_robust_sigma(third)
    elif third is not None and not (is_score or in_sigma):
        third = in_robust_sigma(third)
    stack = np.zeros(OWN_SHAPE, dtype=np.float32)
    for channel, plane in enumerate((science, reference)):
        if plane is not None:
            place_at_centre(stack[channel], plane if in_sigma else in_sky_sigma(plane))
    if third is not None:
        place_at_centre(stack[2], third)
    return np.nan_to_num(stack, nan=0, posinf=0, neginf=0)


def in_sky_sigma(image: Image) -> Image:
    """Return an image less its sky in units of the sigma of its fainter half.

    Parameters
    ----------
    image : (ny, nx), in any unit
        NaN where nothing was measured.

    Returns
    -------
    scaled : (ny, nx)
        In sigma; NaN stays, and an image without any pixel becomes 0.
    """
    if not np.isfinite(image).any():
        return np.zeros_like(image)
    low, middle = np.nanpercentile(image, [15.87, 50])
    return _divided(image - middle, float(middle - low))


def in_robust_sigma(image: Image) -> Image:
    """Return an image less its median in units of its robust sigma.

    Parameters
    ----------
    image : (ny, nx), in any unit
        NaN where nothing was measured.

    Returns
    -------
    scaled : (ny, nx)
        In sigma; NaN stays, and an image without any pixel becomes 0.
    """
    if not np.isfinite(image).any():
        return np.zeros_like(image)
    middle = np.nanmedian(image)
    return _divided(image - middle, float(MAD_TO_SIGMA * np.nanmedian(np.abs(image - middle))))


def place_at_centre(target: Image, image: Image) -> None:
    """Copy an image so that its centre comes to the target's pixel [32, 32].

    Parameters
    ----------
    target : (64, 64)
        Written to where the image covers it.
    image : (ny, nx)
    """
    half = CUTOUT_SIZE // 2
    spans = []
    for length in image.shape:
        # Of 100 pixels the candidate sits on the 50th, of 63 on the 32nd; our own 64
        # have it on the 33rd.
        centre = half if length == CUTOUT_SIZE else (length - 1) // 2
        start, stop = max(centre - half, 0), min(centre + half, length)
        spans.append((slice(half - centre + start, half - centre + stop), slice(start, stop)))
    (to_y, from_y), (to_x, from_x) = spans
    target[to_y, to_x] = image[from_y, from_x]


def _divided(image: Image, sigma: float) -> Image:
    if sigma <= 0:
        # More than half of the pixels are alike, as in a padded cutout; what differs
        # still has a scatter.
        different = image[np.isfinite(image) & (image != 0)]
        sigma = float(different.std(dtype=np.float64)) if different.size else 0.0
        sigma = sigma or float(np.abs(different).max(initial=0.0)) or 1.0
    with np.errstate(over="ignore"):
        return (image / np.float64(sigma)).astype(np.float32)


def _measured(plane: NDArray[np.floating]) -> Image:
    """Return a plane with NaN where nothing was measured."""
    with np.errstate(invalid="ignore"):
        # A comparison with NaN is false.
        known = np.abs(plane) < MISSING_FROM
    # As precise as it came: its sky may be a million times its noise.
    return np.where(known, plane, np.nan).astype(np.result_type(plane.dtype, np.float32))
