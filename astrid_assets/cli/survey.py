"""`astrid survey …`: add, list, show and check; the graph knows a survey at once."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from astrid_assets.cli.survey_anchor import anchor_command
from astrid_assets.cli.survey_gain import gain_command

if TYPE_CHECKING:
    from astrid_assets.surveys.profile import SurveyProfile

TOML = ".toml"


@click.group("survey")
def survey_command() -> None:
    """Add, list, show and check surveys.

    \b
    Example:
      astrid survey add mysurvey --folder /data/frames
      astrid survey check mysurvey
    """  # noqa: D301  click's mark for a paragraph that keeps its lines


survey_command.add_command(anchor_command)
survey_command.add_command(gain_command)


@survey_command.command("add")
@click.argument(
    "name_or_file",
    metavar="NAME|FILE.toml",
    help="Name of a new survey (with --folder), or a profile to add.",
)
@click.option(
    "--folder",
    type=click.Path(path_type=Path),
    help="Where the frames are; a profile is suggested from them.",
)
def add_survey_command(name_or_file: str, folder: Path | None) -> None:
    """Add a survey, or update it; nothing has to be restarted.

    NAME with --folder looks at the frames and writes a profile that suits them to
    the home folder. FILE.toml takes a profile as it is.

    \b
    Example:
      astrid survey add mysurvey --folder /data/frames
      astrid survey add mysurvey.toml
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.surveys import read_profile, store_survey
    from astrid_assets.cli.workplace import (
        dagster_instance,
        open_catalogue,
        prepare_home,
        source_options,
    )
    from astrid_assets.surveys.sources.opening import open_source

    home = prepare_home()
    if name_or_file.endswith(TOML):
        if folder is not None:
            raise click.UsageError("FILE.toml names its own folder; leave --folder out")
        path = Path(name_or_file)
    elif folder is not None:
        path = _suggested_profile(home, name_or_file, folder)
    else:
        raise click.UsageError(
            f"where are the frames of {name_or_file}? Add --folder PATH, or give a "
            "profile: astrid survey add FILE.toml"
        )
    profile, text = read_profile(path)
    open_source(profile, store_options=source_options()).check()
    with dagster_instance() as instance:
        is_new = store_survey(open_catalogue(), instance, profile.name, text)
    click.echo(f"{'Added' if is_new else 'Updated'} {profile.name} from {path}")
    click.echo(f"  astrid survey check {profile.name}   what its frames offer and lack")
    click.echo(f"  astrid backfill --survey {profile.name}   run its nights")


@survey_command.command("list")
def list_surveys() -> None:
    """List the surveys.

    \b
    Example:
      astrid survey list
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console
    from rich.table import Table

    from astrid_assets.cli.surveys import profile_of, stored_surveys
    from astrid_assets.cli.workplace import open_catalogue, prepare_home

    prepare_home()
    rows = stored_surveys(open_catalogue())
    if not rows:
        click.echo("No survey yet: astrid survey add NAME --folder PATH")
        return
    table = Table("name", "source", "updated", "description")
    table.columns[0].no_wrap = True
    table.columns[1].overflow = "fold"
    for row in rows:
        profile = profile_of(row)
        table.add_row(
            row.name,
            _where(profile),
            f"{row.updated_at:%Y-%m-%d %H:%M} UTC",
            profile.description,
        )
    Console().print(table)


@survey_command.command()
@click.argument("name", help="Name of the survey.")
def show(name: str) -> None:
    """Print the profile of a survey, ready to be edited and added again.

    \b
    Example:
      astrid survey show mysurvey > mysurvey.toml
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.surveys import stored_survey
    from astrid_assets.cli.workplace import open_catalogue, prepare_home

    prepare_home()
    click.echo(stored_survey(open_catalogue(), name).profile_toml, nl=False)


@survey_command.command("check")
@click.argument(
    "what",
    metavar="NAME|FILE.toml|FOLDER",
    help="Name of a survey, a profile, or a folder with frames.",
)
@click.option(
    "--limit",
    type=click.IntRange(1, 10_000),
    default=20,
    show_default=True,
    help="Most files that are opened.",
)
def check_command(what: str, limit: int) -> None:
    """Look at frames as AstrID would: what is found, odd, missing, or refused.

    Reads a sample, spread over the source; changes nothing. Exit code 1 when no
    frame of the sample is usable.

    \b
    Example:
      astrid survey check /data/frames
      astrid survey check mysurvey --limit 100
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from rich.console import Console

    from astrid_assets.cli.survey_report import print_check_report
    from astrid_assets.cli.workplace import source_options
    from astrid_assets.surveys.check.check import check_survey
    from astrid_assets.surveys.sources.opening import open_source

    profile = _profile_for_check(what)
    source = open_source(profile, store_options=source_options())
    report = check_survey(profile, source, limit)
    print_check_report(Console(), report)
    click.echo("\nA profile that suits these frames:\n")
    click.echo(report.suggested_toml, nl=False)
    if report.n_usable == 0:
        raise click.ClickException("no frame of the sample is usable as it is")


def _suggested_profile(home: Path, name: str, folder: Path) -> Path:
    """Write the profile that suits a folder; an edited one is never overwritten."""
    from astrid_assets.cli.surveys import checked_name, stored_surveys
    from astrid_assets.cli.workplace import open_catalogue
    from astrid_assets.surveys.check.check import suggest_profile

    text = suggest_profile(checked_name(name), folder.expanduser().absolute())
    path = home / "surveys" / f"{name}{TOML}"
    if path.exists():
        found = path.read_text(encoding="utf-8")
        stored = {row.name: row.profile_toml for row in stored_surveys(open_catalogue())}
        if found not in (text, stored.get(name)):
            raise click.ClickException(
                f"{path} has been edited and is not the stored profile; add it with "
                f"`astrid survey add {path}`, or remove it for a new suggestion"
            )
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
    return path


def _profile_for_check(what: str) -> SurveyProfile:
    from astrid_assets.cli.surveys import (
        profile_of,
        read_profile,
        stored_survey,
        stored_surveys,
    )
    from astrid_assets.cli.workplace import open_catalogue, prepare_home
    from astrid_assets.surveys.profile import SurveyProfile
    from astrid_assets.surveys.profile_sources import FolderSource

    path = Path(what).expanduser()
    if what.endswith(TOML):
        return read_profile(path)[0]
    prepare_home()
    catalogue = open_catalogue()
    is_name = what in {row.name for row in stored_surveys(catalogue)}
    if not is_name and (path.is_dir() or "/" in what):
        return SurveyProfile.named("frames", FolderSource(path=path.absolute()))
    return profile_of(stored_survey(catalogue, what))


def _where(profile: SurveyProfile) -> str:
    source = profile.source
    match source.kind:
        case "folder":
            return str(source.path)
        case "object_prefix":
            return source.url
        case "archive":
            return source.manifest
        case "simulated":
            return f"simulated: {source.scene}, {source.nights} nights"
        case "alerts":
            return "public alerts"
