"""Whether a model takes the cutouts that are made now."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.learning.inference import UnusableModel
from astrid_assets.steps import versions

if TYPE_CHECKING:
    from astrid_assets.storage.database.tables.learning import Model


def refuse_other_cutouts(model: Model) -> None:
    """Raise UnusableModel where a model was made for another version of the cutouts."""
    made_for = (model.package or {}).get("cutouts", versions.CUTOUTS)
    if made_for != versions.CUTOUTS:
        raise UnusableModel(
            f"{model.name} version {model.version} takes cutouts of version {made_for}, and this "
            f"program makes version {versions.CUTOUTS}: train again, or use the program that it "
            "was trained with (its model card names the commit)"
        )
