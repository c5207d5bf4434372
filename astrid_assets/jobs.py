"""Jobs and schedules: which assets run together, and what runs by the clock."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date, timedelta

import dagster as dg

from astrid_assets.ops import evaluation, learning_health, rollback, tuning
from astrid_assets.partitions import NIGHTS, SURVEYS, Night
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.queries import observations
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS

LEARNING_ASSETS = ("training_dataset", "trained_unet", "deployed_model")
LONGEST_BLOCK = 50  # nights in one run; rows of planned checks grow with the square
NIGHTS_LOOKED_AT_AGAIN = 7  # reviewers label for about a week after a night
EVERY_DAY_AT_NOON = "0 12 * * *"  # UTC
MONDAYS_AT_TWO = "0 14 * * 1"  # UTC
MONDAYS_AT_ONE = "0 13 * * 1"  # UTC, after the latest nights
RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"

night_job = dg.define_asset_job(
    "night_job",
    selection=dg.AssetSelection.assets(*NIGHTLY_ASSETS),
    description="Nights of a survey, from raw frames to labels.",
    executor_def=dg.in_process_executor,
)

learning_job = dg.define_asset_job(
    "learning_job",
    selection=dg.AssetSelection.assets(*LEARNING_ASSETS),
    description="From the labels of all surveys to the model in force.",
    executor_def=dg.in_process_executor,
)

dataset_job = dg.define_asset_job(
    "dataset_job",
    selection=dg.AssetSelection.assets("training_dataset"),
    description="Freeze the labels of all surveys into a version, and judge it.",
    executor_def=dg.in_process_executor,
)

deployment_job = dg.define_asset_job(
    "deployment_job",
    selection=dg.AssetSelection.assets("deployed_model"),
    description="Judge the newest model, or the one named, and deploy it if it is better.",
    executor_def=dg.in_process_executor,
)


@dg.job(executor_def=dg.in_process_executor)
def rollback_job() -> None:
    """Put the model before the champion in force again, or another earlier one."""
    rollback()


@dg.job(executor_def=dg.in_process_executor)
def tuning_job() -> None:
    """Search for the settings that train best on a dataset; `trained_unet` takes them."""
    tuning()


@dg.job(executor_def=dg.in_process_executor)
def evaluation_job() -> None:
    """Judge a model on what it never saw of a dataset version."""
    evaluation()


@dg.job(executor_def=dg.in_process_executor)
def health_job() -> None:
    """Measure the health of models, surveys, labels, datasets; the sensor `alerts` reports it."""
    learning_health()


whole_graph = dg.define_asset_job(
    "whole_graph",
    selection=dg.AssetSelection.all(),
    description="Nights of a survey and then the model that learns from them.",
    executor_def=dg.in_process_executor,
)


@dataclass(frozen=True)
class Block:
    """Consecutive nights of one survey: what one run can hold."""

    survey: str
    start: str
    end: str

    @property
    def name(self) -> str:
        """The block in words."""
        if self.start == self.end:
            return f"{self.survey} {self.start}"
        return f"{self.survey} {self.start} to {self.end}"

    def run_request(self, run_key: str | None = None) -> dg.RunRequest:
        """Return the request for a run of `night_job` over the block."""
        start, end = (
            Night(self.survey, self.start).key,
            Night(self.survey, self.end).key,
        )
        if start == end:
            return dg.RunRequest(run_key=run_key, job_name=night_job.name, partition_key=start)
        return dg.RunRequest(
            run_key=run_key,
            job_name=night_job.name,
            tags={RANGE_START: str(start), RANGE_END: str(end)},
        )


def blocks_of(nights: Iterable[Night], longest: int = LONGEST_BLOCK) -> list[Block]:
    """Return the nights as blocks, in time order, survey by survey.

    A range of Dagster's holds every date between its ends, so a night that was not
    asked for ends a block.
    """
    blocks: list[Block] = []
    length = 0
    for night in sorted(set(nights)):
        last = blocks[-1] if blocks else None
        if (
            last is not None
            and last.survey == night.survey
            and _day_after(last.end) == night.date
            and length < longest
        ):
            blocks[-1] = Block(night.survey, last.start, night.date)
            length += 1
        else:
            blocks.append(Block(night.survey, night.date, night.date))
            length = 1
    return blocks


def is_partition(night: Night) -> bool:
    """Return whether the night is inside the graph's range of dates."""
    first, last = NIGHTS.get_first_partition_key(), NIGHTS.get_last_partition_key()
    return first is not None and last is not None and first <= night.date <= last


@dg.schedule(job=night_job, cron_schedule=EVERY_DAY_AT_NOON, execution_timezone="UTC")
def latest_nights(
    context: dg.ScheduleEvaluationContext, catalogue: dg.ResourceParam[Catalogue]
) -> Iterator[dg.RunRequest | dg.SkipReason]:
    """Run the latest nights of every survey again, for late frames and new labels.

    Only nights that have frames; what is unchanged costs milliseconds.
    """
    nights: list[Night] = []
    with catalogue.read() as session:
        for survey in context.instance.get_dynamic_partitions(str(SURVEYS.name)):
            known = observations.nights(session, survey)[-NIGHTS_LOOKED_AT_AGAIN:]
            nights += [Night(survey, night) for night in known]
    blocks = blocks_of(night for night in nights if is_partition(night))
    if not blocks:
        yield dg.SkipReason("no survey has frames yet")
    today = context.scheduled_execution_time.date().isoformat()
    for block in blocks:
        yield block.run_request(run_key=f"{today} {block.name}")


weekly_dataset = dg.ScheduleDefinition(
    name="weekly_dataset",
    job=dataset_job,
    cron_schedule=MONDAYS_AT_ONE,
    execution_timezone="UTC",
    description="Collect a dataset every Monday. Off until somebody switches it on: enough new "
    "labels start a training by themselves.",
)


weekly_health = dg.ScheduleDefinition(
    name="weekly_health",
    job=health_job,
    cron_schedule=MONDAYS_AT_TWO,
    execution_timezone="UTC",
    default_status=dg.DefaultScheduleStatus.RUNNING,
    description="Measure models, surveys, labels and datasets every Monday; it takes seconds.",
)


def _day_after(day: str) -> str:
    return (date.fromisoformat(day) + timedelta(days=1)).isoformat()


JOBS = (
    night_job,
    learning_job,
    dataset_job,
    deployment_job,
    rollback_job,
    tuning_job,
    evaluation_job,
    health_job,
    whole_graph,
)
SCHEDULES = (latest_nights, weekly_dataset, weekly_health)
