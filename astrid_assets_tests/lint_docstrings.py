"""numpydoc's lint over the docstrings of `science`: shapes, units, results.

Run by ``make lint``: ``python -m astrid_assets_tests.lint_docstrings``. The checks
are in ``[tool.numpydoc_validation]`` of ``pyproject.toml``. Properties and methods without arguments may be one line.
"""

from __future__ import annotations

import ast
import sys
from pathlib import Path

from numpydoc.hooks.validate_docstrings import parse_config, process_file

ROOT = Path(__file__).parents[1]
OPTIONAL = {"RT01"}
"""What a property or a method without arguments may lack."""


def exempt_lines(source: str) -> tuple[set[int], set[int]]:
    """Return where a docstring may lack its sections, and where it may be missing.

    Parameters
    ----------
    source
        Text of a module.

    Returns
    -------
    accessors, nested
        Lines, from 1: of properties and methods without arguments, and of functions
        within functions, each with its decorators.
    """
    accessors: set[int] = set()
    nested: set[int] = set()
    for owner in ast.walk(ast.parse(source)):
        for node in owner.body if isinstance(owner, ast.ClassDef | ast.FunctionDef) else ():
            if not isinstance(node, ast.FunctionDef):
                continue
            first = min([node.lineno, *(d.lineno for d in node.decorator_list)])
            lines = range(first, node.lineno + 1)
            given = [*node.args.posonlyargs, *node.args.args, *node.args.kwonlyargs]
            if isinstance(owner, ast.FunctionDef):
                nested.update(lines)
            elif len(given) <= 1:
                accessors.update(lines)
    return accessors, nested


def findings(root: Path) -> list[str]:
    """Return what numpydoc finds wrong with the docstrings below ``science``.

    Parameters
    ----------
    root
        Folder of the repository.

    Returns
    -------
    findings
        One line each: file, line, name, code and sentence.
    """
    config = parse_config(root)
    found: list[str] = []
    for path in sorted((root / "astrid_assets" / "science").rglob("*.py")):
        name = path.relative_to(root).as_posix()
        accessors, nested = exempt_lines(path.read_text())
        for where, what, code, sentence in process_file(path, config):
            line = int(where.rsplit(":", 1)[1])
            if line not in nested and not (code in OPTIONAL and line in accessors):
                found.append(f"{name}:{line}: {what}: {code} {sentence}")
    return found


def main() -> int:
    """Print the findings; 1 if there are any."""
    found = findings(ROOT)
    for line in found:
        sys.stdout.write(f"{line}\n")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
