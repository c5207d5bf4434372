"""A simulated pair as it would come from a telescope: FITS files, sky included."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from astrid_assets.science.simulation.pair import SimulatedPair, simulate_pair

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.science.frame import Frame

SKY_E = 400.0
GAIN = 2.0


@dataclass(frozen=True)
class TwoFiles:
    """Paths, arrays in ADU, headers, and the truth."""

    pair: SimulatedPair
    science: Path
    reference: Path

    def array(self, which: str) -> tuple[np.ndarray, fits.Header]:
        """Return pixels and header of a file."""
        with fits.open(getattr(self, which)) as hdus:
            return np.array(hdus[0].data), hdus[0].header.copy()  # type: ignore[union-attr]


def two_files(folder: Path, *, with_wcs: bool = True) -> TwoFiles:
    """Write a pair whose eight strongest changes are found without doubt."""
    pair = simulate_pair(
        11,
        (256, 288),
        stars_per_mpx=5000,
        n_transients=8,
        snr_range=(12, 50),
        shift_px=(5.0, -3.0),
        flux_ratio=1.3,
    )
    made = TwoFiles(pair, folder / "new.fits", folder / "old.fits")
    _write(made.science, pair.science, with_wcs=with_wcs)
    _write(made.reference, pair.reference, with_wcs=with_wcs)
    return made


def _write(path: Path, frame: Frame, *, with_wcs: bool) -> None:
    header = fits.Header()
    header["GAIN"] = GAIN
    header["RDNOISE"] = 6.0
    header["SATURATE"] = 90_000.0 / GAIN
    if with_wcs and frame.wcs is not None:
        header.update(frame.wcs.to_header())
    fits.PrimaryHDU(((frame.data + SKY_E) / GAIN).astype(np.float32), header).writeto(path)
