"""The cross-check: one pair subtracted by both methods, and their fluxes compared.

ZOGY relies on two measured PSFs; Alard & Lupton's kernel is fitted to the stars and relies
on neither. Where both give the same flux, the PSFs were right. Both use the same
photons, so their difference is much smaller than either error.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal

import numpy as np
from numpy.typing import NDArray
from scipy.signal import fftconvolve

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.stars.point_sources import psf_flux

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.differencing.prepared import Prepared
    from astrid_assets.science.differencing.settings import DifferencingSettings
    from astrid_assets.science.frame import Frame

Values = NDArray[np.float64]
Bool = NDArray[np.bool_]
Places = tuple[NDArray[np.intp], NDArray[np.intp]]

OTHER: dict[str, Literal["zogy", "kernel"]] = {"zogy": "kernel", "kernel": "zogy"}
TESTS = DetectionSettings.model_validate({})
CHANGE_SIGMA = 10.0  # brighter changes give a flux ratio to a few per cent each
SAME_PX = 3  # peaks of one source lie closer
MAX_CHANGES = 300  # of either difference, the brightest: more of them add nothing
BLANK_PLACES = 2500  # on a grid; enough for a correlation to 0.02
BLANK_SIGMA = 3.0  # of a pixel of the reference
STAR_SNR = 20.0  # fainter stars differ by noise that both methods weigh differently


@dataclass(frozen=True)
class Compared:
    """Fluxes and errors by both methods at the same positions, (n,) each, electrons."""

    flux: Values
    flux_err: Values
    other_flux: Values
    other_flux_err: Values

    @property
    def agree(self) -> Bool:
        """True where they differ by less than the smaller error."""
        smaller = np.minimum(self.flux_err, self.other_flux_err)
        return np.abs(self.flux - self.other_flux) <= smaller


@dataclass(frozen=True)
class CrossCheck:
    """How the other method's fluxes compare with those of the difference.

    Attributes
    ----------
    method
        Name of the other method.
    changes, blank
        Fluxes at candidates above `CHANGE_SIGMA` that pass all tests in either difference,
        and on a fixed grid where the reference is blank.
    star_snr, star_difference : (n,)
        Signal-to-noise ratio of constant stars, and what both methods differ by within one
        FWHM, over the star's own flux there (root of the ratio of powers).
    """

    method: str
    changes: Compared
    blank: Compared
    star_snr: Values
    star_difference: Values

    def numbers(self) -> dict[str, object]:
        """Return what is kept; None where too little was there to compare.

        ``flux_ratio`` is the other method's flux over the difference's, the median of
        the bright changes, ``flux_ratio_err`` its error by their scatter; ``agreeing``
        the share of all positions that agree within the smaller error; ``correlation``
        that of the scores on blank sky; ``star_difference`` the median of the stars.
        """
        agree = [*self.changes.agree, *self.blank.agree]
        ratio = self.changes.other_flux / self.changes.flux
        scores = [
            self.blank.flux / self.blank.flux_err,
            self.blank.other_flux / self.blank.other_flux_err,
        ]
        several = len(self.blank.flux) > 2
        return {
            "method": self.method,
            "star_difference": _median(self.star_difference),
            "flux_ratio": _median(ratio),
            "flux_ratio_err": mad_sigma(ratio) / np.sqrt(len(ratio)) if len(ratio) else None,
            "agreeing": float(np.mean(agree)) if agree else None,
            "correlation": float(np.asarray(np.corrcoef(scores))[0, 1]) if several else None,
            "n_stars": len(self.star_snr),
            "n_changes": len(ratio),
            "n_blank": len(self.blank.flux),
        }


def cross_check(
    science: Frame,
    reference: Frame | Prepared,
    difference: Difference,
    settings: DifferencingSettings,
) -> CrossCheck:
    """Subtract a pair by the other method and compare.

    Parameters
    ----------
    science, reference
        The pair, processed.
    difference
        Difference of this pair, by the method of the settings.
    settings
        Name the method; the other one is used here.

    Returns
    -------
    check
        Fluxes by both methods, at constant stars, at changes and on blank sky.

    Raises
    ------
    FrameRejected, TooFewStars
        If the other method cannot subtract the pair, or the frame has no PSF.
    """
    if science.psf is None:
        raise FrameRejected(ReasonCode.UNPROCESSED, f"{science.frame_id} has no PSF")
    method = OTHER[settings.method]
    other = subtract(science, reference, settings.model_copy(update={"method": method}))
    usable = ((difference.mask | other.mask) & UNUSABLE) == 0
    changes = _changes(science, (difference, other), usable)
    snr, star_difference = _at_stars(science, difference, other, usable)
    return CrossCheck(
        method=method,
        changes=_compared(difference, other, changes),
        blank=_compared(difference, other, _blank_grid(difference, usable)),
        star_snr=snr,
        star_difference=star_difference,
    )


def _compared(one: Difference, other: Difference, at: Places) -> Compared:
    values = (one.flux, one.flux_err, other.flux, other.flux_err)
    return Compared(*(image[at].astype(np.float64) for image in values))


def _changes(science: Frame, differences: tuple[Difference, Difference], usable: Bool) -> Places:
    """Return where point sources changed, in either difference; each counts once.

    Artefacts look different to each method and their fluxes cannot be compared: only
    what passes all tests of the detection counts.
    """
    found: list[tuple[int, int]] = []
    for difference in differences:
        kept = [
            candidate
            for candidate in detect(difference, science, TESTS)
            if candidate.is_kept and abs(candidate.score) >= CHANGE_SIGMA
        ]
        for candidate in kept[:MAX_CHANGES]:
            row, column = candidate.peak_y, candidate.peak_x
            near = any(max(abs(row - r), abs(column - c)) <= SAME_PX for r, c in found)
            if usable[row, column] and not near:
                found.append((row, column))
    rows, columns = np.array(found, dtype=np.intp).reshape(-1, 2).T
    return rows, columns


def _blank_grid(difference: Difference, usable: Bool) -> Places:
    step = max(1, int(np.sqrt(usable.size / BLANK_PLACES)))
    part = slice(step // 2, None, step), slice(step // 2, None, step)
    reference = np.abs(difference.registered_reference[part])
    blank = usable[part] & (reference < BLANK_SIGMA * difference.reference_rms_e)
    rows, columns = np.nonzero(blank)
    return rows * step + step // 2, columns * step + step // 2


def _at_stars(
    science: Frame, one: Difference, other: Difference, usable: Bool
) -> tuple[Values, Values]:
    """Return the S/N of the common stars, and what both differ by over their flux."""
    if science.psf is None or other.evidence is None:
        return np.zeros(0), np.zeros(0)
    x, y = other.evidence.x, other.evidence.y
    flux, error = psf_flux(science, science.psf, x, y)
    near_y, near_x, profile = _profile(one.psf_d, science.psf.fwhm_px)
    ny, nx = usable.shape
    r = int(near_y.max())
    rows, columns = np.rint(y).astype(int), np.rint(x).astype(int)
    chosen = flux > STAR_SNR * error  # False where there is no flux
    chosen &= (rows >= r) & (rows < ny - r) & (columns >= r) & (columns < nx - r)
    at = rows[chosen, None] + near_y, columns[chosen, None] + near_x
    whole = usable[at].all(axis=1)
    left = (one.flux[at] - other.flux[at]).astype(np.float64)[whole]
    own = flux[chosen][whole] * np.sqrt((profile**2).sum())
    snr = (flux[chosen] / error[chosen])[whole]
    return snr, np.sqrt((left**2).sum(axis=1)) / own


def _profile(psf_d: Image, fwhm_px: float) -> tuple[NDArray[np.intp], NDArray[np.intp], Values]:
    """Return offsets within one FWHM, and the flux image of a unit source there."""
    response = fftconvolve(psf_d, psf_d[::-1, ::-1]).astype(np.float64)
    middle = response.shape[0] // 2
    r = min(max(1, round(fwhm_px)), middle)
    dy, dx = np.mgrid[-r : r + 1, -r : r + 1]
    near = np.hypot(dx, dy) <= fwhm_px
    dy, dx = dy[near], dx[near]
    return dy, dx, response[middle + dy, middle + dx] / response[middle, middle]


def _median(values: Values) -> float | None:
    return float(np.median(values)) if len(values) else None
