"""Whatever the code declares has its sentence, and stands on its page."""

from __future__ import annotations

import ast
import re
from pathlib import Path

import pytest

from astrid_assets.cli.main import COMMANDS
from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.quality.declarations import MEASURED_NUMBERS
from astrid_assets.science.quality.difference_gates import DIFFERENCE_GATES
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.gates import OTHER_GATES
from astrid_assets.science.quality.master_gates import MASTER_GATES
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.storage.database.tables.base import Base
from docs.generate import (
    api_pages,
    columns_page,
    commands_page,
    environment_page,
    mask_page,
    numbers_page,
    packages_page,
    routes_page,
    settings_page,
    tables_page,
)
from docs.generate.docstrings import unit_of
from docs.generate.entries import Entry, Group, Page, as_markdown

pytestmark = pytest.mark.slow  # Lightning alone takes six seconds to import

PACKAGE = project_root() / "astrid_assets"
MAKERS = {
    "settings": settings_page.page,
    "numbers": numbers_page.page,
    "mask bits": mask_page.page,
    "commands": commands_page.page,
    "rest": routes_page.page,
    "environment": environment_page.page,
    "tables": tables_page.page,
    "columns": columns_page.page,
    "packages": packages_page.page,
}


def lacking(page: Page) -> list[str]:
    without = [group.title for group in page.groups if not group.sentence.strip()]
    entries = [(group.title, entry) for group in page.groups for entry in group.entries]
    return without + [f"{title}: {e.name}" for title, e in entries if not e.sentence.strip()]


@pytest.mark.parametrize("name", MAKERS)
def test_everything_on_the_page_has_its_sentence(name: str) -> None:
    page = MAKERS[name]()
    assert sum(len(group.entries) for group in page.groups) > 10
    assert lacking(page) == []


def test_what_has_no_sentence_is_found() -> None:
    silent = Page("p", "P", "", (Group("g", "Group.", (), (Entry("x", " "),)), Group("h", "")))
    assert lacking(silent) == ["h", "g: x"]


def test_every_model_of_settings_is_on_the_page() -> None:
    # A page has the fields that a model inherits too.
    listed = {kind.__name__ for model in settings_page.models() for kind in model.__mro__}
    declared = {
        node.name
        for path in PACKAGE.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.ClassDef)
        and any(isinstance(b, ast.Name) and b.id in ("Settings", "Section") for b in node.bases)
    }
    assert len(declared) > 20
    assert declared - listed == set()


def test_every_field_of_a_model_is_in_the_text() -> None:
    text = as_markdown(settings_page.page())
    for model in settings_page.models():
        for name in model.model_fields:
            assert f"| `{name}` |" in text, (model.__name__, name)


def test_every_mask_bit_is_in_the_text() -> None:
    text = as_markdown(mask_page.page())
    assert [bit.name for bit in MaskBit if f"| `{bit.name}` |" not in text] == []


def test_every_number_gate_and_reason_code_is_in_the_text() -> None:
    text = as_markdown(numbers_page.page())
    names = [
        *(number.name for number in MEASURED_NUMBERS),
        *(gate.name for gate in (*OTHER_GATES, *MASTER_GATES, *DIFFERENCE_GATES)),
        *(code.value for code in ReasonCode),
    ]
    assert [name for name in names if f"| `{name}` |" not in text] == []


def test_every_command_is_in_the_text() -> None:
    text = as_markdown(commands_page.page())
    assert [name for name in COMMANDS if f"## astrid {name}\n" not in text] == []
    assert "## astrid survey add\n" in text


def test_every_route_is_in_the_text() -> None:
    declared = {
        re.sub(r"\\([{}])", r"\1", title)
        for title in re.findall(r"^## (.+)$", as_markdown(routes_page.page()), re.MULTILINE)
    }
    routers = "".join(path.read_text() for path in (PACKAGE / "web" / "api").glob("*.py"))
    routes = re.findall(r"@router\.(get|post|put|delete|patch)\(\s*\"([^\"]+)\"", routers)
    assert len(routes) > 20
    assert {method.upper() for method, _ in routes} <= {title.split()[0] for title in declared}
    for method, path in routes:
        assert any(t.startswith(method.upper()) and t.endswith(path) for t in declared), path


