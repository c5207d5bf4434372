"""The profile a survey should start with, as TOML with comments.

Written are only lines that differ from the defaults and that the sample supports;
what cannot be known from the files stands there as a comment that asks for it.
"""

from __future__ import annotations

import json
import math
from collections import Counter, defaultdict
from statistics import median
from typing import TYPE_CHECKING

from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.check.header_search import ROLES, alternatives, pixel_scale, pointing
from astrid_assets.surveys.fits.facts import ImageFacts
from astrid_assets.surveys.fits.sections import section
from astrid_assets.surveys.profile import Keywords
from astrid_assets.surveys.profile_sources import FolderSource

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from pydantic import BaseModel

    from astrid_assets.surveys.check.samples import ImageSample
    from astrid_assets.surveys.profile import Calibration, SurveyProfile
    from astrid_assets.surveys.sources.base import SourceFile

REFERENCE_FOLDERS = ("reference", "references", "ref", "template", "templates")
MIN_GAP_HOURS = 8
"""A survey of one site has a daily pause at least that long."""
MIN_TIMES = 5
SAME_FIELD_DEG = 0.5
MASTER_KINDS = ("bias", "dark", "flat")


def suggested_toml(
    profile: SurveyProfile, files: Sequence[SourceFile], samples: Sequence[ImageSample]
) -> str:
    """Return a profile that parses and suits the sample."""
    lights = [s for s in samples if _kind(s) == "light" and s.is_usable]
    keywords = _keywords(profile, samples, lights)
    sections = {
        "source": _source(profile),
        "keywords": keywords,
        "detector": _detector(profile, samples, keywords),
        "night": _night(lights),
        "calibration": _calibration(samples, files, profile.calibration),
        "processing": _processing(lights),
        "reference": _reference(files),
        "differencing": [],
        "detection": [],
    }
    lines = [
        f"name = {_text(profile.name)}",
        f"description = {_text(profile.description)}",
    ]
    for title, content in sections.items():
        merged = _merged(getattr(profile, title), content)
        if merged:
            lines += ["", f"[{title}]", *merged]
    return "\n".join(lines) + "\n"


def _merged(given: BaseModel, suggested: Sequence[str]) -> list[str]:
    """Return what the profile says already, then what it does not say yet."""
    stated = given.model_dump(mode="json", exclude_defaults=True)
    new = {line.split(" = ", 1)[0] for line in suggested}
    lines = [f"{key} = {_toml(value)}" for key, value in stated.items()]
    return [line for line in lines if line.split(" = ", 1)[0] not in new] + [*suggested]


def _source(profile: SurveyProfile) -> list[str]:
    source = profile.source
    lines = [f"kind = {_text(source.kind)}"]
    if isinstance(source, FolderSource):
        # A profile is read from anywhere: a relative path would lose its meaning.
        lines.append(f"path = {_text(source.path.expanduser().resolve().as_posix())}")
    return lines


def _keywords(
    profile: SurveyProfile, samples: Sequence[ImageSample], lights: Sequence[ImageSample]
) -> list[str]:
    lines: list[str] = []
    headers = [s.header for s in samples if s.header is not None]
    light_headers = [s.header for s in lights if s.header is not None]
    for role, rule in ROLES.items():
        known: tuple[str, ...] = getattr(profile.keywords, role)
        # Calibration frames rightly lack filters; only lights must have one.
        judged = light_headers if role == "band" and light_headers else headers
        served = sum(any(rule.makes_sense(h, k) for k in known) for h in judged)
        if judged and served < len(judged):
            new = [k for k in alternatives(role, judged) if k not in known]
            if new:
                known = (*known, *new)
        if known != getattr(Keywords(), role):
            lines.append(f"{role} = {_toml(list(known))}")
    if not profile.keywords.field and _are_several_fields(lights):
        lines.append('field = ["OBJECT"]')
    return lines


