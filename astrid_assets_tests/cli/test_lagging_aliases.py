"""The doctor finds aliases that a killed deployment left behind, and sets them right."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.cli import workplace
from astrid_assets.cli.lagging_aliases import check_aliases
from astrid_assets_tests.steps.learning.deployment.test_in_force import deploy, with_models

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def said(*, fix: bool) -> tuple[str, str]:
    """Return level and text of the doctor's only finding."""
    (finding,) = check_aliases(fix=fix)
    return finding.level, finding.what


def test_the_doctor_sets_aliases_right_that_lag_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("ASTRID_HOME", str(tmp_path / "home"))
    workplace.prepare_home()
    tools = with_models(workplace.open_catalogue(), tmp_path, [1, 2, 3])
    deploy(tools, 1)
    assert said(fix=False) == ("OK", "none yet")
    tracking = workplace.open_tracking()
    client = tracking.client()
    client.create_registered_model("astrid-unet")
    for number in (1, 2):
        client.create_model_version("astrid-unet", f"{tmp_path}/{number}")
    assert said(fix=True)[0] == "OK"
    # As a kill between the catalogue's row and the aliases leaves it.
    deploy(tools, 2)
    level, what = said(fix=False)
    assert level == "WARN"
    assert "champion must name version 2, previous must name version 1" in what
    assert tracking.aliases("astrid-unet") == {"champion": "1"}
    level, what = said(fix=True)
    assert (level, what.endswith("set right")) == ("OK", True)
    assert tracking.aliases("astrid-unet") == {"champion": "2", "previous": "1"}
    assert said(fix=False) == ("OK", "as the catalogue says")
    # A registry that was begun anew knows no such version.
    deploy(tools, 3)
    level, what = said(fix=True)
    assert (level, "MLflow refuses" in what) == ("WARN", True)
    tools.catalogue.close()