def test_every_parameter_of_a_function_behind_a_route_is_on_the_page() -> None:
    listed = {entry.name for group in routes_page.page().groups for entry in group.entries}
    # What FastAPI hands in, and what a request brings as a whole.
    given = {"state", "person", "request", "response", "body"}
    taken = {
        argument.arg
        for path in (PACKAGE / "web" / "api").glob("*.py")
        for node in ast.parse(path.read_text()).body
        if isinstance(node, ast.FunctionDef)
        and any(
            "outer.get" in ast.unparse(d) or "outer.post" in ast.unparse(d)
            for d in node.decorator_list
        )
        for argument in node.args.args
    }
    assert len(taken) > 30
    assert taken - given - listed == set()


def test_arguments_of_commands_are_on_the_page_with_their_metavar() -> None:
    by_command = {group.title: group.entries for group in commands_page.page().groups}
    assert by_command["astrid explain"][0].name == "NAME|RA DEC [YYYY-MM-DD]"


def test_every_column_is_in_the_text() -> None:
    page = tables_page.page()
    by_name = {group.title: {e.name for e in group.entries} for group in page.groups}
    for table in Base.metadata.tables.values():
        assert by_name[table.name] == {column.name for column in table.columns}


def test_columns_of_measured_numbers_have_the_declared_sentence_and_unit() -> None:
    tables = {group.title: group.entries for group in tables_page.page().groups}
    (entry,) = (e for e in tables["difference_runs"] if e.name == "flux_ratio_scatter")
    (number,) = (n for n in DIFFERENCE_NUMBERS if n.name == "flux_ratio_scatter")
    assert entry.sentence == number.sentence
    assert entry.cells[-1] == number.unit


def test_every_variable_is_on_the_page() -> None:
    listed = [entry.name for group in environment_page.page().groups for entry in group.entries]
    assert listed == list(VARIABLES)


def test_the_example_file_is_the_one_that_the_declarations_make() -> None:
    remedy = "run python -m docs.generate.environment_page"
    assert environment_page.EXAMPLE.read_text() == environment_page.example(), remedy
    listed = re.findall(r"^(\w+)=$", environment_page.example(), re.MULTILINE)
    assert listed == list(VARIABLES)


def test_every_public_function_of_science_is_in_the_api_reference() -> None:
    pages = api_pages.api_pages()
    for room in api_pages.rooms():
        text = pages[f"api/{room}.rst"]
        for module in api_pages.modules(f"astrid_assets.science.{room}"):
            source = Path(PACKAGE.parent, *module.split(".")).with_suffix(".py").read_text()
            for node in ast.parse(source).body:
                if isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name[0] != "_":
                    documented = rf"^\.\. auto\w+:: {node.name}$"
                    assert re.search(documented, text, re.MULTILINE), node.name


def test_the_entry_points_are_in_the_api_reference() -> None:
    pages = api_pages.api_pages()
    for name in ("difference", "measure", "load_training_dataset", "train_network", "score"):
        assert f".. autofunction:: {name}\n" in pages["api/notebooks.rst"]
    for name in ("Subtraction", "Measurement"):
        assert f".. autoclass:: {name}\n" in pages["api/notebooks.rst"]
    assert ".. autofunction:: build_definitions\n" in pages["api/deployment.rst"]
    for name in pages:
        page = name.removeprefix("api/").removesuffix(".rst")
        assert page == "index" or f"   {page}\n" in pages["api/index.rst"], name


@pytest.mark.parametrize(
    ("name", "unit"),
    [
        ("fwhm_px", "pixels"),
        ("gain_e_per_adu", "electrons per ADU"),
        ("max_file_mb", "MB"),
        ("exposure_s", "s"),
        ("name", ""),
        ("votes", ""),
        ("frames_per_night", ""),
    ],
)
def test_the_unit_is_what_the_name_ends_with(name: str, unit: str) -> None:
    assert unit_of(name) == unit
