"""What every step of a night shares: its tools, its loop, its report.

A step is a generator over nights. It plans each night as tasks and the hash of what
goes into them; `run_nights` passes over the nights whose hash is finished already,
computes the tasks of all others at once and has each night committed in one
transaction before its report is yielded. A killed process loses at most the night at
hand, and running again repeats only what is missing. Rows have ids of their content,
objects have keys of theirs: a repeated night writes the same bytes.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Generic, TypeVar

from astrid_assets.steps import versions
from astrid_assets.steps.locations import located, located_outcomes
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.upsert import columns_of
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries import gates
from astrid_assets.surveys.profile import ProfileError, SurveyProfile
from astrid_assets.surveys.sources.base import SourceOptions

if TYPE_CHECKING:
    from collections.abc import Callable, Collection, Iterator, Sequence

    from pydantic import BaseModel
    from sqlalchemy.orm import Session

    from astrid_assets.compute import Compute
    from astrid_assets.science.quality.gate import Judged
    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.database.tables.base import Base
    from astrid_assets.storage.objects.object_store import ObjectStore

Task = TypeVar("Task")
Outcome = TypeVar("Outcome")


@dataclass(frozen=True)
class Tools:
    """What a step works with."""

    catalogue: Catalogue
    store: ObjectStore
    compute: Compute
    sources: SourceOptions = field(default_factory=SourceOptions)
    """How the sources of surveys are reached; asked only by `raw_observations`."""


@dataclass(frozen=True)
class NightReport:
    """What a step did to one night: counts to show, verdicts for the next step."""

    survey: str
    night: str
    asset: str
    summary: dict[str, object]
    verdicts: tuple[Judged, ...] = ()
    unchanged: bool = False
    pictures: dict[str, str] = field(default_factory=dict)
    """Object keys of pictures (PNG or SVG) by caption, from `keep_picture`."""
    data_version: str | None = None
    """Hash of the night's output, where a step states one; None: that of its inputs."""


@dataclass(frozen=True)
class NightPlan(Generic[Task]):
    """What is to be computed for one night, and the hash of everything that goes in."""

    night: str
    tasks: Sequence[Task]
    input_hash: str


def run_nights(
    tools: Tools,
    profile: SurveyProfile,
    asset: str,
    plans: Sequence[NightPlan[Task]],
    work: Callable[[Task], Outcome],
    commit: Callable[[NightPlan[Task], list[Outcome]], NightReport],
    *,
    force: bool,
) -> Iterator[NightReport]:
    """Compute the planned nights; one report per night, in order.

    The tasks of all nights are one stream, so that workers never wait for a night to
    end.

    Parameters
    ----------
    work
        What is done with one task, in a worker process.
    commit
        Writes a night from its outcomes, which are in the order of its tasks, and
        calls `finish` in the same transaction.
    force
        Compute also the nights whose inputs are unchanged.
    """
    finished: dict[str, NightReport] = {}
    if not force:
        with tools.catalogue.read() as session:
            for plan in plans:
                before = unchanged_report(session, profile.name, plan.night, asset, plan.input_hash)
                if before:
                    finished[plan.night] = before
    todo = [plan for plan in plans if plan.night not in finished]
    outcomes = tools.compute.map(work, (task for plan in todo for task in plan.tasks))
    for plan in plans:
        if plan.night in finished:
            yield finished[plan.night]
        else:
            found = located_outcomes(profile.name, plan.night, plan.tasks, outcomes)
            with located(profile.name, plan.night):
                report = commit(plan, found)
            yield report


def load_profile(catalogue: Catalogue, survey: str) -> SurveyProfile:
    """Return the stored profile of a survey.

    Raises
    ------
    ProfileError
        If there is no such survey, or its stored profile is no longer valid.
    """
    with catalogue.read() as session:
        row = session.get(Survey, survey)
    if row is None:
        raise ProfileError(
            f"no survey {survey!r} in the catalogue; add it with "
            f"`astrid survey add {survey} --folder PATH`"
        )
    return SurveyProfile.from_toml(row.profile_toml, where=f"profile of {survey}")


def hash_of(version: str, *parts: object) -> str:
    """Return the hash of what goes into a step: its version, settings and inputs."""
    return ids.content_hash([version, *(_plain(part) for part in parts)])


def version_of(rows: Sequence[Base], *, without: Collection[str] = ()) -> str:
    """Return the hash of the rows that a step wrote for a night, without their times.

    Parameters
    ----------
    without
        Columns that say how the rows came about, not what they are.
    """
    return ids.content_hash(
        [
            {
                name: value
                for name, value in columns_of(row).items()
                if not name.endswith("_at") and name not in without
            }
            for row in rows
        ]
    )


def files_hash(profile: SurveyProfile, files: Sequence[tuple[str, int, int]]) -> str:
    """Return the hash of a night's files and of how the profile reads them.

    Parameters
    ----------
    files : (path, size in bytes, mtime in ns), sorted
    """
    return hash_of(versions.REGISTER, files, profile.keywords, profile.detector, profile.night)


def unchanged_report(
    session: Session, survey: str, night: str, asset: str, input_hash: str
) -> NightReport | None:
    """Return the stored report when the same inputs were finished before."""
    summary = gates.night_summary(session, survey, night, asset)
    if summary is None or summary.input_hash != input_hash:
        return None
    verdicts = gates.verdicts(session, survey, night, asset)
    counts = dict(summary.summary)
    pictures = counts.pop("pictures", None) or {}
    return NightReport(
        survey, night, asset, counts, tuple(verdicts), unchanged=True, pictures=pictures
    )


def finish(session: Session, report: NightReport, input_hash: str) -> None:
    """Keep the verdicts and the summary of a night; part of its transaction."""
    gates.record(session, report.survey, report.night, report.asset, report.verdicts)
    gates.record_summary(
        session,
        report.survey,
        report.night,
        report.asset,
        report.summary | {"pictures": report.pictures},
        input_hash,
        report.data_version,
    )


def keep_picture(store: ObjectStore, survey: str, night: str, name: str, content: bytes) -> str:
    """Keep a picture (PNG or SVG) in the store; returns its key."""
    suffix = ".svg" if content.startswith(b"<svg") else ".png"
    return store.put(layout.picture_key(survey, night, name), content, suffix)


def _plain(part: object) -> object:
    dump = getattr(part, "model_dump", None)
    if dump is not None:
        model: BaseModel = part  # type: ignore[assignment]  # pydantic by its method
        return model.model_dump(mode="json")
    return part
