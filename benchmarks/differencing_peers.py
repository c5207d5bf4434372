"""What `differencing` is measured against: the paper taken literally, and programs.

Programs are timed when they are there and never needed: SFFT and ProperImage when they
can be imported, hotpants when it is on the path. PyZOGY is in no package index; its
algebra, in full complex transforms of double precision, is the second textbook here.
"""

from __future__ import annotations

import importlib
import importlib.util
import logging
import shutil
import subprocess
from contextlib import ExitStack, redirect_stdout
from dataclasses import dataclass
from io import StringIO
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits
from scipy import fft

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

    Real = NDArray[np.floating]
    Spectrum = NDArray[np.inexact]
    Transforms = tuple[Callable[[Real], Spectrum], Callable[[Spectrum], Real]]

WORKERS = 2
BOUND_FORWARD, BOUND_BACK = 8, 6
"""Transforms of a textbook ZOGY: N, R, P_n, P_r, V_n, V_r, k_n², k_r²; and back D, S_n,
S_r, k_n, k_r and the variance."""

TINY = np.float32(1e-12)  # of the noise's spectrum, where both PSFs vanish
KERNEL_HALF_PX = 8  # of SFFT: two and a half FWHM
SFFT_DEGREES = (0, 2)
SFFT_MAX_SIDE = {0: 2048, 2: 1024}  # beyond it 182 and 664 frames do not fit in memory
PROPERIMAGE_MAX_SIDE = 1024  # 10 s there


@dataclass(frozen=True)
class Pair:
    """Two registered images with stars: stamps of their PSFs, sky noise, variances."""

    new: Image
    ref: Image
    new_psf: Image
    ref_psf: Image
    new_sigma: float
    ref_sigma: float
    new_variance: Image
    ref_variance: Image


def bound(pair: Pair) -> None:
    """Do the fourteen transforms of the frame that a textbook ZOGY needs."""
    spectrum = fft.rfft2(pair.new, workers=WORKERS)
    for _ in range(BOUND_FORWARD - 1):
        fft.rfft2(pair.new, workers=WORKERS)
    for _ in range(BOUND_BACK):
        fft.irfft2(spectrum, s=pair.new.shape, workers=WORKERS)


def textbook(
    pair: Pair, *, jitter_px: float = 0.02, doubly: bool = False
) -> tuple[Real, Real, Real, Real]:
    """Return D, P_D, S and S_corr as the paper writes them; F_n = F_r = 1.

    PSFs on the full frame, source and registration noise; real transforms in float32,
    or `doubly` costly: numpy's complex ones in float64, as PyZOGY does.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27, eqs. 12 to 16 and 25 to 33.
    """
    forward, back = _complex_transforms() if doubly else _real_transforms(pair.new.shape)
    kind = np.float64 if doubly else np.float32
    shape = pair.new.shape
    vn, vr = kind(pair.new_sigma**2), kind(pair.ref_sigma**2)
    n, r = forward(pair.new), forward(pair.ref)
    pn, pr = (forward(on_frame(p, shape)) for p in (pair.new_psf, pair.ref_psf))
    pn2, pr2 = np.abs(pn) ** 2, np.abs(pr) ** 2
    noise = vr * pn2 + vn * pr2 + TINY
    f_d = kind(1 / np.sqrt(vn + vr))
    d_hat = (pr * n - pn * r) / np.sqrt(noise)
    psf_hat = pr * pn / (f_d * np.sqrt(noise))
    kn_hat, kr_hat = np.conj(pn) * pr2 / noise, np.conj(pr) * pn2 / noise
    d, psf_d = back(d_hat), back(psf_hat)
    sn, sr = back(kn_hat * n), back(kr_hat * r)
    s = sn - sr
    kn2, kr2 = (forward(back(k) ** 2) for k in (kn_hat, kr_hat))
    variance = back(forward(pair.new_variance) * kn2 + forward(pair.ref_variance) * kr2)
    for image in (sn, sr):
        by_y, by_x = np.gradient(image)
        variance += kind(jitter_px**2) * (by_y**2 + by_x**2)
    return d, psf_d, s, s / np.sqrt(variance)


