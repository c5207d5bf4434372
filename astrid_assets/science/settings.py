"""Settings of the frame chain and of references: frozen, one model per step.

They stand in the survey's profile, in Dagster's launchpad and in the catalogue
(as a hash) alike. Every limit has a unit and a reason.
"""

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class Settings(BaseModel):
    """Frozen, unknown keys are errors, every field has a description."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class ProcessingSettings(Settings):
    """How a frame is prepared and what is asked of it."""

    background_mesh_px: int | None = Field(
        None, ge=8, description="side of the background mesh; None: from the frame"
    )
    remove_cosmic_rays: bool = Field(
        default=True, description="find and mask cosmic rays (L.A.Cosmic)"
    )
    mask_trails: bool = Field(default=True, description="find and mask satellite trails")
    wcs: str = Field(
        "header",
        pattern="^(header|stars)$",
        description="header: verify the header's WCS against the anchor's stars, "
        "solve from star patterns where it fails; stars: always solve from patterns "
        "(for frames without a WCS)",
    )
    ra_deg: float | None = Field(
        None, ge=0, lt=360, description="field centre when no frame has a WCS"
    )
    dec_deg: float | None = Field(
        None, ge=-90, le=90, description="field centre when no frame has a WCS"
    )
    min_stars: int = Field(
        5, ge=3, description="fewer stars than this: no PSF, no verified astrometry"
    )
    max_fwhm_px: float = Field(
        12.0, gt=0, description="wider than this is out of focus whatever the seeing"
    )
    max_fwhm_ratio: float = Field(
        2.0, gt=1, description="FWHM over the field's anchor: defocus or poor seeing"
    )
    poor_seeing_ratio: float = Field(
        1.4, gt=1, description="FWHM over the field's anchor: flagged, still used"
    )
    max_elongation: float = Field(
        1.7, gt=1, description="median a/b of the stars: trailed or elongated above it"
    )
    flag_elongation: float = Field(
        1.3, gt=1, description="median a/b of the stars: flagged, still used"
    )
    min_transparency: float = Field(
        0.4,
        gt=0,
        lt=1,
        description="flux against the anchor: below it a magnitude of clouds or more",
    )
    max_astrometric_rms_px: float = Field(
        1.0, gt=0, description="residual of matched stars per axis"
    )
    min_overlap: float = Field(
        0.3,
        ge=0,
        le=1,
        description="share of the field that a frame must cover when only its stars "
        "told where it points: less is another field",
    )
    max_bad_fraction: float = Field(
        0.3, gt=0, le=1, description="fraction of pixels without usable data"
    )
    max_noise_pattern: float = Field(
        8.0,
        gt=1,
        description="scatter of column or row means over that of white noise: "
        "amplifier or readout failure above it",
    )
    flag_noise_pattern: float = Field(
        1.12,
        gt=1,
        description="scatter of 16-pixel strips over that of white noise: pickup, "
        "flagged, still used",
    )
    max_wave: float = Field(
        0.6,
        gt=0,
        description="amplitude of the strongest wave in the sky over the noise of a "
        "pixel: pickup that survives the matched filter",
    )
    flag_wave: float = Field(0.25, gt=0, description="the same: flagged, still used")
    max_sky_fraction: float = Field(
        0.6, gt=0, le=1, description="sky level over saturation: daylight or moonlight"
    )
    flag_sky_rms_ratio: float = Field(
        5.0, gt=1, description="sky noise over the anchor's, per second of exposure: flagged"
    )
    pixel_scale_arcsec: float | None = Field(
        None,
        gt=0,
        le=120,
        description="scale of fields where no frame has a WCS; None: 1 arcsec per "
        "pixel, and distances on the sky mean pixels",
    )


class ReferenceSettings(Settings):
    """Which earlier frames make the reference of a field and band."""

    paths: tuple[str, ...] = Field(
        (),
        description="glob patterns of source paths; only such frames may enter (empty: any)",
    )
    before: str | None = Field(
        None,
        pattern=r"^\d{4}-\d{2}-\d{2}$",
        description="only frames of nights before this date (YYYY-MM-DD)",
    )
    later_nights: bool = Field(
        default=False,
        description="frames of later nights may enter too (never of the night itself): "
        "for references taken after the science frames",
    )
    exclude: tuple[str, ...] = Field(
        (),
        description="glob patterns of source paths; such frames never enter",
    )
    known_transients: Literal["exclude", "keep"] = Field(
        "exclude",
        description="exclude: no frame enters on which people or an imported "
        "catalogue call a brightening real; keep: for fields that always have some",
    )
    frames: int = Field(
        6,
        ge=1,
        description="the earliest nights are looked at until this many are good; so "
        "many of them, the best ones, are stacked",
    )
    min_frames: int = Field(1, ge=1, description="fewer than this: no reference yet")
    max_fwhm_ratio: float = Field(1.5, gt=1, description="against the sharpest frame of the pool")
    max_shallower_mag: float = Field(
        0.75,
        gt=0,
        description="limiting magnitude against the deepest frame of the pool: at the "
        "limit a frame weighs a quarter of it, for all of its faults",
    )
    min_coverage: float = Field(
        0.5,
        gt=0,
        le=1,
        description="share of the field that a frame must show with good pixels: the "
        "stack's depth has a step at the border of each that shows less",
    )


class InjectionSettings(Settings):
    """How completeness is measured: artificial transients in the night's frames."""

    per_frame: int = Field(
        60, ge=0, le=2000, description="transients per injected frame; 0 switches off"
    )
    frames_per_night: int = Field(
        1, ge=1, le=50, description="injected frames per field and band of a night"
    )
    min_snr: float = Field(3.0, gt=0, description="faintest, theoretical S/N")
    max_snr: float = Field(50.0, gt=3, description="brightest, theoretical S/N")
    negative_share: float = Field(0.25, ge=0, le=1, description="share of sources that fade")
    galaxy_share: float = Field(
        0.3, ge=0, le=1, description="share put on extended sources, if there are any"
    )
    min_completeness: float = Field(
        0.8,
        gt=0,
        le=1,
        description="share found at S/N 10 to 20: a night credibly below it is flagged",
    )


class LightCurveSettings(Settings):
    """Forced photometry of objects, and linking of those that move."""

    history_nights: int = Field(
        60,
        ge=0,
        le=10_000,
        description="nights before its discovery on which an object is measured",
    )
    min_rate_arcsec_h: float = Field(
        2.0, gt=0, description="slower objects stay in place within a night"
    )
    max_rate_arcsec_h: float = Field(
        150.0, gt=0, description="faster ones are trails within an exposure"
    )
    tracklet_tolerance_arcsec: float = Field(
        1.0, gt=0, description="distance from a straight motion that still counts"
    )
