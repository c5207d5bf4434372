"""The `astrid` command: which subcommands there are, and what errors look like.

Subcommands are imported when they are asked for. Known failures (a wrong path, a
stopped database, an invalid profile) become one line that says what to do;
everything else is a fault of the program and keeps its traceback, as does
everything when ``ASTRID_DEBUG`` is set.
"""

from __future__ import annotations

import importlib

import click

COMMANDS = {
    "demo": "Run two simulated surveys through the whole graph.",
    "subtract": "Subtract one frame from another and list what changed.",
    "survey": "Add, list, show and check surveys.",
    "backfill": "Run nights through the graph, from raw frames to labels.",
    "status": "Show how far each survey is and what is blocked.",
    "report": "Write the HTML report.",
    "detections": "List what was found.",
    "lightcurve": "Print the flux of an object on every frame.",
    "review": "Start the review page, where reviewers label candidates.",
    "explain": "Show what was found at a sky position, and why not more.",
    "reviewer": "Add and list reviewers, and make their API tokens.",
    "labels": "Import and export labels as CSV, Parquet or JSON lines.",
    "alerts": "Import public alerts with their cutouts and catalogue labels.",
    "dataset": "Collect, list, show, compare and retire training datasets.",
    "tune": "Search for the settings that train best.",
    "train": "Train a model on a dataset.",
    "models": "List the trained models, and which are in force.",
    "evaluate": "Measure how good a model, or a way of training, is.",
    "mask": "Let a model outline what is real on a whole frame.",
    "deploy": "Put a model in force if it is better.",
    "rollback": "Put an earlier model in force again.",
    "lineage": "Show what a model was made of, and which models saw a frame or detection.",
    "ui": "Start the Dagster UI, its daemon, MLflow and the review page.",
    "doctor": "Check the installation and what a crash left behind.",
}
"""In the order in which a newcomer meets them; ``demo`` is `demo_command` of the module
`demo`, and so on."""


class LazyGroup(click.Group):
    """A group that imports a command when it is needed and explains known failures."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """Return the names in their order of use, not of the alphabet."""
        del ctx
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """Import the command; None when there is none of that name."""
        del ctx
        if cmd_name not in COMMANDS:
            return None
        module = importlib.import_module(f"astrid_assets.cli.{cmd_name}")
        return getattr(module, f"{cmd_name}_command")

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """Write the list of commands without importing any of them."""
        del ctx
        with formatter.section("Commands"):
            formatter.write_dl(list(COMMANDS.items()))

    def invoke(self, ctx: click.Context) -> object:
        """Run the command; a known failure ends it with one line and exit code 1."""
        from astrid_assets.resources.environment import CommandLine, keep_compiled_code

        try:
            keep_compiled_code()
            return super().invoke(ctx)
        except (click.ClickException, click.Abort, click.exceptions.Exit):
            raise
        except Exception as error:
            # Imported only after something failed: a healthy start pays for nothing.
            from astrid_assets.failures import words_of

            said = words_of(error)
            if said is not None and not CommandLine().debug:
                raise click.ClickException(said) from error
            raise


@click.group(cls=LazyGroup, context_settings={"help_option_names": ["-h", "--help"]})
@click.version_option(package_name="astrid-assets", prog_name="astrid")
def astrid() -> None:
    """Find what changes in the sky, and keep learning what it is.

    \b
    Example, a simulated sky from raw frames to a deployed model:
      astrid demo
    \b
    Example, frames of your own:
      astrid survey add mysurvey --folder /data/frames
      astrid backfill --survey mysurvey
      astrid ui
    \b
    Example, two frames and nothing else:
      astrid subtract science.fits reference.fits
    """  # noqa: D301  \b is click's mark for a paragraph that keeps its lines


def main() -> None:
    """Run the command line; the entry point of the package."""
    astrid(prog_name="astrid")
