"""The truth of an exposure: what changed where, and what the detector saw."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.simulation.optics import simulated_pixels, true_wcs
from astrid_assets.science.simulation.optimal import single_image_snr
from astrid_assets.science.simulation.transients import Kind, changes
from astrid_assets.science.simulation.weather import Conditions, conditions

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.simulation.point_spread import Array, PsfField
    from astrid_assets.science.simulation.scene import SimulationPlan

FAINTEST_SNR = 0.5
"""Weaker changes are not recorded: nothing can be matched to them."""


@dataclass(frozen=True, kw_only=True)
class TruthSource:
    """A source whose flux differs from the reference level, on one frame.

    Attributes
    ----------
    truth_id
        The same on every frame on which the source is seen.
    frame_index
        Frame of the night, from 0.
    x, y : pixels
        Where it lies on this frame, refraction included.
    ra_deg, dec_deg
        Where it is in the sky.
    flux_e : electrons
        Change against the mean of the quiet nights as it arrives in this exposure
        (clouds included); negative where the source is fainter than there.
    mag
        Magnitude of the size of the change, with the frame's true zero point.
    expected_snr
        S/N of `flux_e`, with its sign, for PSF photometry with the true PSF, the photon
        noise of sky, source, host and underlying star, and a noiseless reference.
    """

    truth_id: str
    kind: Kind
    frame_index: int
    x: float
    y: float
    ra_deg: float
    dec_deg: float
    flux_e: float
    mag: float
    expected_snr: float


@dataclass(frozen=True, kw_only=True)
class FrameTruth:
    """Everything that is known of one light frame.

    Attributes
    ----------
    wcs
        True and identical to the header's.
    background_e : (ny, nx), electrons
        Sky alone, as it falls through the telescope, before the flat field.
    clean_e : (ny, nx), electrons
        Stars, galaxies and changes without sky, noise and artefacts; also before the
        flat field.
    flat : (ny, nx)
        Response of the pixels, median 1.
    mask : (ny, nx)
        `MaskBit` of what hit or harmed a pixel: COSMIC_RAY, TRAIL, SATURATED, BAD.
    zero_point_mag
        Magnitude of 1 electron of this exposure through this transparency.
    sky_sigma_e : electrons per pixel
        Noise of the blank sky in the middle.
    stars_x, stars_y, stars_flux_e
        Constant stars on the frame, brightest first, with what arrives of them.
    ghosts
        Pixels of nearly focused reflections.
    blur
        Kernel of a defocus or a tracking error that `psf` does not contain, or None.
    """

    conditions: Conditions
    sources: tuple[TruthSource, ...]
    wcs: WCS
    psf: PsfField
    background_e: Image
    clean_e: Image
    flat: Image
    mask: Mask
    zero_point_mag: float
    transparency: float
    sky_sigma_e: float
    stars_x: Array
    stars_y: Array
    stars_flux_e: Array
    ghosts: tuple[tuple[float, float], ...]
    blur: Image | None

    def masked_fraction(self, x: float, y: float, radius_px: float) -> float:
        """Return the fraction of unusable pixels around a position.

        Parameters
        ----------
        x, y : pixels
            Position on the frame.
        radius_px : pixels
            Radius of the circle.

        Returns
        -------
        fraction
            0 to 1; 1 where no pixel of the frame lies in the circle.
        """
        ny, nx = self.mask.shape
        v, u = np.ogrid[:ny, :nx]
        near = (u - x) ** 2 + (v - y) ** 2 <= radius_px**2
        if not near.any():
            return 1.0
        return float(((self.mask[near] & UNUSABLE) != 0).mean())


def zero_point_mag(plan: SimulationPlan, transparency: float) -> float:
    """Return the magnitude of 1 electron in the whole exposure.

    Parameters
    ----------
    plan
        The survey.
    transparency
        Fraction of the light that comes through.

    Returns
    -------
    zero_point : magnitudes
        Zero point of this exposure.
    """
    return plan.scene.zero_point_total_mag + 2.5 * float(np.log10(transparency))


def sky_sigma_e(plan: SimulationPlan, of_frame: Conditions) -> float:
    """Return the noise of the blank sky in the middle of the frame.

    Parameters
    ----------
    plan
        The survey: dark current and read noise.
    of_frame
        Conditions of the exposure: the level of the sky.

    Returns
    -------
    sigma : electrons per pixel
        Noise of sky, dark current and read-out together.
    """
    scene = plan.scene
    dark = scene.dark_e_per_s * scene.exposure_s
    return float(np.sqrt(of_frame.sky_e + dark + scene.read_noise_e**2))


def sources_on_frame(plan: SimulationPlan, night: int, index: int) -> list[TruthSource]:
    """Return the changed sources inside one frame, strongest first.

    Cheap: no image is made. A defocused or trailed frame's S/N is that of the sharp
    PSF; such a frame should never reach a subtraction.

    Parameters
    ----------
    plan
        The survey.
    night, index
        Night of the survey and frame of the night, both from 0.

    Returns
    -------
    sources
        Those of an expected S/N of at least `FAINTEST_SNR`.
    """
    of_frame = conditions(plan, night, index)
    wcs = true_wcs(plan, of_frame.shift_px, of_frame.turn_deg)
    all_changes = changes(plan, night, index)
    x, y = simulated_pixels(
        wcs,
        np.array([c.ra_deg for c in all_changes]),
        np.array([c.dec_deg for c in all_changes]),
    )
    sigma = sky_sigma_e(plan, of_frame)
    zero_point = zero_point_mag(plan, of_frame.transparency)
    ny, nx = plan.shape
    found: list[TruthSource] = []
    for change, at_x, at_y in zip(all_changes, x, y, strict=True):
        px = float(at_x + of_frame.dcr_px[0] * change.colour)
        py = float(at_y + of_frame.dcr_px[1] * change.colour)
        flux = change.flux_e * of_frame.transparency
        if not (-0.5 <= px < nx - 0.5 and -0.5 <= py < ny - 0.5) or flux == 0:
            continue
        snr = single_image_snr(
            flux,
            of_frame.psf.at(px, py),
            float(np.hypot(sigma, np.sqrt(change.host_e * of_frame.transparency))),
            change.underlying_e * of_frame.transparency,
        )
        if abs(snr) < FAINTEST_SNR:
            continue
        found.append(
            TruthSource(
                truth_id=change.truth_id,
                kind=change.kind,
                frame_index=index,
                x=px,
                y=py,
                ra_deg=change.ra_deg,
                dec_deg=change.dec_deg,
                flux_e=flux,
                mag=zero_point - 2.5 * float(np.log10(abs(flux))),
                expected_snr=snr,
            )
        )
    return sorted(found, key=lambda source: (-abs(source.expected_snr), source.truth_id))
