"""The checks of `astrid doctor`, one function each."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import stat
import sys
import time
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING

from astrid_assets.cli import workplace
from astrid_assets.cli.finding import Finding
from astrid_assets.resources.environment import Addresses, Environment
from astrid_assets.resources.variables import BadEnvironment
from astrid_assets.storage.private import close_to_others, is_open_to_others

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astrid_assets.surveys.profile import SurveyProfile

PYTHONS = ((3, 11), (3, 14))  # from, up to but without
LOW_DISK_BYTES = 5 * 1024**3  # a night of large frames
STAGED = re.compile(r".+\.[0-9a-f]{32}(\.\w+)*#\d+|\..+\.[0-9a-f]{32}\.part")
"""Names of what a killed process left behind instead of giving it its final name: objects
on their way into the store, or out of it. Files of users have no hash in their names."""
MOST_NAMES = 5
STALE_S = 3600.0  # nothing takes an hour to write one object


def check_python() -> Iterator[Finding]:
    """Return whether the interpreter is one that is tested."""
    first, end = PYTHONS
    version = ".".join(map(str, sys.version_info[:3]))
    if first <= sys.version_info[:2] < end:
        yield Finding("OK", version)
    else:
        yield Finding("FAIL", version, "use Python 3.11, 3.12 or 3.13")


def check_packages() -> Iterator[Finding]:
    """Return the required packages that are missing or have another version."""
    from packaging.requirements import Requirement

    wrong = []
    for line in metadata.requires("astrid-assets") or []:
        requirement = Requirement(line)
        if requirement.marker is not None and not requirement.marker.evaluate():
            continue
        try:
            found = metadata.version(requirement.name)
        except metadata.PackageNotFoundError:
            wrong.append(f"{requirement} is missing")
            continue
        if not requirement.specifier.contains(found, prereleases=True):
            wrong.append(f"{requirement} is needed, {found} is installed")
    if wrong:
        remedy = "make install, or pip install -c constraints.txt -e ."
        yield Finding("FAIL", "; ".join(wrong), remedy)
    else:
        yield Finding("OK", f"astrid-assets {metadata.version('astrid-assets')}")


def check_home(*, fix: bool) -> Iterator[Finding]:
    """Return whether the home can be written, is private and has room; `fix` closes it."""
    folder = workplace.prepare_home()
    yield Finding("OK", str(folder))
    yield from _privacy(folder, fix=fix)
    free = shutil.disk_usage(folder).free
    if free < LOW_DISK_BYTES:
        yield Finding(
            "WARN",
            f"only {free / 1024**3:.1f} GiB are free there",
            "free space, or set ASTRID_HOME to a folder on another disk",
        )


def _privacy(folder: Path, *, fix: bool) -> Iterator[Finding]:
    if not is_open_to_others(folder):
        return
    mode = f"{folder.stat().st_mode & 0o777:o}"
    what = f"others on this machine may enter it (mode {mode}): it holds accounts and logs"
    if not fix:
        yield Finding("WARN", what, "astrid doctor --fix closes it to them (mode 700)")
        return
    try:
        for path in (folder, *folder.glob("*.db*"), *folder.glob("mlflow/*.db*")):
            close_to_others(path)
    except OSError as error:
        yield Finding("WARN", f"{what}, and it stays so ({error.strerror})", f"chmod 700 {folder}")
    else:
        yield Finding("OK", f"closed to others (its mode was {mode})")


def check_settings() -> Iterator[Finding]:
    """Return which environment variables are set, and whether they can be read."""
    try:
        named = Environment().variables_set
    except BadEnvironment as error:
        for problem in error.args:
            yield Finding("FAIL", problem, "correct the variable; see .env.example")
    else:
        yield Finding("OK", ", ".join(named) or "no variable is set: all defaults")


def check_store() -> Iterator[Finding]:
    """Return whether an object can be written to the store and read back."""
    opened = workplace.open_store()
    opened.check()
    yield Finding("OK", opened.url)


def check_catalogue() -> Iterator[Finding]:
    """Return whether the catalogue can be reached, and whether it is up to date."""
    opened = workplace.open_catalogue()
    opened.check()
    yield Finding("OK", opened.url)


def check_surveys(*, fix: bool = False) -> Iterator[Finding]:
    """Return whether each survey's profile is valid and the graph knows it.

    `fix` adds those to the graph that it does not know.
    """
    from astrid_assets.cli.surveys import DIMENSION, profile_of, stored_surveys
    from astrid_assets.surveys.profile import ProfileError

    workplace.prepare_home()
    rows = stored_surveys(workplace.open_catalogue())
    if not rows:
        yield Finding("OK", "none yet; `astrid demo` adds two simulated ones")
        return
    with workplace.dagster_instance() as instance:
        known = set(instance.get_dynamic_partitions(DIMENSION))
    for row in rows:
        try:
            profile = profile_of(row)
        except ProfileError as error:
            yield Finding("FAIL", str(error), "correct it and add the survey again")
            continue
        if row.name in known:
            yield _source_found(profile)
            continue
        what = f"{row.name} is in the catalogue, but the graph does not know it"
        if fix:
            with workplace.dagster_instance() as instance:
                instance.add_dynamic_partitions(DIMENSION, [row.name])
            yield Finding("OK", f"{what}; added to the graph")
        else:
            yield Finding("FAIL", what, "astrid doctor --fix adds it to the graph")


def _source_found(profile: SurveyProfile) -> Finding:
    from astrid_assets.surveys.sources.base import SourceUnavailable
    from astrid_assets.surveys.sources.opening import open_source

    if profile.source.kind == "alerts":
        return Finding("OK", f"{profile.name} (imported alerts)")
    try:
        open_source(profile, store_options=workplace.source_options()).check()
    except SourceUnavailable as error:
        remedy = "what is in the store stays usable; new frames, and lost raw files, need it"
        return Finding("WARN", f"{profile.name}: {error}", remedy)
    return Finding("OK", profile.name)


def check_mlflow(*, fix: bool = False) -> Iterator[Finding]:
    """Return whether MLflow answers and knows the catalogue's training runs.

    `fix` moves a database aside that was left half-way when it was made.
    """
    from astrid_assets.cli.lost_tracking import REMEDY, lost_history
    from astrid_assets.tracking.embedded import move_aside, was_never_finished
    from astrid_assets.tracking.server import without_password

    tracking = workplace.open_tracking()
    tracking.check()
    shown = without_password(tracking.tracking_uri)
    file = tracking.file
    if file is not None and file.exists() and was_never_finished(file):
        what = f"{shown} was never finished, because what made it was killed"
        if not fix:
            remedy = "astrid doctor --fix moves it aside, and the next training makes a new one"
            yield Finding("FAIL", what, remedy)
            return
        yield Finding("OK", f"{what}; moved to {move_aside(file)}")
    with workplace.open_catalogue().read() as session:
        lost = lost_history(session, tracking, ask_server=True)
    if lost:
        yield Finding("WARN", f"the tracking history is gone: {lost}", REMEDY)
    if file is not None and not file.exists():
        if not lost:
            yield Finding("OK", f"{shown} (made with the first training)")
        return
    from mlflow.exceptions import MlflowException
    from sqlalchemy.exc import SQLAlchemyError

    try:
        found = tracking.client().search_experiments(max_results=1)
    except (MlflowException, SQLAlchemyError) as error:
        yield Finding(
            "FAIL",
            f"{shown} cannot be used: {str(error).splitlines()[0]}",
            "correct MLFLOW_TRACKING_URI, or move the file away to begin anew",
        )
        return
    yield Finding("OK", shown if found else f"{shown} (no experiment yet)")


def check_dagster() -> Iterator[Finding]:
    """Return whether Dagster's history can be read."""
    workplace.prepare_home()
    with workplace.dagster_instance() as instance:
        number = instance.get_runs_count()
    where = "Postgres" if workplace.history_is_shared() else Addresses().dagster_folder
    folder = workplace.dagster_home()
    yield Finding("OK", f"{number} runs in {where}; DAGSTER_HOME={folder}")


