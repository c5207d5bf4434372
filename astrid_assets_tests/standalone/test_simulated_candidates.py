"""Simulated candidates: both classes, centred, and read as alerts."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets import api
from astrid_assets.surveys.alert_files import Alert, read_alerts

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_candidates_are_read_as_labelled_alerts(tmp_path: Path) -> None:
    path = api.simulate_candidates(tmp_path / "candidates.parquet", pairs=1)
    alerts = [alert for alert in read_alerts(path) if isinstance(alert, Alert)]
    words = [alert.opinions[0].word for alert in alerts]
    assert min(words.count("real"), words.count("bogus")) > 15
    assert set(words) == {"real", "bogus"}
    middle = alerts[0].third.shape[0] // 2
    for alert in alerts:
        near = alert.third[middle - 2 : middle + 3, middle - 2 : middle + 3]
        assert np.abs(near).max() == pytest.approx(abs(alert.score_sigma), rel=1e-4)
