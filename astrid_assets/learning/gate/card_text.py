"""The evidence card as Markdown: what a person reads in the UI, in MLflow, beside the model."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from astrid_assets.learning.gate.attempts import Power
    from astrid_assets.learning.gate.card import EvidenceCard
    from astrid_assets.learning.gate.checks import Check
    from astrid_assets.learning.metrics.intervals import Interval


def card_markdown(card: EvidenceCard) -> str:
    """Return the card as Markdown tables."""
    champion = card.champion or "no model"
    judged = (
        f"Judged on {card.n_real} real and {card.n_bogus} bogus of {card.n_objects} objects that "
        "no training of the two saw. Brackets hold 95 % intervals."
    )
    parts = [
        f"# {card.challenger} against {champion}: {card.verdict}",
        f"{'Deployed' if card.deploys else 'Not deployed'}: {card.reason}.",
        judged,
        _gains(card),
        _power([power for power in (card.first_power, card.power) if power is not None]),
        _checks(card.checks),
        _rankings(card),
        _slices(card),
        _table(
            "Limits",
            ("setting", "value"),
            [(name.replace("_", " "), f"{value}") for name, value in card.settings.items()],
        ),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def _gains(card: EvidenceCard) -> str:
    if card.gains is None:
        return ""
    return _table(
        f"Gains over {card.against}",
        ("", "challenger", "before", "gain"),
        [
            (
                name.replace("_", " "),
                f"{gain.challenger:.4f}",
                f"{gain.champion:.4f}",
                interval_in_words(gain.gain),
            )
            for name, gain in vars(card.gains).items()
        ],
    )


def _power(powers: Sequence[Power]) -> str:
    return _table(
        "What these rows can show",
        ("attempt", "level", "a true gain of", "passes in", "80 % pass from a gain of"),
        [
            (
                str(power.attempt),
                f"{power.level:.2g}",
                f"{power.gain:g}",
                f"{power.chance:.0%}",
                f"{power.smallest_gain:.4f}",
            )
            for power in {power.attempt: power for power in powers}.values()
        ],
    )


def _checks(checks: Sequence[Check]) -> str:
    return _table(
        "Checks",
        ("check", "", "value", "limit", "detail"),
        [
            (check.name, check.verdict, check.value_in_words, check.limit, check.detail)
            for check in checks
        ],
    )


def _rankings(card: EvidenceCard) -> str:
    if card.own is None:
        return ""
    before = vars(card.before) if card.before else {}
    return _table(
        "Each model by itself",
        ("", "challenger", "champion"),
        [
            (
                name.replace("_", " "),
                interval_in_words(value),
                interval_in_words(before[name]) if name in before else "no champion",
            )
            for name, value in vars(card.own).items()
        ],
    )


def _slices(card: EvidenceCard) -> str:
    return _table(
        "Gain in the share called right, by slice (intervals corrected for their number)",
        ("slice", "real", "bogus", "gain", ""),
        [
            (
                f"{part.by} {part.name}",
                str(part.n_real),
                str(part.n_bogus),
                interval_in_words(part.gain),
                "BLOCKS" if part.blocks else "",
            )
            for part in card.slices
        ],
    )


def _table(title: str, head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = ["| " + " | ".join(cell.replace("|", "/") for cell in row) + " |" for row in rows]
    if not lines:
        return ""
    return "\n".join(
        [f"## {title}", "", f"| {' | '.join(head)} |", "|" + "---|" * len(head), *lines]
    )


def interval_in_words(interval: Interval) -> str:
    """Return a value with its interval, four decimals."""
    return f"{interval.value:.4f} ({interval.low:.4f} to {interval.high:.4f})"