def on_frame(stamp: Image, shape: tuple[int, ...]) -> Image:
    """Return a PSF on a frame, its middle in pixel [0, 0]."""
    plane = np.zeros(shape, dtype=np.float32)
    ny, nx = stamp.shape
    plane[:ny, :nx] = stamp
    return np.roll(plane, (-(ny // 2), -(nx // 2)), axis=(0, 1))


def programs(pair: Pair, folder: Path) -> tuple[dict[str, Callable[[], object]], list[str]]:
    """Return what is installed and fits the frame, and what is not, with the reason.

    Files of programs go to the folder.
    """
    side = pair.new.shape[0]
    found: dict[str, Callable[[], object]] = {}
    missing = ["PyZOGY: not in the package index"]
    if not _is_installed("sfft"):
        missing.append("SFFT: not installed (pip install sfft)")
    else:
        for degree in SFFT_DEGREES:
            if side <= SFFT_MAX_SIDE[degree]:
                found[f"SFFT, kernel of degree {degree}"] = sfft(pair, degree)
            else:
                missing.append(f"SFFT of degree {degree}: too much memory at {side}²")
    if not _is_installed("properimage"):
        missing.append("ProperImage: not installed (pip install properimage)")
    elif side <= PROPERIMAGE_MAX_SIDE:
        found["ProperImage, flux ratio and shift given"] = proper_image(pair)
    else:
        missing.append(f"ProperImage: minutes at {side}²")
    program = shutil.which("hotpants")
    if program is None:
        missing.append("hotpants: not on the path")
    else:
        found["hotpants"] = hotpants(program, pair.new, pair.ref, pair.new_sigma, folder)
    return found, missing


def sfft(pair: Pair, degree: int) -> Callable[[], object]:
    """Return SFFT's solution and subtraction, its kernels compiled beforehand."""
    configure = importlib.import_module("sfft.sfftcore.SFFTConfigure")
    subtract = importlib.import_module("sfft.sfftcore.SFFTSubtract")
    ny, nx = pair.new.shape
    how = {"BACKEND_4SUBTRACT": "Numpy", "NUM_CPU_THREADS_4SUBTRACT": WORKERS, "VERBOSE_LEVEL": 0}
    compiled = configure.SingleSFFTConfigure.SSC(
        NX=nx,
        NY=ny,
        KerHW=KERNEL_HALF_PX,
        KerPolyOrder=degree,
        BGPolyOrder=0,
        ConstPhotRatio=True,
        NUMBA_CACHE=False,
        **how,
    )
    # It numbers axes (x, y) and computes in double precision.
    new, ref = (np.ascontiguousarray(i.T, dtype=float) for i in (pair.new, pair.ref))
    return lambda: subtract.GeneralSFFTSubtract.GSS(ref, new, ref, new, compiled, **how)


def proper_image(pair: Pair) -> Callable[[], object]:
    """Return ProperImage's subtraction in its fastest mode: it measures the PSFs."""
    operations = importlib.import_module("properimage.operations")
    logging.getLogger("properimage").setLevel(logging.ERROR)
    new, ref = pair.new.astype(float), pair.ref.astype(float)

    def run() -> object:
        with ExitStack() as quiet:
            quiet.enter_context(redirect_stdout(StringIO()))
            return operations.subtract(ref=ref, new=new, align=False, beta=False, shift=False)

    return run


def hotpants(
    program: str, new: Image, ref: Image, sigma: float, folder: Path
) -> Callable[[], object]:
    """Return a run of hotpants with its own defaults, uncompressed FITS to FITS."""
    for name, image in (("new", new), ("ref", ref)):
        fits.writeto(folder / f"{name}.fits", image, overwrite=True)
    limits = [f"{x:.0f}" for x in (-10 * sigma, 10 * new.max())]
    command = [
        program,
        "-inim",
        "new.fits",
        "-tmplim",
        "ref.fits",
        "-outim",
        "diff.fits",
        "-il",
        limits[0],
        "-iu",
        limits[1],
        "-tl",
        limits[0],
        "-tu",
        limits[1],
        "-v",
        "0",
    ]
    return lambda: subprocess.run(  # noqa: S603  found on the path
        command, cwd=folder, check=True, capture_output=True
    )


def _is_installed(name: str) -> bool:
    return importlib.util.find_spec(name) is not None


def _real_transforms(shape: tuple[int, ...]) -> Transforms:
    def forward(image: Real) -> Spectrum:
        return np.asarray(fft.rfft2(image, workers=WORKERS))

    def back(spectrum: Spectrum) -> Real:
        return np.asarray(fft.irfft2(spectrum, s=shape, workers=WORKERS))

    return forward, back


def _complex_transforms() -> Transforms:
    return np.fft.fft2, lambda spectrum: np.fft.ifft2(spectrum).real
