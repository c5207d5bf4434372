"""The reference of public science functions: one page per room, in the data's order."""

from __future__ import annotations

import ast
import importlib
import inspect
import pkgutil

from astrid_assets import science

ROOMS = (
    *("calibration", "masking", "sky", "stars", "psf", "astrometry", "photometry"),
    *("registration", "processing", "reference", "differencing", "detection", "injection"),
    *("quality", "labelling", "simulation", "arrays"),
)
"""In the order in which a frame meets them; `arrays` is what they all use."""


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
    parts = [_heading(title, "="), f".. automodule:: {package}\n"]
    for module in modules(package):
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


def _heading(text: str, line: str) -> str:
    return f"{text}\n{line * len(text)}\n"


def api_pages() -> dict[str, str]:
    """Return the pages of the API reference by file name."""
    pages = {
        f"api/{room}.rst": room_page(f"astrid_assets.science.{room}", room) for room in rooms()
    }
    pages["api/science.rst"] = room_page("astrid_assets.science", "science")
    tree = "\n".join(f"   {name}" for name in ("science", *rooms()))
    pages["api/index.rst"] = (
        _heading("Functions of science", "=")
        + "\nArrays in, arrays out: each works in a notebook without anything else of AstrID.\n"
        + f"\n.. toctree::\n   :maxdepth: 1\n\n{tree}\n"
    )
    return pages