def check_graph() -> Iterator[Finding]:
    """Return whether the graph loads, and that it does so without heavy packages."""
    before = set(sys.modules)
    keys = workplace.load_graph().resolve_asset_graph().get_all_asset_keys()
    heavy = {"torch", "lightning", "ray"} & (set(sys.modules) - before)
    if heavy:
        yield Finding("WARN", f"{len(keys)} assets, but loading them imports {heavy}")
    else:
        yield Finding("OK", f"{len(keys)} assets")


def check_runs(*, fix: bool) -> Iterator[Finding]:
    """Return runs that a crash left in progress; `fix` records them as failed."""
    from astrid_assets.cli.orphaned_runs import fail, orphaned_runs

    workplace.prepare_home()
    with workplace.dagster_instance() as instance:
        orphans = orphaned_runs(instance, shared=workplace.history_is_shared())
        for orphan in orphans:
            what = f"{orphan.run.job_name} {orphan.run.run_id[:8]}: {orphan.reason}"
            if fix:
                fail(instance, orphan)
                yield Finding("OK", f"{what}; recorded as failed")
            else:
                yield Finding(
                    "WARN",
                    f"{what}, so it will never end",
                    "astrid doctor --fix records it as failed",
                )
    if not orphans:
        yield Finding("OK", "none left behind by a crash")


def check_leftovers(*, fix: bool) -> Iterator[Finding]:
    """Return temporary files of killed processes in store and work; `fix` removes them."""
    from astrid_assets.storage.objects.object_store import FolderObjectStore

    store = workplace.open_store()
    folders = [workplace.prepare_home() / "work"]
    if isinstance(store, FolderObjectStore):
        folders.append(store.root)
    files = {path: size for folder in folders for path, size in _stale_below(folder)}
    if not files:
        yield Finding("OK", "no temporary files")
        return
    names = ", ".join(path.name for path in sorted(files)[:MOST_NAMES])
    what = (
        f"{len(files)} temporary files of killed processes ({sum(files.values()) / 1e6:.1f} MB): "
        f"{names}{', …' if len(files) > MOST_NAMES else ''}"
    )
    if fix:
        for path in files:
            path.unlink(missing_ok=True)
        yield Finding("OK", f"{what}; removed")
    else:
        yield Finding("WARN", what, "astrid doctor --fix removes them")


def _stale_below(folder: Path) -> Iterator[tuple[Path, int]]:
    for parent, _, names in os.walk(folder):
        for name in names:
            if STAGED.fullmatch(name):
                path = Path(parent) / name
                with contextlib.suppress(FileNotFoundError):  # it got its final name meanwhile
                    status = path.lstat()
                    if stat.S_ISREG(status.st_mode) and time.time() - status.st_mtime > STALE_S:
                        yield path, status.st_size
