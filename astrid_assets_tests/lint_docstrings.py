"""Lint over the docstrings of `science`: shapes, units, results, and what is raised.

Run by ``make lint``: ``python -m astrid_assets_tests.lint_docstrings``. numpydoc's
checks are in ``[tool.numpydoc_validation]`` of ``pyproject.toml``; properties and
methods without arguments may be one line. The rule on Raises is ours: an exception that
a public function raises stands in its docstring, and so does a failure of the data that
it raises through private functions of its module.
"""

from __future__ import annotations

import ast
import builtins
import sys
from pathlib import Path

from numpydoc.docscrape import NumpyDocString
from numpydoc.hooks.validate_docstrings import parse_config, process_file

ROOT = Path(__file__).parents[1]
OPTIONAL = {"RT01"}
"""What a property or a method without arguments may lack."""

BUILT_IN = {name for name in dir(builtins) if name[0].isupper()}
"""In a private function they guard against faults of the program, not of the data."""

ANY_OF_OURS = {"ScienceError", "Exception"}
"""Handlers that catch whatever a function raises."""


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


def undocumented_raises(source: str) -> list[tuple[int, str, str]]:
    """Return what public functions raise and do not name under Raises.

    Parameters
    ----------
    source
        Text of a module.

    Returns
    -------
    missing
        Line, function and exception of each.
    """
    tree = ast.parse(source)
    owners = [tree, *(n for n in tree.body if isinstance(n, ast.ClassDef))]
    defined = [n for owner in owners for n in owner.body if isinstance(n, ast.FunctionDef)]
    private = {node.name: node for node in defined if node.name.startswith("_")}
    missing = []
    for node in defined:
        if node.name in private:
            continue
        documented = NumpyDocString(ast.get_docstring(node) or "")["Raises"]
        named = {name for entry in documented for name in entry.type.split(", ")}
        raised = _raised(node.body, private, set())
        missing += [(node.lineno, node.name, error) for error in sorted(raised - named)]
    return missing


def _raised(body: list[ast.stmt], private: dict[str, ast.FunctionDef], seen: set[str]) -> set[str]:
    """Return the exceptions that statements let out, private functions followed."""
    found: set[str] = set()
    for statement in body:
        if isinstance(statement, ast.Try):
            caught = {n.id for h in statement.handlers if h.type for n in _names(h.type)}
            tried = _raised(statement.body, private, seen)
            found |= set() if caught & ANY_OF_OURS else tried - caught
            for part in (*(h.body for h in statement.handlers), statement.orelse):
                found |= _raised(part, private, seen)
            continue
        inner = [b for _, b in ast.iter_fields(statement) if _is_body(b)]
        for part in inner:
            found |= _raised(part, private, seen)
        if isinstance(statement, ast.Raise) and isinstance(statement.exc, ast.Call):
            found |= _made(statement.exc, private)
        for part in ast.iter_child_nodes(statement):
            if not isinstance(part, ast.stmt):
                found |= _called(part, private, seen)
    return found


def _called(part: ast.AST, private: dict[str, ast.FunctionDef], seen: set[str]) -> set[str]:
    """Return what the private functions raise that an expression calls."""
    found: set[str] = set()
    names = {n.id for n in _names(part)} | {
        n.attr for n in ast.walk(part) if isinstance(n, ast.Attribute)
    }
    for name in names & private.keys() - seen:
        found |= _raised(private[name].body, private, seen | {name})
    return found - BUILT_IN


def _made(call: ast.Call, private: dict[str, ast.FunctionDef]) -> set[str]:
    """Return the class of a raised exception, also of one that a function returns."""
    name = call.func.id if isinstance(call.func, ast.Name) else ""
    if name in private:
        returned = private[name].returns
        return {n.id for n in _names(returned)} if returned else set()
    return {name} - {""}


def _names(part: ast.AST) -> list[ast.Name]:
    return [n for n in ast.walk(part) if isinstance(n, ast.Name)]


def _is_body(value: object) -> bool:
    return isinstance(value, list) and bool(value) and isinstance(value[0], ast.stmt)


def findings(root: Path) -> list[str]:
    """Return what is wrong with the docstrings below ``science``.

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
        source = path.read_text()
        accessors, nested = exempt_lines(source)
        for where, what, code, sentence in process_file(path, config):
            line = int(where.rsplit(":", 1)[1])
            if line not in nested and not (code in OPTIONAL and line in accessors):
                found.append(f"{name}:{line}: {what}: {code} {sentence}")
        for line, what, error in undocumented_raises(source):
            found.append(f"{name}:{line}: {what}: raises {error}, which Raises does not name")
    return found


def main() -> int:
    """Print the findings; 1 if there are any."""
    found = findings(ROOT)
    for line in found:
        sys.stdout.write(f"{line}\n")
    return int(bool(found))


if __name__ == "__main__":
    raise SystemExit(main())
