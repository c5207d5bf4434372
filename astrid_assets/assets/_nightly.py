"""What the nightly assets share: their policies, resources, and how a report is shown."""

import base64
import inspect
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Protocol, TypeGuard

import dagster as dg
from pydantic import Field

from astrid_assets.assets._materializations import Materializations
from astrid_assets.compute import Compute
from astrid_assets.failures import in_words
from astrid_assets.partitions import Night, nights_of, survey_date
from astrid_assets.steps.nights import NightReport, Tools, load_profile
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import ObjectStore
from astrid_assets.storage.queries import gates
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.sources.base import SourceOptions

RETRIES = 1
Row = Mapping[str, object]
NightlyEvents = Iterator[dg.AssetMaterialization | dg.MaterializeResult]
"""What a nightly asset yields: an event for each night, and its output."""


class NightlyStep(Protocol):
    """A generator over nights, as the functions in `steps` are."""

    def __call__(
        self,
        tools: Tools,
        profile: SurveyProfile,
        nights: Sequence[str],
        *,
        force: bool = False,
    ) -> Iterator[NightReport]:
        """Do the nights in order, yielding a report for each."""
        ...


class NightlyConfig(dg.Config):
    """Options of every nightly asset."""

    force: bool = Field(
        default=False,
        description="compute again even where inputs and settings are unchanged",
    )


def nightly_asset(
    *,
    group_name: str,
    kinds: set[str],
    code_version: str,
    deps: Sequence[dg.AssetsDefinition] = (),
) -> Callable[[Callable[[], NightlyStep]], dg.AssetsDefinition]:
    """Make a function that names a step an asset partitioned by survey and date.

    The function's name is the asset's, its docstring what the UI shows. It returns the
    step, and is called only in a run: modules that it imports are not loaded with the
    graph.
    """

    def asset_of(step: Callable[[], NightlyStep]) -> dg.AssetsDefinition:
        @dg.asset(
            name=step.__name__,
            description=inspect.getdoc(step),
            deps=deps,
            group_name=group_name,
            kinds=kinds,
            code_version=code_version,
            partitions_def=survey_date,
            pool="cpu",
            # Many nights in one run: a second of orchestration each instead of seven.
            backfill_policy=dg.BackfillPolicy.multi_run(max_partitions_per_run=50),
            # One more try for what passes by itself, such as a store that answers late.
            retry_policy=dg.RetryPolicy(max_retries=RETRIES, delay=5),
        )
        def run_partitions(
            context: dg.AssetExecutionContext,
            config: NightlyConfig,
            catalogue: dg.ResourceParam[Catalogue],
            store: dg.ResourceParam[ObjectStore],
            compute: dg.ResourceParam[Compute],
            sources: dg.ResourceParam[SourceOptions],
        ) -> NightlyEvents:
            # Forced, an object is there only if its content is: damage is written over.
            tools = Tools(catalogue, store.verifying() if config.force else store, compute, sources)
            yield from _events(context, tools, step(), force=config.force)

        return run_partitions

    return asset_of


def _events(
    context: dg.AssetExecutionContext,
    tools: Tools,
    step: NightlyStep,
    *,
    force: bool,
) -> NightlyEvents:
    """Run a step over the partitions of this run; report each when it is done."""
    events = Materializations(context)
    by_survey: dict[str, list[str]] = defaultdict(list)
    for night in nights_of(context.partition_keys):
        by_survey[night.survey].append(night.date)
    for survey, nights in by_survey.items():
        span = nights[0] if len(nights) == 1 else f"{nights[0]} to {nights[-1]}"
        last_try = context.retry_number >= RETRIES
        try:
            with in_words(f"{survey} {span}", allow_retries=not last_try):
                profile = load_profile(tools.catalogue, survey)
                for report in step(tools, profile, nights, force=force):
                    yield _event_of(context, events, report, tools)
        except dg.DagsterExecutionInterruptedError as error:
            # The retry policy must not start again what a person stopped.
            raise dg.Failure("interrupted", allow_retries=False) from error
    yield events.end()


def _event_of(
    context: dg.AssetExecutionContext,
    events: Materializations,
    report: NightReport,
    tools: Tools,
) -> dg.AssetMaterialization:
    """Return the event of a night, with its counts, failed gates and pictures."""
    context.log.info(
        "%s %s %s%s: %s",
        report.asset,
        report.survey,
        report.night,
        " (unchanged)" if report.unchanged else "",
        {
            name: value
            for name, value in report.summary.items()
            if value not in ({}, None) and not _is_table(value)
        },
    )
    metadata: dict[str, dg.MetadataValue] = {}
    for name, value in report.summary.items():
        if isinstance(value, bool | int | float):
            metadata[name] = (
                dg.MetadataValue.float(value)
                if isinstance(value, float)
                else dg.MetadataValue.int(int(value))
            )
        elif isinstance(value, str) and value:
            metadata[name] = dg.MetadataValue.text(value)
        elif _is_table(value):
            metadata[name] = _table(value)
        elif value:
            metadata[name] = dg.MetadataValue.json(value)  # type: ignore[arg-type]  # a dict or list from JSON
    for verdict in report.verdicts:
        if not verdict.passed:
            metadata[f"gate {verdict.gate}"] = dg.MetadataValue.text(
                f"FAILED: {verdict.value} (limit {verdict.limit}); {verdict.detail}"
            )
    for caption, key in report.pictures.items():
        metadata[caption] = picture_metadata(tools.store.get(key), caption)
    with tools.catalogue.read() as session:
        version = gates.data_version(session, report.survey, report.night, report.asset)
    return events.of(Night(report.survey, report.night), version, metadata)


def _is_table(value: object) -> TypeGuard[list[Row]]:
    return isinstance(value, list) and bool(value) and isinstance(value[0], dict)


def _table(rows: list[Row]) -> dg.MetadataValue:
    """Return rows of equal columns as the UI's table, whose cells have no types."""
    cells = [{k: "" if v is None else str(v) for k, v in row.items()} for row in rows]
    # Without a schema Dagster sorts the columns by name.
    columns = dg.TableSchema([dg.TableColumn(name) for name in cells[0]])
    return dg.MetadataValue.table([dg.TableRecord(row) for row in cells], columns)


def picture_metadata(content: bytes, caption: str) -> dg.MetadataValue:
    """Return a PNG or SVG as markdown metadata, which the UI shows as a picture."""
    kind = "svg+xml" if content.startswith(b"<svg") else "png"
    encoded = base64.b64encode(content).decode()
    return dg.MetadataValue.md(f"![{caption}](data:image/{kind};base64,{encoded})")
