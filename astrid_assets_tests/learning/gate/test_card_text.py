"""The evidence card in Markdown shows every number with its limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.learning.gate.card import GateOutcome
from astrid_assets.learning.gate.card_text import card_markdown, interval_in_words
from astrid_assets.learning.gate.checks import Check
from astrid_assets.learning.gate.judge import JudgedRows, judge_pair, refuse
from astrid_assets.learning.gate.settings import GateSettings
from astrid_assets_tests.learning.gate.draws import judged, labels_of, scores_of

if TYPE_CHECKING:
    import numpy as np

    from astrid_assets.learning.gate.card import EvidenceCard


@pytest.fixture
def card(rng: np.random.Generator) -> EvidenceCard:
    labels = labels_of(275, 146)
    rows = JudgedRows(labels, rng.uniform(5, 50, len(labels)))
    shared = rng.normal(size=len(labels))
    new, old = (
        judged(name, scores_of(rng, labels, auc, shared)[0], rows)
        for name, auc in (("unet version 2", 0.98), ("unet version 1", 0.95))
    )
    return judge_pair(new, old, rows, GateSettings(bootstraps=100), attempt=3)


@pytest.mark.slow
def test_the_card_shows_gains_power_checks_slices_and_limits(card):
    text = card_markdown(card)
    assert text.startswith(f"# unet version 2 against unet version 1: {card.verdict}")
    assert card.gains is not None
    assert interval_in_words(card.gains.roc_auc.gain) in text
    assert "| 3 | " in text
    for check in card.checks:
        assert f"| {check.name} | " in text
    for part in card.slices:
        assert f"| {part.by} {part.name} | " in text
    for name in GateSettings.model_fields:
        assert f"| {name.replace('_', ' ')} | " in text


@pytest.mark.slow
def test_every_table_has_as_many_cells_as_columns(card):
    width = 0
    for line in card_markdown(card).splitlines():
        if not line.startswith("|"):
            width = 0
        elif width:
            assert line.count("|") == width, line
        else:
            width = line.count("|")


def test_a_refused_model_has_a_card_of_what_was_found(rng):
    made = [Check(name="odd | input", value=2.0, limit="0", passed=False, detail="NaN")]
    card = refuse(
        GateOutcome.UNUSABLE,
        "scores are not finite",
        GateSettings(),
        challenger="unet version 2",
        champion=None,
        made=made,
    )
    text = card_markdown(card)
    assert "# unet version 2 against no model: unusable" in text
    assert "| odd / input | FAILED | 2 | 0 | NaN |" in text
