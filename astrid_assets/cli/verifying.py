"""`astrid doctor --verify`: every object read and hashed, every page of the catalogue checked.

What is lost or damaged is listed night by night with the command that makes it again;
with ``--fix`` that is done at once, raw files first, because everything is made of them.
"""

from __future__ import annotations

import sys
from collections import Counter, defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

from astrid_assets.cli import workplace
from astrid_assets.cli.finding import Finding
from astrid_assets.cli.lost_models import restore_models
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from dagster import DagsterInstance, JobDefinition
    from rich.console import Console

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.storage.queries.named_objects import NamedObject
    from astrid_assets.surveys.profile import SurveyProfile

Night = tuple[str, str]
"""Survey and date."""

FIX = "astrid doctor --verify --fix"
MOST_SENTENCES = 5
RESTORE = (
    "restore the catalogue from a backup; without one, `sqlite3 OLD .dump | sqlite3 NEW` "
    "saves what can still be read into a new file, which then takes the old one's name"
)
MISSING_ROWS = "run the nights again by force, which writes the rows: astrid backfill --force"


@dataclass(frozen=True)
class Damaged:
    """An object that is lost or damaged."""

    named: NamedObject
    is_lost: bool


def check_database(*, fix: bool) -> Iterator[Finding]:
    """Return what the database's own check finds; `fix` makes indexes anew."""
    from astrid_assets.storage.database.self_check import (
        database_damage,
        missing_rows,
        rebuild_indexes,
    )

    catalogue = workplace.open_catalogue()
    damage = database_damage(catalogue)
    if damage and fix and catalogue.is_sqlite:
        rebuild_indexes(catalogue)
        damage = database_damage(catalogue)
        if not damage:
            yield Finding("OK", "the indexes were damaged and are made anew; the tables are whole")
    if damage:
        yield Finding("FAIL", _first_of(damage), RESTORE if fix else f"{FIX}; or {RESTORE}")
        return
    missing = missing_rows(catalogue)
    if missing:
        yield Finding("FAIL", _first_of(missing), MISSING_ROWS)
    else:
        yield Finding("OK", "the database finds nothing wrong with itself")


def check_objects(*, fix: bool) -> Iterator[Finding]:
    """Return what is lost or damaged, night by night; `fix` runs those nights again."""
    from rich.console import Console

    from astrid_assets.storage.queries.named_objects import named_objects

    workplace.prepare_home()
    catalogue, store = workplace.open_catalogue(), workplace.open_store()
    console = Console(stderr=True)
    with catalogue.read() as session:
        named = named_objects(session)
    damaged = find_damage(console, store, named)
    n_before, problems = len(damaged), None
    if damaged and fix:
        problems = make_again(console, catalogue, damaged)
        with catalogue.read() as session:
            still_named = {item.key for item in named_objects(session)}
        damaged = find_damage(
            console, store, [item.named for item in damaged if item.named.key in still_named]
        )
    n_mended = n_before - len(damaged)
    mended = f"{n_mended} of {n_before} lost or damaged objects are made again"
    if not damaged:
        whole = f"all {len(named)} objects are whole"
        yield Finding("OK", f"{mended}; {whole}" if n_mended else whole)
        return
    if n_mended:
        yield Finding("OK", mended)
    yield from _listed(catalogue, damaged, problems)


def _first_of(sentences: Sequence[str]) -> str:
    more = len(sentences) - MOST_SENTENCES
    return "; ".join(sentences[:MOST_SENTENCES]) + (f"; and {more} more" if more > 0 else "")


def find_damage(
    console: Console, store: ObjectStore, named: Sequence[NamedObject]
) -> list[Damaged]:
    """Read every object behind a progress bar; return those that are not whole."""
    from rich.progress import track

    from astrid_assets.storage.objects.store_errors import ObjectMissing
    from astrid_assets.storage.objects.verification import verify_objects

    by_key = {item.key: item for item in named}
    return [
        Damaged(by_key[key], isinstance(problem, ObjectMissing))
        for key, problem in track(
            verify_objects(store, by_key),
            description="reading every object",
            total=len(by_key),
            console=console,
            transient=True,
            disable=not sys.stderr.isatty(),
        )
        if problem is not None
    ]


