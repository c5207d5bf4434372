"""Facts of a detection that a reviewer may know before the decision."""

from __future__ import annotations

import datetime as dt
from urllib.parse import quote

from pydantic import BaseModel, Field


class Neighbour(BaseModel):
    """The nearest source of the reference."""

    distance_arcsec: float | None
    distance_px: float
    mag: float | None = Field(description="on the frame's scale of magnitudes")


class Link(BaseModel):
    """A page elsewhere about this position; nothing is fetched before it is followed."""

    name: str
    url: str


class DetectionFacts(BaseModel):
    """What was measured; nothing that reveals what others or the model think."""

    id: str
    name: str | None = Field(description="name that can be read out")
    survey: str
    night: str
    field: str
    band: str
    observation_id: str
    object_id: str | None
    observed_mjd: float | None
    observed_at: dt.datetime | None
    exposure_s: float | None
    x: float
    y: float
    ra_deg: float | None
    dec_deg: float | None
    position: str | None = Field(description="sexagesimal")
    snr: float = Field(description="S_corr at the peak, in sigma; negative: it faded")
    flux_e: float
    flux_err_e: float
    aperture_flux_e: float | None
    aperture_flux_err_e: float | None
    mag: float | None
    mag_err: float | None
    limiting_mag: float | None
    fwhm_px: float | None
    frame_fwhm_px: float | None
    fwhm_ratio: float | None = Field(description="of the source over the frame's stars")
    elongation: float | None
    flags: list[str] = Field(description="of pixels, frame and difference, in words")
    neighbour: Neighbour | None
    known_objects: str = Field(description="what is known to be there, in words")
    cutout_key: str
    cutout_index: int
    has_difference: bool
    links: list[Link]


def links(ra_deg: float | None, dec_deg: float | None) -> list[Link]:
    """Return pages elsewhere about this position on the sky."""
    if ra_deg is None or dec_deg is None:
        return []
    position = f"{ra_deg:.6f} {dec_deg:+.6f}"
    at = quote(position)
    simbad = f"Coord={at}&Radius=10&Radius.unit=arcsec"
    ned = f"search_type=Near%20Position%20Search&ra={ra_deg:.6f}d&dec={dec_deg:.6f}d"
    tns = f"ra={ra_deg:.6f}&decl={dec_deg:.6f}&radius=5&coords_unit=arcsec"
    viewer = f"ra={ra_deg:.6f}&dec={dec_deg:.6f}&zoom=15"
    addresses = {
        "SIMBAD": f"https://simbad.cds.unistra.fr/simbad/sim-coo?{simbad}",
        "NED": f"https://ned.ipac.caltech.edu/conesearch?{ned}&radius=0.5",
        "TNS": f"https://www.wis-tns.org/search?{tns}",
        "Aladin": f"https://aladin.cds.unistra.fr/AladinLite/?target={at}&fov=0.05",
        "Legacy Surveys": f"https://www.legacysurvey.org/viewer?{viewer}",
    }
    return [Link(name=name, url=url) for name, url in addresses.items()]
