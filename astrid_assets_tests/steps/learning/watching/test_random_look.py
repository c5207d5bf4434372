"""What a page draws of random items is of the newest draws, however many there are."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from astrid_assets.learning.gate.health import LOOKS
from astrid_assets.steps.learning.watching import random_look
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.sensors.labelled import add_dataset, add_labels, deploy

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def test_the_newest_draws_alone_are_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    catalogue = new_catalogue(tmp_path)
    champion = deploy(catalogue, add_dataset(catalogue, 0))
    enough = LOOKS[0]
    for label in ("real", "bogus"):
        scores = {champion: [0.7] * enough}
        add_labels(catalogue, enough, label, model_scores=scores, drawn_as="random")
    monkeypatch.setattr(random_look, "SHOWN_DRAWS", enough)
    with catalogue.read() as session:
        model = session.get_one(Model, champion)
        shown = random_look.newest_random(session, model, "sim")
        assert (len(shown.labels), shown.labels.any()) == (enough, False)
        assert shown.look is not None
        whole = random_look.random_look(session, model, "sim")
        assert (whole.n, int(whole.labels.sum())) == (2 * enough, enough)
        assert random_look.newest_random(session, model, "other").n == 0
        monkeypatch.setattr(random_look, "SHOWN_DRAWS", 9)
        few = random_look.newest_random(session, model, "sim")
        assert (len(few.labels), few.look) == (9, None)
    catalogue.close()
