"""`trained_unet`: one asset of the graph; the work is in `steps.learning.train`."""

import dagster as dg
from pydantic import Field

from astrid_assets.assets._learning import training_metadata
from astrid_assets.assets._nightly import RETRIES
from astrid_assets.assets.training_dataset import training_dataset
from astrid_assets.compute import Compute
from astrid_assets.failures import in_words
from astrid_assets.learning.gate.settings import MIN_ROC_AUC
from astrid_assets.learning.settings import ThresholdSettings, TrainingSettings
from astrid_assets.resources.environment import Addresses
from astrid_assets.science.quality.gates import enough_test_samples, evaluation_floor
from astrid_assets.steps import versions
from astrid_assets.steps.learning.settings import NoDataset, NoSearch
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore
from astrid_assets.storage.queries import gates
from astrid_assets.tracking.client import Tracking


class TrainingConfig(TrainingSettings, ThresholdSettings, dg.Config):
    """The training settings and the target of the threshold, in the launchpad."""

    dataset_id: str = Field(
        default="", description="version to train on, by its id; empty: the newest active one"
    )
    min_roc_auc: float = Field(
        default=MIN_ROC_AUC, ge=0.5, le=1, description="floor of the gate before deployment"
    )
    use_best_settings: bool = Field(
        default=False,
        description="take the values that the newest search on the dataset found best "
        "(tuning_job, astrid tune) in place of those here",
    )


@dg.asset(
    deps=[training_dataset],
    group_name="learning",
    kinds={"pytorch", "mlflow"},
    pool="training",
    code_version=versions.TRAIN,
    retry_policy=dg.RetryPolicy(max_retries=RETRIES, delay=5),
)
def trained_unet(
    context: dg.AssetExecutionContext,
    config: TrainingConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
    tracking: dg.ResourceParam[Tracking],
) -> dg.MaterializeResult:
    """A U-Net trained on the newest dataset, judged on its frozen test split."""
    from astrid_assets.learning.datamodule import UnusableDataset
    from astrid_assets.learning.metrics.targets import NoThreshold
    from astrid_assets.learning.ranking import CannotEvaluate
    from astrid_assets.steps.learning.search_results import best_settings
    from astrid_assets.steps.learning.train import train_model

    asked = config.model_dump()
    settings = TrainingSettings(
        **{n: asked[n] for n in TrainingSettings.model_fields if n in asked}
    )
    target = ThresholdSettings(**{name: asked[name] for name in ThresholdSettings.model_fields})
    # A few large files, seldom made: what is damaged is written over.
    tools = Tools(catalogue, store.verifying(), compute)
    try:
        with in_words():
            if config.use_best_settings:
                settings = best_settings(tools, settings, config.dataset_id or None)
            trained = train_model(
                tools,
                tracking,
                settings,
                Addresses().home / "work",
                target=target,
                dataset_id=config.dataset_id or None,
                on_epoch=lambda metrics: context.log.info("%s", metrics),
            )
    except (NoDataset, NoSearch, UnusableDataset, CannotEvaluate, NoThreshold) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    evaluation = trained.evaluation
    verdicts = [
        evaluation_floor(
            evaluation.model.roc_auc.value,
            config.min_roc_auc,
            evaluation.snr_ranking.roc_auc.value,
        ),
        enough_test_samples(evaluation.n_real + evaluation.n_bogus),
    ]
    with in_words(), catalogue.begin() as session:
        gates.record(session, "", "", "trained_unet", verdicts)
    return dg.MaterializeResult(
        metadata=training_metadata(trained, verdicts),
        data_version=dg.DataVersion(trained.model.onnx_sha256),
    )
