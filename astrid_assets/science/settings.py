"""Settings of the frame chain and of references: frozen, one model per step.

They stand in the survey's profile, in Dagster's launchpad and in the catalogue
(as a hash) alike. Every limit has a unit and a reason.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


def is_off(value: object) -> bool:
    """Return whether a setting that may be switched off is: its value is None.

    Parameters
    ----------
    value
        Value of the setting.

    Returns
    -------
    is_off
        Given to a field as ``exclude_if``; see `Settings`.
    """
    return value is None


class Settings(BaseModel):
    """Frozen, unknown keys are errors, every field has a description.

    A hash of the settings says whether a night is done. So that a new setting does not
    have every night done again, it is off by default: None changes nothing, and
    ``exclude_if=is_off`` leaves the field out of dumps, and so out of hashes, until
    somebody sets it. Fields without that mark stand in dumps even where they are None,
    as they did when the hashes of existing nights were computed.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProcessingSettings(Settings):
    """How a frame is prepared and what is asked of it."""

    background_mesh_px: int | None = Field(
        default=None,
        ge=8,
        description="side of the background mesh, pixels; None: an eighth of the frame's "
        "shorter side, within 24 to 256",
    )
    remove_cosmic_rays: bool = Field(
        default=True, description="find and mask cosmic rays (L.A.Cosmic)"
    )
    mask_trails: bool = Field(default=True, description="find and mask satellite trails")
    wcs: str = Field(
        default="header",
        pattern="^(header|stars)$",
        description="header: verify the header's WCS against the anchor's stars, and solve from "
        "star patterns where it fails; stars: always solve from patterns (for "
        "frames without a WCS)",
    )
    ra_deg: float | None = Field(
        default=None,
        ge=0,
        lt=360,
        description="right ascension of the field centre, degrees, used when no frame has a WCS",
    )
    dec_deg: float | None = Field(
        default=None,
        ge=-90,
        le=90,
        description="declination of the field centre, degrees, used when no frame has a WCS",
    )
    min_stars: int = Field(
        default=5,
        ge=3,
        description="stars found on the frame: rejected below it, for want of a PSF and a "
        "verified WCS",
    )
    max_fwhm_px: float = Field(
        default=12.0,
        gt=0,
        description="FWHM of the PSF, pixels: rejected above it as out of focus, whatever the "
        "seeing",
    )
    max_fwhm_ratio: float = Field(
        default=2.0,
        gt=1,
        description="FWHM over that of the field's anchor: rejected above it as defocused or of "
        "poor seeing",
    )
    poor_seeing_ratio: float = Field(
        default=1.4,
        gt=1,
        description="FWHM over that of the field's anchor: flagged above it, still used",
    )
    max_elongation: float = Field(
        default=1.7,
        gt=1,
        description="median axis ratio a/b of the stars: rejected above it as trailed or elongated",
    )
    flag_elongation: float = Field(
        default=1.3,
        gt=1,
        description="median axis ratio a/b of the stars: flagged above it, still used",
    )
    min_transparency: float = Field(
        default=0.4,
        gt=0,
        lt=1,
        description="flux of the stars over that on the field's anchor: rejected below it (0.4: "
        "a magnitude of clouds)",
    )
    max_astrometric_rms_px: float = Field(
        default=1.0,
        gt=0,
        description="residual of the matched stars, pixels per axis: rejected above it",
    )
    min_overlap: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="overlap of a frame solved from star patterns with its field, as a share of "
        "the smaller of the two: rejected below it as another field",
    )
    max_bad_fraction: float = Field(
        default=0.3,
        gt=0,
        le=1,
        description="fraction of pixels without usable data: rejected above it",
    )
    max_noise_pattern: float = Field(
        default=8.0,
        gt=1,
        description="scatter of column or row means over that of white noise: rejected above it "
        "as a failure of amplifier or readout",
    )
    flag_noise_pattern: float = Field(
        default=1.12,
        gt=1,
        description="scatter of 16-pixel strips over that of white noise: flagged above it as "
        "electrical pickup, still used",
    )
    max_wave: float = Field(
        default=0.6,
        gt=0,
        description="amplitude of the strongest wave in the sky over the noise of a pixel: "
        "rejected above it as pickup that survives the matched filter",
    )
    flag_wave: float = Field(
        default=0.25,
        gt=0,
        description="amplitude of the strongest wave in the sky over the noise of a pixel: "
        "flagged above it, still used",
    )
    max_sky_fraction: float = Field(
        default=0.6,
        gt=0,
        le=1,
        description="sky level over saturation: rejected above it as daylight or moonlight",
    )
    max_sky_gradient: float | None = Field(
        default=None,
        gt=0,
        exclude_if=is_off,
        description="variation of the sky over the frame in sky noise per pixel: moonlight "
        "or scattered light above it; flagged, still used; None: not checked",
    )
    flag_sky_rms_ratio: float = Field(
        default=5.0,
        gt=1,
        description="sky noise over the anchor's, per square root of exposure: flagged above it",
    )
    pixel_scale_arcsec: float | None = Field(
        default=None,
        gt=0,
        le=120,
        description="pixel scale, arcsec per pixel, of fields where no frame has a WCS; None: "
        "1, and distances on the sky mean pixels",
    )


