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
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from rich.console import Console

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.storage.queries.named_objects import NamedObject

FIX = "astrid doctor --verify --fix"
MOST_SENTENCES = 5
RESTORE = (
    "restore the catalogue from a backup; without one, `sqlite3 FILE .recover` writes "
    "what can still be read"
)


@dataclass(frozen=True)
class Damaged:
    """An object that is lost or damaged."""

    named: NamedObject
    is_lost: bool


def check_database(*, fix: bool) -> Iterator[Finding]:
    """Return what the database's own check finds; `fix` makes indexes anew."""
    from astrid_assets.storage.database.self_check import database_damage, rebuild_indexes

    catalogue = workplace.open_catalogue()
    damage = database_damage(catalogue)
    if damage and fix and catalogue.is_sqlite:
        rebuild_indexes(catalogue)
        damage = database_damage(catalogue)
        if not damage:
            yield Finding("OK", "the indexes were damaged and are made anew; the tables are whole")
            return
    if not damage:
        yield Finding("OK", "the database finds nothing wrong with itself")
        return
    shown = "; ".join(damage[:MOST_SENTENCES])
    more = len(damage) - MOST_SENTENCES
    remedy = (
        RESTORE if fix else f"{FIX} makes damaged indexes anew; if a table is damaged: {RESTORE}"
    )
    yield Finding("FAIL", f"{shown}{f'; and {more} more' if more > 0 else ''}", remedy)


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
    n_before = len(damaged)
    if damaged and fix:
        try:
            make_again(console, catalogue, damaged)
        except click.ClickException as error:
            yield Finding("FAIL", error.message)
        with catalogue.read() as session:
            still_named = {item.key for item in named_objects(session)}
        damaged = find_damage(
            console, store, [item.named for item in damaged if item.named.key in still_named]
        )
    repaired = f", {n_before - len(damaged)} made again" if fix and n_before else ""
    if not damaged:
        yield Finding("OK", f"{len(named)} objects are whole{repaired}")
        return
    if repaired:
        yield Finding("OK", f"{n_before} were lost or damaged{repaired}")
    yield from _listed(catalogue, damaged, fixed=fix)


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


def make_again(console: Console, catalogue: Catalogue, damaged: Sequence[Damaged]) -> None:
    """Run the nights of what is damaged again, forced.

    Raises
    ------
    click.ClickException
        If a service or a source is out of reach.
    """
    from astrid_assets.cli.backfill import PROCESSING, run_plans
    from astrid_assets.cli.plans import BackfillPlan
    from astrid_assets.cli.surveys import profile_of, stored_survey

    nights: dict[str, dict[str, str]] = defaultdict(dict)
    raw: dict[str, set[str]] = defaultdict(set)
    for survey, night, asset in _last_assets(damaged):
        nights[survey][night] = asset
    for item in damaged:
        if item.named.survey and item.named.asset == NIGHTLY_ASSETS[0]:
            raw[item.named.survey].add(item.named.night)
    job = workplace.load_graph().resolve_job_def("night_job")
    with workplace.dagster_instance() as instance:
        for survey, last in nights.items():
            profile = profile_of(stored_survey(catalogue, survey))
            if profile.source.kind == "alerts":
                continue
            upto = max(map(NIGHTLY_ASSETS.index, last.values())) + 1
            phases = [
                (NIGHTLY_ASSETS[:1], sorted(raw[survey])),
                (NIGHTLY_ASSETS[:upto], sorted(last)),
            ]
            if profile.reference.later_nights and upto > len(PROCESSING):
                phases.insert(1, (PROCESSING, sorted(last)))
            for assets, again in phases:
                if again:
                    plan = BackfillPlan(survey, tuple(again))
                    run_plans(console, instance, job, [plan], assets=assets, force=True)


def _last_assets(damaged: Sequence[Damaged]) -> list[tuple[str, str, str]]:
    """Return survey, night and the last asset of it that something is missing of."""
    last: dict[tuple[str, str], int] = {}
    for item in damaged:
        named = item.named
        if named.is_current and named.asset in NIGHTLY_ASSETS:
            where = (named.survey, named.night)
            last[where] = max(last.get(where, 0), NIGHTLY_ASSETS.index(named.asset))
    return [(*where, NIGHTLY_ASSETS[number]) for where, number in sorted(last.items())]


def _listed(catalogue: Catalogue, damaged: Sequence[Damaged], *, fixed: bool) -> Iterator[Finding]:
    """Return a finding for each night, for learning, and for what no run makes again."""
    from astrid_assets.cli.surveys import profile_of, stored_survey

    by_night: dict[tuple[str, str], list[Damaged]] = defaultdict(list)
    for item in damaged:
        if item.named.is_current and item.named.survey:
            by_night[item.named.survey, item.named.night].append(item)
    for survey, night, asset in _last_assets(damaged):
        what = f"{survey} {night or 'without a night'}: {_counted(by_night[survey, night])}"
        if profile_of(stored_survey(catalogue, survey)).source.kind == "alerts":
            yield Finding("FAIL", what, f"astrid alerts import FILE --survey {survey}, as before")
        elif fixed:
            yield Finding(
                "FAIL",
                f"{what}, and running the night again did not make it",
                "see above why; a raw file comes back only if the survey's source still has it",
            )
        else:
            command = (
                f"astrid backfill --survey {survey} --from {night} --to {night} "
                f"--upto {asset} --force"
            )
            yield Finding("FAIL", what, command)
    if by_night and not fixed:
        yield Finding("WARN", "these commands run in the order of time, or all at once", FIX)
    for asset in ("training_dataset", "trained_unet"):
        own = [item for item in damaged if item.named.asset == asset]
        if own:
            yield Finding(
                "FAIL",
                _counted(own),
                f"materialize {asset} in the UI (astrid ui): the same labels and settings "
                "make the same files; what is otherwise lost is replaced by a new version",
            )
    old = [item for item in damaged if not item.named.is_current]
    if old:
        yield Finding(
            "WARN",
            f"{_counted(old)}, of earlier settings or references: no run reads or makes them",
            "only pictures of labels given then are lost",
        )


def _counted(damaged: Sequence[Damaged]) -> str:
    """Return how many of which asset are lost or damaged, with the first key."""
    counts = Counter((i.named.asset, "lost" if i.is_lost else "damaged") for i in damaged)
    told = ", ".join(f"{number} {asset} {how}" for (asset, how), number in counts.items())
    return f"{told} ({damaged[0].named.key}{', …' if len(damaged) > 1 else ''})"
