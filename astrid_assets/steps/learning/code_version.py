"""Which code runs: the version of the package, and the commit where it is a checkout."""

from __future__ import annotations

import shutil
import subprocess
from importlib import metadata
from pathlib import Path

PACKAGE = Path(__file__).parents[2]
TIMEOUT_S = 10.0


def code_version() -> dict[str, str | None]:
    """Return the version of the package, and the commit; None where it is no checkout.

    A commit that ends in ``-dirty`` was changed and not committed.
    """
    return {"astrid-assets": metadata.version("astrid-assets"), "commit": _commit()}


def _commit() -> str | None:
    git = shutil.which("git")
    if git is None or not (PACKAGE.parent / ".git").exists():
        return None
    asked = [git, "-C", str(PACKAGE), "describe", "--always", "--dirty", "--abbrev=40"]
    asked += ["--exclude", "*"]
    try:
        said = subprocess.run(  # noqa: S603  arguments of our own
            asked, capture_output=True, text=True, timeout=TIMEOUT_S, check=True
        )
    except (subprocess.SubprocessError, OSError):
        return None
    return said.stdout.strip() or None
