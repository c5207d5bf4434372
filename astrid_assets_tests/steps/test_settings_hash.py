"""Hashes of settings: a setting that is off leaves every finished night finished."""

from __future__ import annotations

import pytest

from astrid_assets.science.settings import ProcessingSettings
from astrid_assets.steps.nights import hash_of
from astrid_assets.surveys.profile import SurveyProfile

PROFILE = SurveyProfile.from_toml('name = "mine"\n[source]\nkind = "folder"\npath = "/frames"\n')

STORED = {
    "keywords": "0a6bdc45b0bd48bbc6c3c49db2345002b6931d1eef20dd708c049787f68eb31b",
    "detector": "a90a8d44725dd4f9e5f7cb7a9cb78293bd57a200a0236f1d97da1fe9fa887bec",
    "night": "6c3c282a0d4334db223487b2cd3128ea4eff9b6d971e4835a87e0172153208a4",
    "calibration": "45930a192b2655f0309ee09a4e127d68bfe7d63c178023ab1545f2f6de7d227c",
    "processing": "1e4824369d409cb536d8f930d04c3048c98298e3c11a2049721bc538bcfa6e6e",
    "reference": "ab6076854bf2baf5ef6532462005bf59392538b7c1fe6f8ed0d9f6f11fea9444",
    "differencing": "e24d4c894d297edda31f1075bff135f0ab245775e6bfb2f5b472b4fc824643ce",
    "detection": "798fb0a3d8445e0b5ea160a2ad9e499b59ac27b4cd99299465cd305a802d7919",
    "injection": "06f5889964a03a67434202b361231f27696166174025775d419c4876aca62e78",
    "light_curves": "6a819f5c84ccb53e3424f3fc8e51383455cf4e740c0121dd26b06837eb2d2a40",
    "labels": "0450470f1b15046e4a3797d66998680257f41b2c38a68eceed9efc08915c0a7d",
}
"""Hashes of the default sections as they stand in catalogues. Another value here means that
every night of every survey is done again: a new setting is to be off by default and marked
with ``exclude_if=is_off`` (`science.settings.Settings`)."""


@pytest.mark.parametrize("section", STORED)
def test_default_settings_have_the_hash_that_is_stored_of_them(section: str) -> None:
    assert hash_of("1", getattr(PROFILE, section)) == STORED[section]


def test_a_limit_that_is_set_changes_the_hash() -> None:
    off, on = ProcessingSettings(), ProcessingSettings(max_sky_gradient=10)
    assert off.max_sky_gradient is None
    assert hash_of("1", ProcessingSettings(max_sky_gradient=None)) == hash_of("1", off)
    assert hash_of("1", on) != hash_of("1", off)
    assert hash_of("1", on) != hash_of("1", ProcessingSettings(max_sky_gradient=11))


def test_other_settings_stand_in_the_hash_even_where_they_are_none() -> None:
    dumped = ProcessingSettings().model_dump(mode="json")
    assert dumped["background_mesh_px"] is None
    assert "max_sky_gradient" not in dumped
