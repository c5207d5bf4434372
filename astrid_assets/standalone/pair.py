"""Two frames on one system: measured, and the one solved by the stars of the other."""

from __future__ import annotations

from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from astrid_assets.science.errors import FrameRejected, ScienceError
from astrid_assets.science.processing.anchor import make_anchor
from astrid_assets.science.processing.measuring import measure_frame
from astrid_assets.science.processing.solving import solve_frame
from astrid_assets.standalone.inputs import read_frame

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astrid_assets.science.errors import Reason
    from astrid_assets.science.frame import Frame
    from astrid_assets.science.processing.measuring import MeasuredFrame
    from astrid_assets.science.settings import ProcessingSettings
    from astrid_assets.standalone.inputs import Input
    from astrid_assets.standalone.settings import StandaloneSettings

ANCHOR_WORDS = "the field's anchor"
"""What a survey compares with; here it is the other frame."""
WITHOUT_LIMITS: dict[str, float] = {"max_noise_pattern": float("inf"), "max_sky_fraction": 1.0}
"""Limits on the detector; what they guard against is seen in the result."""


@dataclass(frozen=True)
class MeasuredInput:
    """A frame as read, as measured, and what was assumed on the way.

    `raw` still holds its sky, in electrons.
    """

    raw: Frame
    measured: MeasuredFrame
    notes: tuple[str, ...]


@dataclass(frozen=True)
class SolvedPair:
    """Science and reference frame with WCS in one system, and what was noted.

    `is_local` is True where neither header had a WCS: positions on the sky then mean
    pixels.
    """

    science: Frame
    reference: Frame
    notes: tuple[str, ...]
    is_local: bool


def measure_input(source: Input, name: str, settings: StandaloneSettings) -> MeasuredInput:
    """Read a frame and measure its sky, noise, stars and PSF.

    Raises
    ------
    FileNotFoundError, TypeError
        If `source` is no frame.
    FrameRejected, TooFewStars
        If nothing can be measured on it.
    """
    read = read_frame(source, name, settings.detector)
    with _named(read.frame.frame_id):
        measured = _measured(read.frame, settings.processing)
    return MeasuredInput(read.frame, measured, read.notes)


def _measured(frame: Frame, settings: ProcessingSettings) -> MeasuredFrame:
    """Measure a frame; limits that a survey rejects it by are only reported.

    Whoever names two frames has chosen them. Where nothing can be measured even so,
    the broken limit is what is raised.
    """
    try:
        return measure_frame(frame, None, settings)
    except FrameRejected as broken:
        try:
            measured = measure_frame(frame, None, settings.model_copy(update=WITHOUT_LIMITS))
        except ScienceError:
            raise broken from None
        return replace(measured, reasons=(broken.reason, *measured.reasons))


def solve_pair(
    science: MeasuredInput, reference: MeasuredInput, settings: ProcessingSettings
) -> SolvedPair:
    """Solve the frames against each other by their stars.

    The science frame's WCS is kept where it has one, else the reference's. The
    other frame's header is verified and, where it fails, replaced by what the
    patterns of the stars say.

    Raises
    ------
    FrameRejected
        If the stars of the two frames do not match.
    """
    has_wcs = [each.measured.frame.wcs is not None for each in (science, reference)]
    first, second = (science, reference) if has_wcs[0] or not has_wcs[1] else (reference, science)
    # Its faults are reported with the difference; it is the only anchor there is.
    anchor = make_anchor(replace(first.measured, reasons=()), settings)
    kept = replace(first.measured.frame, wcs=anchor.wcs, zero_point_mag=None)
    with _named(f"{second.raw.frame_id} against {first.raw.frame_id}"):
        solved = solve_frame(second.measured, anchor, settings)
        if solved.frame.wcs is None:
            raise _without_position(solved.reasons)
    moved = replace(solved.frame, zero_point_mag=None)
    found = {note.message: None for note in (*second.measured.reasons, *solved.reasons)}
    found |= {note.message: None for note in solved.flags}
    notes = [
        f"{second.raw.frame_id}: {text.replace(ANCHOR_WORDS, first.raw.frame_id)}" for text in found
    ]
    notes += [f"{first.raw.frame_id}: {note}" for note in _messages(first.measured)]
    if not any(has_wcs):
        notes.append(
            "no usable WCS in either header: registered by the stars; positions are "
            "pixels of the science frame"
        )
    elif not all(has_wcs):
        notes.append(f"{second.raw.frame_id}: no usable WCS in the header; solved by the stars")
    pair = (kept, moved) if first is science else (moved, kept)
    return SolvedPair(*pair, tuple(notes), is_local=not any(has_wcs))


def _messages(measured: MeasuredFrame) -> list[str]:
    return [note.message for note in (*measured.reasons, *measured.flags)]


def _without_position(reasons: tuple[Reason, ...]) -> FrameRejected:
    """Return why a frame could not be solved; that reason is the last one."""
    last = reasons[-1]
    return FrameRejected(last.code, last.message, **last.measurements)


@contextmanager
def _named(name: str) -> Iterator[None]:
    """Put the frame's name before the message of a known failure."""
    try:
        yield
    except ScienceError as error:
        error.args = (f"{name}: {error}",)
        raise
