"""`astrid survey gain …`: gain and read noise from a survey's own flats and biases."""

from __future__ import annotations

from typing import TYPE_CHECKING

import click

if TYPE_CHECKING:
    import datetime as dt

    from astrid_assets.surveys.check.gain import GainMeasurement
    from astrid_assets.surveys.profile import SurveyProfile


@click.command("gain")
@click.argument("name", help="Name of the survey.")
@click.option(
    "--night", type=click.DateTime(["%Y-%m-%d"]), help="Only flats and biases of this night."
)
@click.option(
    "--limit",
    type=click.IntRange(4, 100_000),
    default=200,
    show_default=True,
    help="Most files that are opened.",
)
def gain_command(name: str, night: dt.datetime | None, limit: int) -> None:
    """Measure gain and read noise from two flats and two biases.

    Takes the first frames of the survey's source that belong together; changes
    nothing. Prints what the profile says beside it, and the lines that would set it.

    \b
    Example:
      astrid survey gain mysurvey
      astrid survey gain mysurvey --night 2025-03-01
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets.cli.surveys import profile_of, stored_survey
    from astrid_assets.cli.workplace import open_catalogue, prepare_home, source_options
    from astrid_assets.science.calibration.masters import NoCalibrationFrames
    from astrid_assets.surveys.check.gain import measure_gain
    from astrid_assets.surveys.sources.opening import open_source

    prepare_home()
    profile = profile_of(stored_survey(open_catalogue(), name))
    source = open_source(profile, store_options=source_options())
    date = None if night is None else f"{night:%Y-%m-%d}"
    try:
        found = measure_gain(profile, source, night=date, limit=limit)
    except NoCalibrationFrames as problem:
        raise click.ClickException(str(problem)) from problem
    _print(profile, found)


def _print(profile: SurveyProfile, found: GainMeasurement) -> None:
    measured, detector = found.measured, profile.detector
    facts = found.flats[0][1]
    band = f"{facts.band}, " if facts.band else ""
    click.echo(f"flats    {_paths(found.flats)} ({band}{measured.level_adu:.0f} ADU)")
    click.echo(f"biases   {_paths(found.biases)}")
    click.echo(f"pixels   {measured.n_pixels}")
    click.echo(
        f"gain     {measured.gain_e_per_adu:.4g} ± {measured.gain_err_e_per_adu:.2g} "
        f"electrons per ADU; {_says(detector.gain_e_per_adu, facts.gain_e_per_adu)}"
    )
    click.echo(
        f"read noise {measured.read_noise_e:.4g} ± {measured.read_noise_err_e:.2g} "
        f"electrons; {_says(detector.read_noise_e, facts.read_noise_e)}"
    )
    click.echo("\nIn the profile:\n\n[detector]")
    click.echo(f"gain_e_per_adu = {measured.gain_e_per_adu:.4g}")
    click.echo(f"read_noise_e = {measured.read_noise_e:.4g}")


def _paths(pair: tuple[tuple[str, object], tuple[str, object]]) -> str:
    return " and ".join(path for path, _ in pair)


def _says(in_profile: float | None, used: float) -> str:
    if in_profile is not None:
        return f"the profile says {in_profile:g}"
    return f"the profile says nothing, {used:g} is used (of the header, or the default)"
