"""A sample of a survey's files, opened and looked at: what `check` judges by."""

from __future__ import annotations

import logging
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from astropy.wcs.utils import proj_plane_pixel_scales

from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.fits import reader as fits_door
from astrid_assets.surveys.fits.facts import DoorRejection, ImageFacts
from astrid_assets.surveys.fits.image_kind import Kind, kind_by_pixels, kind_by_words
from astrid_assets.surveys.fits.saturation import level_and_scatter
from astrid_assets.surveys.scan import reading_errors
from astrid_assets.surveys.sources.base import FileUnavailable, FrameSource, SourceFile

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from astrid_assets.surveys.fits.headers import HeaderView
    from astrid_assets.surveys.profile import SurveyProfile

log = logging.getLogger(__name__)

IMAGES_PER_FILE = 4
"""Chips of one exposure look alike: the first few suffice."""
SKY_SUBTRACTED_SIGMA = 3.0


@dataclass(frozen=True)
class ImageSample:
    """One image of the sample, or one file that could not be used (`header` None).

    `kind_by_pixels`, `centre_deg`, `pixel_scale_arcsec` and `is_sky_subtracted`
    are None where nothing can be said.
    """

    path: str
    found: ImageFacts | DoorRejection
    header: HeaderView | None
    kind_by_pixels: Kind | None = None
    centre_deg: tuple[float, float] | None = None
    pixel_scale_arcsec: float | None = None
    is_sky_subtracted: bool | None = None

    @property
    def is_usable(self) -> bool:
        """Whether the reader accepts the image."""
        return isinstance(self.found, ImageFacts)

    @property
    def contradiction(self) -> Kind | None:
        """The image type that path and pixels agree on, against the header.

        Pixels alone are not enough: an empty field looks like a flat.
        """
        by_path = kind_by_words(self.path.rsplit(".", 2)[0].replace("_", " "))
        if by_path in (None, self.found.kind) or self.kind_by_pixels is None:
            return None
        agrees = by_path == self.kind_by_pixels or (
            by_path in ("bias", "dark") and self.kind_by_pixels in ("bias", "unknown")
        )
        return by_path if agrees else None


def take_samples(
    profile: SurveyProfile, source: FrameSource, limit: int
) -> tuple[list[SourceFile], list[ImageSample]]:
    """Return all files of the source, and samples of `limit` of them.

    Raises
    ------
    SourceUnavailable
        If the source cannot be listed.
    """
    files = list(source.files())
    # What is no file to read is known without opening it, so it is never left out.
    refused = [
        ImageSample(file.path, DoorRejection(hdu=-1, reason=file.problem), None)
        for file in files
        if file.problem is not None
    ]
    readable = [file for file in files if file.problem is None]
    samples = [
        sample
        for file in evenly_spread(readable, limit)
        for sample in _samples_of(profile, source, file)
    ]
    return files, samples + refused


def evenly_spread(files: Sequence[SourceFile], limit: int) -> list[SourceFile]:
    """Return at most `limit` files, evenly over the list: nights and folders differ."""
    if len(files) <= limit:
        return list(files)
    chosen = np.linspace(0, len(files) - 1, limit).round().astype(int)
    return [files[index] for index in chosen]


def _samples_of(
    profile: SurveyProfile, source: FrameSource, file: SourceFile
) -> Iterator[ImageSample]:
    try:
        with source.open(file.path) as opened, reading_errors(file.path):
            found = fits_door.read_headers(opened, file.path, profile)[:IMAGES_PER_FILE]
            if not any(isinstance(entry, ImageFacts) for entry in found):
                views = fits_door.header_views(opened, profile)
                yield from (ImageSample(file.path, e, views.get(e.hdu)) for e in found)
                return
            chosen = {entry.hdu for entry in found}
            images = fits_door.open_images(opened, profile, chosen)
    except (FileUnavailable, FrameRejected) as error:
        yield ImageSample(file.path, DoorRejection(hdu=-1, reason=error.reason), None)
        return
    views = fits_door.header_views(images, profile)
    for entry in found:
        header = views.get(entry.hdu)
        if isinstance(entry, DoorRejection) or header is None:
            yield ImageSample(file.path, entry, header)
            continue
        try:
            raw = fits_door.read_image(images, entry.hdu, file.path, profile)
        except FrameRejected as error:
            rejected = fits_door.rejection_of(entry, error.reason)
            yield ImageSample(file.path, rejected, header)
            continue
        yield _looked_at(file.path, raw, header)


def _looked_at(path: str, raw: fits_door.RawImage, header: HeaderView) -> ImageSample:
    median, sigma = level_and_scatter(raw.data[np.isfinite(raw.data)])
    centre, scale = None, None
    if raw.wcs is not None:
        ny, nx = raw.data.shape
        ra, dec = raw.wcs.all_pix2world((nx - 1) / 2, (ny - 1) / 2, 0)
        centre = (float(ra), float(dec))
        scale = float(np.mean(proj_plane_pixel_scales(raw.wcs))) * 3600
    return ImageSample(
        path,
        raw.facts,
        header,
        kind_by_pixels=kind_by_pixels(raw.data, raw.facts.exposure_s),
        centre_deg=centre,
        pixel_scale_arcsec=scale,
        is_sky_subtracted=abs(median) < SKY_SUBTRACTED_SIGMA * max(sigma, 1e-9),
    )
