"""`astrid mask FRAME`: the mask that a model draws on a whole frame."""

from __future__ import annotations

from pathlib import Path

import click

from astrid_assets.cli.given import in_a_folder, not_empty


@click.command("mask")
@click.argument("frame", help="Id of the frame, or its path in the source.")
@click.option(
    "--output",
    type=click.Path(dir_okay=False, path_type=Path),
    default=Path("mask.fits"),
    callback=in_a_folder,
    show_default=True,
    help="FITS file to write, with the frame's WCS.",
)
@click.option(
    "--model",
    callback=not_empty,
    help="Version, id or beginning of the id of a model; by default the one in force.",
)
@click.option("--overwrite", is_flag=True, help="Replace the file if it is there.")
def mask_command(frame: str, output: Path, model: str | None, *, overwrite: bool) -> None:
    """Let a model outline what is real on a whole frame.

    Each pixel is the probability that it belongs to something real, from 0 to 1. Detection does
    not use it: it shows what the model makes of a detection and what lies around. The model has
    learned from detections alone: on blank sky most of what it outlines is noise that no
    detection would propose.

    \b
    Example:
      astrid mask frames/2025-03-04/n0412.fits --output n0412-mask.fits
    """  # noqa: D301  click's mark for a paragraph that keeps its lines
    from astropy.io import fits

    from astrid_assets.cli.workplace import open_catalogue, open_store, prepare_home
    from astrid_assets.compute import Compute
    from astrid_assets.learning.inference import UnusableModel
    from astrid_assets.steps.learning.frame_mask import NoFrame, mask_of_frame
    from astrid_assets.steps.learning.settings import NoModel
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.queries.frame_names import AmbiguousFrame

    if output.exists() and not overwrite:
        raise click.ClickException(f"{output} is there already: --overwrite replaces it")
    prepare_home()
    try:
        tools = Tools(open_catalogue(), open_store(), Compute())
        found = mask_of_frame(tools, frame, model)
    except (NoFrame, AmbiguousFrame, NoModel, UnusableModel) as error:
        raise click.ClickException(str(error)) from error
    header = found.wcs.to_header(relax=True)
    header["MODEL"] = (f"{found.model.name} {found.model.version}", "network that drew it")
    header["FRAMEID"] = (found.observation_id, "science frame")
    fits.PrimaryHDU(found.mask, header).writeto(output, overwrite=overwrite)
    share = float((found.mask >= 0.5).mean())
    click.echo(
        f"{output}: {found.mask.shape[1]} x {found.mask.shape[0]} pixels, {share:.3%} of them "
        f"above 0.5, by {found.model.name} version {found.model.version}"
    )
