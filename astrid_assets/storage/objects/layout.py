"""The prefix of every object of the project, defined once.

Names from users and headers (field, band, model) may hold any characters; here
they become portable parts of a path. Two different names never share a part: one
that had to be changed carries a piece of its hash.
"""

from __future__ import annotations

import hashlib
import re

SAFE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_+=-]{0,59}(?:\.[A-Za-z0-9_+=-]{1,20})*")
UNSAFE = re.compile(r"[^A-Za-z0-9+=-]+")
MAX_PART = 80  # characters; file systems take 255 bytes, with room for hash and suffix
NO_DATE = "undated"
EMPTY = "_"


def part(name: str) -> str:
    """Return a name as one part of a prefix: portable, never empty, never shared."""
    if not name:
        return EMPTY
    if SAFE_NAME.fullmatch(name) and len(name) <= MAX_PART:
        return name
    digest = hashlib.sha256(name.encode("utf-8", "surrogatepass")).hexdigest()
    readable = UNSAFE.sub("_", name).strip("_")[:40]
    # No name that is kept as it is starts with an underscore.
    return f"_{readable}_{digest[:12]}"


def raw_key(survey: str, night: str, observation_id: str) -> str:
    """A file as it came, byte for byte."""
    return f"raw/{_night(survey, night)}/{part(observation_id)}"


def processed_key(survey: str, night: str, observation_id: str) -> str:
    """A processed frame."""
    return f"processed/{_night(survey, night)}/{part(observation_id)}"


def master_key(survey: str, kind: str, night: str) -> str:
    """A combined bias, dark or flat frame."""
    return f"masters/{_night(survey, night)}/{part(kind)}"


def bad_pixels_key(survey: str) -> str:
    """A survey's own map of bad pixels."""
    return f"masters/{part(survey)}/bad_pixels"


def reference_key(survey: str, field: str, band: str, version: str) -> str:
    """One version of the reference of a field and band."""
    return f"references/{part(survey)}/{part(field)}/{part(band)}/{part(version)}"


def difference_key(survey: str, night: str, observation_id: str) -> str:
    """The difference of one frame."""
    return f"differences/{_night(survey, night)}/{part(observation_id)}"


def cutouts_key(survey: str, night: str, observation_id: str) -> str:
    """The cutouts around the candidates of one frame."""
    return f"cutouts/{_night(survey, night)}/{part(observation_id)}"


def injected_cutouts_key(survey: str, night: str, observation_id: str) -> str:
    """The cutouts around the artificial transients that were found on one frame."""
    return f"injected/{_night(survey, night)}/{part(observation_id)}"


def shard_key(what: str) -> str:
    """A shard of cutouts or masks (`what`: images, masks), shared by dataset versions."""
    return f"datasets/shards/{part(what)}"


def samples_key(content_hash: str) -> str:
    """The table of samples of a dataset version."""
    return f"datasets/{part(content_hash)}/samples"


def model_key(name: str) -> str:
    """A network in its deployable form."""
    return f"models/{part(name)}"


def package_key(name: str) -> str:
    """What a network is kept with: weights and model card."""
    return f"models/{part(name)}/package"


def checkpoints_prefix(run_id: str, member: str | None = None) -> str:
    """The checkpoints of a training, or of one of its members."""
    whole = f"checkpoints/{part(run_id)}"
    return whole if member is None else f"{whole}/{part(member)}"


def evaluation_key(evaluation_id: str, what: str) -> str:
    """A table or picture of one evaluation (`what`: scores, or the picture's name)."""
    return f"evaluations/{part(evaluation_id)}/{part(what)}"


def picture_key(survey: str, night: str, name: str) -> str:
    """A picture to look at, named by what it shows."""
    return f"pictures/{_night(survey, night)}/{part(name)}"


def _night(survey: str, night: str) -> str:
    return f"{part(survey)}/{part(night) if night else NO_DATE}"
