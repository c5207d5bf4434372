"""The difference of two skies: a smooth level, and bands of the read-out.

The level is measured after each image is blurred with the other's PSF, where
static sources vanish; on the plain difference the sharper image's cores and the
other's wings would pass for sky. A band is a row or column whose pixels lie above
or below the others together: pickup and warm columns. Bands are subtracted only
when they scatter by clearly more than the noise of their means. Structure that
remains is measured in `sky_structure`.
"""

from __future__ import annotations

import itertools
from typing import TYPE_CHECKING

import numpy as np
import sep

from astrid_assets.science.arrays.robust import mad_sigma
from astrid_assets.science.arrays.threads import in_bands
from astrid_assets.science.differencing import sky_kernels, zogy_kernels
from astrid_assets.science.differencing.transform import (
    StampSpectrum,
    back_columns,
    back_rows,
    forward_columns,
    forward_rows,
    in_blocks,
    padded_shape,
)

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

MESH_PX = 128
FINEST_MESH_PX = 32  # a point source in it is still an outlier
STRUCTURED_VARIANCE = 3.0  # of the meshes' means, over what pixel noise explains
BLOCK_PX = 256  # length over which a band may change its level
CLIP_SIGMA = 3.0
BANDED_VARIANCE = 1.5  # of the bands' means, over what pixel noise explains
MIN_BAND_PX = 32  # fewer good pixels do not determine a band


def sky_difference(
    science: Image,
    reference: Image,
    science_psf: Image,
    reference_psf: Image,
    bad: NDArray[np.bool_],
    noise: float,
) -> Image:
    """Return the level and the bands of science minus reference.

    Parameters
    ----------
    science, reference : (ny, nx), electrons
        Registered and scaled, masked pixels filled.
    science_psf, reference_psf : (n, n)
        Stamps at the centre.
    bad : (ny, nx)
        Pixels that must not count.
    noise : electrons per pixel
        Noise of ``science - reference`` on blank sky.

    Returns
    -------
    level : (ny, nx), electrons
        To be subtracted from the science image.
    """
    level = _level(_blurred_difference(science, reference, science_psf, reference_psf), bad, noise)
    flat, quiet = np.empty_like(level), np.empty(bad.shape, dtype=np.bool_)
    in_bands(
        lambda a, b: sky_kernels.flatten(
            science, reference, level, bad, CLIP_SIGMA * noise, flat, quiet, a, b
        ),
        len(level),
    )
    rows = _bands(flat, quiet, noise)
    if rows is not None:
        flat -= rows
        level += rows
    columns = _bands(flat.T, quiet.T, noise)
    return level if columns is None else level + columns.T


def _level(blurred: Image, bad: NDArray[np.bool_], noise: float) -> Image:
    """Return the sky's level, in meshes as fine as its structure requires.

    Meshes are halved while what the last one left scatters by clearly more than the
    noise of their means: fringes, and sky that was interpolated between crowded stars.

    Parameters
    ----------
    blurred
        Every second pixel of every second row.
    """
    ny, nx = bad.shape
    masked = np.ascontiguousarray(bad[::2, ::2])
    mesh = min(MESH_PX, *(max(n // 2, 8) for n in bad.shape))
    level = _meshes(blurred, masked, mesh, smooth=3)
    while mesh >= 2 * FINEST_MESH_PX:
        mesh //= 2
        finer = _meshes(blurred - level, masked, mesh, smooth=1)
        means = finer[mesh // 4 :: mesh // 2, mesh // 4 :: mesh // 2]
        if mad_sigma(means) ** 2 < STRUCTURED_VARIANCE * (noise / mesh) ** 2:
            break
        level = level + finer
    whole = np.empty((ny, nx), dtype=np.float32)
    in_bands(lambda a, b: sky_kernels.double(level, whole, a, b), ny)
    return whole


def _meshes(halved: Image, bad: NDArray[np.bool_], mesh_px: int, smooth: int) -> Image:
    """Return the background in meshes of so many pixels, of every second pixel."""
    side = max(mesh_px // 2, 1)
    return sep.Background(halved, mask=bad, bw=side, bh=side, fw=smooth, fh=smooth).back(
        dtype=np.float32
    )


def _blurred_difference(
    science: Image, reference: Image, science_psf: Image, reference_psf: Image
) -> Image:
    """Return every second pixel of every second row of the blurred images' difference.

    Blurring with both PSFs leaves little above half the Nyquist frequency; those frequencies
    are omitted, and only the others are transformed.
    """
    (ny, nx), reach = science.shape, max(len(science_psf), len(reference_psf))
    half_y, half_x = padded_shape((-(-ny // 2), -(-nx // 2)), -(-reach // 2))
    shape = 2 * half_y, 2 * half_x
    n, r = forward_rows(science, shape), forward_rows(reference, shape)
    pn, pr = StampSpectrum(science_psf, shape), StampSpectrum(reference_psf, shape)
    kept = half_x // 2 + 1
    low = np.empty((half_y, kept), dtype=np.complex64)
    above = -(-half_y // 2)  # rows of frequencies from zero up

    def cross(a: int, b: int) -> None:
        both, other = forward_columns(n[:, a:b]), forward_columns(r[:, a:b])
        zogy_kernels.cross_block(both, other, pr.columns(a, b), pn.columns(a, b), both, keeps=True)
        few = np.concatenate([both[:above], both[above - half_y :]])
        low[:, a:b] = back_columns(few)

    in_blocks(cross, kept)
    out = np.empty((-(-ny // 2), -(-nx // 2)), dtype=np.float32)

    def rows(a: int, b: int) -> None:
        out[a:b] = back_rows(low[a:b], half_x)[:, : out.shape[1]]

    in_blocks(rows, len(out))
    # A quarter of the frequencies gives a quarter of the pixels their values.
    out /= 4
    return out


def _bands(flat: Image, quiet: NDArray[np.bool_], noise: float) -> Image | None:
    """Return the mean level of each row in blocks, where rows differ significantly in any."""
    bands = None
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
            bands = np.zeros_like(flat) if bands is None else bands
            bands[:, start:stop] = mean[:, None]
    return bands
