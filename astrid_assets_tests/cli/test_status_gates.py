"""What gates blocked, and what they warned of, is reported with value and limit."""

from __future__ import annotations

from typing import TYPE_CHECKING

from rich.console import Console

from astrid_assets.cli.status import _print_blocked_nights
from astrid_assets.science.quality.difference_gates import FRAME_GATES, over_frames
from astrid_assets.science.quality.numbers import LimitSide
from astrid_assets.storage.queries import gates
from astrid_assets_tests.catalogues import catalogue

if TYPE_CHECKING:
    from astrid_assets.science.quality.gate import Gate
    from astrid_assets.storage.database.catalogue import Catalogue

__all__ = ["catalogue"]  # fixtures are found by name


def gate(name: str) -> Gate:
    return next(gate for gate, _, _ in FRAME_GATES if gate.name == name)


def test_gates_that_failed_are_told_one_line_each(catalogue: Catalogue) -> None:
    noisy = over_frames(gate("score_noise"), [1.7], 1.5, LimitSide.AT_MOST)
    few = over_frames(gate("ample_stars"), [5, 40], 8, LimitSide.AT_LEAST)
    fine = over_frames(gate("coverage"), [0.9], 0.1, LimitSide.AT_LEAST)
    with catalogue.begin() as session:
        for night in ("2025-03-01", "2025-03-02"):
            gates.record(session, "wide", night, "difference_images", [few, fine])
        gates.record(session, "wide", "2025-03-03", "difference_images", [noisy])
    console = Console(width=300, record=True)
    with catalogue.read() as session:
        _print_blocked_nights(console, session)
    held, warned = console.export_text().strip().splitlines()
    assert "Blocked wide 2025-03-03 difference_images: score_noise is 1.7" in held
    assert "limit <= 1.5" in held
    assert "Warned wide difference_images: ample_stars on 2 nights" in warned
    assert "has 5, limit >= 8. 1 of 2 differences outside" in warned
