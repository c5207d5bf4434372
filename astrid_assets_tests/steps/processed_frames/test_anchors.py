"""Anchors in the catalogue: frozen, tied to the sky, and chosen again when asked."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
import polars as pl
import pytest
from astropy.io import fits
from sqlalchemy import select

from astrid_assets.compute import Compute
from astrid_assets.steps.nights import Tools
from astrid_assets.steps.processed_frames.anchor_store import AnchorKey, load_anchor
from astrid_assets.steps.processed_frames.anchors import choose_again
from astrid_assets.steps.processed_frames.process import process_nights
from astrid_assets.steps.raw_observations.ingest import register_from_source
from astrid_assets.storage.database.tables.frames import PreprocessRun
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.storage.queries import frames
from astrid_assets.surveys.profile import ProfileError
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.science.star_fields import noisy, paint, tangent_wcs
from astrid_assets_tests.small_survey import add_survey

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow

SHAPE = (256, 256)
NIGHTS = ["2025-03-01", "2025-03-02"]
ZERO_POINT = 26.4
TOML = """
name = "mine"
[source]
kind = "folder"
path = "{folder}"
"""


@pytest.fixture
def survey(tmp_path: Path, rng: np.random.Generator):
    """Two nights of two frames whose headers point 15 arcsec off, and a catalogue."""
    folder = tmp_path / "frames"
    folder.mkdir()
    x, y = rng.uniform(0, 255, 60), rng.uniform(0, 255, 60)
    flux = np.minimum(2000 * (1 + rng.pareto(0.8, 60)), 2e5)
    header = tangent_wcs(SHAPE, ra_deg=40 + 15 / 3600).to_header()
    for night in NIGHTS:
        for k in range(2):
            data = noisy(rng, paint(SHAPE, x, y, flux, 2.8 + 0.2 * k))
            hdu = fits.PrimaryHDU(data)
            hdu.header.update(header)
            hdu.header["DATE-OBS"] = f"{night}T22:1{k}:00"
            for key, value in (("EXPTIME", 60.0), ("FILTER", "r"), ("GAIN", 1.0), ("RDNOISE", 5.0)):
                hdu.header[key] = value
            hdu.writeto(folder / f"{night}_{k}.fits")
    ra, dec = tangent_wcs(SHAPE).all_pix2world(x, y, 0)
    mag = ZERO_POINT - 2.5 * np.log10(flux)
    gaia = tmp_path / "gaia.csv"
    pl.DataFrame({"ra": ra, "dec": dec, "mag": mag}).write_csv(gaia)

    catalogue = new_catalogue(tmp_path)
    store = open_object_store(f"file://{tmp_path}/store")
    return (
        Tools(catalogue, store, Compute("serial", 1)),
        TOML.format(folder=folder),
        gaia,
    )


def processed(tools, toml):
    profile = add_survey(tools.catalogue, toml)
    list(register_from_source(tools, profile, NIGHTS))
    return profile, list(process_nights(tools, profile, NIGHTS))


def present(tools):
    with tools.catalogue.read() as session:
        return frames.anchors(session, "mine")[0][0]


def group(tools):
    row = present(tools)
    return row.field, row.band


def test_a_catalogue_makes_every_frame_absolute(survey):
    tools, toml, gaia = survey
    tied = f'{toml}[catalogue]\npath = "{gaia}"\n'
    _, reports = processed(tools, tied)
    assert [r.summary["accepted"] for r in reports] == [2, 2]
    row = present(tools)
    assert not row.is_local
    assert row.tie is not None
    assert row.tie["n_matched"] > 30
    assert row.tie["rms_x_px"] < 0.1
    anchor = load_anchor(tools.store, AnchorKey(row.stars_key, row.is_local))
    ra, dec = tangent_wcs(SHAPE).all_pix2world(100, 100, 0)
    assert np.array(anchor.wcs.all_world2pix(ra, dec, 0)) == pytest.approx(100, abs=0.1)
    with tools.catalogue.read() as session:
        points = session.scalars(select(PreprocessRun.zero_point_mag)).all()
    assert points == pytest.approx([ZERO_POINT] * 4, abs=0.05)


def test_choosing_again_is_the_same_choice_until_something_has_changed(survey):
    tools, toml, gaia = survey
    profile, _ = processed(tools, toml)
    before = present(tools)
    assert before.tie is None
    same = choose_again(tools, profile, group(tools))
    assert same is not None
    assert (same.key, present(tools).stars_key) == (before.stars_key, before.stars_key)
    other = choose_again(tools, profile, group(tools), avoid_present=True)
    assert present(tools).observation_id != before.observation_id
    assert other is not None
    assert other.key == present(tools).stars_key
    # Nights hang on their anchor: they are computed again, and then no more.
    again = [list(process_nights(tools, profile, NIGHTS)) for _ in range(2)]
    assert [r.unchanged for r in again[0]] == [False, False]
    assert [r.unchanged for r in again[1]] == [True, True]
    tied = add_survey(tools.catalogue, f'{toml}[catalogue]\npath = "{gaia}"\n')
    choose_again(tools, tied, group(tools))
    tie = present(tools).tie
    assert tie is not None
    assert tie["n_stars"] > 10


def test_without_another_frame_the_present_anchor_is_kept(survey):
    tools, toml, _ = survey
    profile, _ = processed(tools, toml)
    before = present(tools)
    strict = profile.model_copy(
        update={"processing": profile.processing.model_copy(update={"max_fwhm_px": 1})}
    )
    assert choose_again(tools, strict, group(tools), avoid_present=True) is None
    assert present(tools).observation_id == before.observation_id


def test_a_catalogue_that_cannot_be_read_stops_the_night_with_its_name(survey):
    tools, toml, _ = survey
    with pytest.raises(ProfileError, match=r"absent\.csv"):
        processed(tools, f'{toml}[catalogue]\npath = "/absent.csv"\n')
