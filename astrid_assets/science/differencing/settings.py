"""Settings of the subtraction."""

from pydantic import Field

from astrid_assets.science.settings import Settings


class DifferencingSettings(Settings):
    """How science and reference are subtracted, and when that counts as failed."""

    max_flux_ratio: float = Field(
        5.0, gt=1, description="largest F_n/F_r (or its inverse) accepted"
    )
    min_stars: int = Field(
        3, ge=1, description="common stars needed for flux ratio and registration"
    )
    min_coverage: float = Field(
        0.1, gt=0, lt=1, description="fraction of the frame the reference must cover"
    )
    max_std_score: float = Field(
        1.5, gt=1, description="std(S_corr) on blank sky above this: a bad subtraction"
    )
    min_std_score: float = Field(
        0.7, gt=0, lt=1, description="std(S_corr) below this: the noise is overestimated"
    )
