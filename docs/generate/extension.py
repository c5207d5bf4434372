"""The Sphinx extension: writes the generated pages before Sphinx reads its sources."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from docs.generate.pages import all_files

if TYPE_CHECKING:
    from sphinx.application import Sphinx

GENERATED = Path(__file__).resolve().parents[1] / "_generated"


def setup(app: Sphinx) -> dict[str, bool]:
    """Register with Sphinx."""
    app.connect("builder-inited", lambda _: write())
    app.connect("autodoc-process-docstring", _keep_bars, priority=1)
    return {"parallel_read_safe": True, "parallel_write_safe": True}


def write(folder: Path = GENERATED) -> None:
    """Write every generated page; a file that would not change is left alone."""
    files = all_files()
    for name, text in files.items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        if not path.exists() or path.read_text() != text:
            path.write_text(text)
    for path in folder.rglob("*"):
        if path.is_file() and str(path.relative_to(folder)) not in files:
            path.unlink()


def _keep_bars(  # Sphinx's signature
    app: object, what: str, name: str, obj: object, options: object, lines: list[str]
) -> None:
    """Keep ``|x|`` as an absolute value: reStructuredText would substitute it."""
    del app, what, name, obj, options
    lines[:] = [re.sub(r"(?<![`\\])\|(?=\S)", r"\\|", line) for line in lines]
