"""The anchor: the frame whose stars define a field's astrometry and magnitudes.

Chosen once, among the first good frames of a field and band, and then frozen: the WCS
and zero point of all later frames refer to it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.astrometry.distortion import plain_wcs
from astrid_assets.science.astrometry.wcs_tools import tangent_plane
from astrid_assets.science.errors import FrameRejected
from astrid_assets.science.photometry.catalogue_tie import CatalogueTie, tie_to_catalogue
from astrid_assets.science.photometry.zero_point import ANCHOR_ZERO_POINT_MAG
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.stars.measurement import with_sky_positions

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.frame import Frame
    from astrid_assets.science.photometry.sky_catalogue import SkyCatalogue
    from astrid_assets.science.processing.measuring import MeasuredFrame
    from astrid_assets.science.settings import ProcessingSettings
    from astrid_assets.science.stars.star_list import Stars

NO_ANCHOR = float("-inf")
COUNTED_SNR = 10.0
LOCAL_SCALE_ARCSEC = 1.0


@dataclass(frozen=True, kw_only=True)
class Anchor:
    """The reference frame for astrometry and photometry of a field and band.

    Attributes
    ----------
    stars
        With positions on the sky; fluxes in electrons of the anchor's exposure.
    wcs
        WCS of the anchor frame.
    zero_point_mag
        Magnitude of one electron in the anchor frame.
    fwhm_px, sky_rms_e, exposure_s, shape
        Stellar FWHM, sky noise, exposure time and shape of the anchor frame.
    is_local
        True: the frame had no WCS; positions are relative, around the profile's field
        centre (or 0, 0), at its pixel scale (or 1 arcsec per pixel).
    tie
        How it was tied to a catalogue; None without one, and for anchors read back.
    """

    stars: Stars
    wcs: WCS
    zero_point_mag: float
    fwhm_px: float
    sky_rms_e: float
    exposure_s: float
    shape: tuple[int, int]
    is_local: bool
    tie: CatalogueTie | None = None


def anchor_rank(measured: MeasuredFrame) -> float:
    """Rank candidates for the anchor of a new field; higher is better.

    The number of well-measured stars over FWHM and elongation: it falls with clouds,
    bright sky and bad seeing. A frame with rejection reasons is no candidate (minus
    infinity); one without a WCS ranks below all that have one.

    Parameters
    ----------
    measured
        The frame with its stars.

    Returns
    -------
    rank
        Without unit; for comparison within one field and band.
    """
    if measured.reasons:
        return NO_ANCHOR
    stars = measured.stars
    good = (stars.flag == 0) & (stars.flux > COUNTED_SNR * stars.flux_err)
    rank = float(np.count_nonzero(good)) / (measured.fwhm_px * measured.elongation)
    return rank if measured.frame.wcs is not None else rank - 1e6


def make_anchor(
    measured: MeasuredFrame, settings: ProcessingSettings, catalogue: SkyCatalogue | None = None
) -> Anchor:
    """Make a frame the anchor of its field.

    Parameters
    ----------
    measured
        The frame with its stars, PSF and sky.
    settings
        Whether the header's WCS is used, and the field's centre and scale without one.
    catalogue
        Ties the anchor to the sky; without one its header defines the positions, and
        a convention the magnitudes.

    Returns
    -------
    anchor
        With the WCS and zero point that later frames are solved against.

    Raises
    ------
    FrameRejected
        With the frame's first reason, if it has any: an anchor must be good;
        `not_in_catalogue` when it cannot be tied.
    TooFewStars
        When too few of the stars matched with the catalogue have magnitudes.
    """
    if measured.reasons:
        first = measured.reasons[0]
        raise FrameRejected(first.code, first.message, **first.measurements)
    frame = measured.frame
    wcs = frame.wcs if settings.wcs == "header" else None
    is_local = wcs is None
    if wcs is not None:
        wcs = plain_wcs(wcs, frame.shape)
    else:
        wcs = tangent_plane(
            settings.ra_deg or 0.0,
            settings.dec_deg or 0.0,
            settings.pixel_scale_arcsec or LOCAL_SCALE_ARCSEC,
            frame.shape,
        )
    zero_point = frame.zero_point_mag
    tie = None
    if catalogue is not None:
        if is_local and settings.ra_deg is None:
            raise FrameRejected(
                ReasonCode.NOT_IN_CATALOGUE,
                "the frame has no WCS: [processing] needs ra_deg, dec_deg and "
                "pixel_scale_arcsec to look it up in the catalogue",
            )
        tie = tie_to_catalogue(
            measured.stars, wcs, catalogue, frame.observed_mjd, frame.shape, is_guess=is_local
        )
        wcs, zero_point, is_local = tie.solution.wcs, tie.zero_point_mag, False
    return Anchor(
        stars=with_sky_positions(measured.stars, wcs),
        wcs=wcs,
        zero_point_mag=ANCHOR_ZERO_POINT_MAG if zero_point is None else zero_point,
        fwhm_px=measured.fwhm_px,
        sky_rms_e=measured.sky_rms_e,
        exposure_s=frame.exposure_s,
        shape=frame.shape,
        is_local=is_local,
        tie=tie,
    )


def anchor_from_frame(frame: Frame, stars: Stars, *, is_local: bool) -> Anchor:
    """Rebuild the anchor from its processed frame and its stars, as stored.

    Parameters
    ----------
    frame
        Processed: with WCS, zero point, PSF and sky noise.
    stars
        Stars of the frame, with positions on the sky.
    is_local
        Whether these positions are relative: see `Anchor`.

    Returns
    -------
    anchor
        As it was made, but without its tie to a catalogue.

    Raises
    ------
    ValueError
        If the frame was never processed.
    """
    known = frame.wcs, frame.zero_point_mag, frame.psf, frame.sky_rms_e
    wcs, zero_point_mag, psf, sky_rms_e = known
    if wcs is None or zero_point_mag is None or psf is None or sky_rms_e is None:
        raise ValueError(
            f"{frame.frame_id} cannot be an anchor: a processed frame has a WCS, a "
            "zero point, a PSF and a sky noise"
        )
    return Anchor(
        stars=stars,
        wcs=wcs,
        zero_point_mag=zero_point_mag,
        fwhm_px=psf.fwhm_px,
        sky_rms_e=sky_rms_e,
        exposure_s=frame.exposure_s,
        shape=frame.shape,
        is_local=is_local,
    )
