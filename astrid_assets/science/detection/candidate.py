"""The candidate: a peak of the score, with its measurements and failed tests."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntFlag


class RejectReason(IntFlag):
    """Tests a candidate can fail; stored as bits, 0 means kept."""

    DIPOLE = 1 << 0  # an opposite-sign neighbour: misregistration, PSF residual
    COSMIC_RAY = 1 << 1  # sharper than the PSF
    TRAIL = 1 << 2  # beside a masked trail
    HALO = 1 << 3  # in the wings or on a spike of a saturated star
    EDGE = 1 << 4  # less than a full PSF lies in the frame
    MASKED = 1 << 5  # too many unusable pixels under it
    SHAPE = 1 << 6  # too wide or too elongated for a point source
    REFERENCE_HOLE = 1 << 7  # the reference lies below the sky here
    BAD_FIT = 1 << 8  # the PSF does not describe it
    OVERDENSITY = 1 << 9  # one of many close together: something else went wrong there


def reason_names(reasons: int) -> list[str]:
    """Return the names of the reasons set in a value, lowest bit first.

    Parameters
    ----------
    reasons
        Bits of `RejectReason`.

    Returns
    -------
    names
        In lower case, as they are stored.
    """
    return [r.name.lower() for r in RejectReason if reasons & r and r.name]


@dataclass(frozen=True, kw_only=True)
class Candidate:
    """A peak of |S_corr| at or above the threshold.

    Attributes
    ----------
    x, y : pixels of the science frame
        Sub-pixel position of the peak.
    peak_x, peak_y
        Pixel of the peak. Together with the sign it identifies the candidate within its
        difference, whatever the threshold.
    ra_deg, dec_deg : degrees
        Position on the sky.
    score : sigma
        S_corr at the peak; negative where the source faded.
    flux_e, flux_err_e : electrons of the science frame
        PSF flux of the change, and its error.
    aperture_flux_e, aperture_flux_err_e : electrons of the science frame
        Sum within 1.5 FWHM on the difference image, over the part of a point source
        that lies there; None where more than half of that is masked.
    mag, mag_err
        Magnitude of the size of the change, and its error; None without zero point.
    fwhm_px, elongation
        Shape on the difference image, weighted with its PSF, so they describe the core;
        noisy at low S/N (the tests allow for that). None where noise leaves no positive
        width.
    mask_bits
        Bits of the difference's mask within one FWHM.
    reasons
        `RejectReason` bits; 0 means kept.
    measurements
        What else was measured, in the order of `measurements.MEASUREMENTS`; NaN: it was not.
    """

    x: float
    y: float
    peak_x: int
    peak_y: int
    ra_deg: float
    dec_deg: float
    score: float
    flux_e: float
    flux_err_e: float
    aperture_flux_e: float | None
    aperture_flux_err_e: float | None
    mag: float | None
    mag_err: float | None
    fwhm_px: float | None
    elongation: float | None
    mask_bits: int
    reasons: int
    measurements: tuple[float, ...]

    @property
    def sign(self) -> int:
        """1 where the source is brighter than in the reference, else -1."""
        return 1 if self.score >= 0 else -1

    @property
    def is_kept(self) -> bool:
        """True when no test failed."""
        return self.reasons == 0
