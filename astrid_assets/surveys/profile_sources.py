"""Where a survey's frames come from: the kinds of ``[source]`` in its profile.

How each is read is in `sources`; the other tables of a profile are in `profile`.
"""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field


class Section(BaseModel):
    """A part of the profile: frozen, and unknown keys are errors."""

    model_config = ConfigDict(frozen=True, extra="forbid")


FITS_PATTERNS = (
    "*.fits",
    "*.fit",
    "*.fts",
    "*.fz",
    "*.fits.gz",
    "*.fit.gz",
    "*.fts.gz",
    "*.fits.bz2",
    "*.fits.Z",
    "*.fit.Z",
    "*.fits.xz",
    "*.fit.xz",
    "*.fits.zst",
    "*.fits.zip",
    "*.asdf",
)
"""File names taken for FITS, whatever their case. ``.Z`` and those behind it are among
them so that such a file is refused with advice instead of being passed over in silence."""


class FolderSource(Section):
    """Frames in a folder of this machine, searched recursively."""

    kind: Literal["folder"] = "folder"
    """Selects this kind of source."""
    path: Path
    """The folder; it and all folders below are searched."""
    patterns: tuple[str, ...] = FITS_PATTERNS
    """Glob patterns of file names that are taken for frames."""
    exclude: tuple[str, ...] = ()
    """Glob patterns of paths (below the folder) to leave alone."""


class ObjectPrefixSource(Section):
    """Frames below a prefix of an object store (``s3://bucket/prefix``).

    Endpoint and credentials come from the environment, never from the profile.
    """

    kind: Literal["object_prefix"]
    """Selects this kind of source."""
    url: str
    """Address of the prefix, such as ``s3://bucket/prefix``."""
    patterns: tuple[str, ...] = FITS_PATTERNS
    """Glob patterns of file names that are taken for frames."""
    exclude: tuple[str, ...] = ()
    """Glob patterns of paths (below the prefix) to leave alone."""


class ArchiveSource(Section):
    """Frames of an HTTP archive: a manifest (CSV) of addresses, one per line.

    Columns ``url`` and ``night`` (YYYY-MM-DD), optionally ``sha256``. The manifest
    is a file or an address; relative urls in it are relative to its own address.
    """

    kind: Literal["archive"]
    """Selects this kind of source."""
    manifest: str
    """File or address of the manifest."""
    max_file_mb: int = Field(default=1024, ge=1, le=65536)
    """A larger answer is refused while it arrives."""
    timeout_s: float = Field(default=60.0, gt=0, le=3600)
    """Longest wait for an answer of the archive."""


class SimulatedSource(Section):
    """Frames of a simulated sky whose truth is known; made, not read."""

    kind: Literal["simulated"]
    """Selects this kind of source."""
    seed: int = 1
    """Seed of everything random; the same seed makes the same bytes."""
    scene: Literal["wide", "deep"] = "wide"
    """wide: 1 arcsec per pixel; deep: 0.4 arcsec per pixel."""
    first_night: str = "2025-03-01"
    """Date of the first night, YYYY-MM-DD."""
    nights: int = Field(default=12, ge=1, le=400)
    """How many nights are simulated."""
    frames_per_night: int = Field(default=3, ge=1, le=50)
    """Light frames of each night."""
    shape: tuple[int, int] = (768, 768)
    """Rows and columns of a frame, pixels."""


class AlertSource(Section):
    """No frames: the survey's detections are public alerts that somebody imports."""

    kind: Literal["alerts"] = "alerts"
    """Selects this kind of source."""


Source = Annotated[
    FolderSource | ObjectPrefixSource | ArchiveSource | SimulatedSource | AlertSource,
    Field(discriminator="kind"),
]
