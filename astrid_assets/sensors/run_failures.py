"""A run that failed is reported: in the log, to the webhook, by e-mail."""

import logging

import dagster as dg

from astrid_assets.alerts import send_alert
from astrid_assets.failures import sentence_of

LONGEST_TEXT = 2000  # characters; chat services cut or refuse longer ones


@dg.run_failure_sensor(name="run_failures", default_status=dg.DefaultSensorStatus.RUNNING)
def run_failures(context: dg.RunFailureSensorContext) -> None:
    """Log every failed run, post it and mail it, where that is set."""
    send_alert(failure_text(context), logging.ERROR)


def failure_text(context: dg.RunFailureSensorContext) -> str:
    """Return one paragraph: which run, which nights, which steps, and why."""
    run = context.dagster_run
    nights = run.tags.get("dagster/partition") or " to ".join(
        run.tags[tag]
        for tag in (
            "dagster/asset_partition_range_start",
            "dagster/asset_partition_range_end",
        )
        if tag in run.tags
    )
    where = f" ({nights})" if nights else ""
    lines = [f"AstrID: run {run.run_id[:8]} of {run.job_name}{where} failed"]
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        lines.append(f"{event.step_key}: {sentence_of(error) if error else 'no message'}")
    if len(lines) == 1:
        error = getattr(context.failure_event.event_specific_data, "error", None)
        lines.append(sentence_of(error) if error else context.failure_event.message or "no message")
    return "\n".join(lines)[:LONGEST_TEXT]
