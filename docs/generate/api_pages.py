"""The Python reference: entry points first, then science, one page per folder."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil
from typing import TYPE_CHECKING

from astrid_assets import science
from docs.generate.docstrings import first_sentence

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

ROOMS = (
    *("calibration", "masking", "sky", "stars", "psf", "astrometry", "photometry"),
    *("registration", "processing", "reference", "differencing", "detection", "injection"),
    *("quality", "labelling", "simulation", "arrays"),
)
"""In the order in which a frame meets them; `arrays` is what they all use."""

ENTRY_POINTS = {
    "notebooks": (
        "In a notebook",
        ("astrid_assets.api", "astrid_assets.standalone.results"),
    ),
    "deployment": (
        "Deployment",
        ("astrid_assets.definitions", "astrid_assets.web.app", "astrid_assets.compute"),
    ),
    "stores": (
        "Catalogue and store",
        ("astrid_assets.storage.database.catalogue", "astrid_assets.storage.objects.object_store"),
    ),
}
"""Pages outside of `science`: title and modules. What `standalone` returns is documented, the rest
of it is private."""


def rooms() -> list[str]:
    """Return every folder of `science`: those of `ROOMS`, then any that is new."""
    there = [m.name for m in pkgutil.iter_modules(science.__path__) if m.ispkg]
    return [room for room in ROOMS if room in there] + sorted(set(there) - set(ROOMS))


def modules(package: str) -> list[str]:
    """Return the documented modules of a package: not kernels, which are loops only."""
    found = importlib.import_module(package)
    return [
        f"{package}.{m.name}"
        for m in pkgutil.iter_modules(found.__path__)
        if not m.ispkg and not m.name.endswith("_kernels") and not m.name.startswith("_")
    ]


def public_names(module: str) -> list[str]:
    """Return the public functions and classes that a module defines, in its order."""
    source = inspect.getsource(importlib.import_module(module))
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef | ast.ClassDef) and not node.name.startswith("_")
    ]


def room_page(package: str, title: str) -> str:
    """Return the page of a package as reStructuredText."""
    return _page(title, f".. automodule:: {package}\n", modules(package))


def _page(title: str, introduction: str, documented: Sequence[str]) -> str:
    parts = [_heading(title, "="), introduction]
    for module in documented:
        names = public_names(module)
        if not names:
            continue
        parts += [
            _heading(module.removeprefix("astrid_assets."), "-"),
            f".. automodule:: {module}\n",
            f".. currentmodule:: {module}\n",
            ".. autosummary::\n   :nosignatures:\n\n" + "".join(f"   {n}\n" for n in names),
        ]
        for name in names:
            value = getattr(importlib.import_module(module), name)
            kind = "autoclass" if inspect.isclass(value) else "autofunction"
            options = "   :members:\n" if inspect.isclass(value) else ""
            parts.append(f".. {kind}:: {name}\n{options}")
    return "\n".join(parts)


def _listed(sentences: Mapping[str, str]) -> str:
    tree = ".. toctree::\n   :hidden:\n\n" + "".join(f"   {name}\n" for name in sentences)
    lines = "".join(f"* :doc:`{name}`: {text}\n" for name, text in sentences.items())
    return f"{tree}\n{lines}\n"


def _sentence(module: str) -> str:
    return first_sentence(importlib.import_module(module).__doc__)


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def api_pages() -> dict[str, str]:
    """Return the pages of the API reference by file name."""
    pages = {
        f"api/{room}.rst": room_page(f"astrid_assets.science.{room}", room) for room in rooms()
    }
    pages["api/science.rst"] = room_page("astrid_assets.science", "science")
    for name, (title, documented) in ENTRY_POINTS.items():
        pages[f"api/{name}.rst"] = _page(title, "", documented)
    pages["api/index.rst"] = (
        _heading("Python reference", "=")
        + "\n"
        + _listed(
            {name: _sentence(documented[0]) for name, (_, documented) in ENTRY_POINTS.items()}
        )
        + _heading("Functions of science", "-")
        + "\nArrays in, arrays out: each works in a notebook without anything else of AstrID.\n\n"
        + _listed(
            {"science": _sentence("astrid_assets.science")}
            | {room: _sentence(f"astrid_assets.science.{room}") for room in rooms()}
        )
    )
    return pages