def _detector(
    profile: SurveyProfile,
    samples: Sequence[ImageSample],
    keywords: Sequence[str],
) -> list[str]:
    given = profile.detector
    lines: list[str] = []
    if given.overscan is None and given.trim is None and _have_sections(samples):
        lines += ['overscan = "header"', 'trim = "header"']
    notes = {n for s in samples if isinstance(s.found, ImageFacts) for n in s.found.notes}
    asked = {
        "no usable gain": "# gain_e_per_adu = 1.0  # electrons per ADU, not in the "
        "headers: from the camera's data sheet",
        "no read noise": "# read_noise_e = 5.0  # electrons, not in the headers",
        "no filter": '# band = "r"  # no filter in the headers: name the one in use',
    }
    roles = {
        "no usable gain": "gain",
        "no read noise": "read_noise",
        "no filter": "band",
    }
    lines += [
        line
        for start, line in asked.items()
        if any(note.startswith(start) for note in notes)
        and not any(k.startswith(f"{roles[start]} = ") for k in keywords)
    ]
    return lines


def _any_wcs(lights: Sequence[ImageSample]) -> bool:
    return any(sample.centre_deg is not None for sample in lights)


def _night(lights: Sequence[ImageSample]) -> list[str]:
    shift = evening_shift_hours(
        s.found.observed_mjd for s in lights if s.found.observed_mjd is not None
    )
    if shift is None:
        return []
    return [
        "# Nights are named after the evening; the daily pause of the frames' times",
        f"# lies around {-shift:g} h UTC.",
        f"utc_shift_hours = {shift:g}",
    ]


def evening_shift_hours(times_mjd: Iterable[float]) -> float | None:
    """Return the shift that puts the date line into the daily pause, or None.

    None when there are too few times, or no pause: several sites around the world.
    """
    hours = sorted(24 * (mjd % 1) for mjd in times_mjd)
    if len(hours) < MIN_TIMES:
        return None
    starts = hours
    ends = [*hours[1:], hours[0] + 24]
    gap, start = max((end - begin, begin) for begin, end in zip(starts, ends, strict=True))
    if gap < MIN_GAP_HOURS:
        return None
    return -float(round((start + gap / 2) % 24))


def _calibration(
    samples: Sequence[ImageSample], files: Sequence[SourceFile], given: Calibration
) -> list[str]:
    counts = Counter(_kind(s) for s in samples if s.is_usable)
    masters = {kind: counts[kind] for kind in MASTER_KINDS if counts[kind]}
    subtracted = [s.is_sky_subtracted for s in samples if s.is_sky_subtracted is not None]
    lines: list[str] = []
    if masters or _have_sections(samples):
        lines.append('frames_are = "raw"')
        if not masters:
            lines.append('on_missing_master = "continue"')
    else:
        mostly = sum(subtracted) > len(subtracted) / 2
        sky = " and have their sky subtracted" if mostly else ""
        lines += [
            f"# No bias, dark or flat among the frames: they count as calibrated{sky}.",
            'frames_are = "calibrated"',
        ]
    if len(files) <= len(samples) and masters:
        fewest = _fewest_alike(samples, given.temperature_tolerance_c)
        if fewest < given.min_master_frames:
            lines += [
                "# The smallest set of calibration frames that belong together.",
                f"min_master_frames = {fewest}",
            ]
    for kind in MASTER_KINDS:
        liars = sorted({_folder(s.path) for s in samples if s.contradiction == kind})
        if liars:
            lines.append(f"# The headers of these call them something else than {kind}.")
            lines.append(f"{kind} = {_toml(liars)}")
    return lines


