"""Whether MLflow's aliases say which models are in force, as the catalogue does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.cli import workplace
from astrid_assets.cli.finding import Finding

if TYPE_CHECKING:
    from collections.abc import Iterator


def check_aliases(*, fix: bool) -> Iterator[Finding]:
    """Return the aliases that a killed deployment left behind; `fix` sets them right."""
    from mlflow.exceptions import MlflowException

    from astrid_assets.compute import Compute
    from astrid_assets.steps.learning.deployment.aliases import follow, lagging
    from astrid_assets.steps.nights import Tools

    tools = Tools(workplace.open_catalogue(), workplace.open_store(), Compute())
    tracking = workplace.open_tracking()
    if tracking.file is not None and not tracking.file.exists():
        yield Finding("OK", "none yet")
        return
    late = lagging(tools, tracking)
    if not late:
        yield Finding("OK", "as the catalogue says")
        return
    what = "MLflow's aliases lag behind the catalogue: " + ", ".join(
        f"{alias} must name {f'version {version}' if version else 'nothing'}"
        for alias, version in late.items()
    )
    remedy = "nights are scored by what the catalogue says; astrid doctor --fix sets them right"
    if not fix:
        yield Finding("WARN", what, remedy)
        return
    try:
        follow(tools, tracking)
    except MlflowException as error:
        remedy = "MLflow has lost its registry: restore its database from a backup"
        yield Finding("WARN", f"{what}; MLflow refuses ({error.message})", remedy)
    else:
        yield Finding("OK", f"{what}; set right")
