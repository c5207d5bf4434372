"""The limits of the gate before deployment; light, for Dagster's launchpad."""

from pydantic import Field

from astrid_assets.science.settings import Settings

MIN_ROC_AUC = 0.9
"""Floor on rows that the training never saw: below it a reviewer is faster without the model."""


class GateSettings(Settings):
    """What a model must show before it is deployed."""

    min_roc_auc: float = Field(
        default=MIN_ROC_AUC,
        ge=0,
        le=1,
        description="floor of the ROC AUC: the lower end of its 95 % interval must reach it",
    )
    max_fpr_at_95_completeness: float = Field(
        default=0.5,
        ge=0,
        le=1,
        description="share of the bogus kept where 95 % of the real are: refused when its whole "
        "95 % interval lies above",
    )
    min_completeness_at_1_fpr: float = Field(
        default=0.1,
        ge=0,
        le=1,
        description="share of the real kept where 1 % of the bogus is: refused when its whole "
        "95 % interval lies below",
    )
    must_beat_snr: bool = Field(
        default=True,
        description="the model must rank better than plain S/N: the 95 % interval of its gain "
        "in ROC AUC lies above 0",
    )
    min_gain: float = Field(
        default=0.0,
        ge=0,
        le=1,
        description="ROC AUC that it must gain over the champion, proven at the level of the "
        "attempt",
    )
    swaps_by_luck: float = Field(
        default=0.05,
        gt=0,
        le=0.5,
        description="chance that any of an endless series of retrainings that are no better "
        "replaces a champion; each further attempt gets a smaller part of it",
    )
    min_per_class: int = Field(
        default=20,
        ge=2,
        description="objects of each class among the rows that no training saw; with fewer the "
        "verdict is: not enough to decide",
    )
    partial_fpr: float = Field(
        default=0.05,
        gt=0,
        le=1,
        description="highest false positive rate of the partial ROC AUC: the part of the curve "
        "where nights are worked on",
    )
    min_slice: int = Field(
        default=100,
        ge=20,
        description="rows of a slice (survey, sign, class, S/N) from which on it may block",
    )
    max_slice_loss: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of a slice that the challenger calls wrong more often than the "
        "champion: refused when the whole interval, corrected for the number of slices, lies "
        "beyond",
    )
    max_completeness_loss: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="share of the injected transients that the challenger may lose against the "
        "champion: passed where the 95 % interval ends above it, refused where it does not and "
        "the loss is proven",
    )
    min_injections: int = Field(
        default=100,
        ge=20,
        description="injected transients that a search found; with fewer their completeness is "
        "not decided, which refuses nothing",
    )
    must_be_calibrated: bool = Field(
        default=True,
        description="the calibration error must not exceed the 95th percentile of what chance "
        "gives at that size, unless the champion's is no smaller; a first model is not refused "
        "for it",
    )
    max_difference_from_torch: float = Field(
        default=1e-4,
        gt=0,
        description="largest difference of a score from the network that was trained, on the "
        "golden cutouts",
    )
    max_ms_per_cutout: float = Field(
        default=20.0, gt=0, description="time to score a cutout on one core, milliseconds"
    )
    max_memory_mb: float = Field(
        default=1024.0, gt=0, description="memory that scoring a batch adds, megabytes"
    )
    bootstraps: int = Field(
        default=1000, ge=100, description="draws of objects behind the bootstrap intervals"
    )
