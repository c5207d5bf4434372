"""Raw files of the object store, opened once for all images that are read from them.

The chips of a mosaic are frames of their own and follow each other; fetching, checking
and unpacking their file for each of them would be quadratic. So each process keeps the
file that it opened last, if it holds several images.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.surveys.fits.reader import open_images

if TYPE_CHECKING:
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.fits.structure import FitsFile
    from astrid_assets.surveys.profile import SurveyProfile

Key = tuple[str, str, float]

_kept: dict[Key, FitsFile] = {}
"""At most one file; its key holds the hash of its content, so it cannot be outdated."""


def open_raw_file(store: ObjectStore, key: str, profile: SurveyProfile) -> FitsFile:
    """Return a raw file of the store, walked through; the last mosaic is not fetched again.

    Raises
    ------
    FrameRejected
        If the file as a whole cannot be read.
    ObjectMissing, ObjectCorrupt
        If the store has lost or damaged it.
    """
    identity = (store.url, key, profile.detector.max_megapixels)
    kept = _kept.get(identity)
    if kept is not None:
        return kept
    # Memory for two mosaics at once would be too much.
    forget_raw_files()
    file = open_images(store.get(key), profile)
    if sum(hdu.is_image and bool(hdu.data) for hdu in file.hdus) > 1:
        _kept[identity] = file
    return file


def forget_raw_files() -> None:
    """Free the memory of the file that this process keeps."""
    _kept.clear()
