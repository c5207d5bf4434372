"""Alert files: signs and columns, in the spellings that brokers use."""

from __future__ import annotations

from typing import TYPE_CHECKING

import polars as pl
import pytest

from astrid_assets.surveys.alert_columns import ZTF_COLUMNS
from astrid_assets.surveys.alert_files import Alert, BadAlert, NoAlerts, read_alerts

if TYPE_CHECKING:
    from pathlib import Path


def written(path: Path, **changes: object) -> Path:
    """Write one ZTF alert whose every number is 7 and whose difference is +1."""
    cutout = [1.0] * 63**2
    row = dict.fromkeys(ZTF_COLUMNS, 7.0) | {
        name: cutout for name in ZTF_COLUMNS if name.startswith("cutout")
    }
    row |= changes
    file = path / "alerts.parquet"
    pl.DataFrame([{k: v for k, v in row.items() if v != "left out"}]).write_parquet(file)
    return file


@pytest.mark.parametrize(
    ("value", "sign"),
    [
        *((value, 1) for value in (True, "t", "1", 1, "True", 1.0)),
        *((value, -1) for value in (False, "f", "0", 0, "false", " F ")),
    ],
)
def test_the_sign_of_an_alert_is_read_in_every_spelling(
    tmp_path: Path, value: object, sign: int
) -> None:
    (alert,) = read_alerts(written(tmp_path, isdiffpos=value))
    assert isinstance(alert, Alert)
    assert alert.score_sigma == 7 * sign
    assert alert.third[0, 0] == sign


@pytest.mark.parametrize("value", [None, "", "maybe"])
def test_an_alert_without_a_sign_is_refused_and_counted(tmp_path: Path, value: object) -> None:
    (alert,) = read_alerts(written(tmp_path, isdiffpos=value))
    assert isinstance(alert, BadAlert)
    assert alert.code == "no_sign"


@pytest.mark.parametrize("name", ["field", "isdiffpos", "scorr"])
def test_a_missing_column_is_named(tmp_path: Path, name: str) -> None:
    with pytest.raises(NoAlerts, match=f"lacks the columns {name}:"):
        read_alerts(written(tmp_path, **{name: "left out"}))
