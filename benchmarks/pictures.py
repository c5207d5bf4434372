"""The README's pictures: what each step does to a real frame, before and after.

How they are drawn is in `drawing`; those of the microlensing event in `event_pictures`.
Reads ``../shared/data`` (or ``--data FOLDER``) and writes PNG files to
``docs/pictures``. Only frames whose licence allows it are drawn there; those of the
flat field come from a set without a licence and go to ``--private`` alone. The figures are
those in the pictures' titles.

    .venv/bin/python -m benchmarks.pictures --keep
    .venv/bin/python -m benchmarks.pictures --private FOLDER
"""

from __future__ import annotations

from pathlib import Path

import numpy as np

from astrid_assets.science.calibration.calibrate import calibrate
from astrid_assets.science.calibration.masters import Masters, make_master
from astrid_assets.science.calibration.overscan import without_overscan
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from astrid_assets.science.masking.cosmic_rays import find_cosmic_rays
from astrid_assets.science.masking.trails import find_trails, trail_mask
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.science.registration.resampling import pixel_mapping, resample
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.science.sky.background import measure_background
from astrid_assets.science.stars.point_sources import shifted_psfs
from benchmarks.drawing import draw_row, frame_of, pixels, saao
from benchmarks.event_pictures import microlensing, triplet
from benchmarks.figures import Figures, parser_of

SETTINGS = ProcessingSettings()
PICTURES = "real frames"


def main() -> None:
    """Draw every picture."""
    parser = parser_of("pictures", __doc__)
    here = Path(__file__).resolve().parents[1]
    parser.add_argument("--data", type=Path, default=here.parent / "shared" / "data")
    parser.add_argument("--out", type=Path, default=here / "docs" / "pictures")
    parser.add_argument("--private", type=Path, help="folder for the flat field")
    figures = Figures(parser)
    options = figures.options
    if not options.data.is_dir():
        parser.error(f"{options.data} is not there; name the data with --data")
    options.out.mkdir(parents=True, exist_ok=True)
    effects = overscan, cosmic_rays, trail, saturation, sky, registration, psf
    for draw in (*effects, triplet, microlensing):
        draw(options.data, options.out, figures)
    if options.private:
        options.private.mkdir(parents=True, exist_ok=True)
        flat_field(options.data, options.private)
    figures.finish()


def overscan(data: Path, out: Path, figures: Figures) -> None:
    """A raw frame of the SAAO's STE3 (BSD, astropy/ccdproc) loses its pedestal."""
    raw = pixels(data / "odd_fits" / "saao_ste3_raw_overscan.fits")
    ny = raw.shape[0]
    strip, inside = (slice(0, ny), slice(2, 14)), (slice(8, ny - 8), slice(20, 520))
    clean = without_overscan(raw, strip, trim=inside, model="median").image
    level = float(np.median(clean))
    figures.add(PICTURES, "overscan", "level left", level, "ADU")
    draw_row(
        out / "overscan.png",
        [
            (raw, "raw, with its overscan"),
            (clean, f"level {level:.0f} ADU left"),
        ],
        scale="flat",
    )


def cosmic_rays(data: Path, out: Path, figures: Figures) -> None:
    """Subaru HSC (LSST, GPL-3): cosmic rays marked and removed."""
    frame = frame_of(data / "odd_fits" / "lsst_hsc_cosmic_rays.fits")
    sky = measure_background(frame.data, np.zeros(frame.shape, dtype=bool))
    light = frame.data - sky.level
    found = find_cosmic_rays(light, sky.rms**2, np.zeros(frame.shape, dtype=bool))
    mask = np.where(found, np.uint16(MaskBit.COSMIC_RAY), np.uint16(0))
    figures.add(PICTURES, "cosmic rays", "marked", int(found.sum()), "pixels")
    draw_row(
        out / "cosmic-rays.png",
        [
            (light, "Subaru HSC"),
            (light, f"{int(found.sum())} pixels marked", mask),
            (np.where(found, 0, light), "without them"),
        ],
    )


def trail(data: Path, out: Path, figures: Figures) -> None:
    """VATT 4k (MIT, trailblazer): a bright and a faint satellite trail."""
    frame = frame_of(data / "satellite_trails" / "vatt_trail_float64.fits")
    good = np.zeros(frame.shape, dtype=bool)
    light = measure_background(frame.data, good)
    found = find_trails(frame.data - light.level, light.rms, good)
    masked = trail_mask(found, frame.shape)
    mask = np.where(masked, np.uint16(MaskBit.TRAIL), np.uint16(0))
    figures.add(PICTURES, "trails", "masked", len(found), "trails")
    draw_row(
        out / "trails.png",
        [
            (frame.data - light.level, "VATT 4k"),
            (frame.data - light.level, f"{len(found)} trails masked", mask),
        ],
    )


def saturation(data: Path, out: Path, figures: Figures) -> None:
    """SAAO 1.0 m (MIT, pyDIA): saturated stars, their bleeding and halos."""
    done = measure_frame(saao(data, "science/kb13475_i0097.fits"), None, SETTINGS).frame
    here = np.s_[0:256, 0:256]
    figures.add(PICTURES, "saturation", "flagged", int((done.mask[here] != 0).sum()), "pixels")
    draw_row(
        out / "saturation.png",
        [
            (done.data[here], "SAAO 1.0 m, Galactic bulge"),
            (done.data[here], "mask planes", done.mask[here]),
        ],
    )