def make_again(
    console: Console, catalogue: Catalogue, damaged: Sequence[Damaged]
) -> dict[Night, str]:
    """Run the nights of what is damaged again, forced, one by one.

    Raw files come first, for everything is made of them; where none is missing the
    survey's source is not needed. A night that fails does not keep others from running.

    Returns
    -------
    problems
        Why a night could not be run, by survey and night.
    """
    from astrid_assets.cli.backfill import PROCESSING

    raw = {
        (item.named.survey, item.named.night)
        for item in damaged
        if item.named.asset == NIGHTLY_ASSETS[0]
    }
    last = {(survey, night): asset for survey, night, asset in _last_assets(damaged)}
    restore_models(catalogue, {item.named.key for item in damaged})
    job = workplace.load_graph().resolve_job_def("night_job")
    problems: dict[Night, str] = {}
    with workplace.dagster_instance() as instance:

        def run(night: Night, assets: Sequence[str]) -> None:
            problem = _run_night(console, instance, job, night, assets) if assets else ""
            if problem:
                problems.setdefault(night, problem)

        for night in sorted(raw):
            run(night, NIGHTLY_ASSETS[:1])
        profiles = _profiles(catalogue, {survey for survey, _ in last})
        nights = [night for night in sorted(last) if profiles[night[0]].source.kind != "alerts"]
        for night in nights:
            if profiles[night[0]].reference.later_nights:
                run(night, PROCESSING[1:])
        for night in nights:
            run(night, NIGHTLY_ASSETS[1 : NIGHTLY_ASSETS.index(last[night]) + 1])
    return problems


def _run_night(
    console: Console,
    instance: DagsterInstance,
    job: JobDefinition,
    night: Night,
    assets: Sequence[str],
) -> str:
    """Run assets of a night by force; returns why they failed, empty if they did not."""
    from astrid_assets.cli.backfill import run_plans
    from astrid_assets.cli.plans import BackfillPlan

    plan = BackfillPlan(night[0], (night[1],))
    try:
        failures = run_plans(console, instance, job, [plan], assets=assets, force=True)
    except click.ClickException as error:
        return error.message
    return "; ".join(text for failure in failures for text in failure.errors)


def _profiles(catalogue: Catalogue, surveys: set[str]) -> dict[str, SurveyProfile]:
    from astrid_assets.steps.nights import load_profile

    return {name: load_profile(catalogue, name) for name in surveys}


def _last_assets(damaged: Sequence[Damaged]) -> list[tuple[str, str, str]]:
    """Return survey, night, and the last asset in the graph that lacks an object there."""
    last: dict[Night, int] = {}
    for item in damaged:
        named = item.named
        if named.is_current and named.asset in NIGHTLY_ASSETS:
            where = (named.survey, named.night)
            last[where] = max(last.get(where, 0), NIGHTLY_ASSETS.index(named.asset))
    return [(*where, NIGHTLY_ASSETS[number]) for where, number in sorted(last.items())]


def _listed(
    catalogue: Catalogue, damaged: Sequence[Damaged], problems: dict[Night, str] | None
) -> Iterator[Finding]:
    """Return a finding for each night, for learning, and for what no run makes again.

    Parameters
    ----------
    problems
        Why nights could not be run again; None where nothing was tried.
    """
    yield from _nights_listed(catalogue, damaged, problems)
    for asset in ("training_dataset", "trained_unet"):
        own = [item for item in damaged if item.named.asset == asset]
        if own:
            yield Finding(
                "FAIL",
                _counted(own),
                f"materialize {asset} in the UI (astrid ui): the same labels and settings "
                "make the same files; other ones make a new version",
            )
    old = [item for item in damaged if not item.named.is_current]
    if old:
        yield Finding(
            "WARN",
            f"{_counted(old)}, of earlier settings or references: no run reads or makes them",
            "only pictures of labels given then are lost",
        )


def _nights_listed(
    catalogue: Catalogue, damaged: Sequence[Damaged], problems: dict[Night, str] | None
) -> Iterator[Finding]:
    by_night: dict[Night, list[Damaged]] = defaultdict(list)
    for item in damaged:
        if item.named.is_current and item.named.survey:
            by_night[item.named.survey, item.named.night].append(item)
    profiles = _profiles(catalogue, {survey for survey, _ in by_night})
    can_be_run = False
    for survey, night, asset in _last_assets(damaged):
        what = f"{survey} {night or 'without a night'}: {_counted(by_night[survey, night])}"
        if profiles[survey].source.kind == "alerts":
            remedy = f"astrid alerts import with the file of that night and --survey {survey}"
        elif problems is None:
            can_be_run = True
            remedy = (
                f"astrid backfill --survey {survey} --from {night} --to {night} "
                f"--upto {asset} --force"
            )
        elif (survey, night) in problems:
            remedy = problems[survey, night]
        else:
            remedy = (
                "the night was run again and made something else: its file in the survey's "
                "source, or the settings, changed since"
            )
        yield Finding("FAIL", what, remedy)
    if can_be_run:
        yield Finding(
            "WARN",
            "these commands run in the order of time; all at once, also without the source "
            "where no raw file is missing:",
            FIX,
        )


def _counted(damaged: Sequence[Damaged]) -> str:
    """Return how many of which asset are lost or damaged, with the first key."""
    counts: Counter[tuple[str, str]] = Counter()
    for item in damaged:
        kind = "picture of " if item.named.key.startswith("pictures/") else ""
        counts[f"{kind}{item.named.asset}", "lost" if item.is_lost else "damaged"] += 1
    words = ", ".join(f"{number} {asset} {how}" for (asset, how), number in counts.items())
    return f"{words} ({damaged[0].named.key}{', …' if len(damaged) > 1 else ''})"
