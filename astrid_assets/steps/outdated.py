"""Which finished nights would be done again: their inputs or settings have changed.

Each step knows when a night is done (`nights.unchanged_report`). So the steps are
asked themselves, with tools that read the catalogue and refuse everything else: a
step that then wants to read pixels, compute or write has work to do. Nothing is
computed twice to find that out, and no rule is written down twice.

New files in a survey's source are not looked for; running its nights finds them.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol, TypeVar

from astrid_assets.compute import Compute
from astrid_assets.steps.nights import NightReport, Tools, files_hash
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.keys import content_key
from astrid_assets.storage.queries import gates, observations
from astrid_assets.storage.queries.gates import NIGHTLY_ASSETS

if TYPE_CHECKING:
    from collections.abc import Callable, Iterable, Iterator, Sequence
    from pathlib import Path
    from typing import Never

    from sqlalchemy.orm import Session

    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

Item = TypeVar("Item")
Result = TypeVar("Result")


class HasWork(Exception):
    """A step wants to do something; never leaves this module."""


class Step(Protocol):
    """A generator over nights, as the functions in the other modules are."""

    def __call__(
        self, tools: Tools, profile: SurveyProfile, nights: Sequence[str]
    ) -> Iterator[NightReport]:
        """Do the nights in order, yielding a report for each."""
        ...


def outdated_nights(tools: Tools, profile: SurveyProfile) -> dict[str, str]:
    """Return finished nights that would be done again, with the first such asset.

    Assets that follow it on the same night are not asked: they wait for what it
    makes. No pixel is read and nothing is written.
    """
    survey = profile.name
    with tools.catalogue.read() as session:
        finished: dict[str, list[str]] = defaultdict(list)
        for row in gates.summaries(session, survey=survey):
            finished[row.asset].append(row.night)
        found = dict.fromkeys(_reread(session, profile), NIGHTLY_ASSETS[0])
    closed = Tools(ReadOnlyCatalogue(tools.catalogue), ClosedStore(tools.store), IdleCompute())
    steps = _steps()
    # What was imported without frames, such as alerts, no step has made.
    registered = set(finished[NIGHTLY_ASSETS[0]])
    for asset in NIGHTLY_ASSETS[1:]:
        nights = [n for n in finished[asset] if n in registered and n not in found]
        found |= dict.fromkeys(_with_work(steps[asset], closed, profile, nights), asset)
    return dict(sorted(found.items()))


def _steps() -> dict[str, Step]:
    # Imported here: the steps together need a second.
    from astrid_assets.steps.calibration_masters.masters import masters_nights
    from astrid_assets.steps.detections.detect import detect_nights
    from astrid_assets.steps.difference_images.subtract import subtract_nights
    from astrid_assets.steps.injected_transients.inject import inject_nights
    from astrid_assets.steps.light_curves.measure import measure_nights
    from astrid_assets.steps.processed_frames.process import process_nights
    from astrid_assets.steps.reference_frames.stack import reference_nights
    from astrid_assets.steps.validated_labels.label import label_nights

    return {
        "calibration_masters": masters_nights,
        "processed_frames": process_nights,
        "reference_frames": reference_nights,
        "difference_images": subtract_nights,
        "detections": detect_nights,
        "injected_transients": inject_nights,
        "light_curves": measure_nights,
        "validated_labels": label_nights,
    }


def _with_work(
    step: Step, tools: Tools, profile: SurveyProfile, nights: Sequence[str]
) -> list[str]:
    """Return the nights a step has work on, halving those where it has some."""
    if not nights:
        return []
    try:
        for _ in step(tools, profile, nights):
            pass
    except HasWork:
        if len(nights) == 1:
            return list(nights)
        middle = len(nights) // 2
        halves = nights[:middle], nights[middle:]
        return [n for half in halves for n in _with_work(step, tools, profile, half)]
    return []


def _reread(session: Session, profile: SurveyProfile) -> list[str]:
    """Return the nights whose known files a changed profile reads differently."""
    files: dict[str, list[tuple[str, int, int]]] = defaultdict(list)
    for row in observations.known_files(session, profile.name).values():
        for night in row.nights:
            files[night].append((row.path, row.size_bytes, row.mtime_ns))
    done = gates.summaries(session, survey=profile.name, asset=NIGHTLY_ASSETS[0])
    return [
        row.night for row in done if row.input_hash != files_hash(profile, sorted(files[row.night]))
    ]


class ReadOnlyCatalogue(Catalogue):
    """Another catalogue's address, for reading only."""

    def __init__(self, catalogue: Catalogue) -> None:
        self.__dict__.update(vars(catalogue))

    @contextmanager
    def begin(self) -> Iterator[Session]:
        """Refuse to write."""
        raise HasWork
        yield  # pragma: no cover  what makes it a context


class IdleCompute(Compute):
    """Takes no work."""

    def map(
        self,
        function: Callable[[Item], Result],  # noqa: ARG002  refused whatever it is
        items: Iterable[Item],
    ) -> Iterator[Result]:
        """Refuse any item."""
        for _ in items:
            raise HasWork
        return iter(())


class ClosedStore:
    """Knows what another store keeps, and hands nothing out."""

    def __init__(self, store: ObjectStore) -> None:
        self._store = store
        self.url = store.url

    def verifying(self) -> ClosedStore:
        """Return the same, for which damaged objects are not there."""
        return ClosedStore(self._store.verifying())

    def put(self, prefix: str, content: bytes, suffix: str) -> str:
        """Return the key of what is kept already."""
        key = content_key(prefix, hashlib.sha256(content).hexdigest(), suffix)
        if not self._store.exists(key):
            raise HasWork
        return key

    def exists(self, key: str) -> bool:
        """Say whether something is kept under the key."""
        return self._store.exists(key)

    def list(self, prefix: str = "") -> Iterator[str]:
        """Yield the keys below a folder-like prefix."""
        return self._store.list(prefix)

    def is_empty(self) -> bool:
        """Say whether nothing is kept."""
        return self._store.is_empty()

    def check(self) -> None:
        """Check the store behind it."""
        self._store.check()

    def get(self, key: str) -> bytes:  # noqa: ARG002  refused whatever it is
        """Refuse to read."""
        self._refuse()

    def get_to_file(self, key: str, path: Path) -> None:  # noqa: ARG002
        """Refuse to read."""
        self._refuse()

    def verify(self, key: str) -> None:  # noqa: ARG002
        """Refuse to read."""
        self._refuse()

    def put_file(self, prefix: str, path: Path, suffix: str) -> str:  # noqa: ARG002
        """Refuse to write."""
        self._refuse()

    def delete(self, key: str) -> None:  # noqa: ARG002
        """Refuse to forget."""
        self._refuse()

    def _refuse(self) -> Never:
        raise HasWork
