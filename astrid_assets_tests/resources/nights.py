"""Two small partitioned assets, one job: what the instance has to keep."""

import dagster as dg

SURVEYS = dg.DynamicPartitionsDefinition(name="survey")
NIGHTS = dg.MultiPartitionsDefinition(
    {
        "survey": SURVEYS,
        "date": dg.DailyPartitionsDefinition(start_date="2025-01-01"),
    }
)


@dg.asset(partitions_def=NIGHTS)
def frames(context: dg.AssetExecutionContext) -> None:
    """Print a line and keep a number for each night."""
    print("a line of output")  # noqa: T201  captured output is what is tested
    for key in context.partition_keys:
        context.add_asset_metadata({"frames": 3}, partition_key=key)


@dg.asset(partitions_def=NIGHTS, deps=[frames])
def sources(context: dg.AssetExecutionContext) -> None:
    """Come after the frames."""
    context.log.info("%d nights", len(context.partition_keys))


JOB = dg.Definitions(
    assets=[frames, sources], jobs=[dg.define_asset_job("nights")]
).resolve_job_def("nights")


def run_nights(instance: dg.DagsterInstance, start: str, end: str) -> str:
    """Run both assets over a range of nights; returns the run's id."""
    instance.add_dynamic_partitions("survey", ["wide", "deep"])
    result = JOB.execute_in_process(
        instance=instance,
        tags={
            "dagster/asset_partition_range_start": f"{start}|wide",
            "dagster/asset_partition_range_end": f"{end}|wide",
        },
    )
    return result.run_id
