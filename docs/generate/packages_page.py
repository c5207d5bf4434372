"""The map of the package: what each folder holds, in the words of its docstring."""

from __future__ import annotations

import ast
import importlib
import importlib.util
import inspect
import pkgutil
from pathlib import Path

import astrid_assets
from docs.generate.entries import Entry, Group, Page

INTRODUCTION = """
Every folder says in its docstring what belongs there. An asset has one name everywhere: the file in
`assets`, the folder in `steps`, the gates in the catalogue.

```text
{top}
```
"""


def page() -> Page:
    """Return the page of packages, one group per folder of the top level."""
    groups = []
    for module in pkgutil.iter_modules(astrid_assets.__path__):
        name = f"astrid_assets.{module.name}"
        groups.append(Group(module.name, _docstring(name), (), tuple(_inside(name, module.ispkg))))
    top = INTRODUCTION.format(top=inspect.getdoc(astrid_assets))
    return Page("package-map", "Map of the package", top, tuple(groups))


def _inside(package: str, is_package: bool) -> list[Entry]:
    if not is_package:
        return []
    found = importlib.import_module(package)
    return [
        Entry(
            module.name + ("/" if module.ispkg else ""),
            _docstring(f"{package}.{module.name}").split("\n\n")[0],
        )
        for module in pkgutil.iter_modules(found.__path__)
        if module.name != "migrations"
    ]


def _docstring(name: str) -> str:
    spec = importlib.util.find_spec(name)
    if spec is None or spec.origin is None:
        raise LookupError(f"{name} has no source")
    # Read, not imported: some modules are heavy.
    return ast.get_docstring(ast.parse(Path(spec.origin).read_text())) or ""
