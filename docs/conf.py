"""How Sphinx builds the documentation; what it lists is written by `docs/generate`."""

import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

project = "AstrID"
author = "the AstrID developers"
copyright = "the AstrID developers; MIT licence"  # noqa: A001  Sphinx's name

extensions = [
    "sphinx.ext.autodoc",
    "sphinx.ext.autosummary",
    "numpydoc",
    "myst_nb",
    "docs.generate.extension",
]
exclude_patterns = ["_build", "README.md"]

# Single backticks name something of ours, or are code; what cannot be linked stays text.
default_role = "py:obj"
nitpicky = False
# `Shapes` stands in two modules; a bare mention links to the first.
suppress_warnings = ["ref.python"]

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autosummary_generate = False
numpydoc_show_class_members = False

myst_heading_anchors = 3
nb_execution_mode = "off"  # notebooks are run by the tests

html_theme = "furo"
html_title = "AstrID"
