"""`astrid subtract SCIENCE REFERENCE`: two frames, without a survey."""

from __future__ import annotations

import re
from pathlib import Path

import click

PACKED = re.compile(r"(\.(fits|fit|fts))?(\.(fz|gz|bz2))?$", re.IGNORECASE)


@click.command("subtract")
@click.argument(
    "science", type=click.Path(path_type=Path), help="Calibrated FITS file of the newer epoch."
)
@click.argument(
    "reference", type=click.Path(path_type=Path), help="Calibrated FITS file to subtract from it."
)
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path(),
    help="Folder for the three files; it is made. [default: here]",
)
@click.option("--above", "threshold", type=float, help="Threshold in sigma. [default: 5]")
@click.option(
    "--method",
    type=click.Choice(["zogy", "kernel"]),
    help="By the measured PSFs, or by a fitted kernel. [default: zogy]",
)
@click.option("--gain", type=float, help="Electrons per ADU, where headers do not say.")
@click.option("--read-noise", type=float, help="Electrons, where headers do not say.")
@click.option("--saturation", type=float, help="ADU, where headers do not say.")
@click.option("--hdu", type=int, help="Which image of the files. [default: the first]")
@click.option("--zero-point", type=float, help="Magnitude of one electron; for magnitudes.")
def subtract_command(
    science: Path,
    reference: Path,
    out: Path,
    threshold: float | None,
    method: str | None,
    gain: float | None,
    read_noise: float | None,
    saturation: float | None,
    hdu: int | None,
    zero_point: float | None,
) -> None:
    """Subtract REFERENCE from SCIENCE and list what changed.

    Both are calibrated FITS files of one piece of sky; a WCS helps and is not
    needed. Writes NAME_difference.fits (D, S_corr, flux, mask, PSF, candidates),
    .csv (the candidates) and .png. The exit code is 1 when the frames cannot be
    subtracted or the result should not be trusted.

    \b
    Example:
      astrid subtract science.fits reference.fits
      astrid subtract science.fits.fz reference.fits --out changes --gain 1.4 --above 6
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astrid_assets import api
    from astrid_assets.science.errors import ScienceError

    given = {
        "threshold_sigma": threshold,
        "method": method,
        "gain_e_per_adu": gain,
        "read_noise_e": read_noise,
        "saturation_adu": saturation,
        "hdu": hdu,
        "zero_point_mag": zero_point,
    }
    settings = {name: value for name, value in given.items() if value is not None}
    try:
        result = api.difference(science, reference, **settings)
        out.mkdir(parents=True, exist_ok=True)
        stem = out / f"{PACKED.sub('', science.name)}_difference"
        written = [
            result.write(stem.with_name(stem.name + suffix), overwrite=True)
            for suffix in (".fits", ".csv", ".png")
        ]
    except (ScienceError, OSError, ValueError) as error:
        raise click.ClickException(str(error)) from error
    click.echo(result.sentence)
    for note in result.notes:
        click.echo(f"note: {note}", err=True)
    click.echo(f"written: {', '.join(str(path) for path in written)}", err=True)
    if not result.is_usable:
        raise SystemExit(1)
