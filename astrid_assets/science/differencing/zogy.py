"""ZOGY: the optimal difference of two images of known PSF and noise.

The formulas of the paper and nothing else: registration, scaling and masks come
before (`subtraction`), the error terms beyond photon noise after (`noise`). Both
images are in the electrons of the science frame, so F_n = F_r = 1.

With one PSF per image it takes eight real transforms of the frame. PSFs that change
over the frame come as basis images times polynomials in position (`local_psf`): each
image is first blurred with the other's PSF *at each position*, so that constant stars
vanish everywhere. The whitening and the matched filter are those of the middle of the
frame; what they do to flux and noise elsewhere is computed, not assumed. There are no
seams, and the loss of S/N is second order in the mismatch of the PSFs: 0.5 % where
the PSF is 10 % wider.

Which formula stands where:

========================================  =================================  ==========
quantity                                  computed in                        equation
========================================  =================================  ==========
D                                         `zogy_kernels.match_block`         13
P_D                                       `filters.Design`                   14
F_D                                       `filters.Design`                   15
S, as S_n - S_r                           `zogy_kernels.match_block`         12
S, as D filtered with P_D                 `zogy_kernels.filter_block`        17
S_corr                                    `noise_kernels.score_rows`         25
V(S_n), V(S_r)                            `zogy_kernels.variance_block`      26, 27
k_n, k_r                                  `filters.Design`                   28, 29
V_ast(S_n), V_ast(S_r)                    `noise_kernels.score_rows`         30, 32
S_n, S_r, whose gradients those need      `zogy_kernels.match_block`         31, 33
========================================  =================================  ==========

F_S, over which S becomes a flux, is the response of S to a source of unit flux.

References
----------
Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27 (equation numbers above and below).
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
    """Subtract and filter; swapping the pair flips the sign of D and of the flux.

    Parameters
    ----------
    science, reference : (ny, nx), electrons of the science frame
        Registered, background-subtracted, scaled to the same flux.
    science_psf, reference_psf : (k, n, n)
        Terms of `local_psf`, equally many; one for a constant PSF.
    science_variance, reference_variance : (ny, nx), electrons squared
        Variance of single pixels, including source noise.
    noises
        sigma_n and sigma_r (the noise of blank sky by the variances) and the spectra
        where noise is not white; the paper's formulas hold for each frequency.

    Returns
    -------
    matched : images of (ny, nx), electrons of the science frame
        D over F_D, fluxes and variance over F_S, and P_D.

    Raises
    ------
    ShapeMismatch
        If the images differ in shape.
    ValueError
        If the two PSFs have different numbers of terms.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 12 to 15 for the images and 26 to 29
    for the variance.
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
    """Subtract and filter with given blurs in place of both PSFs; see `match`.

    With this, Alard & Lupton's subtraction gets white noise again, as Reiss & Lupton do it.

    Parameters
    ----------
    science, reference : (ny, nx), electrons of the science frame
        Registered, background-subtracted, scaled to the same flux.
    blurs
        What each image is blurred with, and the PSF of a source in the science image.
    science_variance, reference_variance : (ny, nx), electrons squared
        Variance of single pixels, including source noise.
    noises
        Noise of blank sky of both images.

    Returns
    -------
    matched : images of (ny, nx), electrons of the science frame
        As from `match`, with the blurs in place of the PSFs.

    References
    ----------
    Reiss & Lupton 2016, LSST DMTN-021; Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27,
    eqs. 13 and 17.
    """
    plane = Plane((science.shape[0], science.shape[1]), blurs, noises)
    return plane.matched(science, reference, science_variance, reference_variance)
