"""Star catalogues in files: CSV, Parquet or FITS tables, columns by name.

Common spellings are understood (Gaia's, Pan-STARRS's); what the file does not have
is unknown (NaN), and what cannot be read is an error that names the file.
"""

from __future__ import annotations

import math
from functools import lru_cache
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.photometry.sky_catalogue import SkyCatalogue
from astrid_assets.surveys.profile import CatalogueFile, ProfileError
from astrid_assets.surveys.sources.regular_file import entry_problem

if TYPE_CHECKING:
    from pathlib import Path

    from numpy.typing import NDArray


FITS_SUFFIXES = (".fits", ".fit", ".fts", ".fits.gz")
SPELLINGS = {
    "ra": ("ra", "ra_deg", "raj2000", "ra_icrs", "ramean"),
    "dec": ("dec", "dec_deg", "dej2000", "decj2000", "de_icrs", "decmean"),
    "mag": ("mag", "phot_g_mean_mag", "gmag"),
    "err": ("err", "mag_err", "e_mag", "magerr", "phot_g_mean_mag_error"),
    "colour": ("colour", "color", "bp_rp", "bp-rp", "g_r"),
    "pmra": ("pmra", "pm_ra", "pm_ra_mas_yr"),
    "pmdec": ("pmdec", "pm_dec", "pmde", "pm_dec_mas_yr"),
    "epoch": ("epoch", "ref_epoch", "epoch_year"),
}
"""Columns we know, and what catalogues call them; compared without case."""

REQUIRED = ("ra", "dec", "mag")


def read_catalogue(settings: CatalogueFile) -> SkyCatalogue:
    """Read the catalogue that a profile names.

    Raises
    ------
    ProfileError
        If the file is missing or unreadable, lacks a column, or has no usable star.
    """
    path = settings.path
    problem = entry_problem(path, path.name, math.inf)
    if problem is not None:
        raise ProfileError(f"catalogue {path} cannot be read: {problem.message}")
    try:
        changed = path.stat().st_mtime_ns
    except OSError as error:
        raise ProfileError(f"catalogue {path} cannot be read: {error}") from error
    return _cached(settings.model_dump_json(), changed)


@lru_cache(maxsize=4)
def _cached(settings_json: str, changed_ns: int) -> SkyCatalogue:
    """Read once per process, again when the file has changed."""
    del changed_ns
    settings = CatalogueFile.model_validate_json(settings_json)
    columns = _columns(settings.path)
    found = {
        name: _picked(columns, name, getattr(settings, name, None), settings.path)
        for name in SPELLINGS
    }
    ra, dec, mag = (_required(found, name, columns, settings.path) for name in REQUIRED)
    unknown = np.full(len(ra), np.nan)

    def known(name: str) -> NDArray[np.float64]:
        column = found[name]
        return unknown if column is None else column

    epoch = np.where(np.isfinite(known("epoch")), known("epoch"), settings.epoch_year)
    usable = np.isfinite(ra) & np.isfinite(dec) & np.isfinite(mag) & (abs(dec) <= 90)
    if not usable.any():
        raise ProfileError(f"catalogue {settings.path} has no star with ra, dec, mag")
    return SkyCatalogue(
        ra_deg=ra % 360,
        dec_deg=dec,
        mag=mag,
        mag_err=known("err"),
        colour=known("colour"),
        pm_ra_mas_yr=known("pmra"),
        pm_dec_mas_yr=known("pmdec"),
        epoch_year=epoch,
    ).part(usable)


def _columns(path: Path) -> dict[str, NDArray[np.float64]]:
    """Return the numeric columns of a table, by name in lower case."""
    name = path.name.lower()
    try:
        if name.endswith(FITS_SUFFIXES):
            return _from_fits(path)
        if name.endswith((".csv", ".parquet")):
            return _from_polars(path, is_csv=name.endswith(".csv"))
    except (OSError, ValueError, TypeError) as error:
        raise ProfileError(f"catalogue {path} cannot be read: {error}") from error
    raise ProfileError(f"catalogue {path}: .csv, .parquet or .fits, not {path.suffix}")


def _from_fits(path: Path) -> dict[str, NDArray[np.float64]]:
    from astropy.io import fits

    with fits.open(path) as hdus:
        table = next((h for h in hdus if isinstance(h, fits.BinTableHDU)), None)
        if table is None or table.columns is None:
            raise ValueError("it has no binary table")
        names = [str(column.name) for column in table.columns]
        # Copies: the table's memory goes with the file.
        values = {name: np.array(table.data[name]) for name in names}
    return {
        name.lower(): column.astype(np.float64)
        for name, column in values.items()
        if np.issubdtype(column.dtype, np.number) and column.ndim == 1
    }


def _from_polars(path: Path, *, is_csv: bool) -> dict[str, NDArray[np.float64]]:
    import polars as pl

    try:
        # Columns of catalogues change from whole to broken numbers far down.
        frame = pl.read_csv(path, infer_schema_length=None) if is_csv else pl.read_parquet(path)
    except pl.exceptions.PolarsError as error:
        raise ValueError(str(error)) from error
    numeric = [c for c, kind in frame.schema.items() if kind.is_numeric()]
    return {
        column.lower(): frame[column].cast(pl.Float64).fill_null(np.nan).to_numpy()
        for column in numeric
    }


def _picked(
    columns: dict[str, NDArray[np.float64]], name: str, wanted: str | None, path: Path
) -> NDArray[np.float64] | None:
    """Return the column the profile names, else the first known spelling."""
    if wanted is not None:
        if wanted.lower() not in columns:
            raise ProfileError(
                f"catalogue {path} has no numeric column {wanted!r} for {name}; it "
                f"has {', '.join(sorted(columns))}"
            )
        return columns[wanted.lower()]
    return next((columns[s] for s in SPELLINGS[name] if s in columns), None)


def _required(
    found: dict[str, NDArray[np.float64] | None],
    name: str,
    columns: dict[str, NDArray[np.float64]],
    path: Path,
) -> NDArray[np.float64]:
    column = found[name]
    if column is None:
        raise ProfileError(
            f"catalogue {path} has no column {name} ({', '.join(SPELLINGS[name])}); "
            f"it has {', '.join(sorted(columns))}"
        )
    return column
