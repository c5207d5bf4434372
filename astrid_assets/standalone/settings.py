"""Keyword arguments of `api`, sorted into the models that hold their limits."""

from __future__ import annotations

from dataclasses import dataclass
from difflib import get_close_matches
from typing import TYPE_CHECKING, TypeVar

from pydantic import BaseModel, ValidationError

from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.surveys.profile import Detector

if TYPE_CHECKING:
    from collections.abc import Mapping

Model = TypeVar("Model", bound=BaseModel)

ZERO_POINT = "zero_point_mag"
NEEDS_A_SURVEY = frozenset(
    {
        "wcs",
        "cross_check",
        "max_method_difference",
        "association_radius_arcsec",
        "max_density_deg2",
        "ra_deg",
        "dec_deg",
        "pixel_scale_arcsec",
        "band",
        "date_is",
        "bad_pixel_map",
    }
)
"""Fields of the models that mean nothing for two frames, or are set for the caller."""


@dataclass(frozen=True)
class StandaloneSettings:
    """Settings of one call, each where the code that uses it looks for it.

    `zero_point_mag` is the magnitude of one electron of the science frame; None:
    no magnitudes.
    """

    detector: Detector
    processing: ProcessingSettings
    differencing: DifferencingSettings
    detection: DetectionSettings
    zero_point_mag: float | None = None


MODELS: tuple[type[BaseModel], ...] = (
    Detector,
    ProcessingSettings,
    DifferencingSettings,
    DetectionSettings,
)


def setting_names() -> list[str]:
    """Return every keyword argument that `settings_from` takes, sorted."""
    fields = {name for model in MODELS for name in model.model_fields}
    return sorted((fields - NEEDS_A_SURVEY) | {ZERO_POINT})


def settings_from(values: Mapping[str, object]) -> StandaloneSettings:
    """Return the settings that keyword arguments describe, defaults for the others.

    Raises
    ------
    TypeError
        If there is no setting of a name.
    ValueError
        If a value is out of range.
    """
    known = setting_names()
    for name in values:
        if name not in known:
            near = get_close_matches(name, known, n=1)
            hint = f"; did you mean {near[0]}?" if near else ""
            raise TypeError(f"there is no setting named {name!r}{hint}")
    return StandaloneSettings(
        # One name for the band keeps the reader from asking for it.
        detector=_model(Detector, dict(values) | {"band": "any"}),
        processing=_model(ProcessingSettings, values),
        differencing=_model(DifferencingSettings, values),
        detection=_model(DetectionSettings, values),
        zero_point_mag=_number(values.get(ZERO_POINT)),
    )


def _model(model: type[Model], values: Mapping[str, object]) -> Model:
    own = {name: value for name, value in values.items() if name in model.model_fields}
    try:
        return model.model_validate(own)
    except ValidationError as error:
        problems = "; ".join(
            f"{'.'.join(str(part) for part in e['loc'])}: {e['msg']}" for e in error.errors()
        )
        raise ValueError(problems) from error


def _number(value: object) -> float | None:
    if value is None:
        return None
    if isinstance(value, int | float):
        return float(value)
    raise ValueError(f"{ZERO_POINT}: a number is needed, not {value!r}")