def _fewest_alike(samples: Sequence[ImageSample], tolerance_c: float) -> int:
    """Return how many frames the smallest master would have.

    Where frames differ in temperature the larger group counts: a master of the few
    others is not needed.
    """
    alike: dict[tuple[object, ...], list[float]] = defaultdict(list)
    for sample in samples:
        facts, kind = sample.found, _kind(sample)
        if not isinstance(facts, ImageFacts) or kind not in MASTER_KINDS:
            continue
        band = facts.band if kind == "flat" else ""
        setup = (facts.instrument, facts.readout_mode, facts.binning, facts.width)
        temperature = facts.ccd_temperature_c
        alike[kind, band, facts.night, *setup].append(
            math.inf if temperature is None else temperature
        )
    return min(
        max(sum(low <= c <= low + tolerance_c for c in found) for low in found)
        for found in alike.values()
    )


def _processing(lights: Sequence[ImageSample]) -> list[str]:
    if not lights or _any_wcs(lights):
        return []
    lines = [
        "# No frame has a WCS: the frames are aligned by their stars.",
        'wcs = "stars"',
    ]
    headers = [s.header for s in lights if s.header is not None]
    centre = _common([pointing(header) for header in headers])
    if centre is not None:
        lines += [f"ra_deg = {centre[0]:.5f}", f"dec_deg = {centre[1]:.5f}"]
    scales = [scale for h in headers if (scale := pixel_scale(h)) is not None]
    lines.append(
        f"pixel_scale_arcsec = {median(scales):.4g}"
        if scales
        else "# pixel_scale_arcsec = 1.0  # not in the headers: arcsec per pixel"
    )
    return lines


def _reference(files: Sequence[SourceFile]) -> list[str]:
    folders = {file.path.split("/", 1)[0] for file in files if "/" in file.path}
    found = [f for f in sorted(folders) if f.lower() in REFERENCE_FOLDERS]
    if not found:
        return []
    return [
        f"paths = {_toml([f'{folder}/*' for folder in found])}",
        "# later_nights = true  # when they were taken after the science frames",
    ]


def _are_several_fields(lights: Sequence[ImageSample]) -> bool:
    names = {(s.header.text("OBJECT") or "") for s in lights if s.header is not None}
    if len(names) < 2 or "" in names:
        return False
    centres = [
        s.centre_deg or (pointing(s.header) if s.header is not None else None) for s in lights
    ]
    return _common(centres) is None


def _common(
    centres: Sequence[tuple[float, float] | None],
) -> tuple[float, float] | None:
    """Return the middle of pointings that agree within half a degree, else None."""
    known = [centre for centre in centres if centre is not None]
    if not known or len(known) < len(centres):
        return None
    ra0, dec0 = known[0]
    offsets = [((ra - ra0 + 180) % 360 - 180, dec - dec0) for ra, dec in known]
    squeeze = math.cos(math.radians(dec0))
    if any(math.hypot(dx * squeeze, dy) > SAME_FIELD_DEG for dx, dy in offsets):
        return None
    dx, dy = median(x for x, _ in offsets), median(y for _, y in offsets)
    return (ra0 + dx) % 360, dec0 + dy


def _have_sections(samples: Sequence[ImageSample]) -> bool:
    """Return whether every header has sections that lie inside its image."""
    usable = [s for s in samples if s.is_usable and s.header is not None]
    for sample in usable:
        shape = (sample.found.height or 0, sample.found.width or 0)
        header = sample.header
        try:
            if header is None or not header.has("BIASSEC") or not header.has("TRIMSEC"):
                return False
            section("header", "BIASSEC", header, shape)
            kept = section("header", "TRIMSEC", header, shape)
        except FrameRejected:
            return False
        if kept is None or (kept[0].stop - kept[0].start, kept[1].stop - kept[1].start) == shape:
            return False
    return bool(usable)


def _kind(sample: ImageSample) -> str:
    return sample.contradiction or sample.found.kind


def _folder(path: str) -> str:
    return f"{path.rsplit('/', 1)[0]}/*" if "/" in path else path


def _toml(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, int | float):
        return repr(value)
    return _text(str(value))


def _text(value: str) -> str:
    # JSON's escapes are a subset of TOML's; DEL alone must be escaped besides.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
