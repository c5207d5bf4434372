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
from astrid_assets.failures import classes_of, sentence_of
from astrid_assets.jobs import RANGE_END, RANGE_START
from astrid_assets.partitions import Night

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping, Sequence

    from dagster import DagsterInstance, EventLogEntry, JobDefinition

    from astrid_assets.jobs import Block

    OnEvent = Callable[[EventLogEntry], None]

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
        return any(INTERRUPTED in text for text in (*self.errors, *self.error_classes))


def run_block(
    job: JobDefinition,
    instance: DagsterInstance,
    block: Block,
    *,
    assets: Sequence[str],
    force: bool = False,
    on_event: OnEvent | None = None,
) -> RunOutcome:
    """Run nightly assets over one block of consecutive nights."""
    tags = {
        RANGE_START: str(Night(block.survey, block.start).key),
        RANGE_END: str(Night(block.survey, block.end).key),
    }
    ops = {name: {"config": {"force": True}} for name in assets} if force else {}
    return run_in_process(job, instance, assets=assets, tags=tags, ops=ops, on_event=on_event)


def run_in_process(
    job: JobDefinition,
    instance: DagsterInstance,
    *,
    assets: Sequence[str],
    tags: Mapping[str, str] | None = None,
    ops: Mapping[str, object] | None = None,
    on_event: OnEvent | None = None,
) -> RunOutcome:
    """Run some assets of a job here and now; a failure is returned, not raised."""
    run_id = str(uuid.uuid4())
    if on_event is not None:
        instance.add_event_listener(run_id, on_event)
    result = job.execute_in_process(
        instance=instance,
        run_id=run_id,
        raise_on_error=False,
        asset_selection=[dg.AssetKey(name) for name in assets],
        tags={**host_tags(), **(tags or {})},
        run_config={
            # Everything is in the run's log; the terminal shows the progress.
            "loggers": {"console": {"config": {"log_level": "CRITICAL"}}},
            "ops": dict(ops or {}),
        },
    )
    return _outcome(run_id, result)


def _outcome(run_id: str, result: dg.ExecuteInProcessResult) -> RunOutcome:
    errors: list[str] = []
    of_the_run: list[str] = []
    classes: set[str] = set()
    for event in result.all_events:
        error = getattr(event.event_specific_data, "error", None)
        if not event.is_failure or error is None:
            continue
        classes |= classes_of(error)
        if event.step_key is not None:
            errors.append(f"{event.step_key}: {sentence_of(error)}")
        else:
            of_the_run.append(sentence_of(error))
    # Without a step that failed the run never came to one.
    return RunOutcome(run_id, result.success, tuple(errors or of_the_run[:1]), frozenset(classes))
