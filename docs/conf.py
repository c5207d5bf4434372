"""How Sphinx builds the documentation; what it lists is written by `docs/generate`."""

import os
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
smartquotes = False  # quotes in titles and tables are those of TOML

autodoc_member_order = "bysource"
autodoc_typehints_format = "short"
autosummary_generate = False
numpydoc_show_class_members = False

myst_heading_anchors = 3
# Notebooks make their own data, so they run wherever the package is installed.
nb_execution_mode = "force"
nb_execution_in_temp = True
nb_execution_raise_on_error = True
nb_execution_timeout = 600  # seconds per cell: kernels are compiled the first time
nb_output_stderr = "remove"  # what loggers print
for name in [n for n in os.environ if n.startswith(("ASTRID_", "MLFLOW_"))]:
    del os.environ[name]  # a notebook's survey must not reach a catalogue that is in use

html_theme = "furo"
html_static_path = ["static"]
html_css_files = ["astrid.css"]
html_title = "AstrID"
