"""`training_dataset`: one asset of the graph; the work is in `steps.learning.collect`."""

import dagster as dg

from astrid_assets.assets._learning import dataset_metadata, log_dataset
from astrid_assets.assets.validated_labels import validated_labels
from astrid_assets.compute import Compute
from astrid_assets.failures import in_words
from astrid_assets.resources.environment import Addresses
from astrid_assets.science.quality.gates import (
    dataset_balance,
    dataset_quality,
    image_quality,
    no_leaks,
)
from astrid_assets.steps import versions
from astrid_assets.steps.learning.settings import CollectionSettings, TooFewLabels
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore
from astrid_assets.storage.queries import gates
from astrid_assets.tracking.client import Tracking


class CollectionConfig(CollectionSettings, dg.Config):
    """The collection settings, in the launchpad."""


@dg.asset(
    deps=[validated_labels],
    group_name="learning",
    kinds={"polars", "mlflow"},
    pool="cpu",
    code_version=versions.COLLECT,
)
def training_dataset(
    context: dg.AssetExecutionContext,
    config: CollectionConfig,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    compute: dg.ResourceParam[Compute],
    tracking: dg.ResourceParam[Tracking],
) -> dg.MaterializeResult:
    """A frozen, content-addressed version of the labelled cutouts, with splits."""
    from astrid_assets.science.labelling.splits import TooFewGroups
    from astrid_assets.steps.learning.collect import collect_dataset
    from astrid_assets.steps.learning.leaks import leaks_of
    from astrid_assets.steps.learning.opening import open_dataset

    # A few large files, seldom made: what is damaged is written over.
    tools = Tools(catalogue, store.verifying(), compute)
    try:
        with in_words():
            dataset = collect_dataset(tools, config)
            leaks = leaks_of(open_dataset(tools, dataset.row, Addresses().home / "work/datasets"))
    except (TooFewLabels, TooFewGroups) as error:
        raise dg.Failure(str(error), allow_retries=False) from error
    quality = dataset.quality
    verdicts = [
        dataset_quality(quality.quality_score, quality.issues, config.min_quality_score),
        image_quality(quality.image_quality_score, config.min_image_quality, quality.unknown),
        dataset_balance(
            quality.mix,
            int(dataset.real.sum()),
            int((~dataset.real).sum()),
            (config.min_anomaly_ratio, config.max_anomaly_ratio),
            config.min_per_class,
        ),
        no_leaks(leaks.total, str(leaks)),
    ]
    with in_words():
        run_id = log_dataset(tracking, catalogue, dataset, context.run.run_id)
    with in_words(), catalogue.begin() as session:
        gates.record(session, "", "", "training_dataset", verdicts)
    return dg.MaterializeResult(
        metadata=dataset_metadata(dataset, verdicts, run_id),
        data_version=dg.DataVersion(dataset.row.content_hash),
    )
