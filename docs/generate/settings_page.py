"""Every setting: the keys of a survey's profile, then those of labelling and training."""

from __future__ import annotations

import types
from pathlib import PurePath
from typing import Annotated, Literal, Union, get_args, get_origin

from pydantic import BaseModel
from pydantic_core import PydanticUndefined

from astrid_assets.learning.search.settings import SearchSettings
from astrid_assets.learning.settings import ThresholdSettings, TrainingSettings
from astrid_assets.science.labelling.dataset_settings import DatasetQualitySettings
from astrid_assets.steps.learning.cross_validate import FoldSettings
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.steps.learning.settings import CollectionSettings, DeploymentSettings
from astrid_assets.steps.learning.watching.settings import HealthSettings
from astrid_assets.surveys.profile import SurveyProfile
from docs.generate.docstrings import attribute_docstrings, unit_of
from docs.generate.entries import Entry, Group, Page

OUTSIDE_THE_PROFILE: dict[str, type[BaseModel]] = {
    "training_dataset": CollectionSettings,
    "training_dataset, quality": DatasetQualitySettings,
    "trained_unet": TrainingSettings,
    "trained_unet, threshold": ThresholdSettings,
    "trained_unet, cross-validation": FoldSettings,
    "tuning_job": SearchSettings,
    "deployed_model": DeploymentSettings,
    "retraining": RetrainingSettings,
    "health_job": HealthSettings,
}

BOUNDS = {"ge": "≥ {}", "gt": "> {}", "le": "≤ {}", "lt": "< {}", "min_length": "at least {}"}
INTRODUCTION = """
A survey is a profile: one TOML file. `astrid survey show NAME` prints the one in force, and
`astrid survey add FILE` replaces it. Unknown keys are errors. The groups below are the tables of
that file; the last ones belong to assets that all surveys share, and are set in Dagster's
launchpad; those of the sensor `retraining` by the environment (`ASTRID_RETRAINING_…`).
"""


def page() -> Page:
    """Return the page of all settings."""
    groups = _groups(SurveyProfile, "")
    for asset, model in OUTSIDE_THE_PROFILE.items():
        kind = "Sensor" if asset == "retraining" else "Job" if asset.endswith("_job") else "Asset"
        groups.append(_group(model, f"{kind} {asset}"))
    return Page("settings", "Settings", INTRODUCTION, tuple(groups))


def models() -> set[type[BaseModel]]:
    """Return every model that the page lists."""
    return _models(SurveyProfile) | set(OUTSIDE_THE_PROFILE.values())


def _models(model: type[BaseModel]) -> set[type[BaseModel]]:
    found = {model}
    for info in model.model_fields.values():
        for part in _parts(info.annotation):
            found |= _models(part)
    return found


def _groups(model: type[BaseModel], path: str) -> list[Group]:
    groups = [_group(model, f"[{path}]" if path else "Top of the file")]
    for name, info in model.model_fields.items():
        key = f"{path}.{name}" if path else name
        parts = _parts(info.annotation)
        for part in parts:
            kind = part.model_fields.get("kind")
            inner = _groups(part, key)
            if len(parts) > 1 and kind is not None:
                inner[0] = _group(part, f'[{key}] with kind = "{get_args(kind.annotation)[0]}"')
            groups += inner
    return groups


def _parts(annotation: object) -> list[type[BaseModel]]:
    """Return the models inside an annotation such as ``tuple[Model, ...] | None``."""
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return [annotation]
    if get_origin(annotation) is Annotated:
        return _parts(get_args(annotation)[0])
    return [model for part in get_args(annotation) for model in _parts(part)]


def _group(model: type[BaseModel], title: str) -> Group:
    sentences = attribute_docstrings(model)
    entries = []
    for name, info in model.model_fields.items():
        allowed = [_type(info.annotation)]
        for mark in info.metadata:
            allowed += [
                t.format(_number(getattr(mark, k)))
                for k, t in BOUNDS.items()
                if getattr(mark, k, None) is not None
            ]
            if getattr(mark, "pattern", None):
                allowed.append(f"`{mark.pattern}`")
        default = (
            "required"
            if info.is_required()
            else _default(info.get_default(call_default_factory=True))
        )
        sentence = info.description or sentences.get(name, "") or _of_model(info.annotation)
        entries.append(Entry(name, sentence, (", ".join(allowed), default, unit_of(name))))
    return Group(title, model.__doc__ or "", ("values", "default", "unit"), tuple(entries))


def _of_model(annotation: object) -> str:
    parts = _parts(annotation)
    return (parts[0].__doc__ or "").split("\n")[0] if len(parts) == 1 else ""


def _type(annotation: object) -> str:  # noqa: PLR0911  one line per kind of type
    origin, inside = get_origin(annotation), get_args(annotation)
    if origin is Annotated:
        return _type(inside[0])
    if origin is Literal:
        return " or ".join(f"`{value}`" for value in inside)
    if origin in (Union, types.UnionType):
        return " or ".join(_type(part) for part in inside if part is not type(None))
    if origin is tuple:
        kinds = [_type(part) for part in inside if part is not Ellipsis]
        return f"list of {kinds[0]}" if Ellipsis in inside else f"[{', '.join(kinds)}]"
    if origin is list:
        return f"list of {_type(inside[0])}"
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        return "table"
    if isinstance(annotation, type) and issubclass(annotation, PurePath):
        return "path"
    names = {str: "text", bool: "true or false", int: "whole number", float: "number"}
    return (
        names.get(annotation, str(annotation)) if isinstance(annotation, type) else str(annotation)
    )


def _default(value: object) -> str:  # noqa: PLR0911  one line per kind of value
    if value is None or value is PydanticUndefined:
        return "none"
    if isinstance(value, BaseModel):
        return "as below"
    if isinstance(value, bool):
        return f"`{str(value).lower()}`"
    if isinstance(value, str):
        return f'`"{value}"`'
    if isinstance(value, tuple | list):
        return ", ".join(_default(part) for part in value) or "`[]`"
    if isinstance(value, float):
        return f"`{_number(value)}`"
    return f"`{value}`"


def _number(value: float) -> str:
    return f"{value:.6g}"
