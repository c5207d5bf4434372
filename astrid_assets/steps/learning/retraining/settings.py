"""When a training is asked for; light, for the sensor."""

from pydantic import Field

from astrid_assets.science.settings import Settings


class RetrainingSettings(Settings):
    """Limits of the decision to train again."""

    dry_run: bool = Field(
        default=False, description="only report what would be done, start no training"
    )
    min_labels: int = Field(
        default=50,
        ge=1,
        description="new labels that start a training: about an hour of a reviewer",
    )
    min_share: float = Field(
        default=0.05,
        ge=0,
        le=1,
        description="new labels that start a training, as a share of the dataset: the larger of "
        "both counts, because 50 do not move what thousands have taught",
    )
    min_first_labels: int = Field(
        default=200,
        ge=1,
        description="labels that start the first training: a first split in three needs both "
        "classes in each",
    )
    min_labels_if_worse: int = Field(
        default=20,
        ge=1,
        description="new labels that start a training when the model errs more than it did or the "
        "nights have changed; without new labels the same model would come out",
    )
    cool_down_h: float = Field(
        default=20.0,
        ge=0,
        description="hours from the begin of one training to the next: once a day, at about the "
        "same time",
    )
    error_level: float = Field(
        default=0.01,
        gt=0,
        lt=0.5,
        description="chance that a model which errs as often as it did is reported to err more",
    )
    drift_level: float = Field(
        default=0.05,
        gt=0,
        lt=0.5,
        description="chance that any number of any survey is called drifted by luck; divided by "
        "how many there are (Bonferroni)",
    )
    drift_nights: int = Field(
        default=3, ge=1, le=10, description="newest nights in a row on which a number has drifted"
    )
    drift_candidates: int = Field(
        default=30, ge=10, description="detections below which a night shows no drift"
    )
    drift_effect: float = Field(
        default=0.1,
        gt=0,
        lt=1,
        description="difference of the cumulative distributions from which drift matters; with "
        "thousands of detections smaller ones are certain and unimportant",
    )
