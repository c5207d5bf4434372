"""`astrid survey anchor`: what it says of a survey without, and with, an anchor."""

from __future__ import annotations

import pytest

from astrid_assets.cli.workplace import open_catalogue
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.frames import FieldAnchor, Observation

pytestmark = pytest.mark.slow


def test_a_survey_that_has_not_run_has_no_anchor(cli, frames):
    cli("survey", "add", "mine", "--folder", str(frames))
    said = cli("survey", "anchor", "mine")
    assert said.exit_code == 0, said.output
    assert "no such anchor yet" in said.output


def test_leaving_a_frame_out_goes_with_choosing_again(cli, frames):
    cli("survey", "add", "mine", "--folder", str(frames))
    said = cli("survey", "anchor", "mine", "--not-this-frame")
    assert said.exit_code == 2
    assert "--choose-again" in said.output


def test_an_anchor_is_shown_with_what_it_is_tied_to(cli, frames):
    cli("survey", "add", "mine", "--folder", str(frames))
    tie = {"n_matched": 41, "zero_point_mag": 26.4, "zero_point_err_mag": 0.002}
    with open_catalogue().begin() as session:
        session.add(
            Observation(
                id="o1",
                survey="mine",
                night="2025-03-01",
                source_path="one.fits",
                hdu=0,
                sha256="0",
                size_bytes=1,
                kind="light",
                status="registered",
                band="r",
                field="f1",
                registered_at=now(),
            )
        )
        session.flush()
        session.add(
            FieldAnchor(
                id="a1",
                survey="mine",
                field="f1",
                band="r",
                observation_id="o1",
                stars_key="k",
                is_local=False,
                tie=tie,
                created_at=now(),
            )
        )
    said = cli("survey", "anchor", "mine", "--band", "r")
    assert said.exit_code == 0, said.output
    assert "f1" in said.output
    assert "26.400" in said.output
    assert "no such anchor" in cli("survey", "anchor", "mine", "--band", "z").output
