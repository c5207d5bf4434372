"""The answer of `explain`, as plain values that become JSON or a page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.quality.printing import with_unit

if TYPE_CHECKING:
    from collections.abc import Sequence


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
    name: str | None = None
    """Name of its object and a number; None where it is no detection."""
    carried_from: str | None = None
    """The former detection of the same source that was labelled; None: this one."""


@dataclass(frozen=True)
class NumberSaid:
    """A declared number of a frame or a difference.

    `value` is None where it was not measured; `words` are the value with label and unit.
    """

    name: str
    label: str
    unit: str
    value: float | None
    words: str


def in_one_line(numbers: Sequence[NumberSaid]) -> str:
    """Return the numbers in one line, those not measured last; empty if none was."""
    known = [number.words for number in numbers if number.value is not None]
    unknown = [number.label for number in numbers if number.value is None]
    if not known:
        return ""
    return ", ".join(known) + (f"; not measured: {', '.join(unknown)}" if unknown else "")


@dataclass(frozen=True)
class SubtractionNumbers:
    """What the gates of the subtraction judged; None where it was not measured.

    `method_difference`: what both methods differ by at constant stars, over their
    flux; only some frames of a night are subtracted twice.
    """

    method: str
    numbers: list[NumberSaid]
    noise_factor: float | None
    method_difference: float | None

    @property
    def words(self) -> str:
        """The numbers in one line; empty where there are none."""
        text = in_one_line(self.numbers)
        if text and self.method_difference is not None:
            text += f"; methods differ by {with_unit(self.method_difference, (), 'fraction')}"
        return text


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
    numbers
        Declared numbers of the processed frame; empty where it was never processed.
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
    numbers: list[NumberSaid]
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
