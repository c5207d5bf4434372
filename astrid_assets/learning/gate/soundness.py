"""Whether a stored model computes what it should: numbers, speed and memory, no statistics.

A model that gives NaN, other scores the second time, or other scores in another company of
cutouts is refused before anybody asks how well it ranks.
"""

from __future__ import annotations

import time
from typing import TYPE_CHECKING, Protocol

import numpy as np

from astrid_assets.learning.cost import peak_memory_mb
from astrid_assets.learning.gate.checks import Check

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.learning.gate.settings import GateSettings
    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.science.detection.measurements import Measurements

SAME_SCORE = 1e-6
"""Rounding of float32 sums: scores of one cutout in different batches agree to this."""

HUGE = 1e30
TIMED = 256
"""Cutouts that are scored to measure time and memory."""


class Scorer(Protocol):
    """A model that is ready to score."""

    def score(
        self, cutouts: Cutouts, measurements: Measurements | None = None
    ) -> NDArray[np.float32]:
        """Return the probability of being real of each cutout, ``(n,)``."""
        ...


def soundness(
    scorer: Scorer, cutouts: Cutouts, measurements: Measurements, settings: GateSettings
) -> list[Check]:
    """Return the numeric checks of a model.

    Parameters
    ----------
    cutouts : (n, 3, size, size)
        Some that it will be judged on; at least two.
    measurements : (n, len(MEASUREMENTS))
        What was measured of them.
    """
    return [
        _odd_input(scorer, cutouts, measurements),
        _repeats(scorer, cutouts, measurements),
        _company(scorer, cutouts, measurements),
        *_costs(scorer, cutouts, measurements, settings),
    ]


def _odd_input(scorer: Scorer, cutouts: Cutouts, measurements: Measurements) -> Check:
    one = np.asarray(cutouts[:1], dtype=np.float32)
    holed = one.copy()
    holed[..., ::2] = np.nan
    odd = {
        "zeros": np.zeros_like(one),
        "a constant": np.full_like(one, 1e3),
        "NaN": np.full_like(one, np.nan),
        "every other column NaN": holed,
        "infinity": np.full_like(one, np.inf),
        "huge values": np.full_like(one, HUGE),
        "huge negative values": np.full_like(one, -HUGE),
    }
    tried: dict[str, tuple[Cutouts, Measurements]] = {
        "what it will be judged on": (np.asarray(cutouts, dtype=np.float32), measurements),
        **{name: (some, measurements[:1]) for name, some in odd.items()},
        **{
            f"measurements of {value:g}": (one, np.full_like(measurements[:1], value))
            for value in (np.nan, np.inf, 0.0, HUGE, -HUGE)
        },
    }
    wrong = []
    for name, (some, measured) in tried.items():
        scores = scorer.score(some, measured)
        if not (np.isfinite(scores).all() and (scores >= 0).all() and (scores <= 1).all()):
            wrong.append(name)
    return Check(
        name="odd input gives a score from 0 to 1",
        value=float(len(wrong)),
        limit="0 kinds of input fail",
        passed=not wrong,
        detail=f"no score from 0 to 1 for: {', '.join(wrong)}; train again"
        if wrong
        else f"tried: {', '.join(tried)}",
    )


def _repeats(scorer: Scorer, cutouts: Cutouts, measurements: Measurements) -> Check:
    first, second = (scorer.score(cutouts, measurements) for _ in range(2))
    same = np.array_equal(first, second, equal_nan=True)
    return Check(
        name="the same cutouts get the same scores",
        value=float(not same),
        limit="0 differences",
        passed=bool(same),
        detail="scored twice",
    )


def _company(scorer: Scorer, cutouts: Cutouts, measurements: Measurements) -> Check:
    together = scorer.score(cutouts, measurements)
    each = [slice(row, row + 1) for row in range(len(cutouts))]
    alone = np.concatenate([scorer.score(cutouts[row], measurements[row]) for row in each])
    worst = float(np.abs(together - alone).max())
    return Check(
        name="largest difference of a score, alone and among others",
        value=worst,
        limit=f"at most {SAME_SCORE:g}",
        # NaN is no small difference.
        passed=worst <= SAME_SCORE,
        detail=f"{len(cutouts)} cutouts",
    )


def _costs(
    scorer: Scorer, cutouts: Cutouts, measurements: Measurements, settings: GateSettings
) -> list[Check]:
    measured = np.resize(measurements, (TIMED, measurements.shape[1]))
    many = np.resize(np.asarray(cutouts, dtype=np.float32), (TIMED, *cutouts.shape[1:]))
    before, start = peak_memory_mb(), time.perf_counter()
    scorer.score(many, measured)
    spent_ms = (time.perf_counter() - start) * 1e3 / TIMED
    after = peak_memory_mb()
    checks = [
        Check(
            name="time per cutout, ms",
            value=spent_ms,
            limit=f"at most {settings.max_ms_per_cutout:g}",
            passed=spent_ms <= settings.max_ms_per_cutout,
            detail=f"{TIMED} cutouts in one call",
        )
    ]
    name, limit = "memory that scoring adds, MB", f"at most {settings.max_memory_mb:g}"
    if before is None or after is None:
        return [*checks, Check(name=name, limit=limit, detail="not measured on this system")]
    return [
        *checks,
        Check(
            name=name,
            value=after - before,
            limit=limit,
            passed=after - before <= settings.max_memory_mb,
            detail=f"above the {before:.0f} MB that the process had used at most",
        ),
    ]


def golden(
    expected: Sequence[float] | None, found: NDArray[np.floating] | None, settings: GateSettings
) -> Check:
    """Compare scores of the golden cutouts with those of the network that was trained.

    Parameters
    ----------
    expected : (k,)
        Scores by torch, kept at the training; None: kept by nobody.
    found : (k,)
        Scores of the same cutouts by the stored model, now.
    """
    name = "largest difference from torch on the golden cutouts"
    limit = f"at most {settings.max_difference_from_torch:g}"
    if expected is None or found is None:
        return Check(
            name=name,
            limit=limit,
            detail="not measured: the training kept no golden cutouts; train again to have them",
        )
    worst = float(np.abs(np.asarray(expected) - found).max())
    passed = worst <= settings.max_difference_from_torch
    return Check(
        name=name,
        value=worst,
        limit=limit,
        passed=passed,
        detail=f"{len(expected)} cutouts"
        + ("" if passed else "; the stored file is not the network that was trained: train again"),
    )
