"""What two skies differ by: a smooth level, and bands of the read-out.

The level is measured after each image is blurred with the other's PSF, where
static sources vanish; on the plain difference the sharper image's cores and the
other's wings would pass for sky. A band is a row or column whose pixels lie above
or below the others together: pickup and warm columns. Bands are taken off only
when they scatter by clearly more than the noise of their means.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import sep

from astrid_assets.science.differencing import zogy_kernels
from astrid_assets.science.differencing.noise import robust_sigma
from astrid_assets.science.differencing.transform import (
    StampSpectrum,
    back,
    forward,
    in_blocks,
    padded_shape,
)
from astrid_assets.science.threads import threads

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.frame import Image

MESH_PX = 128
FINEST_MESH_PX = 32  # a point source in it is still an outlier
STRUCTURED_VARIANCE = 3.0  # of the meshes' means, over what pixel noise explains
BLOCK_PX = 256  # length over which a band may change its level
CLIP_SIGMA = 3.0
BANDED_VARIANCE = 1.5  # of the bands' means, over what pixel noise explains
MIN_BAND_PX = 32  # fewer good pixels say nothing of a band


def sky_difference(
    new: Image,
    ref: Image,
    new_psf: Image,
    ref_psf: Image,
    bad: NDArray[np.bool_],
    noise: float,
) -> Image:
    """Return the level and the bands of science minus reference, (ny, nx).

    Parameters
    ----------
    new, ref
        Registered and scaled, masked pixels filled.
    new_psf, ref_psf : (n, n)
        Stamps at the centre.
    bad
        Pixels that must not count.
    noise : electrons per pixel
        Of ``new - ref`` on blank sky.
    """
    level = _level(_blurred_difference(new, ref, new_psf, ref_psf), bad, noise)
    flat = new - ref - level
    quiet = ~bad & (np.abs(flat) < CLIP_SIGMA * noise)
    rows = _bands(flat, quiet, noise)
    columns = _bands((flat - rows).T, quiet.T, noise).T
    return (level + rows + columns).astype(np.float32)


def _level(blurred: Image, bad: NDArray[np.bool_], noise: float) -> Image:
    """Return the sky's level, as fine as it is known to be structured.

    Meshes are halved while what the last one left scatters by clearly more than the
    noise of their means: fringes, and sky that was guessed between crowded stars.
    """
    mesh = min(MESH_PX, *(max(n // 2, 8) for n in blurred.shape))
    level = sep.Background(blurred, mask=bad, bw=mesh, bh=mesh, fw=3, fh=3).back(
        dtype=np.float32
    )
    while mesh >= 2 * FINEST_MESH_PX:
        mesh //= 2
        finer = sep.Background(
            blurred - level, mask=bad, bw=mesh, bh=mesh, fw=1, fh=1
        ).back(dtype=np.float32)
        means = finer[mesh // 2 :: mesh, mesh // 2 :: mesh]
        if robust_sigma(means) ** 2 < STRUCTURED_VARIANCE * (noise / mesh) ** 2:
            break
        level = level + finer
    return level


def _blurred_difference(
    new: Image, ref: Image, new_psf: Image, ref_psf: Image
) -> Image:
    ny, nx = new.shape
    shape = padded_shape((ny, nx), max(len(new_psf), len(ref_psf)))
    n, r = forward(new, shape, threads()), forward(ref, shape, threads())
    pn, pr = StampSpectrum(new_psf, shape), StampSpectrum(ref_psf, shape)

    def cross(a: int, b: int) -> None:
        zogy_kernels.cross_block(
            n[:, a:b], r[:, a:b], pr.columns(a, b), pn.columns(a, b), n[:, a:b],
            keeps=True,
        )  # fmt: skip

    in_blocks(cross, n.shape[1])
    return np.ascontiguousarray(back(n, shape, threads())[:ny, :nx], dtype=np.float32)


def _bands(flat: Image, quiet: NDArray[np.bool_], noise: float) -> Image:
    """Mean level of each row in blocks, where rows differ significantly."""
    bands = np.zeros_like(flat)
    blocks = max(1, round(flat.shape[1] / BLOCK_PX))
    edges = np.linspace(0, flat.shape[1], blocks + 1).round().astype(int)
    for start, stop in itertools.pairwise(edges):
        part = quiet[:, start:stop]
        count = part.sum(axis=1)
        known = count >= MIN_BAND_PX
        if not known.any():
            continue
        total = np.where(part, flat[:, start:stop], 0).sum(axis=1)
        mean = np.where(known, total / np.maximum(count, 1), 0)
        # Static sources shift all rows alike; that is no band.
        mean = np.where(known, mean - np.median(mean[known]), 0)
        expected = float(np.mean(noise**2 / count[known]))
        if float(np.mean(mean[known] ** 2)) > BANDED_VARIANCE * expected:
            bands[:, start:stop] = mean[:, None]
    return bands
