"""ZOGY: the optimal difference of two images of known PSF and noise.

The formulas of the paper and nothing else: registration, scaling and masks come
before, the error terms beyond photon noise after (`noise`). Both images are in
the electrons of the science frame, so F_n = F_r = 1.

With one PSF per image it takes eight real transforms of the frame. PSFs that change
over the frame come as terms of a polynomial (`local_psf`): each image is blurred with
the other's PSF *of each place* before anything else is done, so that constant stars
vanish everywhere; whitening and matched filter are those of the middle, and what they
do to flux and noise elsewhere is computed, not assumed. There are no seams, and the
loss of S/N is the square of a small mismatch: 0.5 % where the PSF is 10 % wider.

References
----------
Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27 (equation numbers below).
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.differencing.matched import Blurs, Matched
from astrid_assets.science.differencing.plane import Plane
from astrid_assets.science.errors import ShapeMismatch

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.differencing.filters import Noises
    from astrid_assets.science.differencing.local_psf import Stamps


def match(
    science: Image,
    reference: Image,
    science_psf: Stamps,
    reference_psf: Stamps,
    science_variance: Image,
    reference_variance: Image,
    noises: Noises,
) -> Matched:
    """Subtract and filter; swapping the pair flips the sign of d and of the flux.

    Parameters
    ----------
    science, reference : (ny, nx), electrons
        Registered, background-subtracted, scaled to the same flux.
    science_psf, reference_psf : (k, n, n)
        Terms of `local_psf`, equally many; one for a constant PSF.
    science_variance, reference_variance : (ny, nx), electrons squared
        Of single pixels, including source noise.
    noises
        sigma_n, sigma_r (what the variances say of blank sky) and the spectra where
        noise is not white; the paper's formulas hold for each frequency.

    Raises
    ------
    ShapeMismatch
        If the images differ in shape.
    """
    for image in (reference, science_variance, reference_variance):
        if image.shape != science.shape:
            raise ShapeMismatch(science.shape, image.shape)
    if len(science_psf) != len(reference_psf):
        raise ValueError(f"{len(science_psf)} terms of one PSF, {len(reference_psf)} of another")
    blurs = Blurs(reference_psf, science_psf, science_psf)
    plane = Plane((science.shape[0], science.shape[1]), blurs, noises)
    if len(science_psf) > 1:
        return plane.matched(science, reference, science_variance, reference_variance)
    variance = plane.variance(science_variance, reference_variance)
    variance += np.float32(1 / plane.design.f_s)
    d, flux_science, flux_reference = plane.products(science, reference)
    return plane.result(d, flux_science - flux_reference, flux_science, flux_reference, variance)


def match_blurred(
    science: Image,
    reference: Image,
    blurs: Blurs,
    science_variance: Image,
    reference_variance: Image,
    noises: Noises,
) -> Matched:
    """Subtract and filter images that other blurs make look alike; see `match`.

    With the noise's correlation taken out again this is what Reiss & Lupton 2016
    (LSST DMTN-021) do after Alard & Lupton's subtraction.
    """
    plane = Plane((science.shape[0], science.shape[1]), blurs, noises)
    return plane.matched(science, reference, science_variance, reference_variance)
