"""New and changed frames at the surveys' sources start runs of their nights.

A tick lists each source, reads the headers of files it has not seen (for a bounded
time, so that a first look at a large archive takes several ticks), and asks for the
nights whose files are not those that were ingested. What it decides follows from
the catalogue alone, not from a cursor: a tick that dies, or a run that does, loses
nothing.
"""

import logging
import time
from collections import defaultdict
from collections.abc import Iterator
from typing import BinaryIO

import dagster as dg
from sqlalchemy import select

from astrid_assets.compute import Compute
from astrid_assets.jobs import Block, blocks_of, is_partition, night_job
from astrid_assets.partitions import FIRST_NIGHT, SURVEYS, Night
from astrid_assets.steps.nights import Tools, files_hash, load_profile
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.objects.object_store import ObjectStore
from astrid_assets.storage.queries import gates, observations
from astrid_assets.surveys.profile import ProfileError, SurveyProfile
from astrid_assets.surveys.sources.base import FrameSource, SourceError, SourceFile, SourceOptions
from astrid_assets.surveys.sources.opening import open_source

log = logging.getLogger(__name__)

ASSET = "raw_observations"
INTERVAL_S = 120
READING_S = 20.0  # of the 60 s after which Dagster gives up on a tick
MAX_RUNS = 10  # requested per tick; the others follow with the next one


class Unhurried:
    """A source that stops offering new files when the time to read them is over.

    Known, unchanged files are always offered: nobody reads them.
    """

    def __init__(
        self, source: FrameSource, known: dict[str, tuple[int, int]], until: float
    ) -> None:
        self._source = source
        self._known = known
        self._until = until
        self.put_off = 0

    def files(self) -> Iterator[SourceFile]:
        """Yield known files, and new ones until the time is over."""
        for file in self._source.files():
            is_known = self._known.get(file.path) == (file.size_bytes, file.mtime_ns)
            if is_known or time.monotonic() < self._until:
                yield file
            else:
                self.put_off += 1

    def read(self, path: str) -> bytes:
        """Return the content of a file."""
        return self._source.read(path)

    def open(self, path: str) -> BinaryIO:
        """Return a file opened for reading."""
        return self._source.open(path)

    def check(self) -> None:
        """Raise SourceUnavailable when nothing can come from here."""
        self._source.check()


def nights_to_run(
    tools: Tools, profile: SurveyProfile, source: FrameSource, until: float
) -> dict[Night, str]:
    """Return the nights whose files are not those ingested, with their hash.

    Raises
    ------
    SourceError
        If the source cannot be listed.
    """
    # Reading headers needs astropy; a code location that only loads does not.
    from astrid_assets.steps.raw_observations.ingest import index_source

    source.check()
    fingerprint = files_hash(profile, [])
    with tools.catalogue.read() as session:
        known = {
            path: (row.size_bytes, row.mtime_ns)
            for path, row in observations.known_files(session, profile.name).items()
            if row.profile_hash == fingerprint
        }
        registered = {
            row.night: row.input_hash
            for row in gates.summaries(session, survey=profile.name, asset=ASSET)
        }
    unhurried = Unhurried(source, known, until)
    by_night: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for row in index_source(tools, profile, unhurried):
        for night in row.nights:
            by_night[night].append((row.path, row.size_bytes, row.mtime_ns))
    if unhurried.put_off:
        log.info("%s: %d files are read later", profile.name, unhurried.put_off)
    hashes = {
        Night(profile.name, night): files_hash(profile, sorted(described))
        for night, described in by_night.items()
        if night  # "": files without a date belong to no night
    }
    return {
        night: digest for night, digest in hashes.items() if registered.get(night.date) != digest
    }


@dg.sensor(
    job=night_job,
    minimum_interval_seconds=INTERVAL_S,
    default_status=dg.DefaultSensorStatus.STOPPED,
)
def new_observations(
    context: dg.SensorEvaluationContext,
    catalogue: dg.ResourceParam[Catalogue],
    store: dg.ResourceParam[ObjectStore],
    sources: dg.ResourceParam[SourceOptions],
) -> dg.SensorResult | dg.SkipReason:
    """Request the nights that have new or changed frames, survey by survey."""
    tools = Tools(catalogue, store, Compute())
    until = time.monotonic() + READING_S
    hashes: dict[Night, str] = {}
    told: list[str] = []
    with catalogue.read() as session:
        surveys = list(session.scalars(select(Survey.name).order_by(Survey.name)))
    for survey in surveys:
        try:
            profile = load_profile(catalogue, survey)
            source = open_source(profile, store_options=sources)
            found = nights_to_run(tools, profile, source, until)
        except (SourceError, ProfileError) as error:
            # One survey whose disk is away must not stop the others.
            context.log.warning("%s: %s", survey, error)
            told.append(f"{survey}: {error}")
            continue
        early = [night.date for night in found if not is_partition(night)]
        if early:
            told.append(
                f"{survey}: {len(early)} nights such as {min(early)} are outside the "
                f"dates of the graph, which begin at {FIRST_NIGHT} (ASTRID_FIRST_NIGHT)"
            )
        hashes |= {n: digest for n, digest in found.items() if is_partition(n)}
    registered = set(context.instance.get_dynamic_partitions(str(SURVEYS.name)))
    missing = [survey for survey in surveys if survey not in registered]
    blocks = blocks_of(hashes)
    if not blocks and not missing:
        return dg.SkipReason("; ".join(told) or "no survey has new frames")
    return dg.SensorResult(
        run_requests=[
            block.run_request(run_key=_run_key(block, hashes)) for block in blocks[:MAX_RUNS]
        ],
        dynamic_partitions_requests=([SURVEYS.build_add_request(missing)] if missing else None),
    )


def _run_key(block: Block, hashes: dict[Night, str]) -> str:
    """Return a key that is new when the block's files are, or the day.

    Dagster never repeats a key, not even after a failure; the day lets nights that
    failed be tried again tomorrow.
    """
    inside = {
        night.date: digest
        for night, digest in hashes.items()
        if night.survey == block.survey and block.start <= night.date <= block.end
    }
    day = time.strftime("%Y-%m-%d", time.gmtime())
    return f"{block.name} {ids.content_hash(inside)[:16]} {day}"
