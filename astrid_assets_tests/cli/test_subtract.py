"""`astrid subtract`, `detections` and `lightcurve` from the command line."""

from __future__ import annotations

import csv
import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from astropy.table import Table

from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets_tests import small_sky as values
from astrid_assets_tests.cli.test_labels_and_people import catalogue_of
from astrid_assets_tests.standalone.two_files import two_files

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets_tests.cli.conftest import Cli
    from astrid_assets_tests.small_sky import SmallSky

pytestmark = pytest.mark.slow


def sky_in(home: Path) -> SmallSky:
    return values.small_sky(catalogue_of(home), FolderObjectStore(home / "store"))


def test_two_files_become_three_and_one_sentence(cli: Cli, home: Path, tmp_path: Path) -> None:
    files = two_files(tmp_path)
    out = tmp_path / "out"
    done = cli("subtract", str(files.science), str(files.reference), "--out", str(out))
    assert done.exit_code == 0, done.output
    (sentence,) = done.stdout.splitlines()
    assert "changes above 5 sigma" in sentence
    assert sorted(path.name for path in out.iterdir()) == [
        "new_difference.csv",
        "new_difference.fits",
        "new_difference.png",
    ]
    rows = Table.read(out / "new_difference.csv", format="ascii.csv")
    for truth in files.pair.transients:
        assert np.min(np.hypot(rows["x"] - truth.x, rows["y"] - truth.y)) < 1
    with fits.open(out / "new_difference.fits") as hdus:
        assert all(name in hdus for name in ("D", "S_CORR", "PSF", "MASK", "CANDIDATES"))
    assert "note: " in done.stderr
    # It needs neither a catalogue nor a history.
    assert not home.exists()


def test_what_cannot_be_subtracted_is_one_line_and_code_1(cli: Cli, tmp_path: Path) -> None:
    files = two_files(tmp_path)
    missing = cli("subtract", str(tmp_path / "none.fits"), str(files.reference))
    assert missing.exit_code == 1
    assert "no file" in missing.stderr
    broken = tmp_path / "broken.fits"
    broken.write_bytes(files.science.read_bytes()[:20_000])
    refused = cli("subtract", str(broken), str(files.reference), "--out", str(tmp_path))
    assert refused.exit_code == 1
    assert refused.stderr.startswith("Error: broken.fits: ")
    wrong = cli("subtract", str(files.science), str(files.reference), "--above", "1")
    assert wrong.exit_code == 1
    assert "threshold_sigma" in wrong.stderr


def test_a_subtraction_not_to_be_trusted_ends_with_code_1(cli: Cli, tmp_path: Path) -> None:
    files = two_files(tmp_path)
    data, header = files.array("reference")
    corner = tmp_path / "corner.fits"
    header["CRPIX2"] = float(str(header["CRPIX2"])) - 100
    fits.PrimaryHDU(data[100:172, :96], header).writeto(corner)
    done = cli("subtract", str(files.science), str(corner), "--out", str(tmp_path))
    assert done.stdout.startswith("not to be trusted")
    assert done.exit_code == 1
    assert (tmp_path / "new_difference.fits").is_file()


def test_detections_are_listed_in_three_formats(cli: Cli, home: Path) -> None:
    sky = sky_in(home)
    table = cli("detections", "--survey", values.SURVEY, "--night", values.NIGHT)
    assert table.exit_code == 0, table.output
    assert f"{values.OBJECT}.1" in table.output
    named = json.loads(cli("detections", "--name", "ast25AABC.1", "--format", "json").stdout)
    assert [row["detection"] for row in named] == [sky.detection_id]
    assert json.loads(cli("detections", "--name", "AST25aaab", "--format", "json").stdout) == []
    rows = json.loads(cli("detections", "--format", "json").stdout)
    assert sky.detection_id in {row["detection"] for row in rows}
    assert abs(rows[0]["snr"]) == values.SEEN_SIGMA
    read = list(csv.DictReader(io.StringIO(cli("detections", "--format", "csv").stdout)))
    assert [row["detection"] for row in read] == [row["detection"] for row in rows]
    assert json.loads(cli("detections", "--above", "500", "--format", "json").stdout) == []
    assert "No detection" in cli("detections", "--above", "500").output
    top = cli("detections", "--top", "1", "--format", "json")
    assert len(json.loads(top.stdout)) == 1


def test_a_survey_that_is_not_there_is_named(cli: Cli, home: Path) -> None:
    sky_in(home)
    asked = cli("detections", "--survey", "nothing")
    assert asked.exit_code == 1
    assert "nothing" in asked.output


def test_new_leaves_out_what_an_earlier_night_saw(cli: Cli, home: Path) -> None:
    sky = sky_in(home)
    from astrid_assets_tests.storage.world import World

    with catalogue_of(home).begin() as session:
        world = World(session, values.SURVEY)
        later = world.observation("2025-03-09", 30)
        world.processed(later)
        again = world.detection(
            later,
            world.difference(later),
            (48, 48),
            ra_deg=values.PLACE[0],
            dec_deg=values.PLACE[1],
            score_sigma=20.0,
            night="2025-03-09",
            object_id=sky.object_id,
        )
    rows = json.loads(cli("detections", "--format", "json").stdout)
    new = json.loads(cli("detections", "--new", "--format", "json").stdout)
    assert again in {row["detection"] for row in rows}
    assert again not in {row["detection"] for row in new}
    assert sky.detection_id in {row["detection"] for row in new}


def test_a_light_curve_is_printed_by_the_beginning_of_its_object(cli: Cli, home: Path) -> None:
    sky = sky_in(home)
    table = cli("lightcurve", sky.object_id[:12])
    assert table.exit_code == 0, table.output
    assert values.NIGHT in table.output
    points = json.loads(cli("lightcurve", sky.object_id, "--format", "json").stdout)
    assert sky.detection_id in {point["detection_id"] for point in points}
    read = csv.DictReader(io.StringIO(cli("lightcurve", sky.object_id, "--format", "csv").stdout))
    assert [float(row["flux_e"]) for row in read] == [point["flux_e"] for point in points]
    unknown = cli("lightcurve", "ffffffffffff0")
    assert unknown.exit_code == 1
    assert "astrid detections" in unknown.output
