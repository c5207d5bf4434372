"""Settings of the detection."""

from pydantic import Field

from astrid_assets.science.settings import Settings


class DetectionSettings(Settings):
    """Threshold and tests; a candidate that fails a test is kept with its reasons."""

    threshold_sigma: float = Field(
        default=5.0,
        ge=3,
        description="|S_corr| of a peak, sigma: listed as a candidate at or above it",
    )
    max_fwhm_ratio: float = Field(
        default=1.6,
        gt=1,
        description="FWHM of the candidate over that of the PSF: too wide for a point source "
        "above it",
    )
    min_fwhm_ratio: float = Field(
        default=0.5,
        gt=0,
        lt=1,
        description="FWHM of the candidate over that of the PSF: a cosmic ray or hot pixel "
        "below it",
    )
    max_elongation: float = Field(
        default=1.6,
        gt=1,
        description="axis ratio a/b of the candidate: too elongated for a point source above it",
    )
    shape_sigma: float = Field(
        default=2.5,
        ge=0,
        description="a shape fails only when it is beyond its limit by so many sigma of its own "
        "error, so that noise alone rejects no faint source",
    )
    max_masked_fraction: float = Field(
        default=0.25,
        gt=0,
        le=1,
        description="fraction of unusable pixels within one FWHM of the peak: rejected as "
        "masked above it",
    )
    dipole_flux_fraction: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="|S_corr| of an opposite-sign neighbour over that of the candidate: a "
        "dipole at or above it, if the neighbour also reaches dipole_min_sigma",
    )
    dipole_min_sigma: float = Field(
        default=4.0,
        ge=0,
        description="|S_corr| of that neighbour, sigma: below it the neighbour is noise",
    )
    dipole_radius_fwhm: float = Field(
        default=2.0,
        gt=0,
        le=10,
        description="distance of that neighbour in FWHM: further lobes make no dipole",
    )
    sharp_delta_chi2: float = Field(
        default=9.0,
        ge=0,
        description="chi-square by which one to four pixels fit better than the PSF: a cosmic "
        "ray above it",
    )
    fit_tolerance: float = Field(
        default=0.15,
        ge=0,
        description="relative mismatch of the PSF (rms) that is tolerated: a fit is bad when "
        "its residual is beyond this and the noise",
    )
    hole_sigma: float = Field(
        default=5.0,
        ge=3,
        description="depth of the reference below the sky, sigma: a rise over a deeper hole is "
        "rejected",
    )
    overdensity_count: int = Field(
        default=6,
        ge=2,
        description="number of candidates within overdensity_radius_fwhm that pass all other "
        "tests: all are rejected as an artefact at or above it",
    )
    overdensity_radius_fwhm: float = Field(
        default=8.0,
        gt=0,
        description="radius in FWHM within which candidates are counted for overdensity_count",
    )
    association_radius_arcsec: float = Field(
        default=1.5,
        gt=0,
        description="distance on the sky, arcsec: detections closer than this are the same object",
    )
    max_density_deg2: float = Field(
        default=200_000.0,
        gt=0,
        description="kept candidates per square degree: a night with more is blocked",
    )
