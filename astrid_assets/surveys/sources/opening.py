"""Opening the source that a profile asks for."""

from __future__ import annotations

import io
from typing import TYPE_CHECKING, BinaryIO

from astrid_assets.surveys import profile_sources
from astrid_assets.surveys.fits.unpacking import limit_bytes
from astrid_assets.surveys.sources.base import (
    FileUnavailable,
    FrameSource,
    SourceFile,
    SourceOptions,
)

if TYPE_CHECKING:
    from collections.abc import Iterator

    from astrid_assets.surveys.profile import SurveyProfile


def open_source(
    profile: SurveyProfile, *, store_options: SourceOptions | None = None
) -> FrameSource:
    """Return the source a profile asks for; nothing is read or contacted yet."""
    source, options = profile.source, store_options or SourceOptions()
    largest = limit_bytes(profile.detector.max_megapixels * 1e6)
    if isinstance(source, profile_sources.FolderSource):
        from astrid_assets.surveys.sources.folder import FolderFrames

        return FolderFrames(source, largest)
    if isinstance(source, profile_sources.ObjectPrefixSource):
        from astrid_assets.surveys.sources.object_prefix import ObjectPrefixFrames

        return ObjectPrefixFrames(source, options, largest)
    if isinstance(source, profile_sources.ArchiveSource):
        from astrid_assets.surveys.sources.archive import ArchiveFrames

        return ArchiveFrames(source, options.internal_hosts)
    if isinstance(source, profile_sources.AlertSource):
        return AlertFrames()
    from astrid_assets.surveys.sources.simulated import SimulatedFrames

    return SimulatedFrames(profile)


class AlertFrames:
    """The source of a survey of alerts, which come by `astrid alerts import`."""

    def files(self) -> Iterator[SourceFile]:
        """Yield nothing."""
        return iter(())

    def read(self, path: str) -> bytes:
        """Raise FileUnavailable."""
        raise FileUnavailable(f"{path}: a survey of alerts has no frames")

    def open(self, path: str) -> BinaryIO:
        """Raise FileUnavailable."""
        return io.BytesIO(self.read(path))

    def check(self) -> None:
        """Raise nothing: that there are no frames is as it should be."""
