"""Ingest the frames of a night: from the survey's source into store and catalogue.

A file is read once, kept byte for byte under its hash, and each image in it becomes
an observation; what the reader refuses becomes an observation with its reason. Files
that were ingested before and have not changed are not read again.
"""

from __future__ import annotations

import hashlib
import io
from collections import defaultdict
from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.quality.gates import frames_arrived
from astrid_assets.science.quality.refused_files import files_without_a_night
from astrid_assets.steps.nights import (
    NightPlan,
    NightReport,
    Tools,
    files_hash,
    finish,
    run_nights,
    version_of,
)
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.frames import Observation, SourceFileRow
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries import observations
from astrid_assets.surveys.fits.facts import DoorRejection, ImageFacts
from astrid_assets.surveys.fits.reader import read_headers
from astrid_assets.surveys.scan import reading_errors, scan, sha256_of
from astrid_assets.surveys.sources.base import FileUnavailable
from astrid_assets.surveys.sources.opening import open_source

if TYPE_CHECKING:
    from collections import Counter
    from collections.abc import Iterator, Sequence

    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile
    from astrid_assets.surveys.sources.base import FrameSource

ASSET = "raw_observations"
FACTS = (
    "night",
    "hdu",
    "kind",
    "field",
    "band",
    "observed_mjd",
    "exposure_s",
    "width",
    "height",
    "instrument",
    "readout_mode",
    "binning",
    "ccd_temperature_c",
)
"""Columns that are copied from what the reader found."""

LARGE_BYTES = 64 << 20
"""A larger file is read only when an image of it can be used."""

UNDATED = ""
"""The night of files whose date cannot be determined."""


@dataclass(frozen=True)
class FileTask:
    """One file to ingest; travels to a worker process."""

    profile: SurveyProfile
    source: FrameSource
    store: ObjectStore
    path: str
    night: str


def register_from_source(
    tools: Tools, profile: SurveyProfile, nights: Sequence[str], *, force: bool = False
) -> Iterator[NightReport]:
    """Open the survey's source and ingest the nights' frames from it."""
    source = open_source(profile, store_options=tools.sources)
    return register_nights(tools, profile, source, nights, force=force)


def register_nights(
    tools: Tools,
    profile: SurveyProfile,
    source: FrameSource,
    nights: Sequence[str],
    *,
    force: bool = False,
) -> Iterator[NightReport]:
    """Ingest every frame of the nights; yields one report per night, in order.

    Raises
    ------
    SourceUnavailable
        If the source as a whole cannot be read (wrong path, unreachable archive).
    """
    source.check()
    files = index_source(tools, profile, source)
    by_night: dict[str, list[SourceFileRow]] = defaultdict(list)
    for file in files:
        for night in file.nights:
            by_night[night].append(file)
    with tools.catalogue.read() as session:
        undated = observations.undated_reasons(session, profile.name)

    def commit(plan: NightPlan[FileTask], found: list[list[Observation]]) -> NightReport:
        # Two files with the same content are one observation.
        rows = list({row.id: row for own in found for row in own}.values())
        report = _report(profile.name, plan.night, rows, undated)
        with tools.catalogue.begin() as session:
            upsert(session, rows)
            finish(session, report, plan.input_hash)
        return report

    plans = [
        NightPlan(
            night,
            [FileTask(profile, source, tools.store, file.path, night) for file in by_night[night]],
            files_hash(
                profile, sorted((f.path, f.size_bytes, f.mtime_ns) for f in by_night[night])
            ),
        )
        for night in nights
    ]
    yield from run_nights(tools, profile, ASSET, plans, register_file, commit, force=force)


def index_source(tools: Tools, profile: SurveyProfile, source: FrameSource) -> list[SourceFileRow]:
    """Return the files of a source with their nights, reading only new headers.

    Files without a date are ingested at once, as rejected, so that users see them.
    """
    with tools.catalogue.read() as session:
        known = observations.known_files(session, profile.name)
    # A changed profile may date or accept a file differently: read everything again.
    fingerprint = files_hash(profile, [])
    valid = {
        path: (row.size_bytes, row.mtime_ns)
        for path, row in known.items()
        if row.profile_hash == fingerprint
    }
    found = scan(profile, source, valid)
    rows = [
        SourceFileRow(
            survey=profile.name,
            path=file.path,
            size_bytes=file.size_bytes,
            mtime_ns=file.mtime_ns,
            nights=list(file.nights),
            profile_hash=fingerprint,
            checked_at=now(),
        )
        for file in found.files
    ]
    refused = [
        _row(
            FileTask(profile, source, tools.store, file.path, UNDATED),
            entry,
            file.sha256 or _sha256_of_unread(file.path),
            file.size_bytes if file.sha256 else 0,
            None,
        )
        for file in sorted(found.files, key=lambda file: file.path)
        for entry in file.undated
    ]
    with tools.catalogue.begin() as session:
        upsert(session, rows)
        upsert(session, refused)
        # A file that had no night and is gone must not be counted any longer.
        observations.forget_undated_files(session, profile.name, found.gone)
        known = observations.known_files(session, profile.name)
    gone = set(found.gone)
    return [row for path, row in sorted(known.items()) if path not in gone]


