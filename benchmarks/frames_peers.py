"""What `frames` times beside the steps of the chain: the programs that others use."""

from __future__ import annotations

import atexit
import importlib
import importlib.util
import io
import shutil
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from reproject import reproject_interp

from benchmarks.registration import make_sky, prepare_swarp, swarped

if TYPE_CHECKING:
    from collections.abc import Callable

    from numpy.typing import NDArray

    from astrid_assets.science.calibration.masters import Masters
    from astrid_assets.science.frame import Frame
    from benchmarks.chain import World


def by_numpy(raw: Frame, masters: Masters) -> object:
    """Subtract bias and dark, divide by the flat: no variance and no mask."""
    assert masters.bias is not None
    assert masters.dark is not None
    assert masters.flat is not None
    return (raw.data - masters.bias - masters.dark * raw.exposure_s) / masters.flat


def aligner(light: NDArray[np.float32], world: World) -> tuple[str, Callable[[], object] | None]:
    """Return the name and the run of astroalign, or why there is none."""
    if importlib.util.find_spec("astroalign") is None:
        return "Not timed: astroalign is not installed.", None
    astroalign = importlib.import_module("astroalign")

    stars = world.anchor.stars
    target = np.column_stack([stars.x, stars.y])[:50]
    return "astroalign", lambda: astroalign.find_transform(light, target)


def resampler(frame: Frame, world: World) -> tuple[str, Callable[[], object]]:
    """Return the name and the run of SWarp where it is installed, else of reproject."""
    swarp = shutil.which("SWarp") or shutil.which("swarp")
    if swarp is None:
        return "reproject bicubic", lambda: _reprojected(frame, world)
    folder = Path(tempfile.mkdtemp(prefix="astrid-swarp-"))
    atexit.register(shutil.rmtree, folder, ignore_errors=True)
    sky = make_sky(frame.shape[0], 2.5, 0.3, 1.0)
    prepare_swarp(folder, sky, np.ones(frame.shape, np.float32), frame.mask)
    return (
        "SWarp LANCZOS3, without combining",
        lambda: swarped(swarp, folder, sky, ["-COMBINE", "N"]),
    )


def _reprojected(frame: Frame, world: World) -> object:
    return reproject_interp(
        (frame.data, frame.wcs),
        world.anchor.wcs,
        shape_out=frame.shape,
        order="bicubic",
        return_footprint=False,
    )


def compressed(data: NDArray[np.float32]) -> bytes:
    """Write one plane with astropy's default rounding."""
    buffer = io.BytesIO()
    plane = fits.CompImageHDU(data, compression_type="RICE_1", quantize_level=16.0)
    fits.HDUList([fits.PrimaryHDU(), plane]).writeto(buffer)
    return buffer.getvalue()
