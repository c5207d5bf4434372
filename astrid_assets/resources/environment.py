"""Every environment variable: its type, its default, its meaning, and whether it is secret.

`Environment` declares all of them in parts. A program reads the part that it needs,
such as ``Computing().workers`` of ASTRID_WORKERS, so that a wrong port of the review page
stops no night. The sentence below a field says what it is for.
A part reads the variables when it is made, never when this module is imported, and makes
no folder and contacts no service. `.env.example`, the page of the
documentation and a check of `astrid doctor` follow from these declarations.
"""

from __future__ import annotations

import contextlib
import os
from datetime import date
from pathlib import Path
from typing import Annotated, Literal, get_args

from pydantic import AfterValidator, BeforeValidator, Field, SecretStr
from pydantic_settings import NoDecode

from astrid_assets.compute import Backend
from astrid_assets.resources.home import project_root
from astrid_assets.resources.variables import Variables, variable_of
from astrid_assets.storage.private import make_private_folder

LOOPBACK = "127.0.0.1"
DEFAULT_WEB_PORT = 3001
DEFAULT_DAGSTER_URL = f"http://{LOOPBACK}:3000"


def _absolute(path: Path) -> Path:
    try:
        return path.expanduser().resolve()
    except RuntimeError as error:
        raise ValueError(str(error)) from error  # there is no user of the name after ~


def _sqlite(file: Path) -> SecretStr:
    return SecretStr(f"sqlite:///{file}")


def _for_psycopg2(url: SecretStr) -> SecretStr:
    """Name the driver that dagster-postgres needs; SQLAlchemy 2.1 would take another."""
    scheme, _, rest = url.get_secret_value().partition("://")
    if scheme not in {"postgres", "postgresql", "postgresql+psycopg2"}:
        raise ValueError("no Postgres")
    return SecretStr(f"postgresql+psycopg2://{rest}")


def _available_cores() -> int:
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1


def _words(text: str) -> list[str]:
    return text.replace(",", " ").split()


def _host_names(text: str) -> list[str]:
    return text.lower().replace(",", " ").split()


_Folder = Annotated[Path, AfterValidator(_absolute)]
_PostgresUrl = Annotated[SecretStr, AfterValidator(_for_psycopg2)]
_Night = Annotated[date, BeforeValidator(date.fromisoformat)]
_HostNames = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_host_names)]
_Switch = Annotated[bool, "1 or 0"]


class Addresses(Variables):
    """Folders and services.

    Everything is below one folder unless a variable names a service instead.
    """

    home: Annotated[_Folder, "a folder, such as /data/astrid or ~/astrid"] = Field(
        default_factory=lambda: project_root() / ".astrid"
    )
    """Where AstrID keeps its files. Default: `.astrid` beside dagster.yaml."""

    dagster_home: Annotated[Path | None, "a folder with AstrID's dagster.yaml"] = Field(
        default=None, validation_alias="DAGSTER_HOME"
    )
    """Folder of Dagster's settings. Default: the project, or a copy in ASTRID_HOME."""

    database_url: Annotated[
        SecretStr,
        "an address like postgresql://astrid:secret@db.example.org/astrid or "
        "sqlite:////data/astrid.db",
    ] = Field(default_factory=lambda known: _sqlite(known["home"] / "catalogue.db"))
    """The catalogue. Default: a SQLite file in ASTRID_HOME."""

    store_url: Annotated[str, "a folder, or a bucket of an S3 service: s3://astrid/frames"] = Field(
        default_factory=lambda known: str(known["home"] / "store")
    )
    """The object store. Default: the folder `store` in ASTRID_HOME."""

    s3_endpoint: Annotated[
        str | None, "an address like https://<account>.r2.cloudflarestorage.com (Cloudflare R2)"
    ] = None
    """Address of the S3 service. Default: Amazon's."""

    s3_region: Annotated[str | None, "a name, `auto` for Cloudflare R2"] = None
    """Region of the bucket."""

    s3_access_key: SecretStr | None = Field(default=None, validation_alias="AWS_ACCESS_KEY_ID")
    """Access key of the S3 service."""

    s3_secret_key: SecretStr | None = Field(default=None, validation_alias="AWS_SECRET_ACCESS_KEY")
    """Secret key of the S3 service."""

    tracking_uri: Annotated[SecretStr, "an address like http://mlflow.example.org:5000"] = Field(
        default_factory=lambda known: _sqlite(known["home"] / "mlflow/mlflow.db"),
        validation_alias="MLFLOW_TRACKING_URI",
    )
    """MLflow. Default: a SQLite file in ASTRID_HOME."""

    webhook_url: Annotated[
        SecretStr | None, "an address of Slack, Mattermost or another service"
    ] = None
    """Where alerts are posted as {"text": ...}. Default: nowhere."""

    internal_hosts: Annotated[_HostNames, "host names or addresses separated by commas"] = ()
    """Hosts of this machine or network that webhook and archives may be at. Default: none."""

    @property
    def s3_access(self) -> dict[str, str | None]:
        """What a client of the S3 service is made with."""
        access_key, secret_key = self.s3_access_key, self.s3_secret_key
        return {
            "endpoint": self.s3_endpoint,
            "region": self.s3_region,
            "access_key": None if access_key is None else access_key.get_secret_value(),
            "secret_key": None if secret_key is None else secret_key.get_secret_value(),
        }

    @property
    def artifacts_folder(self) -> str | None:
        """The folder for MLflow's files; None where a server keeps them."""
        is_server = self.tracking_uri.get_secret_value().startswith(("http://", "https://"))
        return None if is_server else str(self.home / "mlflow" / "artifacts")

    @property
    def dagster_folder(self) -> Path:
        """The folder for Dagster's history, logs and schedules."""
        return self.home / "dagster"