def register_file(task: FileTask) -> list[Observation]:
    """Store one file and return its observation rows of the task's night.

    The file is opened and hashed once. A large one is looked at by its headers first, and
    is never in memory when no image of it can be used.
    """
    try:
        with task.source.open(task.path) as file, reading_errors(task.path):
            size = file.seek(0, io.SEEK_END)
            if size > LARGE_BYTES:
                found = _of_night(task, read_headers(file, task.path, task.profile))
                if not _any_usable(found):
                    sha256 = sha256_of(file)
                    return [_row(task, entry, sha256, size, None) for entry in found]
            file.seek(0)
            content = file.read(size)
    except FileUnavailable as error:
        entry = DoorRejection(hdu=-1, reason=error.reason, night=task.night)
        # Without content, the path is the identity.
        return [_row(task, entry, _sha256_of_unread(task.path), 0, None)]
    sha256 = hashlib.sha256(content).hexdigest()
    found = _of_night(task, read_headers(content, task.path, task.profile))
    raw_key = None
    if _any_usable(found):
        # One object per file, however many images it holds.
        raw_key = task.store.put(
            layout.raw_key(task.profile.name, task.night, sha256[:12]),
            content,
            _suffix(task.path),
        )
    return [_row(task, entry, sha256, len(content), raw_key) for entry in found]


def _of_night(
    task: FileTask, found: Sequence[ImageFacts | DoorRejection]
) -> list[ImageFacts | DoorRejection]:
    return [entry for entry in found if entry.night == task.night]


def _any_usable(found: Sequence[ImageFacts | DoorRejection]) -> bool:
    return any(isinstance(entry, ImageFacts) for entry in found)


def _row(
    task: FileTask,
    entry: ImageFacts | DoorRejection,
    sha256: str,
    size: int,
    raw_key: str | None,
) -> Observation:
    survey = task.profile.name
    rejected = isinstance(entry, DoorRejection)
    return Observation(
        id=ids.observation_id(survey, sha256, entry.hdu),
        survey=survey,
        source_path=task.path,
        sha256=sha256,
        size_bytes=size,
        raw_key=raw_key,
        status="rejected" if rejected else "registered",
        reason=entry.reason.as_dict() if rejected else None,
        registered_at=now(),
        **{name: getattr(entry, name) for name in FACTS},
    )


def _sha256_of_unread(path: str) -> str:
    return hashlib.sha256(f"unread:{path}".encode()).hexdigest()


def _suffix(path: str) -> str:
    name = path.rsplit("/", 1)[-1].lower()
    for suffix in (".fits.fz", ".fits.gz", ".fit.gz", ".fz", ".gz", ".fits", ".fit"):
        if name.endswith(suffix):
            return suffix
    return ".fits"


def _report(
    survey: str, night: str, rows: Sequence[Observation], undated: Counter[str]
) -> NightReport:
    registered = [row for row in rows if row.status == "registered"]
    refused = [row for row in rows if row.status == "rejected"]
    lights = sum(row.kind == "light" for row in registered)
    summary: dict[str, object] = {
        "frames": len(rows),
        "lights": lights,
        "calibration_frames": len(registered) - lights,
        "refused": len(refused),
        "refused_because": {row.source_path: row.reason for row in refused},
        "undated_files": undated.total(),
        "megabytes": round(sum(row.size_bytes for row in rows) / 1e6, 3),
    }
    if undated:
        summary["undated_because"] = files_without_a_night(undated)
    verdict = frames_arrived(len(registered), len(refused))
    # A file that was only copied or touched is still the same observations.
    return NightReport(survey, night, ASSET, summary, (verdict,), data_version=version_of(rows))
