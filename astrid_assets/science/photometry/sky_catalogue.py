"""A user's catalogue of stars: positions, magnitudes, colours, motions.

Values only; files are read in `surveys.catalogue_file`. How an anchor is tied to a
catalogue is in `catalogue_tie`.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from astrid_assets.science.stars.star_list import Stars

Array = NDArray[np.float64]
MAS_PER_DEG = 3.6e6
DAYS_PER_YEAR = 365.25
J2000_MJD = 51544.5
FLUX_ZERO_MAG = 25.0
"""Zero point of the fluxes by which catalogue stars are ranked and matched."""


@dataclass(frozen=True, kw_only=True)
class SkyCatalogue:
    """Catalogue stars; every array has shape (n,), NaN where a value is unknown.

    `ra_deg`, `dec_deg` (ICRS) at `epoch_year` (Julian years); `mag`, `mag_err`;
    `colour` in magnitudes, blue minus red; `pm_ra_mas_yr` (with the cosine of the
    declination, as Gaia gives it) and `pm_dec_mas_yr`.
    """

    ra_deg: Array
    dec_deg: Array
    mag: Array
    mag_err: Array
    colour: Array
    pm_ra_mas_yr: Array
    pm_dec_mas_yr: Array
    epoch_year: Array

    def __len__(self) -> int:
        """Count the stars."""
        return len(self.ra_deg)

    def at(self, mjd: float) -> SkyCatalogue:
        """Return the catalogue with its stars moved to a date by their proper motions.

        Stars without a known motion keep their position.

        Parameters
        ----------
        mjd : days, UTC
            The date.

        Returns
        -------
        catalogue
            The same stars, in the same order, at the epoch of the date.
        """
        year = 2000 + (mjd - J2000_MJD) / DAYS_PER_YEAR
        years = year - self.epoch_year
        east, north = (
            np.nan_to_num(motion) * years / MAS_PER_DEG
            for motion in (self.pm_ra_mas_yr, self.pm_dec_mas_yr)
        )
        cosine = np.maximum(np.cos(np.radians(self.dec_deg)), 1e-6)
        return replace(
            self,
            ra_deg=(self.ra_deg + east / cosine) % 360,
            dec_deg=np.clip(self.dec_deg + north, -90, 90),
            epoch_year=np.full(len(self), year),
        )

    def near(self, ra_deg: float, dec_deg: float, radius_deg: float) -> SkyCatalogue:
        """Return the stars within a radius, the brightest first.

        Parameters
        ----------
        ra_deg, dec_deg : degrees
            Centre of the circle.
        radius_deg : degrees
            Its radius; 180 is the whole sky.

        Returns
        -------
        catalogue
            The stars inside; those without a magnitude come last.
        """
        ra, dec = np.radians(self.ra_deg - ra_deg), np.radians(self.dec_deg)
        dec0 = np.radians(dec_deg)
        half = np.sin((dec - dec0) / 2) ** 2
        half += np.cos(dec) * np.cos(dec0) * np.sin(ra / 2) ** 2
        here = np.flatnonzero(half <= np.sin(np.radians(min(radius_deg, 180)) / 2) ** 2)
        return self.part(here[np.argsort(self.mag[here], kind="stable")])

    def part(self, which: NDArray[np.intp] | NDArray[np.bool_]) -> SkyCatalogue:
        """Return some of the stars.

        Parameters
        ----------
        which : (m,) or (n,)
            Indices, or True for the stars to keep.

        Returns
        -------
        catalogue
            Those stars, in the order of the indices.
        """
        return SkyCatalogue(**{name: v[which] for name, v in vars(self).items()})

    def as_stars(self) -> Stars:
        """Return the catalogue as a star list without pixel positions, for matching.

        Fluxes are computed from the magnitudes; stars without one rank last.
        """
        from astrid_assets.science.stars.star_list import Stars

        n = len(self)
        mag = np.where(np.isfinite(self.mag), self.mag, 99.0)
        flux = 10 ** (-0.4 * (mag - FLUX_ZERO_MAG))
        # Unknown errors are taken as those of bright stars, well measured in a catalogue.
        error = np.where(np.isfinite(self.mag_err), self.mag_err, 0.01)
        none = np.full(n, np.nan)
        return Stars(
            x=none,
            y=none,
            flux=flux,
            flux_err=flux * np.maximum(error, 1e-3) / 1.0857,
            fwhm_px=np.ones(n),
            elongation=np.ones(n),
            flag=np.zeros(n, np.int16),
            ra_deg=self.ra_deg,
            dec_deg=self.dec_deg,
        )
