"""`astrid reviewer`, `labels`, `alerts` and `explain` from the command line."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING

import pytest

from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.review.accounts import by_password, by_token
from astrid_assets_tests import small_sky as values
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.steps.validated_labels.test_alerts import ztf_file

if TYPE_CHECKING:
    from pathlib import Path

    import numpy as np

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets_tests.cli.conftest import Cli
    from astrid_assets_tests.small_sky import SmallSky

pytestmark = pytest.mark.slow


def catalogue_of(home: Path) -> Catalogue:
    home.mkdir(exist_ok=True)
    return new_catalogue(home)


def sky_in(home: Path) -> SmallSky:
    return values.small_sky(catalogue_of(home), FolderObjectStore(home / "store"))


def test_a_reviewer_gets_a_password_and_a_token(cli: Cli, home: Path) -> None:
    from click.testing import CliRunner

    from astrid_assets.cli.main import astrid

    added = CliRunner().invoke(
        astrid,
        ["reviewer", "add", "Ada Lovelace", "--role", "expert", "--password"],
        input="correct horse battery\n",
    )
    assert added.exit_code == 0, added.output
    assert "correct horse" not in added.output
    made = cli("reviewer", "token", "Ada Lovelace", "--purpose", "notebook")
    token = made.stdout.strip().splitlines()[-1]
    with catalogue_of(home).read() as session:
        found = by_token(session, token)
        assert found is not None
        assert found.role == "expert"
        assert by_password(session, "Ada Lovelace", "correct horse battery") is not None
    listed = cli("reviewer", "list").output
    assert "Ada Lovelace" in listed
    assert "notebook" in listed
    assert token not in listed
    revoked = cli("reviewer", "token", "Ada Lovelace", "--purpose", "notebook", "--revoke")
    assert "1 tokens revoked" in revoked.output
    assert cli("reviewer", "close", "Ada Lovelace").exit_code == 0
    assert "closed" in cli("reviewer", "list").output


def test_what_is_refused_ends_with_one_line(cli: Cli) -> None:
    unknown = cli("reviewer", "token", "nobody")
    assert unknown.exit_code == 1
    assert "astrid reviewer add" in unknown.output
    bad = cli("reviewer", "add", "<b>")
    assert bad.exit_code == 1
    assert "no reviewer's name" in bad.output


def test_labels_go_out_and_come_back(cli: Cli, home: Path, tmp_path: Path) -> None:
    sky = sky_in(home)
    votes = tmp_path / "votes.csv"
    votes.write_text(f"detection_id,label\n{sky.detection_id},real\nnone,bogus\n")
    first = cli("labels", "import", str(votes), "--reviewer", "ada")
    assert first.exit_code == 1  # one row was refused
    assert "2 rows: 1 new, 0 known before, 1 refused" in first.output
    out = tmp_path / "out.jsonl"
    assert cli("labels", "export", str(out)).exit_code == 0
    row = json.loads(out.read_text())
    assert (row["reviewer"], row["label"], row["source"]) == ("ada", "real", "import")
    again = cli("labels", "import", str(out))
    assert again.exit_code == 0
    assert "0 new, 1 known before" in again.output
    wrong = cli("labels", "export", str(tmp_path / "out.xls"))
    assert wrong.exit_code == 1
    assert ".parquet" in wrong.output


def test_alerts_come_in_as_a_survey_of_their_own(
    cli: Cli, home: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    path = ztf_file(tmp_path, rng)
    first = cli("alerts", "import", str(path))
    assert first.exit_code == 0, first.output
    assert "3 alerts: 2 detections on 2 nights; labels: 1 new" in first.output
    assert "1 refused: small cutout" in first.output
    assert "public alerts" in cli("survey", "list").output
    # A survey without frames stops no backfill of the others.
    assert "no frame with a date" in cli("backfill").output
    status = cli("status").output
    assert "alerts" in status


def test_alerts_do_not_mix_with_frames(
    cli: Cli, home: Path, tmp_path: Path, rng: np.random.Generator
) -> None:
    sky_in(home)
    refused = cli("alerts", "import", str(ztf_file(tmp_path, rng)), "--survey", values.SURVEY)
    assert refused.exit_code == 1
    assert "survey of frames" in refused.output


def test_explain_prints_and_gives_json(cli: Cli, home: Path) -> None:
    sky_in(home)
    told = cli("explain", "150", "2", values.NIGHT)
    assert told.exit_code == 0, told.output
    assert "detected at +12.0 sigma" in told.output
    assert "opposite sign" in told.output
    south = cli("explain", "150", "-2")
    assert "no frame in the catalogue covers this position" in south.output
    for ra, dec in (("10:00:00", "+02:00:00"), ("10h00m00s", "2d00m00s"), ("-210.0", "2")):
        assert cli("explain", ra, dec, values.NIGHT).output == told.output
    assert "is no declination" in cli("explain", "150", "north").output
    answer = json.loads(cli("explain", "150", "2", "--json").output)
    assert len(answer["frames"]) == len(values.OUTCOMES) + 1
    assert cli("explain", "150", "2", "yesterday").exit_code == 2
    assert cli("explain", "150").exit_code == 2
    assert cli("explain", "150", "2", values.NIGHT, values.NIGHT).exit_code == 2
    # A name is as good as a position, whatever its case.
    for name in (values.OBJECT, f"{values.OBJECT}.1", values.OBJECT.lower()):
        named = cli("explain", name, values.NIGHT)
        assert f"{values.OBJECT}.1 detected at +12.0 sigma" in named.output
        assert named.output == told.output
    unknown = cli("explain", "AST25zzzz")
    assert (unknown.exit_code, "no object or detection" in unknown.output) == (1, True)
    assert cli("explain", "150", "2", "--survey", "none").exit_code == 1
