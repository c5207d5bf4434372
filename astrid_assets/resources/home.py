"""The folder that holds `dagster.yaml`: the project, or its copy in the package."""

from __future__ import annotations

from pathlib import Path

DEPLOYMENT = Path(__file__).parent / "deployment"
"""Copies of `dagster.yaml` and `workspace.yaml` for a package without a checkout."""


def project_root() -> Path:
    """Return the folder with `dagster.yaml`: the checkout, or the working folder.

    An installed package has no checkout around it; then the working folder counts.
    """
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "dagster.yaml").is_file() else Path.cwd()
