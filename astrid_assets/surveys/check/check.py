"""Checking a survey: what its files offer, what they lack, what contradicts.

`check_survey` reads a sample and reports; `suggest_profile` writes the profile a
new folder of frames should start with.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass
from statistics import median
from typing import TYPE_CHECKING

from astrid_assets.surveys.check.header_search import ROLES, alternatives
from astrid_assets.surveys.check.oddities import oddities
from astrid_assets.surveys.check.samples import ImageSample, take_samples
from astrid_assets.surveys.check.suggestion import suggested_toml
from astrid_assets.surveys.fits.facts import DoorRejection, ImageFacts
from astrid_assets.surveys.profile import SurveyProfile
from astrid_assets.surveys.profile_sources import FolderSource
from astrid_assets.surveys.sources.folder import FolderFrames

if TYPE_CHECKING:
    from collections.abc import Iterable
    from pathlib import Path

    from astrid_assets.science.errors import Reason
    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.fits.image_kind import Kind
    from astrid_assets.surveys.sources.base import FrameSource

EXAMPLES = 3
SUGGESTION_LIMIT = 40


@dataclass(frozen=True)
class KeywordReport:
    """How a role of the profile fares in the headers of the sample.

    `found`, `odd`, `missing` count images: with a value that makes sense, with one
    that does not, and with none. `could_be` names keywords the profile lacks.
    """

    role: str
    keywords: tuple[str, ...]
    found: int
    odd: int
    missing: int
    examples: tuple[str, ...]
    could_be: tuple[str, ...]


@dataclass(frozen=True)
class SurveyReport:
    """What a sample of a survey looks like to AstrID.

    `kinds`, `nights`, `bands`, `fields`, `shapes` and `notes` count usable images;
    `contradictions` are (path, header's type, type by path and pixels); `oddities`
    say in sentences what does not fit, those included; `rejected` are (path, hdu,
    reason); `pixel_scale_arcsec` is None without a WCS.
    """

    survey: str
    n_files: int
    n_images: int
    n_usable: int
    n_with_wcs: int
    keywords: tuple[KeywordReport, ...]
    kinds: dict[str, int]
    nights: dict[str, int]
    bands: dict[str, int]
    fields: dict[str, int]
    shapes: dict[str, int]
    pixel_scale_arcsec: float | None
    gains_e_per_adu: tuple[float, ...]
    contradictions: tuple[tuple[str, Kind, Kind], ...]
    oddities: tuple[str, ...]
    rejected: tuple[tuple[str, int, Reason], ...]
    notes: dict[str, int]
    suggested_toml: str


def check_survey(profile: SurveyProfile, source: FrameSource, limit: int = 20) -> SurveyReport:
    """Look at `limit` files, spread over the source, headers and pixels.

    Raises
    ------
    SourceUnavailable
        If the source holds no files, or cannot be listed.
    """
    source.check()
    files, samples = take_samples(profile, source, limit)
    usable = [s.found for s in samples if isinstance(s.found, ImageFacts)]
    scales = [s.pixel_scale_arcsec for s in samples if s.pixel_scale_arcsec]
    return SurveyReport(
        survey=profile.name,
        n_files=len(files),
        n_images=len(samples),
        n_usable=len(usable),
        n_with_wcs=sum(facts.has_wcs for facts in usable),
        keywords=_keywords(profile, samples),
        kinds=_counts(facts.kind for facts in usable),
        nights=_counts(facts.night for facts in usable),
        bands=_counts(facts.band for facts in usable if facts.band),
        fields=_counts(facts.field for facts in usable),
        shapes=_counts(f"{facts.width} x {facts.height}" for facts in usable),
        pixel_scale_arcsec=median(scales) if scales else None,
        gains_e_per_adu=tuple(sorted({facts.gain_e_per_adu for facts in usable})),
        contradictions=tuple(
            (s.path, s.found.kind, s.contradiction) for s in samples if s.contradiction
        ),
        oddities=oddities(samples, profile.calibration),
        rejected=tuple(
            (s.path, s.found.hdu, s.found.reason)
            for s in samples
            if isinstance(s.found, DoorRejection)
        ),
        notes=_counts(note for facts in usable for note in facts.notes),
        suggested_toml=suggested_toml(profile, files, samples),
    )


def suggest_profile(name: str, folder: Path) -> str:
    """Return the TOML of a profile that makes a folder of frames usable.

    Raises
    ------
    SourceUnavailable
        If there is no such folder, or no FITS file in it.
    ProfileError
        If `name` is no survey name.
    """
    profile = SurveyProfile.named(name, FolderSource(path=folder))
    source = FolderFrames(FolderSource(path=folder))
    return check_survey(profile, source, SUGGESTION_LIMIT).suggested_toml


def _keywords(profile: SurveyProfile, samples: list[ImageSample]) -> tuple[KeywordReport, ...]:
    headers = [sample.header for sample in samples if sample.header is not None]
    return tuple(_keyword(profile, role, headers) for role in ROLES)


def _keyword(profile: SurveyProfile, role: str, headers: list[HeaderView]) -> KeywordReport:
    keywords: tuple[str, ...] = getattr(profile.keywords, role)
    makes_sense = ROLES[role].makes_sense
    found = odd = 0
    examples: Counter[str] = Counter()
    for header in headers:
        present = [keyword for keyword in keywords if header.has(keyword)]
        good = [keyword for keyword in present if makes_sense(header, keyword)]
        found += bool(good)
        odd += bool(present and not good)
        for keyword in (good or present)[:1]:
            examples[f"{keyword} = {header.text(keyword) or '(no value)'}"] += 1
    others = [a for a in alternatives(role, headers) if a not in keywords]
    return KeywordReport(
        role=role,
        keywords=keywords,
        found=found,
        odd=odd,
        missing=len(headers) - found - odd,
        examples=tuple(example for example, _ in examples.most_common(EXAMPLES)),
        could_be=tuple(others),
    )


def _counts(values: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(values).items()))