def sky(data: Path, out: Path, figures: Figures) -> None:
    """Huntsman (MIT): NGC 1566 survives the removal of its sky."""
    path = data / "odd_fits" / "huntsman_ngc1566_sip_without_suffix.fits.fz"
    image = pixels(path)
    found = measure_background(image, ~np.isfinite(image))
    span = float(np.ptp(found.level))
    figures.add(PICTURES, "sky", "range", span, "ADU")
    draw_row(
        out / "background.png",
        [
            (image, "NGC 1566, Huntsman telephoto"),
            (found.level, f"sky, {span:.1f} ADU from end to end"),
            (image - found.level, "the galaxy is still there"),
        ],
        scale="own",
    )


def registration(data: Path, out: Path, figures: Figures) -> None:
    """Two SAAO frames without WCS, aligned by their star patterns."""
    settings = SETTINGS.model_copy(update={"wcs": "stars"})
    first = measure_frame(saao(data, "reference/kb13475_i0177.fits"), None, settings)
    second = measure_frame(saao(data, "science/kb13475_i0097.fits"), None, settings)
    anchor = make_anchor(first, settings)
    ours, theirs = solve_frame(first, anchor, settings), solve_frame(second, anchor, settings)
    assert ours.frame.wcs is not None
    assert theirs.frame.wcs is not None
    mapping = pixel_mapping(ours.frame.wcs, theirs.frame.wcs, ours.frame.shape)
    variance = theirs.frame.variance
    assert variance is not None
    moved, _, mask = resample(
        theirs.frame.data, variance, theirs.frame.mask, mapping, ours.frame.shape
    )
    assert ours.frame.zero_point_mag is not None
    assert theirs.frame.zero_point_mag is not None
    scale = 10 ** (0.4 * (ours.frame.zero_point_mag - theirs.frame.zero_point_mag))
    bad = ((mask | ours.frame.mask) & UNUSABLE) != 0
    here = np.s_[100:356, 100:356]
    before = (theirs.frame.data * scale - ours.frame.data)[here]
    after = np.where(bad, 0, moved * scale - ours.frame.data)[here]
    rms = theirs.quality.astrometric_rms_px
    assert rms is not None
    assert theirs.quality.n_matched is not None
    figures.add(PICTURES, "registration", "aligned by", theirs.quality.n_matched, "stars")
    figures.add(PICTURES, "registration", "rms", rms, "px")
    draw_row(
        out / "registration.png",
        [
            (ours.frame.data[here], "SAAO 1.0 m, one night"),
            (before, "another minus it, as taken"),
            (after, f"aligned by {theirs.quality.n_matched} stars, {rms:.2f} px rms"),
        ],
    )


def psf(data: Path, out: Path, figures: Figures) -> None:
    """The PSF of a crowded frame, and the frame without its stars' models."""
    done = measure_frame(saao(data, "reference/kb13475_i0177.fits"), None, SETTINGS)
    frame, model = done.frame, done.frame.psf
    assert model is not None
    left = frame.data.copy()
    stars = done.stars
    half = model.size // 2
    for x, y, flux, stamp in zip(
        stars.x, stars.y, stars.flux, shifted_psfs(model, stars.x, stars.y), strict=True
    ):
        i, j = round(float(y)), round(float(x))
        top, bottom = max(i - half, 0), min(i + half + 1, frame.shape[0])
        low, high = max(j - half, 0), min(j + half + 1, frame.shape[1])
        left[top:bottom, low:high] -= (
            np.float32(flux)
            * stamp[top - i + half : bottom - i + half, low - j + half : high - j + half]
        )
    here = np.s_[200:328, 200:328]
    unusable = (frame.mask & UNUSABLE) != 0
    figures.add(PICTURES, "PSF", "FWHM", model.fwhm_px, "px")
    draw_row(
        out / "psf.png",
        [
            (frame.data[here], "SAAO 1.0 m, 400 s"),
            (
                np.sqrt(np.maximum(model.centre, 0)),
                f"its PSF (root), {model.fwhm_px:.2f} px",
            ),
            (np.where(unusable, 0, left)[here], "minus the PSF of every star"),
        ],
    )


def flat_field(data: Path, out: Path) -> None:
    """CAFOS (no licence: never published): bias and flat remove the dust ring."""
    folder = data / "calib_cafos_ngc2420"
    bias = make_master([pixels(p) for p in sorted((folder / "bias").iterdir())], "bias").image
    flat = make_master([pixels(p) for p in (folder / "flat_B").iterdir()], "flat", bias=bias).image
    raw = frame_of(folder / "light_B" / "uamA_0026.fits.fz")
    done = calibrate(raw, Masters(bias=bias, flat=flat))
    draw_row(
        out / "flat-field.png",
        [(raw.data - np.median(bias), "CAFOS, raw"), (done.data, "calibrated")],
        scale="same",
    )


if __name__ == "__main__":
    main()
