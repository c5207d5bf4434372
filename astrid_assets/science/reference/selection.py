"""Which frames make a reference: ranked by what each adds to its depth.

The reference of a night is built from strictly earlier nights, so that nothing is
subtracted from itself. The choice is a pure function of what is known of the frames;
stacking them is in `stacking`.
"""

from __future__ import annotations

from dataclasses import dataclass
from fnmatch import fnmatchcase
from typing import TYPE_CHECKING

from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.settings import ReferenceSettings

HARMFUL_FLAGS = frozenset(
    {
        ReasonCode.ELONGATED_STARS,
        ReasonCode.LINE_NOISE,
        ReasonCode.NOISE_WAVE,
        ReasonCode.NOISE_RIPPLE,
        ReasonCode.PATCHY_CLOUDS,
    }
)
"""Flags of a frame that a stack inherits: a PSF no other frame has, noise that does
not average, magnitudes that change over the frame. The other flags are about headers,
or about depth, which the ranking includes anyway."""

EXCLUSIONS = ("date", "path", "excluded")
"""Codes of frames that the profile rules out."""

NEVER_MEANT = ("later", "date", "path")
"""Codes of frames of nights and folders that this reference is not made from."""


@dataclass(frozen=True, kw_only=True)
class ReferenceCandidate:
    """The properties of an accepted frame that decide the choice.

    Attributes
    ----------
    fwhm_px
        FWHM of its PSF.
    limiting_mag
        Limiting magnitude of a point source at 5 sigma, on the field's common scale: sky
        noise, seeing and transparency in one number. None: never measured.
    coverage
        Share of the field's anchor that lies on the frame. None: never measured.
    bad_fraction
        Share of its pixels without usable data.
    flags
        Codes of its flags.
    has_known_transient
        Whether a source that is known to vary is bright on it.
    """

    observation_id: str
    night: str
    path: str
    observed_mjd: float
    fwhm_px: float
    limiting_mag: float | None
    coverage: float | None
    bad_fraction: float = 0.0
    flags: frozenset[str] = frozenset()
    has_known_transient: bool = False

    @property
    def usable_coverage(self) -> float:
        """Share of the field that lies on good pixels of the frame."""
        return (self.coverage or 0.0) * (1 - self.bad_fraction)

    @property
    def information(self) -> float:
        """Inverse variance that it adds to the flux of a point source, arbitrary unit.

        It is averaged over the field. Inverse variances add up in a stack; a magnitude of depth is
        a factor of 10^0.8 in them.
        """
        return 10 ** (0.8 * (self.limiting_mag or 0.0)) * self.usable_coverage

    @property
    def is_flagged(self) -> bool:
        """Whether a stack would inherit something from it."""
        return bool(self.flags & HARMFUL_FLAGS)


@dataclass(frozen=True)
class RankedFrame:
    """A candidate's rank; `why_not` is None for a member.

    `weight` is its `information` over that of all members, 0 when it is none.
    """

    frame: ReferenceCandidate
    rank: int | None
    weight: float
    why_not: str | None = None
    """A code: date | path | excluded | known_transient | unmeasured | coverage |
    seeing | depth | enough (better ones filled the reference) | too_few (it is good,
    but there are not enough) | later (complete before its night)."""


@dataclass(frozen=True)
class ReferenceChoice:
    """All candidates: members by rank, then the others by night, with reasons.

    There are no members where too few frames are good.
    """

    ranking: tuple[RankedFrame, ...]

    @property
    def members(self) -> list[str]:
        """The chosen observations in time order; empty: no reference yet."""
        chosen = sorted(
            (r.frame.night, r.frame.observed_mjd, r.frame.observation_id)
            for r in self.ranking
            if r.rank is not None
        )
        return [observation_id for _, _, observation_id in chosen]

    @property
    def considered(self) -> tuple[RankedFrame, ...]:
        """The ranking, without frames whose nights or folders the profile rules out."""
        return tuple(r for r in self.ranking if r.why_not not in NEVER_MEANT)


