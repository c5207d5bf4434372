"""Frames and their stars as bytes of a FITS file, and back; nothing is read or kept.

A file holds the image, its variance and mask, the PSF, the stars and, in its
headers, all that `Frame` knows, so it can be opened and understood without AstrID.
The same frame gives the same bytes: no dates, no checksums. `planes` says how
precisely images are kept; `differences` does the same for differences.
"""

from __future__ import annotations

from dataclasses import fields
from typing import TYPE_CHECKING

import numpy as np
from astropy.io import fits

from astrid_assets.science.frame import Frame, PsfModel
from astrid_assets.science.stars.star_list import Stars
from astrid_assets.storage.fits.cards import (
    FORMAT_VERSION,
    OURS,
    data_of,
    header_of,
    integer,
    number_or_none,
    set_number,
    table_in,
    text_card,
    text_from,
    wcs_from_cards,
    write_wcs,
)
from astrid_assets.storage.fits.opening import opened
from astrid_assets.storage.fits.planes import (
    file_of,
    lossless_plane,
    mask_plane,
    noisy_plane,
    planes_from,
    positive_plane,
)

if TYPE_CHECKING:
    from collections.abc import Callable

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.storage.fits.planes import Extension, Plane


STAR_COLUMNS = {field.name: "D" for field in fields(Stars)} | {"flag": "I"}
STAR_UNITS = {
    "x": "pixel",
    "y": "pixel",
    "flux": "electron",
    "flux_err": "electron",
    "fwhm_px": "pixel",
    "ra_deg": "deg",
    "dec_deg": "deg",
}


def frame_to_fits(frame: Frame, stars: Stars | None) -> bytes:
    """Return a frame, with its stars if given, as the bytes of a FITS file."""
    variance, psf = frame.variance, frame.psf
    extensions: list[Callable[[], Extension]] = [
        lambda: _data_plane(frame),
        lambda: mask_plane("MASK", frame.mask),
    ]
    if variance is not None:
        extensions.append(lambda: positive_plane("VARIANCE", variance))
    if psf is not None:
        extensions.append(lambda: _psf_hdu(psf))
    if stars is not None:
        extensions.append(lambda: _stars_hdu(stars))
    return file_of(_header(frame), extensions)


def frame_from_fits(content: bytes, *, with_variance: bool = True) -> Frame:
    """Return the frame in a file written by `frame_to_fits`.

    What is searched or shown needs no variance, a third of the work.
    """
    with opened(content) as hdus:
        header = header_of(hdus, 0)
        names = ["DATA", "MASK"]
        if with_variance and "VARIANCE" in hdus:
            names.insert(0, "VARIANCE")  # what takes longest is begun first
        *variance, data, mask = planes_from(content, *names)
        return Frame(
            frame_id=text_from(header["FRAMEID"]),
            data=data,
            mask=mask,
            variance=variance[0] if variance else None,
            wcs=wcs_from_cards(header_of(hdus, "DATA")),
            observed_mjd=_number(header, "MJD-MID", float("nan")),
            exposure_s=_number(header, "EXPTIME", float("nan")),
            band=text_from(header["BAND"]),
            gain_e_per_adu=_number(header, "GAIN", float("nan")),
            read_noise_e=_number(header, "RDNOISE", float("nan")),
            saturation_e=_number(header, "SATURATE", float("inf")),
            zero_point_mag=number_or_none(header, "ZPMAG"),
            psf=_psf_from(hdus) if "PSF" in hdus else None,
            sky_rms_e=number_or_none(header, "SKYRMS"),
            psf_noise_factor=number_or_none(header, "PSFNOISE"),
        )


def stars_from_fits(content: bytes) -> Stars:
    """Return the stars in a file of `frame_to_fits`.

    Raises
    ------
    KeyError
        If the frame was stored without stars.
    """
    with opened(content) as hdus:
        table = table_in(hdus, "STARS")
        return Stars(
            **{
                name: np.array(table[name], dtype=np.int16 if code == "I" else float)
                for name, code in STAR_COLUMNS.items()
            }
        )


def image_to_fits(image: Image) -> bytes:
    """Return an image alone (a master frame), bit for bit, as a FITS file."""
    return file_of(None, [lambda: lossless_plane("DATA", image)])


def image_from_fits(content: bytes) -> Image:
    """Return the image in a file written by `image_to_fits`."""
    return planes_from(content, "DATA")[0]


def _data_plane(frame: Frame) -> Plane:
    plane = noisy_plane("DATA", frame.data, frame.sky_rms_e)
    plane.header["BUNIT"] = "electron"
    if frame.wcs is not None:
        write_wcs(plane.header, frame.wcs)
    return plane


def _header(frame: Frame) -> fits.Header:
    header = fits.Header()
    header[OURS] = (FORMAT_VERSION, "version of this layout")
    header["FRAMEID"] = text_card(frame.frame_id)
    header["BAND"] = text_card(frame.band)
    for key, value, comment in (
        ("MJD-MID", frame.observed_mjd, "[d] UTC at mid-exposure"),
        ("EXPTIME", frame.exposure_s, "[s]"),
        ("GAIN", frame.gain_e_per_adu, "[electron/adu] of the raw frame"),
        ("RDNOISE", frame.read_noise_e, "[electron]"),
        ("SATURATE", frame.saturation_e, "[electron] sky included"),
        ("ZPMAG", frame.zero_point_mag, "[mag] of one electron"),
        ("SKYRMS", frame.sky_rms_e, "[electron] per pixel"),
        ("PSFNOISE", frame.psf_noise_factor, "noise of PSFs over that of pixels"),
    ):
        set_number(header, key, value, comment)
    return header


def _number(header: fits.Header, key: str, absent: float) -> float:
    value = number_or_none(header, key)
    return absent if value is None else value


def _psf_hdu(psf: PsfModel) -> fits.ImageHDU:
    hdu = fits.ImageHDU(np.asarray(psf.coefficients, dtype=np.float32), name="PSF")
    ny, nx = psf.frame_shape
    hdu.header["FRAMENY"] = (int(ny), "[pixel] positions scale to -1..1")
    hdu.header["FRAMENX"] = (int(nx), "[pixel] positions scale to -1..1")
    hdu.header["NSTARS"] = (int(psf.n_stars), "stars it was measured from")
    hdu.header["OVERSAMP"] = (int(psf.oversampling), "samples per pixel")
    set_number(hdu.header, "FWHM", psf.fwhm_px, "[pixel] at the centre")
    return hdu


def _psf_from(hdus: fits.HDUList) -> PsfModel:
    header = header_of(hdus, "PSF")
    return PsfModel(
        coefficients=np.array(data_of(hdus, "PSF"), dtype=np.float32),
        frame_shape=(integer(header, "FRAMENY"), integer(header, "FRAMENX")),
        fwhm_px=_number(header, "FWHM", float("nan")),
        n_stars=integer(header, "NSTARS"),
        oversampling=int(_number(header, "OVERSAMP", 1)),
    )


def _stars_hdu(stars: Stars) -> fits.BinTableHDU:
    columns = [
        fits.Column(
            name=name,
            format=code,
            array=np.asarray(getattr(stars, name)),
            unit=STAR_UNITS.get(name),
        )
        for name, code in STAR_COLUMNS.items()
    ]
    return fits.BinTableHDU.from_columns(columns, name="STARS")
