"""What a subtraction starts from and what it gives; nothing is computed here."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.differencing.local_psf import at

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.local_psf import Stamps


@dataclass(frozen=True)
class Matched:
    """The products, all in electrons of the science frame, (ny, nx).

    Attributes
    ----------
    d
        D / F_D (eqs. 13, 15): a source of `f` electrons is ``f * psf_d``.
    flux
        S / F_S (eqs. 12, 17), the PSF flux of a change.
    flux_science, flux_reference
        S_n / F_S and S_r / F_S (eqs. 31, 33): PSF fluxes of what is in either image;
        `flux` is their difference.
    variance
        (V(S_n) + V(S_r)) / F_S² (eqs. 26, 27).
    psf_d : (n, n)
        P_D (eq. 14) in the middle of the frame, unit sum, centred.
    psf_d_changes : (k, n, n)
        The further terms of `local_psf` where it changes; none where it does not.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27.
    """

    d: Image
    flux: Image
    flux_science: Image
    flux_reference: Image
    variance: Image
    psf_d: Image
    psf_d_changes: Stamps | None = None


@dataclass(frozen=True)
class Blurs:
    """What each image is blurred with so that constant stars look alike, and a source's PSF.

    Attributes
    ----------
    science, reference : (k, n, n)
        Terms of `local_psf`, equally many; the images are blurred with them.
    source : (k, n, n)
        PSF of the science image.
    """

    science: Stamps
    reference: Stamps
    source: Stamps

    @property
    def reach(self) -> int:
        """Side of the largest stamp."""
        return max(s.shape[1] for s in (self.science, self.reference, self.source))

    def at(self, x: float, y: float, shape: tuple[int, int]) -> tuple[Image, Image, Image]:
        """Return the three stamps at a position.

        Parameters
        ----------
        x, y : pixels
            Position on the frame.
        shape
            Shape of the frame, (ny, nx).

        Returns
        -------
        science, reference, source : (n, n)
            Both blurs, and the PSF of a source in the science image.
        """
        return (
            at(self.science, x, y, shape),
            at(self.reference, x, y, shape),
            at(self.source, x, y, shape),
        )
