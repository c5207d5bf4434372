"""Which nights a command runs, and in which order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.surveys.profile import SurveyProfile


@dataclass(frozen=True)
class BackfillPlan:
    """The nights of one survey to run, in order."""

    survey: str
    nights: tuple[str, ...]
    needs_later_nights: bool = False
    """References may hold frames of later nights: process them all first."""


def plan(
    catalogue: Catalogue, surveys: Sequence[str], start: str = "", end: str = ""
) -> list[BackfillPlan]:
    """Return the nights that the sources have frames of, survey by survey.

    Raises
    ------
    click.ClickException
        If there is no survey, or no night is left of any.
    """
    from astrid_assets.cli.surveys import profile_of, stored_survey, stored_surveys

    rows = (
        [stored_survey(catalogue, name) for name in dict.fromkeys(surveys)]
        if surveys
        else stored_surveys(catalogue)
    )
    if not rows:
        raise click.ClickException(
            "there is no survey yet; add one with "
            "`astrid survey add NAME --folder PATH`, or try `astrid demo`"
        )
    plans = []
    for row in rows:
        known = nights_of_source(catalogue, profile_of(row))
        nights = tuple(
            night for night in known if (not start or night >= start) and (not end or night <= end)
        )
        if nights:
            later = profile_of(row).reference.later_nights
            plans.append(BackfillPlan(row.name, nights, needs_later_nights=later))
        elif known:
            click.echo(
                f"{row.name}: no frames between {start or 'the first night'} and "
                f"{end or 'the last'}; its source has {len(known)} nights from "
                f"{known[0]} to {known[-1]}",
                err=True,
            )
        else:
            click.echo(
                f"{row.name}: its source has no frame with a date; "
                f"`astrid survey check {row.name}` says why",
                err=True,
            )
    if not plans:
        raise click.ClickException("there is nothing to run")
    return plans


def nights_of_source(catalogue: Catalogue, profile: SurveyProfile) -> list[str]:
    """Return the nights a survey's source has files of; only new headers are read."""
    from astrid_assets.cli.workplace import open_store, source_options
    from astrid_assets.compute import Compute
    from astrid_assets.jobs import is_partition
    from astrid_assets.partitions import Night
    from astrid_assets.steps.nights import Tools
    from astrid_assets.steps.raw_observations.ingest import UNDATED, index_source
    from astrid_assets.surveys.sources.opening import open_source

    source = open_source(profile, store_options=source_options())
    source.check()
    tools = Tools(catalogue, open_store(), Compute())
    files = index_source(tools, profile, source)
    nights = sorted({night for file in files for night in file.nights} - {UNDATED})
    inside = [night for night in nights if is_partition(Night(profile.name, night))]
    outside = sorted(set(nights) - set(inside))
    if outside:
        click.echo(
            f"{profile.name}: {len(outside)} nights ({outside[0]} … {outside[-1]}) lie "
            "before ASTRID_FIRST_NIGHT or in the future and are passed over",
            err=True,
        )
    return inside
