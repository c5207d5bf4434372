"""Alerts of a made-up telescope whose truth is known: hundreds of cutouts in a second.

Real is a point source in science and score. Bogus is, in equal parts, a smudge of scattered
light, or a star that was subtracted badly: in the score it looks real, but the reference shows
it too. So a network that sees only the score gets a quarter of all pairs wrong at best.
"""

from __future__ import annotations

import datetime as dt
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import polars as pl
from scipy.ndimage import gaussian_filter

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIDE = 63
PSF_SIGMA_PX, SMUDGE_SIGMA_PX = 1.4, 5.0
SNR = (8.0, 40.0)
FIRST_NIGHT = dt.datetime(2025, 3, 1, 22, tzinfo=dt.UTC)
PER_NIGHT = 50


@dataclass(frozen=True)
class MadeAlerts:
    """A file of alerts without votes, and where the sky changed.

    Attributes
    ----------
    nights
        YYYY-MM-DD.
    real_deg : (n, 2)
        Right ascension and declination of what is real.
    """

    path: Path
    nights: list[str]
    real_deg: NDArray[np.float64]


def make_alerts(path: Path, count: int, *, first_night: int, seed: int) -> MadeAlerts:
    """Write alerts, half of them real, 50 a night from a night counted from 0."""
    rng = np.random.default_rng(seed)
    kind = np.arange(count) % 4
    real = kind < 2
    sky = np.column_stack([rng.uniform(100, 200, count), rng.uniform(-30, 30, count)])
    snr = rng.uniform(*SNR, count).astype(np.float32)
    point, smudge = _profile(PSF_SIGMA_PX), _profile(SMUDGE_SIGMA_PX)
    science, reference, score = (_noise(rng, count) for _ in range(3))
    light = np.where((kind == 2)[:, None, None], smudge, point) * snr[:, None, None]
    science += light
    score += light
    reference += np.where((kind == 3)[:, None, None], light, 0)
    when = [FIRST_NIGHT + dt.timedelta(days=first_night + row // PER_NIGHT) for row in range(count)]
    table: dict[str, object] = {
        "candidate_id": [f"{seed}-{row}" for row in range(count)],
        "date_obs": [time.isoformat() for time in when],
        "band": ["r"] * count,
        "field": ["made-up"] * count,
        "ra": sky[:, 0],
        "dec": sky[:, 1],
        "mag": 25 - 2.5 * np.log10(100 * snr),
        "magerr": 1 / snr,
        "scorr_peak": snr,
        "votes": [""] * count,
    }
    for name, planes in (("science", science), ("reference", reference), ("scorr", score)):
        table[f"cutout_{name}"] = [plane.astype("<f4").tobytes() for plane in planes]
        table[f"cutout_{name}_ny"] = table[f"cutout_{name}_nx"] = [SIDE] * count
    pl.DataFrame(table).write_parquet(path)
    return MadeAlerts(path, sorted({f"{time:%Y-%m-%d}" for time in when}), sky[real])


def _profile(sigma_px: float) -> NDArray[np.float32]:
    """Return a Gaussian of peak 1 on the middle pixel, (63, 63)."""
    y, x = np.indices((SIDE, SIDE)) - SIDE // 2
    return np.exp(-(x**2 + y**2) / (2 * sigma_px**2)).astype(np.float32)


def _noise(rng: np.random.Generator, count: int) -> NDArray[np.float32]:
    """Return noise of sigma 1 that hangs together like the PSF, (count, 63, 63)."""
    white = rng.standard_normal((count, SIDE, SIDE), dtype=np.float32)
    smooth = gaussian_filter(white, (0, PSF_SIGMA_PX / np.sqrt(2), PSF_SIGMA_PX / np.sqrt(2)))
    return smooth / smooth.std()
