"""What is finished can be reached: public functions and classes have a caller."""

import ast
from pathlib import Path

import pytest

from astrid_assets.resources.home import project_root

PACKAGE = project_root() / "astrid_assets"
DEFINITIONS = (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)

REGISTERING = {"command", "group", "asset", "nightly_asset", "get", "post", "put", "delete"}
"""Decorators by which click, Dagster and FastAPI learn of a function and call it."""

ENTRANCES = {
    "astrid_assets.api": "notebooks call it",
    "astrid_assets.cli.main": "pyproject.toml names it as the astrid command",
    "astrid_assets.resources.dagster_instance": "dagster.yaml names its classes",
    "astrid_assets.storage.database.migrations.versions": "Alembic calls its revisions",
}
"""Modules, or packages, whose public names are called from outside the package."""

ORACLES = {
    # The documentation.
    "science.quality.declarations.declarations": "the page of measured numbers is made from it",
    # What tests and benchmarks train on, and compare with.
    "learning.stamps.write_stamps": "arrays of tests and benchmarks as shards",
    "science.simulation.transients.variable_star_indices": "which simulated stars vary",
    "science.calibration.variance.calibrated_variance": "the noise calibrated frames must have",
    "science.astrometry.solution.match_patterns": "star patterns alone, where shifts are known",
}
"""What only tests, benchmarks and documentation call, and why it stays."""


def trees() -> dict[str, ast.Module]:
    """Return the code of each module of the package by its dotted name."""
    return {
        ".".join(path.relative_to(PACKAGE.parent).with_suffix("").parts): ast.parse(
            path.read_text()
        )
        for path in PACKAGE.rglob("*.py")
    }


def used_names(modules: dict[str, ast.Module]) -> set[tuple[str, str]]:
    """Return (module, name) of what is imported, or read outside its own definition."""
    used: set[tuple[str, str]] = set()
    for module, tree in modules.items():
        aliases: dict[str, str] = {}
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    inner = f"{node.module}.{alias.name}"
                    if inner in modules:
                        aliases[alias.asname or alias.name] = inner
                    else:
                        used.add((node.module, alias.name))
        for statement in tree.body:
            own = statement.name if isinstance(statement, DEFINITIONS) else None
            for node in ast.walk(statement):
                if isinstance(node, ast.Name) and node.id != own:
                    used.add((module, node.id))
                elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
                    used.add((aliases.get(node.value.id, ""), node.attr))
    return used


def uncalled(modules: dict[str, ast.Module]) -> set[str]:
    """Return the public functions and classes that nothing in `modules` calls."""
    used = used_names(modules)
    return {
        f"{module}.{node.name}".removeprefix("astrid_assets.")
        for module, tree in modules.items()
        if not any(f"{module}.".startswith(f"{entrance}.") for entrance in ENTRANCES)
        for node in tree.body
        if isinstance(node, DEFINITIONS)
        and not node.name.startswith("_")
        and (module, node.name) not in used
        and not is_registered(node)
    }


def is_registered(node: ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef) -> bool:
    """Return whether a decorator hands the definition to a framework."""
    calls = [d.func if isinstance(d, ast.Call) else d for d in node.decorator_list]
    names = {c.attr if isinstance(c, ast.Attribute) else ast.unparse(c) for c in calls}
    return bool(names & REGISTERING)


@pytest.mark.slow
def test_public_functions_and_classes_have_a_caller_in_the_package() -> None:
    modules = trees()
    assert len(modules) > 400
    found = uncalled(modules)
    assert found - ORACLES.keys() == set(), "call it, remove it, or list it with its reason"
    assert ORACLES.keys() - found == set(), "an entry that nothing needs any more"


def test_an_entrance_is_a_module_of_the_package() -> None:
    for entrance in ENTRANCES:
        path = PACKAGE.parent / entrance.replace(".", "/")
        assert path.is_dir() or Path(f"{path}.py").is_file(), entrance


def test_a_function_without_a_caller_is_found() -> None:
    modules = {
        "astrid_assets.a": ast.parse(
            "def called(): ...\n"
            "def unused(): return unused()\n"
            "def by_module(): ...\n"
            "@click.command('x')\ndef command(): ...\n"
            "class Local: ...\n"
            "def here(): return Local()\n"
        ),
        "astrid_assets.b": ast.parse(
            "from astrid_assets import a as other\n"
            "from astrid_assets.a import called\n"
            "print(called(), other.by_module(), elsewhere.here)\n"
        ),
    }
    assert uncalled(modules) == {"a.unused", "a.here"}
