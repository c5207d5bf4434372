"""Labelled candidates of simulated pairs: a first set to learn from, without a survey.

Each pair is subtracted and searched as `api.difference` does; the truth of the simulation
votes. What is real is a change of a point source, what is bogus a smudge of scattered light
wider than the PSF, or a noise peak. The table has the columns of MeerLICHT's votes, which
`astrid alerts import` reads.
"""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.simulation.painting import deposit
from astrid_assets.science.simulation.pair import simulate_pair
from astrid_assets.standalone.tables import column_values
from astrid_assets.standalone.working import subtracted

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.simulation.pair import SimulatedPair
    from astrid_assets.standalone.inputs import Input
    from astrid_assets.standalone.results import Subtraction

FIRST_NIGHT = dt.datetime(2025, 3, 1, 22, tzinfo=dt.UTC)
SHAPE = (384, 384)
REALS, SMUDGES = 30, 30
"""Painted on each pair."""

SNR = (6.0, 60.0)
THRESHOLD_SIGMA = 4.0
"""Low enough that noise peaks are among the candidates."""

SKY_E = 400.0
ZERO_POINT_MAG = 25.0
SMUDGE_SIGMA_PX = (1.9, 3.0)
SMUDGE_FLUX_E = (3e3, 2e4)
APART_PX = 15.0
MATCH_PX = 1.5
"""A candidate this near a true position is real."""

HALF = 31
"""Cutouts are 63 pixels a side; candidates nearer to an edge are left out."""


def write_simulated_candidates(path: Path, pairs: int, seed: int) -> Path:
    """Write the candidates of so many pairs, one per night, each on a sky of its own."""
    import polars as pl

    rows = [row for number in range(pairs) for row in _rows_of_pair(number, seed)]
    pl.DataFrame(rows).write_parquet(path)
    return path


def _rows_of_pair(number: int, seed: int) -> Iterator[dict[str, object]]:
    rng = np.random.default_rng([seed, number])
    pair = simulate_pair(
        int(rng.integers(2**31)), SHAPE, n_transients=REALS, snr_range=SNR, negative_fraction=0.2
    )
    result = subtracted(
        _input(pair.science, number, _smudges(pair, rng)),
        _input(pair.reference, number),
        {"threshold_sigma": THRESHOLD_SIGMA, "zero_point_mag": ZERO_POINT_MAG},
    )
    true_x, true_y = np.array([(t.x, t.y) for t in pair.transients]).T
    table = result.candidates
    x, y = column_values(table, "x"), column_values(table, "y")
    inside = (np.abs(x - SHAPE[1] / 2) < SHAPE[1] / 2 - HALF - 1) & (
        np.abs(y - SHAPE[0] / 2) < SHAPE[0] / 2 - HALF - 1
    )
    real = np.hypot(x[:, None] - true_x, y[:, None] - true_y).min(axis=1) < MATCH_PX
    known = {
        name: column_values(table, name)
        for name in ("ra_deg", "dec_deg", "mag", "mag_err", "significance")
    }
    for index in np.flatnonzero(inside).tolist():
        row: dict[str, object] = {
            "candidate_id": f"{seed}-{number}-{index}",
            "date_obs": (FIRST_NIGHT + dt.timedelta(days=number)).isoformat(),
            "band": "r",
            "field": f"pair-{number}",
            "ra": float(known["ra_deg"][index]),
            "dec": float(known["dec_deg"][index]),
            "mag": float(known["mag"][index]),
            "magerr": float(known["mag_err"][index]),
            "scorr_peak": float(known["significance"][index]),
            "votes": f"truth:{'real' if real[index] else 'bogus'}",
        }
        yield row | _cutouts(result, round(float(x[index])), round(float(y[index])))


def _input(frame: Frame, number: int, added: Image | float = 0.0) -> Input:
    """Return a frame with its sky, and a header that sets it on a sky of its own."""
    if frame.wcs is None:
        raise TypeError("simulated frames have a WCS")
    header = frame.wcs.to_header()
    header["CRVAL1"] += number
    header["BUNIT"], header["EXPTIME"] = "electron", frame.exposure_s
    header["GAIN"], header["RDNOISE"] = frame.gain_e_per_adu, frame.read_noise_e
    return (frame.data + added + SKY_E).astype(np.float32), header


def _smudges(pair: SimulatedPair, rng: np.random.Generator) -> Image:
    """Return scattered light, (ny, nx) electrons, away from what is real."""
    light = np.zeros(SHAPE, np.float32)
    taken = np.array([(t.x, t.y) for t in pair.transients])
    margin = HALF + 2
    count = 0
    while count < SMUDGES:
        x, y = rng.uniform(margin, SHAPE[1] - margin), rng.uniform(margin, SHAPE[0] - margin)
        if np.hypot(taken[:, 0] - x, taken[:, 1] - y).min() < APART_PX:
            continue
        electrons = float(np.exp(rng.uniform(*np.log(SMUDGE_FLUX_E))))
        deposit(light, x, y, electrons, rng.uniform(*SMUDGE_SIGMA_PX))
        taken = np.vstack([taken, (x, y)])
        count += 1
    return light


def _cutouts(result: Subtraction, x: int, y: int) -> dict[str, object]:
    cut = np.s_[y - HALF : y + HALF + 1, x - HALF : x + HALF + 1]
    planes: dict[str, NDArray[np.float32]] = {
        "science": result.science[cut],
        "reference": result.reference[cut],
        "scorr": result.significance[cut],
    }
    found: dict[str, object] = {}
    for name, plane in planes.items():
        found[f"cutout_{name}"] = np.nan_to_num(plane).astype("<f4").tobytes()
        found[f"cutout_{name}_ny"], found[f"cutout_{name}_nx"] = plane.shape
    return found