class Mail(Variables):
    """E-mail.

    Where failed runs, rollbacks, refused deployments and drift are mailed.
    """

    smtp_host: Annotated[str | None, "a host name"] = None
    """The mail server. Default: nothing is mailed."""

    smtp_port: Annotated[int, Field(gt=0, lt=65536), "a port number, 1 to 65535"] = 587
    """Its port; 587 with starttls, 465 with tls."""

    smtp_security: Annotated[Literal["starttls", "tls", "none"], "one of starttls, tls, none"] = (
        "starttls"
    )
    """How the connection is encrypted; a password is never sent with `none`."""

    smtp_user: Annotated[str | None, "a name"] = None
    """Name to log in with. Default: no login."""

    smtp_password: SecretStr | None = None
    """Password to log in with."""

    mail_from: Annotated[str | None, "an e-mail address"] = None
    """Sender of the messages."""

    mail_to: Annotated[
        tuple[str, ...], NoDecode, BeforeValidator(_words), "e-mail addresses separated by commas"
    ] = ()
    """Recipients of the messages."""


class Computing(Variables):
    """Computing.

    How many frames are computed at once, and by what.
    """

    workers: Annotated[int, Field(gt=0), "a whole number above 0"] = Field(
        default_factory=_available_cores
    )
    """Frames computed at once. Default: the number of cores."""

    compute: Annotated[Backend, f"one of {', '.join(get_args(Backend))}"] = "processes"
    """What computes them; RAY_ADDRESS names a Ray cluster."""


class DagsterHistory(Addresses):
    """Dagster's history.

    Runs, events and the output of steps, where several machines share them.
    """

    dagster_database_url: Annotated[
        _PostgresUrl | None, "an address like postgresql://dagster:secret@db.example.org/dagster"
    ] = None
    """Dagster's own history. Default: SQLite files in ASTRID_HOME."""

    compute_logs_url: Annotated[
        str | None, Field(pattern="^s3://[^/]"), "an address like s3://astrid-logs/dagster"
    ] = None
    """Captured output of steps. Default: files in ASTRID_HOME."""


class Nights(Variables):
    """Nights.

    Which nights are partitions of the graph.
    """

    first_night: Annotated[_Night, "a date, YYYY-MM-DD"] = date(2010, 1, 1)
    """The earliest night that can be a partition."""


class Retraining(Variables):
    """Retraining.

    When new labels start a training by themselves (the sensor `retraining`).
    """

    retraining_dry_run: Annotated[bool | None, "1 or 0"] = None
    """Whether the sensor only reports what it would do."""

    retraining_labels: Annotated[int | None, Field(gt=0), "a whole number above 0"] = None
    """New labels that start a training, at least."""

    retraining_share: Annotated[float | None, Field(ge=0, le=1), "a number from 0 to 1"] = None
    """The same as a share of the dataset; the larger of both counts."""

    retraining_first_labels: Annotated[int | None, Field(gt=0), "a whole number above 0"] = None
    """Labels that start the first training."""

    retraining_cool_down: Annotated[float | None, Field(ge=0), "hours, 0 or more"] = None
    """Hours from the begin of one training to the next."""


class Web(Variables):
    """Review page and API.

    Bound to another address than this machine's own, reviewers log in
    (`astrid reviewer add`).
    """

    web_host: Annotated[str, "an address of this machine, or 0.0.0.0 for all of them"] = LOOPBACK
    """The address that `astrid review` listens on."""

    web_port: Annotated[int, Field(gt=0, lt=65536), "a port number, 1 to 65535"] = DEFAULT_WEB_PORT
    """The port that it listens on."""

    web_login: _Switch = False
    """Whether reviewers log in on this machine as well."""

    web_public: _Switch = False
    """Whether anonymous users may read where a login is needed to write."""

    web_hosts: Annotated[_HostNames, "host names separated by commas"] = ()
    """Names that it answers to behind a proxy."""

    dagster_url: Annotated[str, f"an address like {DEFAULT_DAGSTER_URL}"] = DEFAULT_DAGSTER_URL
    """The Dagster webserver that is asked to collect datasets."""


class CommandLine(Variables):
    """Command line.

    For those who look for a fault of the program.
    """

    debug: Annotated[str | None, "any text"] = None
    """Whether `astrid` shows the traceback of a known failure."""


class Environment(CommandLine, Web, Retraining, Nights, DagsterHistory, Computing, Mail, Addresses):
    """Every variable; pydantic begins with those of the last base."""


PARTS = Environment.__bases__[::-1]
VARIABLES = tuple(variable_of(field) for field in Environment.model_fields.values())
"""The names of all variables, in the order of `.env.example`."""


def keep_compiled_code() -> None:
    """Let numba keep machine code below the home, not beside the source.

    It looks when a kernel is imported, so this comes first; child processes inherit
    it. A folder that somebody named stays.
    """
    home = Addresses().home
    compiled = str(home / "compiled")
    if os.environ.setdefault("NUMBA_CACHE_DIR", compiled) == compiled:
        # numba would make the home as well, for everybody to read.
        with contextlib.suppress(OSError):
            make_private_folder(home)
