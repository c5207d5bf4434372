"""Every notebook runs from top to bottom, and none carries outputs."""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import nbformat
import pytest

from astrid_assets.resources.environment import VARIABLES
from astrid_assets.resources.home import project_root

if TYPE_CHECKING:
    from pathlib import Path

FOLDER = project_root() / "notebooks"
NOTEBOOKS = sorted((*FOLDER.glob("*.ipynb"), *(FOLDER / "training").glob("*.ipynb")))
PATIENCE_S = 300


def test_the_notebooks_are_there() -> None:
    names = {path.relative_to(FOLDER).with_suffix("").as_posix() for path in NOTEBOOKS}
    assert names >= {"two_frames", "night", "forced_light_curve"}
    assert names >= {"training/real_data_loading", "training/model_training"}


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_no_output_is_kept(path: Path) -> None:
    notebook = nbformat.read(path, as_version=4)
    nbformat.validate(notebook)
    kept = [
        cell.id
        for cell in notebook.cells
        if cell.cell_type == "code" and (cell.outputs or cell.execution_count is not None)
    ]
    assert kept == []


@pytest.mark.slow
# Of the kernel's client about its own event loop and sockets.
@pytest.mark.filterwarnings("ignore::DeprecationWarning", "ignore::ResourceWarning")
@pytest.mark.filterwarnings("ignore::pytest.PytestUnraisableExceptionWarning")
@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_it_runs(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from nbclient import NotebookClient

    for name in VARIABLES:
        monkeypatch.delenv(name, raising=False)
    # The kernel is a process of its own: it must find this checkout.
    root = str(project_root())
    monkeypatch.setenv("PYTHONPATH", os.pathsep.join((root, os.environ.get("PYTHONPATH", ""))))
    notebook = nbformat.read(path, as_version=4)
    NotebookClient(
        notebook,
        timeout=PATIENCE_S,
        kernel_name="python3",
        resources={"metadata": {"path": str(tmp_path)}},
    ).execute()
    outputs = [output for cell in notebook.cells for output in cell.get("outputs", [])]
    assert outputs
    assert not [output for output in outputs if output.output_type == "error"]
