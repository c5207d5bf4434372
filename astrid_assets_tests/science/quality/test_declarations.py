"""Declarations as rows: each limit once, with the default that the profile really has."""

from __future__ import annotations

import re
from collections import Counter

import pytest

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.quality.declarations import Declaration, declarations
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.settings import ProcessingSettings

ROWS = declarations()
DEFAULTS = {
    "processing": ProcessingSettings.model_validate({}),
    "differencing": DifferencingSettings.model_validate({}),
}


@pytest.mark.parametrize("row", ROWS, ids=lambda row: f"{row.number}-{row.code}")
def test_a_limit_is_the_default_of_its_setting(row: Declaration) -> None:
    section, name = row.setting.split(".")
    default = getattr(DEFAULTS[section], name)
    if default is None:
        assert row.limit == "off"
        return
    printed = re.match(r"-?[\d.,]+", row.limit.replace("−", "-"))
    assert printed is not None, row.limit
    value = float(printed[0].replace(",", ""))
    value /= 100 if row.limit.rstrip().endswith("%") else 1
    # A limit on an elongation, say, is kept as 1 over it.
    assert any(value == pytest.approx(known, rel=0.05) for known in (default, 1 / default))


def test_every_limit_is_there_once() -> None:
    counted = Counter((row.setting, row.side) for row in ROWS)
    assert len(ROWS) > 15
    assert max(counted.values()) == 1


def test_a_row_says_what_breaking_the_limit_means() -> None:
    for row in ROWS:
        assert ReasonCode(row.code).sentence == row.meaning
        assert row.side in {"at most", "at least"}
        assert row.severity in {"flag", "reject"}
        assert row.sentence
        assert row.remedy
