"""All generated pages, as file names and texts."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from docs.generate import (
    columns_page,
    commands_page,
    environment_page,
    figures_page,
    mask_page,
    numbers_page,
    packages_page,
    routes_page,
    settings_page,
    tables_page,
)
from docs.generate.api_pages import api_pages
from docs.generate.entries import as_markdown

if TYPE_CHECKING:
    from docs.generate.entries import Page

NOTEBOOKS = Path(__file__).resolve().parents[2] / "notebooks"


def pages() -> list[Page]:
    """Return the reference pages in the order of the table of contents."""
    made = (
        settings_page,
        mask_page,
        commands_page,
        routes_page,
        environment_page,
        tables_page,
        columns_page,
        packages_page,
        numbers_page,
    )
    return [module.page() for module in made]


def all_files() -> dict[str, str]:
    """Return the text of every generated file by its name."""
    written = {f"{page.name}.md": as_markdown(page) for page in pages()}
    # Sphinx reads below its own folder only.
    notebooks = {
        f"notebooks/{path.relative_to(NOTEBOOKS).as_posix()}": path.read_text()
        for path in (*NOTEBOOKS.glob("*.ipynb"), *NOTEBOOKS.glob("training/*.ipynb"))
    }
    return written | {"figures.md": figures_page.page()} | notebooks | api_pages()
