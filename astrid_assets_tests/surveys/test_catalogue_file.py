"""Catalogues from files: every format, every spelling, and what is wrong with one."""

from __future__ import annotations

import os

import numpy as np
import polars as pl
import pytest
from astropy.table import Table

from astrid_assets.surveys.catalogue_file import read_catalogue
from astrid_assets.surveys.profile import CatalogueFile, ProfileError, SurveyProfile

GAIA = {
    "source_id": [1, 2, 3],
    "ra": [10.0, 359.5, 20.0],
    "dec": [-5.0, 80.0, 3.0],
    "phot_g_mean_mag": [14.0, 15.5, float("nan")],
    "bp_rp": [0.7, float("nan"), 1.0],
    "pmra": [12.0, -3.0, 0.0],
    "pmdec": [5.0, 1.0, 0.0],
    "ref_epoch": [2015.5, 2015.5, 2015.5],
    "designation": ["a", "b", "c"],
}


def written(folder, columns, kind):
    path = folder / f"stars.{kind}"
    if kind == "csv":
        pl.DataFrame(columns).write_csv(path)
    elif kind == "parquet":
        pl.DataFrame(columns).write_parquet(path)
    else:
        Table(columns).write(path)
    return path


@pytest.mark.parametrize("kind", ["csv", "parquet", "fits"])
def test_gaia_columns_are_understood_in_every_format(tmp_path, kind):
    found = read_catalogue(CatalogueFile(path=written(tmp_path, GAIA, kind)))
    assert found.ra_deg.tolist() == [10.0, 359.5]
    assert found.mag.tolist() == [14.0, 15.5]
    assert found.pm_ra_mas_yr.tolist() == [12.0, -3.0]
    assert found.epoch_year.tolist() == [2015.5, 2015.5]
    assert found.colour[0] == 0.7
    assert np.isnan(found.colour[1])
    assert np.isnan(found.mag_err).all()


def test_what_a_table_lacks_is_unknown_and_the_epoch_the_profiles(tmp_path):
    columns = {"RA_deg": [1, 2], "DEC_deg": [3, 4], "r_mag": [15.0, 16.0]}
    path = written(tmp_path, columns, "csv")
    found = read_catalogue(CatalogueFile(path=path, mag="r_mag", epoch_year=2000))
    assert found.epoch_year.tolist() == [2000, 2000]
    assert np.isnan(found.pm_ra_mas_yr).all()


@pytest.mark.parametrize(
    ("columns", "wanted", "problem"),
    [
        ({"ra": [1.0], "mag": [2.0]}, {}, "no column dec"),
        ({"ra": [1.0], "dec": [1.0], "mag": [2.0]}, {"mag": "V"}, "no numeric column 'V'"),
        ({"ra": [1.0], "dec": [1.0], "mag": [float("nan")]}, {}, "no star with"),
        ({"ra": ["x"], "dec": ["y"], "mag": [1.0]}, {}, "no column ra"),
    ],
)
def test_an_unusable_table_is_named_with_its_columns(tmp_path, columns, wanted, problem):
    path = written(tmp_path, columns, "csv")
    with pytest.raises(ProfileError, match=problem) as caught:
        read_catalogue(CatalogueFile(path=path, **wanted))
    assert str(path) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("absent.csv", None),
        ("stars.txt", b"1 2 3"),
        ("broken.parquet", b"no parquet"),
        ("broken.fits", b"no fits"),
        ("empty.csv", b""),
    ],
)
def test_files_that_cannot_be_read_are_errors_of_the_profile(tmp_path, name, content):
    path = tmp_path / name
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ProfileError, match=name):
        read_catalogue(CatalogueFile(path=path))


def test_a_changed_file_is_read_again(tmp_path):
    path = written(tmp_path, {"ra": [1.0], "dec": [1.0], "mag": [2.0]}, "csv")
    assert len(read_catalogue(CatalogueFile(path=path))) == 1
    path.write_text("ra,dec,mag\n1,1,2\n2,2,3\n")
    assert len(read_catalogue(CatalogueFile(path=path))) == 2


def test_a_profile_names_its_catalogue():
    profile = SurveyProfile.from_toml("""
name = "mine"
[source]
kind = "folder"
path = "/data"
[catalogue]
path = "/data/gaia.parquet"
epoch_year = 2015.5
""")
    assert profile.catalogue is not None
    assert profile.catalogue.epoch_year == 2015.5


@pytest.mark.timeout(30)
def test_a_pipe_is_no_catalogue(tmp_path):
    os.mkfifo(tmp_path / "stars.csv")
    with pytest.raises(ProfileError, match="is a pipe"):
        read_catalogue(CatalogueFile(path=tmp_path / "stars.csv"))
