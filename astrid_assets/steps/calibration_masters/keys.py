"""Where the masters of one frame are kept, and what is odd about them."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from math import inf
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.calibration.masters import Masters
from astrid_assets.science.errors import FrameRejected, Reason
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.steps.calibration_masters.groups import KINDS
from astrid_assets.storage.fits.frames import image_from_fits

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile


@dataclass(frozen=True)
class MasterKeys:
    """Object keys of one frame's masters; None where there is none.

    `noises` are those of bias, dark and flat (0: unknown); `dark_exposure_s` is that of
    the darks that this bias was subtracted from, else None; `flags` and `why_missing` are
    pairs of a word (a code, a kind) and a sentence.
    """

    bias: str | None = None
    dark: str | None = None
    flat: str | None = None
    bad_pixels: str | None = None
    noises: tuple[float, float, float] = (0.0, 0.0, 0.0)
    dark_exposure_s: float | None = None
    flags: tuple[tuple[str, str], ...] = ()
    why_missing: tuple[tuple[str, str], ...] = ()

    @property
    def missing(self) -> list[str]:
        """Kinds without a master, for a frame that needs them."""
        return [kind for kind, _ in self.why_missing]


def check_masters(profile: SurveyProfile, keys: MasterKeys) -> list[Reason]:
    """Return flags for masters that are missing or odd, or reject, as the profile says.

    Raises
    ------
    FrameRejected
        If a master is missing and the profile does not let frames go on.
    """
    flags = [Reason(ReasonCode(code), message) for code, message in keys.flags]
    if not keys.why_missing:
        return flags
    names = ", ".join(keys.missing)
    why = "; ".join(sentence for _, sentence in keys.why_missing)
    if profile.calibration.on_missing_master == "reject":
        raise FrameRejected(
            ReasonCode.NO_MASTER,
            f"no master {names}: {why}; or set [calibration] on_missing_master = 'continue'",
        )
    return [*flags, Reason(ReasonCode.NO_MASTER, f"went on without master {names}: {why}")]


def load_masters(store: ObjectStore, keys: MasterKeys) -> Masters:
    """Read the masters; a worker keeps the last two sets, with what was computed from them."""
    where = tuple(getattr(keys, kind) for kind in KINDS)
    return _loaded(store, where, keys.bad_pixels, keys.noises, keys.dark_exposure_s or inf)


@lru_cache(maxsize=2)
def _loaded(
    store: ObjectStore,
    where: tuple[str | None, ...],
    bad_pixels: str | None,
    noises: tuple[float, float, float],
    dark_exposure_s: float,
) -> Masters:
    images = {
        kind: None if key is None else image_from_fits(store.get(key))
        for kind, key in zip(KINDS, where, strict=True)
    }
    marked = None if bad_pixels is None else bad_pixel_map(store.get(bad_pixels))
    return Masters(
        **images,
        bad_pixels=marked,
        bias_noise_e=noises[0],
        dark_noise_e_per_s=noises[1],
        flat_noise=noises[2],
        dark_exposure_s=dark_exposure_s,
    )


def bad_pixel_map(content: bytes) -> NDArray[np.bool_]:
    """Return which pixels a FITS image marks with anything but 0.

    Raises
    ------
    FrameRejected
        ``bad_pixel_map`` if there is no image of two axes in the file.
    """
    from astrid_assets.storage.fits.opening import opened

    try:
        with opened(content) as hdus:
            for number in range(len(hdus)):
                image = getattr(hdus[number], "data", None)
                if isinstance(image, np.ndarray) and image.ndim == 2:
                    return np.asarray(image) != 0
    except (OSError, ValueError, TypeError) as error:
        raise FrameRejected(
            ReasonCode.BAD_PIXEL_MAP, f"detector.bad_pixel_map is no FITS file: {error}"
        ) from error
    raise FrameRejected(
        ReasonCode.BAD_PIXEL_MAP, "detector.bad_pixel_map holds no image of two axes"
    )
