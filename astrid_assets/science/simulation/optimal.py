"""Theoretical signal-to-noise: what a perfect detector would reach.

Formulas only; nothing here looks at an image.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from astrid_assets.science.arrays.types import Image


def single_image_snr(
    flux_e: float, psf: Image, sky_sigma_e: float, underlying_e: float = 0.0
) -> float:
    """Return the S/N of PSF photometry against a noiseless reference.

    Parameters
    ----------
    flux_e : electrons
        Change of flux; the sign is kept.
    psf : (n, n), unit sum
        PSF at the position of the source.
    sky_sigma_e : electrons per pixel
        Sky and read noise.
    underlying_e : electrons
        Flux of a star at the same position, which adds photon noise.

    Returns
    -------
    snr
        Flux over its error, with the sign of the flux.
    """
    p = psf.astype(np.float64)
    weight = p / (p * p).sum()
    source = max(flux_e + underlying_e, 0.0)
    variance = (weight**2).sum() * sky_sigma_e**2 + source * (weight**2 * p).sum()
    return float(flux_e / np.sqrt(variance))


def difference_snr(
    flux_e: float,
    psf_science: Image,
    psf_reference: Image,
    sky_sigma_science_e: float,
    sky_sigma_reference_e: float,
    *,
    reference_scale: float = 1.0,
) -> float:
    """Return the S/N at which ZOGY's statistic finds a change of flux.

    Parameters
    ----------
    flux_e : electrons of the science frame
        Change of flux; where negative, the source is in the reference.
    psf_science, psf_reference : (n, n), unit sum
        PSFs at the position of the source.
    sky_sigma_science_e, sky_sigma_reference_e : electrons per pixel
        Sky and read noise.
    reference_scale
        Electrons in the reference per electron in the science frame.

    Returns
    -------
    snr
        Expected S_corr, with the sign of the flux.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 12 and 25 to 29.
    """
    n = 2 * max(psf_science.shape[0], psf_reference.shape[0])
    pn, pr = _transform(psf_science, n), _transform(psf_reference, n)  # P_n, P_r
    fr, fn = reference_scale, 1.0
    power_n, power_r = np.abs(pn) ** 2, np.abs(pr) ** 2
    denominator = (
        sky_sigma_reference_e**2 * fn**2 * power_n + sky_sigma_science_e**2 * fr**2 * power_r
    )
    # Frequencies at which both PSFs are zero carry nothing.
    denominator = np.maximum(denominator, denominator.max() * 1e-12)
    kn = fn * fr**2 * np.conj(pn) * power_r / denominator
    kr = fr * fn**2 * np.conj(pr) * power_n / denominator
    response = float((kn * pn).real.mean())
    has_risen = flux_e >= 0
    kernel = np.fft.ifft2(kn if has_risen else kr).real
    psf = np.fft.ifft2(np.conj(pn if has_risen else pr)).real
    # A fading star's photons are in the reference.
    source = abs(flux_e) * (1.0 if has_risen else fr)
    variance = response + source * float((kernel**2 * psf).sum())
    return float(flux_e * response / np.sqrt(variance))


def _transform(psf: Image, n: int) -> np.ndarray:
    padded = np.zeros((n, n))
    padded[: psf.shape[0], : psf.shape[1]] = psf
    shift = -(psf.shape[0] // 2), -(psf.shape[1] // 2)
    return np.fft.fft2(np.roll(padded, shift, axis=(0, 1)))
