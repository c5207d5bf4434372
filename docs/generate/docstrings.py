"""Sentences that stand under attributes in the source, which Python itself forgets."""

from __future__ import annotations

import ast
import inspect
from functools import lru_cache

UNITS = {
    "px": "pixels",
    "e": "electrons",
    "adu": "ADU",
    "s": "s",
    "ms": "ms",
    "mag": "mag",
    "deg": "degrees",
    "deg2": "square degrees",
    "arcsec": "arcsec",
    "mas": "mas",
    "sigma": "sigma",
    "fwhm": "FWHM",
    "c": "°C",
    "mjd": "MJD (UTC)",
    "ujy": "µJy",
    "mb": "MB",
    "megapixels": "megapixels",
    "days": "days",
    "hours": "hours",
    "minutes": "minutes",
    "year": "year",
    "bytes": "bytes",
    "adu2": "ADU²",
}
"""What the last word of a name says about its unit."""


def unit_of(name: str) -> str:
    """Return the unit that a name ends with, or an empty text.

    >>> unit_of("fwhm_px"), unit_of("gain_e_per_adu"), unit_of("name")
    ('pixels', 'electrons per ADU', '')
    """
    top, _, bottom = name.partition("_per_")
    first = UNITS.get(top.rpartition("_")[2], "") if "_" in top else ""
    if bottom and first:
        return f"{first} per {UNITS.get(bottom, bottom)}"
    return first


def first_sentence(text: str | None) -> str:
    """Return the first paragraph of a docstring on one line."""
    return " ".join((text or "").strip().split("\n\n")[0].split())


def attribute_docstrings(cls: type) -> dict[str, str]:
    """Return the docstrings under the attributes of a class and of its bases."""
    found: dict[str, str] = {}
    for base in reversed(cls.__mro__):
        found.update(_of_module(base.__module__).get(base.__qualname__, {}))
    return found


@lru_cache
def _of_module(module: str) -> dict[str, dict[str, str]]:
    if not module.startswith("astrid_assets"):
        return {}
    tree = ast.parse(inspect.getsource(__import__(module, fromlist=["_"])))
    return {node.name: _under(node) for node in tree.body if isinstance(node, ast.ClassDef)}


def _under(node: ast.ClassDef) -> dict[str, str]:
    found = {}
    for statement, after in zip(node.body, node.body[1:], strict=False):
        if not isinstance(after, ast.Expr) or not isinstance(after.value, ast.Constant):
            continue
        target = statement.target if isinstance(statement, ast.AnnAssign) else None
        if isinstance(statement, ast.Assign):
            target = statement.targets[0]
        if isinstance(target, ast.Name) and isinstance(after.value.value, str):
            found[target.id] = inspect.cleandoc(after.value.value)
    return found