DEFAULT_REVIEWERS = 2
"""A single answer, which may be a slip, does not have every later night done again."""


def is_default_reviewers(value: object) -> bool:
    """Return whether a number of reviewers is the default.

    Parameters
    ----------
    value
        Value of the setting.

    Returns
    -------
    is_default
        Given to the field as ``exclude_if``; see `Settings`.
    """
    return value == DEFAULT_REVIEWERS


class ReferenceSettings(Settings):
    """Which earlier frames make the reference of a field and band."""

    paths: tuple[str, ...] = Field(
        default=(),
        description="glob patterns of source paths; only such frames may enter (empty: any)",
    )
    before: str | None = Field(
        default=None,
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description="date (YYYY-MM-DD): only frames of earlier nights may enter",
    )
    later_nights: bool = Field(
        default=False,
        description="frames of later nights may enter too (never of the night itself): for "
        "references taken after the science frames",
    )
    exclude: tuple[str, ...] = Field(
        default=(),
        description="glob patterns of source paths; such frames never enter",
    )
    known_transients: Literal["exclude", "keep"] = Field(
        default="exclude",
        description="exclude: no frame enters on which reviewers or an imported catalogue call "
        "a brightening real; keep: for fields that always have some",
    )
    known_transient_reviewers: int = Field(
        default=DEFAULT_REVIEWERS,
        ge=1,
        exclude_if=is_default_reviewers,
        description="number of reviewers who must call a source real before frames on which it "
        "brightened stay out; an imported catalogue counts alone",
    )
    frames: int = Field(
        default=6,
        ge=1,
        description="number of frames to stack: nights are taken from the earliest on until so "
        "many frames are good, and the best of them are stacked",
    )
    min_frames: int = Field(
        default=1, ge=1, description="number of good frames: below it there is no reference yet"
    )
    max_fwhm_ratio: float = Field(
        default=1.5,
        gt=1,
        description="FWHM over that of the sharpest frame of the pool: left out above it",
    )
    max_shallower_mag: float = Field(
        default=0.75,
        gt=0,
        description="magnitudes by which a frame is shallower than the deepest of the pool "
        "(limiting magnitudes): left out above it; a frame at 0.75 weighs a quarter "
        "of the deepest",
    )
    min_coverage: float = Field(
        default=0.5,
        gt=0,
        le=1,
        description="share of the field that a frame shows with good pixels: left out below it, "
        "because the stack's depth has a step at the border of each such frame",
    )


CUTOUTS_PER_NIGHT = 100
"""Cutouts of injected transients that a night keeps: 5 MB."""


class InjectionSettings(Settings):
    """How completeness is measured: artificial transients in the night's frames."""

    per_frame: int = Field(
        default=60,
        ge=0,
        le=2000,
        description="artificial transients per injected frame; 0: none are injected",
    )
    frames_per_night: int = Field(
        default=1, ge=1, le=50, description="injected frames per field and band of a night"
    )
    min_snr: float = Field(
        default=3.0, gt=0, description="theoretical S/N of the faintest artificial transients"
    )
    max_snr: float = Field(
        default=50.0, gt=3, description="theoretical S/N of the brightest artificial transients"
    )
    negative_share: float = Field(
        default=0.25, ge=0, le=1, description="share of the artificial transients that fade"
    )
    galaxy_share: float = Field(
        default=0.3,
        ge=0,
        le=1,
        description="share of the artificial transients placed on extended sources, if there "
        "are any",
    )
    min_completeness: float = Field(
        default=0.8,
        gt=0,
        le=1,
        description="share of the artificial transients of S/N 10 to 20 that are found: a night "
        "is flagged when the upper end of the 95 % interval is below it",
    )
    cutouts_per_night: int = Field(
        default=CUTOUTS_PER_NIGHT,
        ge=0,
        le=10_000,
        # What a night measures does not depend on it.
        exclude_if=lambda number: number == CUTOUTS_PER_NIGHT,
        description="artificial transients that were found whose cutouts a night keeps: the gate "
        "of new models counts how many of them each model keeps; 0: none",
    )


class LightCurveSettings(Settings):
    """Forced photometry of objects, and linking of those that move."""

    history_nights: int = Field(
        default=60,
        ge=0,
        le=10_000,
        description="number of nights before its discovery on which an object is measured",
    )
    min_rate_arcsec_h: float = Field(
        default=2.0,
        gt=0,
        description="apparent motion, arcsec per hour: slower objects stay in place within a "
        "night and are not linked",
    )
    max_rate_arcsec_h: float = Field(
        default=150.0,
        gt=0,
        description="apparent motion, arcsec per hour: faster objects are trails within an "
        "exposure and are not linked",
    )
    tracklet_tolerance_arcsec: float = Field(
        default=1.0,
        gt=0,
        description="distance from a straight, uniform motion, arcsec: detections within it "
        "belong to the same track",
    )
