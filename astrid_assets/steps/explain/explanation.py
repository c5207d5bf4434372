"""The answer of `explain`, as plain values that become JSON or a page."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class ReasonSaid:
    """A reason as it was kept: a stable code and a sentence."""

    code: str
    message: str


@dataclass(frozen=True)
class CandidateThere:
    """A candidate at the position; `score` None unless it was kept as a detection."""

    candidate_id: str
    detection_id: str | None
    object_id: str | None
    distance_px: float
    sign: int
    score_sigma: float
    flux_e: float
    flux_err_e: float
    aperture_flux_e: float | None
    aperture_flux_err_e: float | None
    mag: float | None
    is_kept: bool
    reasons: list[str]
    score: float | None
    score_kind: str | None
    label: str | None


@dataclass(frozen=True)
class SubtractionNumbers:
    """What the gates of the subtraction judged; None where it was not measured.

    `method_difference`: what both methods differ by at constant stars, over their
    flux; only some frames of a night are subtracted twice.
    """

    method: str
    std_score: float | None
    residual_power: float | None
    psf_error: float | None
    coverage: float | None
    n_stars: int | None
    flux_ratio: float | None
    flux_ratio_scatter: float | None
    offset_px: float | None
    astrometric_noise_px: float | None
    noise_factor: float | None
    method_difference: float | None

    @property
    def words(self) -> str:
        """The numbers in one line; empty where there are none."""
        told = (
            ("std(S_corr) {:.3f}", self.std_score),
            ("residual power {:.2%}", self.residual_power),
            ("bright stars leave {:.1%}", self.psf_error),
            ("covered {:.0%}", self.coverage),
            ("{} stars", self.n_stars),
            ("flux ratio {:.3f}", self.flux_ratio),
            ("± {:.1%}", self.flux_ratio_scatter),
            ("offset {:.2f} px", self.offset_px),
            ("scatter {:.3f} px", self.astrometric_noise_px),
            ("methods differ by {:.1%}", self.method_difference),
        )
        words = ", ".join(text.format(value) for text, value in told if value is not None)
        return words.replace(", ±", " ±")


@dataclass(frozen=True)
class FrameExplanation:
    """What one frame shows at the position and what became of it.

    Attributes
    ----------
    outcome
        ``detected``, ``rejected_candidate``, ``below_threshold``, ``unlisted``,
        ``masked``, ``held_back``, ``difference_rejected``, ``no_difference``,
        ``frame_rejected``, ``not_processed`` or ``not_covered``.
    sentence
        The same in words, with the numbers.
    is_covered
        None where the frame's position on the sky is unknown.
    score_sigma, peak_sigma : sigma
        S_corr at the pixel, and of the strongest pixel within one FWHM.
    flux_e, flux_err_e : electrons
        PSF flux of a change there.
    limit_mag
        Magnitude of a change of `LIMIT_SIGMA` there.
    subtraction
        None where the frame was never subtracted.
    """

    observation_id: str
    survey: str
    night: str
    field: str
    band: str
    source_path: str
    observed_mjd: float | None
    outcome: str
    sentence: str
    is_covered: bool | None
    x: float | None
    y: float | None
    reference_id: str | None
    reference_version: str | None
    reference_last_night: str | None
    frame_reasons: list[ReasonSaid]
    frame_flags: list[ReasonSaid]
    difference_reasons: list[ReasonSaid]
    difference_flags: list[ReasonSaid]
    subtraction: SubtractionNumbers | None
    masked_by: list[str]
    score_sigma: float | None
    peak_sigma: float | None
    threshold_sigma: float
    flux_e: float | None
    flux_err_e: float | None
    mag: float | None
    limit_mag: float | None
    fwhm_px: float | None
    candidates: list[CandidateThere]
    held_back_by: list[str]


@dataclass(frozen=True)
class Explanation:
    """The answer for a position; frames in order of time."""

    ra_deg: float
    dec_deg: float
    survey: str | None
    date: str | None
    sentence: str
    frames: list[FrameExplanation]
    n_left_out: int
    """Older frames beyond `MAX_FRAMES`; a date narrows the question."""
