"""What is odd about the calibration frames of a sample, one sentence for each thing.

Names of files, headers and pixels are compared with each other; the
observer knows which of them is wrong.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING

from astrid_assets.surveys.fits.facts import ImageFacts

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astrid_assets.surveys.check.samples import ImageSample
    from astrid_assets.surveys.profile import Calibration

NAMED_EXPOSURE = re.compile(
    r"(?<![a-z])(?:expos(?:ure)?|exptime|exp)[-_ ]?(\d+(?:\.\d+)?)"
    r"(ms|min|m|sec|s)?(?![a-z0-9]|\.\d)",
    re.IGNORECASE,
)
"""An exposure time in a file's name: ``darks-expos30s``; without a unit, seconds."""

SECONDS = {"ms": 1e-3, "min": 60.0, "m": 60.0}
SAME_EXPOSURE = 0.02
"""Relative: shutters and rounding make no larger difference."""

KINDS = ("bias", "dark", "flat")
Found = tuple[str, ImageFacts, str]
"""Path, facts, and the type that path and pixels show."""


def oddities(samples: Sequence[ImageSample], calibration: Calibration) -> tuple[str, ...]:
    """Return a sentence for each thing that does not fit, in a fixed order."""
    found = [
        (sample.path, sample.found, str(sample.contradiction or sample.found.kind))
        for sample in samples
        if isinstance(sample.found, ImageFacts)
    ]
    return (
        *_wrong_types(samples),
        *_wrong_exposures(found),
        *_other_temperatures(found, calibration.temperature_tolerance_c),
        *_other_setups(found),
    )


def _wrong_types(samples: Sequence[ImageSample]) -> Iterator[str]:
    for sample in samples:
        if sample.contradiction is not None:
            yield (
                f"{sample.path}: the header calls it a {sample.found.kind} frame, but "
                f"its name and its pixels say {sample.contradiction}"
            )


def _wrong_exposures(found: Sequence[Found]) -> Iterator[str]:
    for path, facts, _ in found:
        name = NAMED_EXPOSURE.search(path.rsplit("/", 1)[-1])
        if name is None:
            continue
        unit = (name.group(2) or "s").lower()
        named_s = float(name.group(1)) * SECONDS.get(unit, 1.0)
        if abs(named_s - facts.exposure_s) > SAME_EXPOSURE * max(named_s, 1e-3):
            yield (
                f"{path}: the name says an exposure of {named_s:g} s, the header "
                f"{facts.exposure_s:g} s; the header counts"
            )


def _other_temperatures(found: Sequence[Found], tolerance_c: float) -> Iterator[str]:
    known: dict[str, list[tuple[str, float]]] = defaultdict(list)
    for path, facts, kind in found:
        if facts.ccd_temperature_c is not None and kind in KINDS:
            known[kind].append((path, facts.ccd_temperature_c))
    for kind in KINDS:
        usual = median(c for _, c in known[kind]) if known[kind] else 0.0
        for path, temperature in known[kind]:
            if abs(temperature - usual) > tolerance_c:
                yield (
                    f"{path}: taken at {temperature:.1f} C, while the {kind} frames "
                    f"are at {usual:.1f} C; it will not be combined with them"
                )


def _other_setups(found: Sequence[Found]) -> Iterator[str]:
    """Name the calibration frames that no light frame can use."""
    lights = Counter(_setup(facts) for _, facts, kind in found if kind == "light")
    if not lights:
        return
    for path, facts, kind in found:
        if kind in KINDS and _setup(facts) not in lights:
            yield (
                f"{path}: this {kind} frame has the set-up {_setup(facts)}, which no "
                f"light frame has ({lights.most_common(1)[0][0]})"
            )
    flats = {facts.band for _, facts, kind in found if kind == "flat"}
    bands = {facts.band for _, facts, kind in found if kind == "light"}
    if flats:
        for band in sorted(bands - flats):
            yield f"there are light frames in {band!r}, but no flat among these files"


def _setup(facts: ImageFacts) -> str:
    words = (facts.instrument, facts.readout_mode, facts.binning)
    size = f"{facts.width} x {facts.height}"
    return ", ".join([*(word for word in words if word), size])
