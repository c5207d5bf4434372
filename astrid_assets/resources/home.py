"""Where AstrID keeps its things, and which environment variables say otherwise.

Everything is below one folder unless a variable names a service instead: the
catalogue, the object store, MLflow, and Dagster's own history. Nothing here is
created or contacted; the variables are read when a function is called, never when
this module is imported. `.env.example` explains each of them.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import get_args

from astrid_assets.compute import Backend

HOME = "ASTRID_HOME"
DATABASE_URL = "ASTRID_DATABASE_URL"
STORE_URL = "ASTRID_STORE_URL"
S3_ENDPOINT = "ASTRID_S3_ENDPOINT"
S3_REGION = "ASTRID_S3_REGION"
S3_ACCESS_KEY = "AWS_ACCESS_KEY_ID"
S3_SECRET_KEY = "AWS_SECRET_ACCESS_KEY"  # noqa: S105  the name of a variable
TRACKING_URI = "MLFLOW_TRACKING_URI"
WEBHOOK_URL = "ASTRID_WEBHOOK_URL"
WORKERS = "ASTRID_WORKERS"
COMPUTE_BACKEND = "ASTRID_COMPUTE"
DAGSTER_DATABASE_URL = "ASTRID_DAGSTER_DATABASE_URL"
COMPUTE_LOGS_URL = "ASTRID_COMPUTE_LOGS_URL"
FIRST_NIGHT = "ASTRID_FIRST_NIGHT"
DAGSTER_HOME = "DAGSTER_HOME"
COMPILED_CODE = "NUMBA_CACHE_DIR"

DEPLOYMENT = Path(__file__).parent / "deployment"
"""Copies of `dagster.yaml` and `workspace.yaml` for a package without a checkout."""

WEB_VARIABLES = (
    "ASTRID_WEB_HOST",
    "ASTRID_WEB_PORT",
    "ASTRID_WEB_LOGIN",
    "ASTRID_WEB_PUBLIC",
    "ASTRID_WEB_HOSTS",
    "ASTRID_DAGSTER_URL",
)
"""Variables of the review page and the API; read by `web.settings`."""

VARIABLES = (
    HOME,
    DATABASE_URL,
    STORE_URL,
    S3_ENDPOINT,
    S3_REGION,
    S3_ACCESS_KEY,
    S3_SECRET_KEY,
    TRACKING_URI,
    WEBHOOK_URL,
    WORKERS,
    COMPUTE_BACKEND,
    DAGSTER_DATABASE_URL,
    COMPUTE_LOGS_URL,
    FIRST_NIGHT,
    *WEB_VARIABLES,
)
"""Every variable of ours, in the order of `.env.example`."""


def project_root() -> Path:
    """Return the folder with `dagster.yaml`: the checkout, or the working folder.

    An installed package has no checkout around it; then the working folder counts.
    """
    checkout = Path(__file__).resolve().parents[2]
    return checkout if (checkout / "dagster.yaml").is_file() else Path.cwd()


def astrid_home() -> Path:
    """Return the folder for everything AstrID keeps on this machine."""
    return Path(_setting(HOME) or project_root() / ".astrid").expanduser().resolve()


def keep_compiled_code() -> None:
    """Let numba keep machine code below the home, not beside the source.

    It looks when a kernel is imported, so this comes first; child processes inherit
    it. A folder that somebody named stays.
    """
    os.environ.setdefault(COMPILED_CODE, str(astrid_home() / "compiled"))


def database_url() -> str:
    """Return the address of the catalogue; a SQLite file by default."""
    return _setting(DATABASE_URL) or f"sqlite:///{astrid_home() / 'catalogue.db'}"


def store_url() -> str:
    """Return the address of the object store; a folder by default."""
    return _setting(STORE_URL) or str(astrid_home() / "store")


def tracking_uri() -> str:
    """Return MLflow's address; a SQLite file by default."""
    return _setting(TRACKING_URI) or f"sqlite:///{astrid_home() / 'mlflow/mlflow.db'}"


def artifacts_folder() -> Path:
    """Return the folder for MLflow's artifacts, where no server keeps them."""
    return astrid_home() / "mlflow" / "artifacts"


def dagster_folder() -> Path:
    """Return the folder for Dagster's history, logs and schedules."""
    return astrid_home() / "dagster"


def dagster_database_url() -> str | None:
    """Return the Postgres address of Dagster's history; None: SQLite files.

    SQLAlchemy 2.1 takes another driver for a bare ``postgresql://``, so the one that
    dagster-postgres needs is spelled out.
    """
    url = _setting(DAGSTER_DATABASE_URL)
    if url is None:
        return None
    scheme, separator, rest = url.partition("://")
    if scheme in {"postgres", "postgresql"}:
        scheme = "postgresql+psycopg2"
    if separator == "" or scheme != "postgresql+psycopg2":
        # What it reads instead is not repeated: it may hold a password.
        raise ValueError(f"{DAGSTER_DATABASE_URL} must read postgresql://user:password@host/name")
    return f"{scheme}://{rest}"


def compute_logs_url() -> str | None:
    """Return the ``s3://bucket/prefix`` of captured output; None: local files."""
    return _setting(COMPUTE_LOGS_URL)


def s3_endpoint() -> str | None:
    """Return the endpoint of the S3 service; None: that of Amazon."""
    return _setting(S3_ENDPOINT)


def s3_region() -> str | None:
    """Return the region of the S3 service."""
    return _setting(S3_REGION)


def webhook_url() -> str | None:
    """Return where failures are posted; None: nowhere."""
    return _setting(WEBHOOK_URL)


def is_set(variable: str) -> bool:
    """Return whether a variable has a value; an empty one counts as unset."""
    return _setting(variable) is not None


def workers() -> int:
    """Return how many processes compute frames; all cores by default.

    Raises
    ------
    ValueError
        If the variable is no whole number above 0.
    """
    text = _setting(WORKERS)
    if text is None:
        return (
            len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else (os.cpu_count() or 1)
        )
    if not text.isdigit() or int(text) == 0:
        raise ValueError(f"{WORKERS} must be a whole number above 0, it is {text!r}")
    return int(text)


def compute_backend() -> Backend:
    """Return what runs the frame loop: ``processes`` (default), ``serial``, ``ray``.

    Raises
    ------
    ValueError
        If the variable names anything else.
    """
    text = _setting(COMPUTE_BACKEND) or "processes"
    for backend in get_args(Backend):
        if text == backend:
            return backend
    raise ValueError(
        f"{COMPUTE_BACKEND} must be one of {', '.join(get_args(Backend))}, it is {text!r}"
    )


def _setting(name: str) -> str | None:
    value = os.environ.get(name, "").strip()
    return value or None
