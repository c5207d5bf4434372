"""Synthetic cutouts with known labels: point sources against dipoles and cosmic rays.

Made by formulas of their own, independent of the simulation and of the network.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.ndimage import gaussian_filter

from astrid_assets.learning.datamodule import TrainArrays
from astrid_assets.learning.stamps import Stamps, write_stamps
from astrid_assets.science.labelling.masks import training_mask

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray

SIGMA_PER_FWHM = 1 / np.sqrt(8 * np.log(2))


@dataclass(frozen=True)
class Synthetic:
    """Cutouts, masks, labels and signed S/N, all of length n."""

    images: NDArray[np.float32]
    masks: NDArray[np.uint8]
    labels: NDArray[np.uint8]
    snr: NDArray[np.float64]

    def save(self, folder: Path) -> Stamps:
        """Write images and masks in shards of 64 rows."""
        return write_stamps(folder, self.images, self.masks, rows_per_shard=64)

    def arrays(self, val: float = 0.2, test: float = 0.2) -> TrainArrays:
        """Return labels and a split by position: train first, test last."""
        n = len(self.labels)
        place = np.arange(n) / n
        split = np.where(place < 1 - val - test, "train", "val")
        split[place >= 1 - test] = "test"
        return TrainArrays(self.labels, split)


def synthetic_cutouts(rng: np.random.Generator, n: int, size: int) -> Synthetic:
    """Make `n` cutouts, about half of them real: stars, transients, artefacts.

    Real: a point source that rose (in science) or faded (in the reference). Bogus: a
    star that was registered badly, or a cosmic ray of one or two pixels.
    """
    centre = size // 2
    y, x = np.mgrid[:size, :size].astype(np.float64)

    def blob(at: NDArray[np.float64], fwhm: float) -> NDArray[np.float64]:
        sigma = fwhm * SIGMA_PER_FWHM
        x0, y0 = at
        return np.exp(-((x - x0) ** 2 + (y - y0) ** 2) / (2 * sigma**2))

    images = np.empty((n, 3, size, size), dtype=np.float32)
    masks = np.zeros((n, size, size), dtype=np.uint8)
    labels = np.zeros(n, dtype=np.uint8)
    snr = np.empty(n)
    for index in range(n):
        fwhm = rng.uniform(2.2, 4.5)
        science, reference = rng.normal(size=(2, size, size))
        for _ in range(rng.poisson(4 * (size / 64) ** 2)):
            star = 10 ** rng.uniform(0.5, 2.5) * blob(rng.uniform(0, size, 2), fwhm)
            science += star
            reference += star
        score = gaussian_filter(rng.normal(size=(size, size)), fwhm * SIGMA_PER_FWHM)
        score /= score.std()
        strength = rng.uniform(7, 30)
        sign = rng.choice([-1, 1])
        place = centre + rng.normal(0, 0.3, 2)
        peak = strength / (2 * np.sqrt(np.pi) * fwhm * SIGMA_PER_FWHM)
        kind = rng.choice(["real", "real", "dipole", "cosmic ray"])
        if kind == "real":
            changed = science if sign > 0 else reference
            changed += peak * blob(place, fwhm)
            score += sign * strength * blob(place, fwhm * np.sqrt(2))
        elif kind == "dipole":
            star = 10 ** rng.uniform(1.5, 3) * blob(np.array([centre, centre]), fwhm)
            science += star
            reference += star
            angle = rng.uniform(0, 2 * np.pi)
            other = place + 0.9 * fwhm * np.array([np.cos(angle), np.sin(angle)])
            score += sign * strength * blob(place, fwhm)
            score -= sign * strength * rng.uniform(0.6, 1) * blob(other, fwhm)
        else:
            science[centre, centre] += 1.5 * strength
            science[centre, centre + 1] += strength * rng.integers(0, 2)
            score += strength * blob(place, fwhm)
            sign = 1
        images[index] = science, reference, score
        labels[index] = kind == "real"
        masks[index] = training_mask("real" if kind == "real" else "bogus", fwhm, size)
        snr[index] = sign * strength
    return Synthetic(images, masks, labels, snr)
