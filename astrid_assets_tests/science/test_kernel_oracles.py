"""Every kernel is tested against something that is not ours.

A kernel is a public compiled function of a ``*_kernels.py``. Its oracle stands in the file
of that name among the tests, in a test called ``test_<kernel>_…``: a formula on whole arrays,
scipy, numpy, a star of known shape, or every possibility tried in turn. So that it cannot
agree with a kernel by calling the same code, such a file imports nothing of the package but
kernels and the names of mask bits.
"""

from __future__ import annotations

import ast
from typing import TYPE_CHECKING

import pytest

from astrid_assets.resources.home import project_root

if TYPE_CHECKING:
    from pathlib import Path

SCIENCE = project_root() / "astrid_assets" / "science"
TESTS = project_root() / "astrid_assets_tests" / "science"
KERNEL_FILES = sorted(SCIENCE.rglob("*_kernels.py"))
COMPILERS = {"compiled", "compiled_sums"}

DECLARATIONS = {"astrid_assets.science.mask_bits", "astrid_assets.science.arrays.types"}
"""Names of bits and of array types: no code that an oracle could share."""


def kernels_of(source: str) -> list[str]:
    """Return the names of the public compiled functions."""
    return [
        node.name
        for node in ast.parse(source).body
        if isinstance(node, ast.FunctionDef)
        and not node.name.startswith("_")
        and any(isinstance(d, ast.Name) and d.id in COMPILERS for d in node.decorator_list)
    ]


def without_oracle(kernels: list[str], tests: str) -> list[str]:
    """Return the kernels of which no test of their name calls them and asserts."""
    functions = {
        node.name: node for node in ast.parse(tests).body if isinstance(node, ast.FunctionDef)
    }
    return [
        kernel
        for kernel in kernels
        if not any(
            name.startswith(f"test_{kernel}_")
            and kernel in _called(name, functions)
            and _asserts(node)
            for name, node in functions.items()
        )
    ]


def _called(name: str, functions: dict[str, ast.FunctionDef]) -> set[str]:
    """Return what a function calls, itself or through the functions of its file."""
    found: set[str] = set()
    waiting = [name]
    while waiting:
        for node in ast.walk(functions[waiting.pop()]):
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Name):
                if node.func.id in functions and node.func.id not in found:
                    waiting.append(node.func.id)
                found.add(node.func.id)
    return found


def _asserts(test: ast.FunctionDef) -> bool:
    return any(
        isinstance(node, ast.Assert)
        or (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Name)
            and node.func.id.startswith("assert_")
        )
        for node in ast.walk(test)
    )


def oracle_file(kernel_file: Path) -> Path:
    """Return where the tests of a file of kernels stand."""
    return TESTS / kernel_file.relative_to(SCIENCE).with_name(f"test_{kernel_file.name}")


@pytest.mark.parametrize("kernel_file", KERNEL_FILES, ids=lambda path: path.stem)
def test_every_kernel_has_an_oracle(kernel_file: Path) -> None:
    kernels, tests = kernels_of(kernel_file.read_text()), oracle_file(kernel_file)
    assert kernels
    assert tests.is_file(), f"{', '.join(kernels)} have no oracle: write {tests}"
    missing = without_oracle(kernels, tests.read_text())
    assert missing == [], f"write test_<kernel>_… with an oracle for these in {tests}"


@pytest.mark.parametrize("kernel_file", KERNEL_FILES, ids=lambda path: path.stem)
def test_an_oracle_shares_no_code_with_its_kernel(kernel_file: Path) -> None:
    imported = {
        node.module
        for node in ast.walk(ast.parse(oracle_file(kernel_file).read_text()))
        if isinstance(node, ast.ImportFrom)
        and node.module is not None
        and node.module.startswith("astrid_assets.")
    }
    own = ".".join(kernel_file.relative_to(project_root()).with_suffix("").parts)
    assert imported - {own, *DECLARATIONS} == set()


@pytest.mark.parametrize(
    ("tests", "missing"),
    [
        ("def test_halve_is_a_mean():\n    assert halve(1) == 2", []),
        ("def run():\n    return halve(1)\ndef test_halve_x():\n    assert run()", []),
        ("def test_halve_is_a_mean():\n    halve(1)", ["halve"]),  # asserts nothing
        ("def test_halve_is_a_mean():\n    assert double(1)", ["halve"]),  # calls another
        ("def test_a_mean():\n    assert halve(1) == 2", ["halve"]),  # named by nothing
    ],
)
def test_a_kernel_without_an_oracle_is_found(tests: str, missing: list[str]) -> None:
    source = "@compiled\ndef halve(x):\n    return x\n@compiled\ndef _own(x):\n    return x\n"
    assert without_oracle(kernels_of(source), tests) == missing
