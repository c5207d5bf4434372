"""Settings of the detection."""

from pydantic import Field

from astrid_assets.science.settings import Settings


class DetectionSettings(Settings):
    """Threshold and tests; a candidate that fails a test is kept with its reasons."""

    threshold_sigma: float = Field(
        5.0, ge=3, description="peak |S_corr| from which on a candidate is listed"
    )
    max_fwhm_ratio: float = Field(
        1.6, gt=1, description="FWHM of the candidate over that of the PSF"
    )
    min_fwhm_ratio: float = Field(
        0.5, gt=0, lt=1, description="sharper than this is a cosmic ray or hot pixel"
    )
    max_elongation: float = Field(1.6, gt=1, description="a/b of the candidate")
    shape_sigma: float = Field(
        2.5,
        ge=0,
        description="a shape fails only when this many sigma of its own error beyond "
        "its limit, so that noise alone rejects no faint source",
    )
    max_masked_fraction: float = Field(
        0.25, gt=0, le=1, description="unusable pixels within one FWHM of the peak"
    )
    dipole_flux_fraction: float = Field(
        0.5, gt=0, le=1, description="opposite-sign neighbour of at least this fraction: a dipole"
    )
    dipole_min_sigma: float = Field(
        4.0, ge=0, description="and of at least this |S_corr|: noise is no neighbour"
    )
    dipole_radius_fwhm: float = Field(
        2.0, gt=0, le=10, description="how far a dipole's lobes lie apart at most"
    )
    sharp_delta_chi2: float = Field(
        9.0,
        ge=0,
        description="chi-square by which one to four pixels must fit better than the "
        "PSF for a cosmic ray",
    )
    fit_tolerance: float = Field(
        0.15,
        ge=0,
        description="mismatch of the PSF, relative (rms), that a good fit may have",
    )
    hole_sigma: float = Field(
        5.0, ge=3, description="depth of the reference below the sky that is a hole"
    )
    overdensity_count: int = Field(
        6,
        ge=2,
        description="so many candidates that pass all other tests within the radius "
        "are an artefact, not transients",
    )
    overdensity_radius_fwhm: float = Field(
        8.0, gt=0, description="radius in which candidates are counted for it"
    )
    association_radius_arcsec: float = Field(
        1.5, gt=0, description="detections closer than this are the same object"
    )
    max_density_deg2: float = Field(
        200_000.0,
        gt=0,
        description="kept candidates per square degree: a night with more is held back",
    )
