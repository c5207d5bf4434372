"""Surveys in the catalogue and in Dagster's survey dimension, kept in step."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import click

from astrid_assets.partitions import SURVEYS
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.surveys.profile import SURVEY_NAME, ProfileError, SurveyProfile
from astrid_assets.surveys.profile_sources import FolderSource

if TYPE_CHECKING:
    from pathlib import Path

    from dagster import DagsterInstance

    from astrid_assets.storage.database.catalogue import Catalogue

DIMENSION = str(SURVEYS.name)


def read_profile(path: Path) -> tuple[SurveyProfile, str]:
    """Read a profile file; returns the profile and its text.

    Raises
    ------
    ProfileError
        If it cannot be read or used; a relative source folder cannot, because
        Dagster's processes run elsewhere.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise ProfileError(f"{path} cannot be read as a profile: {error}") from error
    profile = SurveyProfile.from_toml(text, where=str(path))
    source = profile.source
    if isinstance(source, FolderSource) and not source.path.expanduser().is_absolute():
        raise ProfileError(
            f"{path}: source.path must be absolute, such as "
            f'path = "{(path.parent / source.path).resolve()}"'
        )
    return profile, text


def checked_name(name: str) -> str:
    """Return the name if it can be a survey's; raises ProfileError."""
    if not SURVEY_NAME.match(name):
        raise ProfileError(
            f"{name!r} is not a survey name: lower-case letters, digits, '-' and '_', at most 40"
        )
    return name


def store_survey(
    catalogue: Catalogue, instance: DagsterInstance, name: str, profile_toml: str
) -> bool:
    """Add or update a survey; the graph knows it at once. Returns whether it is new."""
    with catalogue.begin() as session:
        row = session.get(Survey, name)
        is_new = row is None
        if row is None:
            session.add(
                Survey(
                    name=name,
                    profile_toml=profile_toml,
                    created_at=now(),
                    updated_at=now(),
                )
            )
        elif row.profile_toml != profile_toml:
            row.profile_toml = profile_toml
            row.updated_at = now()
    # Second, and harmless to repeat: a crash in between is mended by adding again.
    instance.add_dynamic_partitions(DIMENSION, [name])
    return is_new


def profile_toml(profile: SurveyProfile) -> str:
    """Return the TOML of a profile that was made in Python; reading it gives it back.

    Lines that only repeat a default are left out.
    """
    values = profile.model_dump(mode="json", exclude_defaults=True)
    values["source"] = {"kind": profile.source.kind, **values["source"]}
    lines = [f"{k} = {_toml(v)}" for k, v in values.items() if not isinstance(v, dict)]
    for title, section in values.items():
        if isinstance(section, dict):
            lines += ["", f"[{title}]"]
            lines += [f"{k} = {_toml(v)}" for k, v in section.items() if v is not None]
    return "\n".join(lines) + "\n"


def stored_surveys(catalogue: Catalogue) -> list[Survey]:
    """Return all surveys by name."""
    from sqlalchemy import select

    with catalogue.read() as session:
        return list(session.scalars(select(Survey).order_by(Survey.name)))


def stored_survey(catalogue: Catalogue, name: str) -> Survey:
    """Return one survey; raises ClickException that names those there are."""
    surveys = {row.name: row for row in stored_surveys(catalogue)}
    if name not in surveys:
        there_are = ", ".join(surveys) or "none yet"
        raise click.ClickException(
            f"there is no survey {name!r} (there are: {there_are}); add it with "
            f"`astrid survey add {name} --folder PATH`"
        )
    return surveys[name]


def profile_of(row: Survey) -> SurveyProfile:
    """Return the profile of a stored survey; ProfileError if it is no longer valid."""
    return SurveyProfile.from_toml(row.profile_toml, where=f"the stored profile of {row.name}")


def _toml(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{key} = {_toml(entry)}" for key, entry in value.items())
        return f"{{ {inner} }}" if inner else "{}"
    if isinstance(value, list):
        return "[" + ", ".join(_toml(entry) for entry in value) + "]"
    # JSON's strings, numbers and booleans are TOML's but for DEL in strings.
    return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
