"""Gain and read noise of a survey's detector, measured from its own frames.

Two flats and two biases of one set-up are searched among the files of the source;
nothing has to be ingested. The formula is in `science.calibration.gain`.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from dataclasses import dataclass
from itertools import chain, zip_longest
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from astrid_assets.science.calibration.gain import PhotonTransfer, photon_transfer
from astrid_assets.science.calibration.masters import NoCalibrationFrames
from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.fits.facts import ImageFacts
from astrid_assets.surveys.fits.image_kind import kind_by_words
from astrid_assets.surveys.fits.reader import RawImage, read_headers, read_image
from astrid_assets.surveys.sources.base import FileUnavailable, matches_any

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astrid_assets.surveys.profile import SurveyProfile
    from astrid_assets.surveys.sources.base import FrameSource, SourceFile

Setup: TypeAlias = tuple[str | int, ...]
Image: TypeAlias = tuple[str, ImageFacts]
"""Path of a file, and what the header of one of its images says."""
Pair: TypeAlias = tuple[Image, Image]


@dataclass(frozen=True)
class GainMeasurement:
    """What a pair of flats and a pair of biases show, and which they were."""

    measured: PhotonTransfer
    flats: Pair
    biases: Pair


def measure_gain(
    profile: SurveyProfile, source: FrameSource, *, night: str | None = None, limit: int = 200
) -> GainMeasurement:
    """Measure gain and read noise from the first frames that allow it.

    Flats and biases agree in instrument, read-out mode, binning, size and number of
    the HDU, the two flats in the band too. Files whose path names them as flat or bias
    are opened first.

    Parameters
    ----------
    profile
        The survey's; its keywords and patterns say which frames are flats and biases.
    source
        Where the frames are.
    night : YYYY-MM-DD
        Only frames of this night; None: of any night.
    limit
        Most files that are opened.

    Raises
    ------
    NoCalibrationFrames
        If there are too few flats or biases of one set-up, or no pair of flats shows
        a gain.
    SourceUnavailable
        If the source holds no files, or cannot be listed.
    """
    source.check()
    files = [file for file in source.files() if night is None or file.night in (None, night)]
    opened = _promising_first(files, profile)[:limit]
    flats: dict[Setup, list[Image]] = defaultdict(list)
    biases: dict[Setup, list[Image]] = defaultdict(list)
    kinds: Counter[str] = Counter()
    failure: NoCalibrationFrames | None = None
    for path, facts in _images(opened, profile, source, night):
        kinds[facts.kind] += 1
        if facts.kind == "bias":
            biases[_setup(facts)].append((path, facts))
        elif facts.kind == "flat":
            flats[*_setup(facts), facts.band].append((path, facts))
        else:
            continue
        for pair in _pairs_with(facts, flats, biases):
            try:
                return _measured(*pair, profile, source)
            except NoCalibrationFrames as problem:
                failure = _unfit(pair[0], problem)
    raise failure or _too_few(kinds, len(opened), len(files), night)


def _promising_first(files: list[SourceFile], profile: SurveyProfile) -> list[SourceFile]:
    """Return the files with biases and flats by their path in turn, then the others."""
    by_kind: dict[str, list[SourceFile]] = defaultdict(list)
    for file in files:
        by_kind[_kind_by_path(file.path, profile)].append(file)
    in_turn = chain.from_iterable(zip_longest(by_kind["bias"], by_kind["flat"]))
    return [file for file in in_turn if file is not None] + by_kind["other"]


def _kind_by_path(path: str, profile: SurveyProfile) -> str:
    for kind in ("bias", "flat"):
        if matches_any(path, getattr(profile.calibration, kind)):
            return kind
    words = kind_by_words(path.rsplit(".", 2)[0].replace("_", " "))
    return words if words in ("bias", "flat") else "other"


def _images(
    files: list[SourceFile], profile: SurveyProfile, source: FrameSource, night: str | None
) -> Iterator[Image]:
    for file in files:
        try:
            content = source.read(file.path)
        except FileUnavailable:
            continue
        for facts in read_headers(content, file.path, profile):
            if isinstance(facts, ImageFacts) and night in (None, facts.night):
                yield file.path, facts


def _setup(facts: ImageFacts) -> Setup:
    return (
        facts.instrument,
        facts.readout_mode,
        facts.binning,
        facts.width,
        facts.height,
        facts.hdu,
    )


def _pairs_with(
    newest: ImageFacts, flats: dict[Setup, list[Image]], biases: dict[Setup, list[Image]]
) -> Iterator[tuple[Pair, Pair]]:
    """Yield the pairs that the newest image completes: the last two flats and biases."""
    setup = _setup(newest)
    if len(biases[setup]) < 2 or (newest.kind == "bias" and len(biases[setup]) > 2):
        return
    first, second = biases[setup][:2]
    for key, found in flats.items():
        is_new = newest.kind == "bias" or key[-1] == newest.band
        if key[:-1] == setup and len(found) >= 2 and is_new:
            yield (found[-2], found[-1]), (first, second)


def _measured(
    flats: Pair, biases: Pair, profile: SurveyProfile, source: FrameSource
) -> GainMeasurement:
    try:
        one, other = (_read(image, profile, source) for image in flats)
        dark_one, dark_other = (_read(image, profile, source) for image in biases)
    except (FrameRejected, FileUnavailable) as problem:
        raise NoCalibrationFrames(f"a flat or bias cannot be read: {problem}") from problem
    for (path, _), raw in zip(flats, (one, other), strict=True):
        level = float(np.nanmedian(raw.data))
        if level >= raw.facts.saturation_adu:
            raise NoCalibrationFrames(
                f"{path} is saturated: its level is {level:.0f} ADU, pixels count as "
                f"saturated from {raw.facts.saturation_adu:.0f} ADU",
                level_adu=level,
                saturation_adu=raw.facts.saturation_adu,
            )
    found = photon_transfer((one.data, other.data), (dark_one.data, dark_other.data))
    return GainMeasurement(found, flats, biases)


def _read(image: Image, profile: SurveyProfile, source: FrameSource) -> RawImage:
    path, facts = image
    return read_image(source.read(path), facts.hdu, path, profile)


def _unfit(flats: Pair, problem: NoCalibrationFrames) -> NoCalibrationFrames:
    (one, _), (other, _) = flats
    return NoCalibrationFrames(
        f"no pair of flats shows a gain; {one} and {other}, the last that were tried: "
        f"{problem}. Take two flats one after the other, of the same light, at about half "
        "of saturation",
        **problem.measurements,
    )


def _too_few(
    kinds: Counter[str], n_opened: int, n_files: int, night: str | None
) -> NoCalibrationFrames:
    seen = ", ".join(f"{count} {kind}" for kind, count in sorted(kinds.items())) or "no image"
    when = f" of {night}" if night else ""
    advice = (
        f"open more than {n_opened} of {n_files} files with --limit"
        if n_opened < n_files
        else "name their paths in calibration.flat and calibration.bias of the profile, "
        "or take some"
    )
    return NoCalibrationFrames(
        "two flats of one band and two biases are needed, of one instrument, read-out mode, "
        f"binning and size; {n_opened} files{when} hold {seen}; {advice}",
        flats=kinds["flat"],
        biases=kinds["bias"],
    )
