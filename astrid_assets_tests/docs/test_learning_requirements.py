"""The table of the learning requirements: what its right column names exists."""

from __future__ import annotations

import ast
import re

import pytest

from astrid_assets.learning.search.settings import SearchSettings
from astrid_assets.learning.settings import AugmentationSettings, LossSettings, TrainingSettings
from astrid_assets.resources.home import project_root
from astrid_assets.science.labelling.dataset_settings import DatasetQualitySettings
from astrid_assets.steps.learning.settings import CollectionSettings, DeploymentSettings
from docs.generate.tables_page import mappers

pytestmark = pytest.mark.slow  # of the imports

ROOT = project_root()
ROW = re.compile(r"^\| (.+?) \| (.+) \|$", re.MULTILINE)
NAMED = re.compile(r"`([^`]+)`")
PATH = re.compile(r"(?:astrid_assets_tests|benchmarks|notebooks)/[\w/.]+")
ROUTE = re.compile(r"(GET|POST) (/\S+)")
COLUMN = re.compile(r"([a-z_]+)\.([a-z_]+)")
SETTINGS = {
    model.__name__: model
    for model in (
        *(AugmentationSettings, CollectionSettings, DatasetQualitySettings, DeploymentSettings),
        *(LossSettings, SearchSettings, TrainingSettings),
    )
}


def columns_of_tables() -> dict[str, set[str]]:
    """Return the columns of each table of the catalogue."""
    return {
        str(mapper.local_table.description): {column.name for column in mapper.local_table.columns}
        for mapper in mappers()
    }


def names() -> list[str]:
    """Return what stands between backquotes in the right column."""
    text = (ROOT / "docs" / "learning_requirements.md").read_text()
    rows = [(left, right) for left, right in ROW.findall(text) if left != "the paper"]
    assert len(rows) > 90
    empty = [left for left, right in rows if not NAMED.search(right) and "{doc}" not in right]
    assert empty == []
    return [name for _, right in rows for name in NAMED.findall(right)]


def defined(tree: ast.Module) -> set[str]:
    """Return the names that a module defines at its top."""
    found: set[str] = set()
    for node in tree.body:
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def has_address(address: str) -> bool:
    """Return whether a dotted name is a module, a package, or defined in a module."""
    path = ROOT.joinpath(*address.split("."))
    if path.is_dir() or path.with_suffix(".py").is_file():
        return True
    module = path.parent.with_suffix(".py")
    return module.is_file() and path.name in defined(ast.parse(module.read_text()))


def is_known(name: str, columns: dict[str, set[str]]) -> bool:
    """Return whether a name of the table exists; names of no checked kind do."""
    if name.startswith("astrid_assets."):
        return has_address(name)
    if PATH.fullmatch(name):
        return (ROOT / name).is_file()
    first, _, rest = name.partition(".")
    if first in SETTINGS:
        return not rest or rest in SETTINGS[first].model_fields
    if found := COLUMN.fullmatch(name):
        return found[1] == "api" or found[2] in columns.get(found[1], set())
    return True


def test_every_address_file_setting_and_column_of_the_table_exists() -> None:
    columns = columns_of_tables()
    found = names()
    assert [name for name in found if not is_known(name, columns)] == []
    kinds = ("astrid_assets.", "astrid_assets_tests/", "CollectionSettings.", "training_samples.")
    for kind in kinds:
        assert any(name.startswith(kind) for name in found), kind


@pytest.mark.parametrize(
    "invented",
    [
        *("astrid_assets.api.load_everything", "astrid_assets.nothing.at_all"),
        *("CollectionSettings.hope", "training_samples.colour", "benchmarks/nothing.py"),
    ],
)
def test_what_does_not_exist_is_found(invented: str) -> None:
    assert not is_known(invented, columns_of_tables())


def test_every_endpoint_of_the_table_exists() -> None:
    from docs.generate.routes_page import document

    routes = {
        (method.upper(), path)
        for path, operations in document()["paths"].items()
        for method in operations
    }
    named = [found.groups() for name in names() if (found := ROUTE.fullmatch(name))]
    assert len(named) > 15
    assert [route for route in named if route not in routes] == []
