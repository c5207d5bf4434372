"""Settings of the subtraction."""

from typing import Literal

from pydantic import Field

from astrid_assets.science.settings import Settings


class DifferencingSettings(Settings):
    """How science and reference are subtracted, and when that counts as failed."""

    method: Literal["zogy", "kernel"] = Field(
        default="zogy",
        description="zogy: optimal subtraction with the measured PSFs; kernel: Alard & Lupton's "
        "fitted kernel, with the correlation of the noise removed, where the PSFs "
        "cannot be trusted or as a check",
    )
    cross_check: bool = Field(
        default=True,
        description="subtract the night's first accepted frame of each field and band with the "
        "other method too, and compare the two differences",
    )
    max_method_difference: float = Field(
        default=0.04,
        gt=0,
        description="what both methods differ by at constant stars, over their flux (median): "
        "flagged above it; 0.002 to 0.03 when all is well, 0.06 when a PSF is 20 % "
        "too wide",
    )
    max_flux_ratio: float = Field(
        default=5.0,
        gt=1,
        description="flux ratio F_n/F_r of science and reference: rejected above it or below "
        "its inverse",
    )
    min_stars: int = Field(
        default=3,
        ge=1,
        description="common stars for flux ratio and registration: rejected below it",
    )
    min_coverage: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="fraction of the frame that the reference covers: rejected below it",
    )
    warn_coverage: float = Field(
        default=0.2,
        gt=0,
        lt=1,
        description="fraction of the frame that the reference covers: flagged below it",
    )
    warn_stars: int = Field(
        default=8,
        ge=1,
        description="common stars for flux ratio and registration: flagged below it",
    )
    warn_ratio_scatter: float = Field(
        default=0.1,
        gt=0,
        description="relative scatter of the stars' flux ratios: flagged above it",
    )
    warn_astrometric_noise_px: float = Field(
        default=0.25,
        gt=0,
        description="scatter of the stars about the registration, pixels per axis: flagged "
        "above it",
    )
    max_residual_power: float = Field(
        default=0.2,
        gt=0,
        description="power that constant stars leave, over theirs in the science frame: "
        "rejected above it",
    )
    max_std_score: float = Field(
        default=1.5,
        gt=1,
        description="standard deviation of S_corr on blank sky: rejected above it as a bad "
        "subtraction",
    )
    min_std_score: float = Field(
        default=0.7,
        gt=0,
        lt=1,
        description="standard deviation of S_corr on blank sky: rejected below it because the "
        "noise is overestimated",
    )
    max_offset_px: float = Field(
        default=3.0,
        gt=0,
        description="offset of the stars after registration by the WCS, pixels: rejected above "
        "it because the WCS is wrong",
    )
    assumed_astrometric_noise_px: float = Field(
        default=0.02,
        ge=0,
        description="least scatter of the registration, pixels per axis, that is assumed before "
        "bright stars measure it",
    )
    assumed_psf_error: float = Field(
        default=0.005,
        ge=0,
        lt=1,
        description="PSF residual over star flux that is assumed before bright stars measure it",
    )
    max_psf_error: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="PSF residual of bright stars over their flux: flagged above it",
    )
    psf_tolerance: float = Field(
        default=0.01,
        gt=0,
        description="relative error (rms) of a PSF's description over the frame: the lowest "
        "polynomial order, constant to cubic, that stays below it is used",
    )
    mask_growth_fwhm: float = Field(
        default=1.0,
        ge=0,
        le=5,
        description="distance in FWHM by which masks of saturated, trailed and empty pixels "
        "grow; those of cosmic rays and bad pixels, which are filled well from "
        "neighbours, grow by half of it",
    )
