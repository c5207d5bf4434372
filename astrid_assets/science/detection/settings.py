"""Settings of the detection."""

from pydantic import Field

from astrid_assets.science.settings import Settings


class DetectionSettings(Settings):
    """Threshold and tests; a candidate that fails a test is kept with its reasons."""

    threshold_sigma: float = Field(
        5.0, ge=3, description="peak |S_corr| from which on a candidate is listed"
    )
    max_fwhm_ratio: float = Field(
        2.0, gt=1, description="FWHM of the candidate over that of the PSF"
    )
    min_fwhm_ratio: float = Field(
        0.5, gt=0, lt=1, description="sharper than this is a cosmic ray or hot pixel"
    )
    max_elongation: float = Field(2.0, gt=1, description="a/b of the candidate")
    max_masked_fraction: float = Field(
        0.25, gt=0, le=1, description="unusable pixels within one FWHM of the peak"
    )
    dipole_flux_fraction: float = Field(
        0.5, gt=0, le=1,
        description="opposite-sign neighbour of at least this fraction: a dipole",
    )  # fmt: skip
    max_density_deg2: float = Field(
        200_000.0, gt=0,
        description="kept candidates per square degree above which a night is held back",
    )  # fmt: skip
    association_radius_arcsec: float = Field(
        1.5, gt=0, description="detections closer than this are the same object"
    )
