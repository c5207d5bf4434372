"""Ids: UUID5 of a row's natural key, so that running anything twice writes the same.

`content_hash` is the one canonical hash of settings, inputs and manifests.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import json
import uuid
from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import asdict, is_dataclass
from enum import Enum
from pathlib import PurePath
from typing import TYPE_CHECKING

import numpy as np

if TYPE_CHECKING:
    from collections.abc import Iterable

NAMESPACE = uuid.UUID("5d4a4a5e-6d3c-5c8e-9d0b-0f6a2b1c7e11")


def content_hash(obj: object) -> str:
    """Return the SHA-256 of the canonical JSON of plain values.

    Keys are sorted, numbers written in full; numpy scalars and arrays, tuples, sets,
    paths, enums, dates and dataclasses stand for their plain values.

    Raises
    ------
    TypeError
        If something in it has no plain value.
    """
    return hashlib.sha256(canonical_json(obj).encode()).hexdigest()


def canonical_json(obj: object) -> str:
    """Return the one JSON text of plain values."""
    return json.dumps(_plain(obj), sort_keys=True, separators=(",", ":"))


def observation_id(survey: str, sha256: str, hdu: int) -> str:
    """One image of one file's content."""
    return _id("observation", survey, sha256, hdu)


def preprocess_id(observation_id: str) -> str:
    """What became of one frame."""
    return _id("preprocess", observation_id)


def anchor_id(survey: str, field: str, band: str) -> str:
    """The anchor of a field and band."""
    return _id("anchor", survey, field, band)


def master_id(
    survey: str,
    kind: str,
    band: str,
    exposure_s: float | None,
    members: Iterable[str],
) -> str:
    """A master frame; the order of its members does not matter."""
    return _id("master", survey, kind, band, exposure_s, sorted(members))


def reference_id(version: str) -> str:
    """A reference version."""
    return _id("reference", version)


def difference_id(observation_id: str, reference_id: str | None, settings_hash: str) -> str:
    """One subtraction."""
    return _id("difference", observation_id, reference_id, settings_hash)


def candidate_id(difference_id: str, sign: int, peak_x: int, peak_y: int) -> str:
    """A peak of a difference's score: where it is and which sign it has."""
    return _id("candidate", difference_id, sign, peak_x, peak_y)


def detection_id(candidate_id: str) -> str:
    """A kept candidate."""
    return _id("detection", candidate_id)


def object_id(first_detection_id: str) -> str:
    """A position on the sky, named by the first detection there."""
    return _id("object", first_detection_id)


def tracklet_id(detection_ids: Iterable[str]) -> str:
    """A moving object of one night, named by its detections."""
    return _id("tracklet", list(detection_ids))


def dataset_id(content_hash: str) -> str:
    """A dataset version."""
    return _id("dataset", content_hash)


def sample_id(dataset_id: str, detection_id: str) -> str:
    """One labelled cutout of a dataset."""
    return _id("sample", dataset_id, detection_id)


def side_key(kind: str, *what: object) -> str:
    """A position, an object or a set of pixels that has a side of the split."""
    return _id("side", kind, *what)


def training_run_id(dataset_id: str, settings_hash: str) -> str:
    """One training of one dataset with one set of settings."""
    return _id("training_run", dataset_id, settings_hash)


def search_id(dataset_id: str, settings_hash: str) -> str:
    """One search for training settings on one dataset."""
    return _id("search", dataset_id, settings_hash)


def trial_id(search_id: str, name: str) -> str:
    """One combination of values of a search."""
    return _id("trial", search_id, name)


def model_id(onnx_sha256: str) -> str:
    """A network in its deployable form, named by its bytes."""
    return _id("model", onnx_sha256)


def evaluation_id(kind: str, judged: str, dataset_id: str, settings_hash: str) -> str:
    """One evaluation of a model, or of a way of training, on one dataset."""
    return _id("evaluation", kind, judged, dataset_id, settings_hash)


def _id(kind: str, *natural_key: object) -> str:
    return str(uuid.uuid5(NAMESPACE, canonical_json([kind, *natural_key])))


def _plain(obj: object) -> object:  # noqa: PLR0911  one line per kind
    if isinstance(obj, Enum):
        return _plain(obj.value)
    if obj is None or isinstance(obj, str | bool | int | float):
        return obj
    if isinstance(obj, np.generic | np.ndarray):
        return _plain(obj.tolist())
    if isinstance(obj, Mapping):
        return {str(key): _plain(value) for key, value in obj.items()}
    if isinstance(obj, list | tuple):
        return [_plain(value) for value in obj]
    if isinstance(obj, AbstractSet):
        return sorted((_plain(value) for value in obj), key=canonical_json)
    if isinstance(obj, PurePath):
        return obj.as_posix()
    if isinstance(obj, dt.datetime | dt.date):
        return obj.isoformat()
    if is_dataclass(obj) and not isinstance(obj, type):
        return _plain(asdict(obj))
    raise TypeError(f"{type(obj).__name__} has no canonical form to hash")
