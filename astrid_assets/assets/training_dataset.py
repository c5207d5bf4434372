"""`training_dataset`: one asset of the graph; the work is in `steps.learning.collect`."""

from collections.abc import Callable

import dagster as dg

from astrid_assets.assets._learning import LEARNING_FRESHNESS, dataset_metadata
from astrid_assets.assets.validated_labels import validated_labels
from astrid_assets.compute import Compute
from astrid_assets.failures import in_words
from astrid_assets.resources.environment import Addresses
from astrid_assets.steps import versions
from astrid_assets.steps.learning.settings import REQUESTED_BY, CollectionSettings, TooFewLabels
from astrid_assets.steps.nights import Tools
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore
from astrid_assets.storage.review import labels
from astrid_assets.tracking.client import Tracking


class CollectionConfig(CollectionSettings, dg.Config):
    """The collection settings, in the launchpad."""


@dg.asset(
    deps=[validated_labels],
    group_name="learning",
    kinds={"polars", "mlflow"},
    pool="cpu",
    freshness_policy=LEARNING_FRESHNESS,
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
    from astrid_assets.steps.learning.judging import judge_version
    from astrid_assets.steps.learning.opening import open_dataset
    from astrid_assets.steps.learning.recording import record_dataset
    from astrid_assets.steps.learning.retraining.outcomes import record_shortage, record_version

    # A few large files, seldom made: what is damaged is written over.
    tools = Tools(catalogue, store.verifying(), compute)
    with in_words(), catalogue.read() as session:
        newest_event = labels.last_sequence(session)
    work = Addresses().home / "work"
    asked_by = context.run.tags.get(REQUESTED_BY, "dagster")
    try:
        with in_words():
            collected = collect_dataset(
                tools, config, created_by=asked_by, on_progress=_log_tenths(context)
            )
            dataset, verdicts = judge_version(tools, collected, config, work, by=asked_by)
    except (TooFewLabels, TooFewGroups) as error:
        record_shortage(catalogue, config, newest_event, error)
        raise dg.Failure(str(error), allow_retries=False) from error
    with in_words():
        record_version(catalogue, config, newest_event, dataset, verdicts)
        run_id = record_dataset(
            tools,
            tracking,
            dataset,
            open_dataset(tools, dataset.row, work / "datasets"),
            {"dagster_run_id": context.run.run_id, "dagster_asset": "training_dataset"},
        )
    return dg.MaterializeResult(
        metadata=dataset_metadata(dataset, verdicts, run_id),
        data_version=dg.DataVersion(dataset.row.content_hash),
    )


def _log_tenths(context: dg.AssetExecutionContext) -> Callable[[str, int, int], None]:
    """Return what writes one line for each tenth of the work that is done."""
    last: dict[str, int] = {}

    def tell(what: str, done: int, of: int) -> None:
        tenth = 10 * done // of
        if last.get(what) != tenth:
            last[what] = tenth
            context.log.info("%s: %d of %d cutouts", what, done, of)

    return tell
