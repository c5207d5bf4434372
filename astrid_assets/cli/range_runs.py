"""Runs of the graph inside this process, recorded like any other run.

A block of consecutive nights is one run: Dagster's own cost is then a twentieth of a
second per night instead of the seconds that a run per night costs. What the steps
have finished is in the catalogue night by night, so a run that broke is repeated
cheaply, and a night that breaks alone is found by running it alone.
"""

from __future__ import annotations

import uuid
from dataclasses import dataclass
from typing import TYPE_CHECKING

import dagster as dg

from astrid_assets.cli.orphaned_runs import host_tags
from astrid_assets.cli.plans import NIGHTLY_ASSETS, blocks
from astrid_assets.partitions import Night

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dagster import DagsterInstance, EventLogEntry, JobDefinition

RANGE_START = "dagster/asset_partition_range_start"
RANGE_END = "dagster/asset_partition_range_end"
INTERRUPTED = "DagsterExecutionInterruptedError"


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended; `errors` has one line per failed step."""

    run_id: str
    succeeded: bool
    errors: tuple[str, ...] = ()
    error_classes: frozenset[str] = frozenset()
    """Names of the exception classes, causes included."""

    @property
    def was_interrupted(self) -> bool:
        """True when the user stopped it."""
        return INTERRUPTED in self.error_classes


def run_nights(
    job: JobDefinition,
    instance: DagsterInstance,
    survey: str,
    nights: Sequence[str],
    *,
    assets: Sequence[str] = NIGHTLY_ASSETS,
    force: bool = False,
    on_event: Callable[[EventLogEntry], None] | None = None,
) -> RunOutcome:
    """Run assets over one block of consecutive nights of one survey."""
    if not nights or len(blocks(nights)) != 1:
        raise ValueError(f"not a block of consecutive nights: {list(nights)}")
    tags = {
        RANGE_START: str(Night(survey, min(nights)).key),
        RANGE_END: str(Night(survey, max(nights)).key),
        "astrid/survey": survey,
    }
    options = {name: {"config": {"force": True}} for name in assets} if force else {}
    return run_in_process(
        job, instance, assets=assets, tags=tags, ops=options, on_event=on_event
    )


def run_in_process(
    job: JobDefinition,
    instance: DagsterInstance,
    *,
    assets: Sequence[str] | None = None,
    tags: Mapping[str, str] | None = None,
    ops: Mapping[str, object] | None = None,
    on_event: Callable[[EventLogEntry], None] | None = None,
) -> RunOutcome:
    """Run a job here and now; a failure is returned, not raised."""
    run_id = str(uuid.uuid4())
    if on_event is not None:
        instance.add_event_listener(run_id, on_event)
    result = job.execute_in_process(
        instance=instance,
        run_id=run_id,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(name) for name in assets] if assets else None,
        tags={**host_tags(), **(tags or {})},
        run_config={
            # Everything is in the run's log; the terminal shows the progress.
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "ops": dict(ops or {}),
        },
    )
    return _outcome(run_id, result)


def _outcome(run_id: str, result: dg.ExecuteInProcessResult) -> RunOutcome:
    errors, classes = [], set()
    for event in result.all_events:
        if not event.is_failure:
            continue
        data = event.event_specific_data
        error = getattr(data, "error", None)
        messages = []
        while error is not None:
            classes.add(error.cls_name or "")
            messages.append(error.message.strip().splitlines()[0])
            error = error.cause
        if event.step_key is not None and messages:
            # The innermost cause is what happened; the outer ones say where.
            errors.append(f"{event.step_key}: {messages[-1]}")
    return RunOutcome(run_id, result.success, tuple(errors), frozenset(classes))