def choose_members(
    candidates: Sequence[ReferenceCandidate], settings: ReferenceSettings
) -> ReferenceChoice:
    """Choose the frames of a reference: the best of the earliest nights.

    Whole nights are considered, earliest first, until enough frames are good. Later nights
    cannot change that choice, so a field keeps its reference once it is complete. Among these
    nights, the frames that add most to a point source are taken; those with flags that a
    stack inherits only after the others.

    Parameters
    ----------
    candidates
        Accepted frames of one field and band.
    settings
        The survey's limits and exclusions.

    Returns
    -------
    choice
        Every candidate with its rank, or the reason why it has none.
    """
    barred = {c.observation_id: _barred(c, settings) for c in candidates}
    pool = sorted((c for c in candidates if barred[c.observation_id] is None), key=_in_time)
    seen: list[ReferenceCandidate] = []
    good: list[ReferenceCandidate] = []
    why = dict(barred)
    complete_with = None
    for night in sorted({c.night for c in pool}):
        seen = [c for c in pool if c.night <= night]
        failed = _failed(seen, settings)
        good = [c for c in seen if c.observation_id not in failed]
        why = barred | failed
        if len(good) >= settings.frames:
            complete_with = night
            break
    good.sort(key=_best_first)
    members = good[: settings.frames] if len(good) >= settings.min_frames else []
    total = sum(c.information for c in members)
    ranked = [
        RankedFrame(c, rank, c.information / total) for rank, c in enumerate(members, start=1)
    ]
    taken = {c.observation_id for c in members}
    others = [
        RankedFrame(c, None, 0.0, _why_not(c, why[c.observation_id], complete_with))
        for c in sorted(candidates, key=_in_time)
        if c.observation_id not in taken
    ]
    return ReferenceChoice((*ranked, *others))


def may_enter(path: str, night: str, settings: ReferenceSettings) -> bool:
    """Return whether a frame of this source path and night may enter references.

    Parameters
    ----------
    path
        Where its file came from.
    night
        Its observing night, an ISO date.
    settings
        The survey's exclusions.

    Returns
    -------
    may
        False when the profile rules it out by date or path.
    """
    return _ineligible(path, night, settings) is None


def _ineligible(path: str, night: str, settings: ReferenceSettings) -> str | None:
    """Return which exclusion of the profile applies to a frame, None without one."""
    if settings.before is not None and night >= settings.before:
        return "date"
    if settings.paths and not any(fnmatchcase(path, p) for p in settings.paths):
        return "path"
    if any(fnmatchcase(path, pattern) for pattern in settings.exclude):
        return "excluded"
    return None


def _barred(frame: ReferenceCandidate, settings: ReferenceSettings) -> str | None:
    """Return why a frame is excluded whatever the others are like."""
    why = _ineligible(frame.path, frame.night, settings)
    if why is not None:
        return why
    if frame.has_known_transient and settings.known_transients == "exclude":
        return "known_transient"
    if frame.limiting_mag is None or frame.coverage is None:
        return "unmeasured"
    return "coverage" if frame.usable_coverage < settings.min_coverage else None


def _failed(seen: Sequence[ReferenceCandidate], settings: ReferenceSettings) -> dict[str, str]:
    """Compare frames with the best of them: a code for each that is not good."""
    widest = settings.max_fwhm_ratio * min(c.fwhm_px for c in seen)
    blurred = {c.observation_id: "seeing" for c in seen if c.fwhm_px > widest}
    sharp = [c for c in seen if c.observation_id not in blurred]
    shallowest = max(_depth(c) for c in sharp) - settings.max_shallower_mag
    return blurred | {c.observation_id: "depth" for c in sharp if _depth(c) < shallowest}


def _why_not(frame: ReferenceCandidate, why: str | None, complete_with: str | None) -> str:
    if complete_with is not None and frame.night > complete_with:
        # Its other properties have not been decisive.
        return why if why in EXCLUSIONS else "later"
    return why or ("enough" if complete_with is not None else "too_few")


def _depth(frame: ReferenceCandidate) -> float:
    return float("-inf") if frame.limiting_mag is None else frame.limiting_mag


def _in_time(frame: ReferenceCandidate) -> tuple[str, float, str]:
    return frame.night, frame.observed_mjd, frame.observation_id


def _best_first(frame: ReferenceCandidate) -> tuple[bool, float, str]:
    return frame.is_flagged, -frame.information, frame.observation_id
