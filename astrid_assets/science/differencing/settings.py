"""Settings of the subtraction."""

from typing import Literal

from pydantic import Field

from astrid_assets.science.settings import Settings


class DifferencingSettings(Settings):
    """How science and reference are subtracted, and when that counts as failed."""

    method: Literal["zogy", "kernel"] = Field(
        "zogy",
        description="zogy: optimal, by the measured PSFs; kernel: Alard & Lupton's "
        "fitted kernel with the noise's correlation taken out, where PSFs are not to "
        "be trusted, or as a check",
    )
    cross_check: bool = Field(
        default=True,
        description="subtract the night's first accepted frame of each field and band "
        "by the other method too, and compare",
    )
    max_method_difference: float = Field(
        0.04,
        gt=0,
        description="what both methods differ by at constant stars, over their flux "
        "(median): 0.002 to 0.03 when all is well, 0.06 when a PSF is 20 % too wide; "
        "flagged",
    )
    max_flux_ratio: float = Field(
        5.0, gt=1, description="largest F_n/F_r (or its inverse) accepted"
    )
    min_stars: int = Field(
        3, ge=1, description="common stars needed for flux ratio and registration"
    )
    min_coverage: float = Field(
        0.1, gt=0, lt=1, description="fraction of the frame the reference must cover"
    )
    warn_coverage: float = Field(
        0.2, gt=0, lt=1, description="flagged when the reference covers less"
    )
    warn_stars: int = Field(8, ge=1, description="flagged when fewer common stars were found")
    warn_ratio_scatter: float = Field(
        0.1, gt=0, description="relative scatter of the stars' flux ratios; flagged"
    )
    warn_astrometric_noise_px: float = Field(
        0.25,
        gt=0,
        description="scatter of the registration per axis; flagged above it",
    )
    max_residual_power: float = Field(
        0.2,
        gt=0,
        description="power that constant stars leave, over theirs in the science frame",
    )
    max_std_score: float = Field(
        1.5, gt=1, description="std(S_corr) on blank sky above this: a bad subtraction"
    )
    min_std_score: float = Field(
        0.7,
        gt=0,
        lt=1,
        description="std(S_corr) below this: the noise is overestimated",
    )
    max_offset_px: float = Field(
        3.0,
        gt=0,
        description="offset of the stars after WCS registration: a wrong WCS above it",
    )
    assumed_astrometric_noise_px: float = Field(
        0.02,
        ge=0,
        description="registration scatter per axis assumed until bright stars tell",
    )
    assumed_psf_error: float = Field(
        0.005,
        ge=0,
        lt=1,
        description="PSF residual over star flux assumed until bright stars tell",
    )
    max_psf_error: float = Field(
        0.1,
        gt=0,
        lt=1,
        description="PSF residual over star flux: subtractions with more are flagged",
    )
    psf_tolerance: float = Field(
        0.01,
        gt=0,
        description="largest error of a PSF's description over the frame, relative "
        "(rms): constant, linear or quadratic, whichever suffices",
    )
    mask_growth_fwhm: float = Field(
        1.0,
        ge=0,
        le=5,
        description="saturated, trailed and empty pixels spoil this far around, in "
        "FWHM; cosmic rays and bad pixels, filled well from neighbours, half of it",
    )
