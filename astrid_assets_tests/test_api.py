"""Two frames in a notebook: the changes that were put in come out, whatever the input."""

from __future__ import annotations

import pickle
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from astropy.nddata import CCDData
from astropy.table import Table
from astropy.wcs import WCS

from astrid_assets import api
from astrid_assets.science.errors import FrameRejected, ScienceError
from astrid_assets.science.simulation.pair import simulate_pair
from astrid_assets.storage.fits.cards import data_of, header_of
from astrid_assets_tests.standalone.two_files import GAIN, SKY_E, TwoFiles, two_files

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.standalone.results import Subtraction


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> TwoFiles:
    return two_files(tmp_path_factory.mktemp("two"))


@pytest.fixture(scope="module")
def result(files: TwoFiles) -> Subtraction:
    return api.difference(files.science, files.reference)


def column(rows: Table, name: str) -> np.ndarray:
    """Return a column of a table as an array."""
    return np.asarray(rows[name])


def found_of(result: Subtraction, files: TwoFiles) -> int:
    """Count the changes that were put in and are kept within a pixel."""
    x, y = column(result.kept, "x"), column(result.kept, "y")
    return sum(bool(np.any(np.hypot(x - t.x, y - t.y) < 1)) for t in files.pair.transients)


def test_the_changes_are_found_with_their_flux(result: Subtraction, files: TwoFiles) -> None:
    assert result.is_usable
    assert found_of(result, files) == len(files.pair.transients)
    assert len(result.kept) <= len(files.pair.transients) + 1
    assert result.difference.std_score == pytest.approx(1, abs=0.1)
    pulls = []
    for truth in files.pair.transients:
        x, y, flux_e, flux_err_e, ra_deg = (
            column(result.kept, name) for name in ("x", "y", "flux_e", "flux_err_e", "ra_deg")
        )
        row = np.argmin(np.hypot(x - truth.x, y - truth.y))
        pulls.append((flux_e[row] - truth.flux_e) / flux_err_e[row])
        assert ra_deg[row] == pytest.approx(truth.ra_deg, abs=0.5 / 3600)
    assert np.sqrt(np.mean(np.square(pulls))) < 2


@pytest.mark.slow
def test_images_share_the_science_frame_and_its_definitions(result: Subtraction) -> None:
    shape = (256, 288)
    images = (result.d, result.significance, result.flux, result.flux_err, result.mask)
    assert {image.shape for image in images} == {shape}
    assert result.psf.sum() == pytest.approx(1, abs=1e-3)
    good = result.significance != 0
    assert result.significance[good] == pytest.approx((result.flux / result.flux_err)[good], 1e-3)


@pytest.mark.slow
def test_arrays_hdus_and_ccddata_give_what_files_give(result: Subtraction, files: TwoFiles) -> None:
    science, reference = files.array("science"), files.array("reference")
    as_pairs = api.difference(science, reference)
    assert np.array_equal(as_pairs.d, result.d)
    as_hdus = api.difference(fits.PrimaryHDU(*science), fits.PrimaryHDU(*reference))
    assert np.array_equal(as_hdus.d, result.d)
    as_ccd = api.difference(
        CCDData(science[0], unit="adu", meta=dict(science[1]), wcs=WCS(science[1])),
        CCDData(reference[0], unit="adu", meta=dict(reference[1]), wcs=WCS(reference[1])),
    )
    assert found_of(as_ccd, files) == len(files.pair.transients)
    assert as_ccd.d == pytest.approx(result.d, abs=1e-2)


@pytest.mark.slow
def test_electrons_and_masks_of_ccddata_are_understood(files: TwoFiles) -> None:
    data, header = files.array("science")
    mask = np.zeros(data.shape, bool)
    mask[100:110, 100:110] = True
    ccd = CCDData(data * GAIN, unit="electron", mask=mask, wcs=WCS(header))
    measured = api.measure(ccd)
    assert measured.frame.gain_e_per_adu == 1
    assert measured.quality.sky_level_e == pytest.approx(SKY_E, rel=0.02)
    assert np.all(measured.mask[100:110, 100:110] != 0)


@pytest.mark.slow
def test_frames_without_header_are_registered_by_their_stars(files: TwoFiles) -> None:
    found = api.difference(
        files.array("science")[0], files.array("reference")[0], gain_e_per_adu=GAIN
    )
    assert found_of(found, files) == len(files.pair.transients)
    assert found.wcs is None
    assert "ra_deg" not in found.candidates.colnames
    assert any("registered by the stars" in note for note in found.notes)
    assert any("give read_noise_e" in note for note in found.notes)
    assert not any("gain" in note for note in found.notes)


@pytest.mark.slow
def test_one_wcs_serves_both_frames(files: TwoFiles, result: Subtraction) -> None:
    science = files.array("science")[0]
    found = api.difference(science, files.reference)
    assert found_of(found, files) == len(files.pair.transients)
    ra_deg, same = (column(rows, "ra_deg")[0] for rows in (found.kept, result.kept))
    assert ra_deg == pytest.approx(same, abs=0.5 / 3600)


@pytest.mark.slow
def test_a_date_and_an_exposure_time_are_not_asked_for(files: TwoFiles) -> None:
    measured = api.measure(files.science)
    assert np.isnan(measured.frame.observed_mjd)
    assert any("1 s assumed; give exposure_s" in note for note in measured.notes)
    assert not any("exposure" in note for note in api.measure(files.science, exposure_s=60).notes)


@pytest.mark.slow
def test_settings_reach_the_step_that_uses_them(files: TwoFiles, result: Subtraction) -> None:
    found = api.difference(
        files.science, files.reference, threshold_sigma=15, method="kernel", zero_point_mag=25.0
    )
    assert np.abs(column(found.candidates, "significance")).min() >= 15
    assert "mag" in found.candidates.colnames
    assert "mag" not in result.candidates.colnames
    assert not np.array_equal(found.d, result.d)


@pytest.mark.slow
def test_files_hold_the_arrays_and_the_table(result: Subtraction, tmp_path: Path) -> None:
    with fits.open(result.write(tmp_path / "d.fits")) as hdus:
        assert np.array_equal(data_of(hdus, "D"), result.d)
        assert np.array_equal(data_of(hdus, "MASK"), result.mask)
        assert np.array_equal(data_of(hdus, "PSF"), result.psf)
        assert len(data_of(hdus, "CANDIDATES")) == len(result.candidates)
        sky = WCS(header_of(hdus, "S_CORR")).all_pix2world([[100, 100]], 0)
        assert result.wcs is not None
        assert sky == pytest.approx(result.wcs.all_pix2world([[100, 100]], 0), abs=1e-9)
        assert header_of(hdus, 0)["STDSCORE"] == pytest.approx(result.difference.std_score)
    rows = Table.read(result.write(tmp_path / "d.csv"), format="ascii.csv")
    assert len(rows) == len(result.candidates)
    assert result.write(tmp_path / "d.png").read_bytes().startswith(b"\x89PNG")
    with pytest.raises(FileExistsError, match="overwrite=True"):
        result.write(tmp_path / "d.fits")
    result.write(tmp_path / "d.fits", overwrite=True)
    with pytest.raises(ValueError, match=r"suffix.*\.csv"):
        result.write(tmp_path / "d.docx")


@pytest.mark.slow
def test_a_notebook_shows_sentence_picture_rows_and_notes(result: Subtraction) -> None:
    page = result._repr_html_()
    assert result.sentence in page
    assert "data:image/png;base64," in page
    assert "<table" in page
    assert result.plot()._repr_png_().startswith(b"\x89PNG")  # type: ignore[attr-defined]
    assert len(repr(result)) < 300


@pytest.mark.slow
def test_a_frame_is_measured(files: TwoFiles, tmp_path: Path) -> None:
    measured = api.measure(files.science)
    assert measured.is_usable
    assert measured.quality.fwhm_px == pytest.approx(3.2, rel=0.06)
    assert measured.sky == pytest.approx(SKY_E, abs=15)
    assert measured.psf.sum() == pytest.approx(1, abs=1e-3)
    assert 0 < (measured.quality.quality_score or 0) <= 1
    pair = files.pair
    is_inside = (pair.stars_x > 20) & (pair.stars_x < 268)
    is_inside &= (pair.stars_y > 20) & (pair.stars_y < 236)
    brightest = np.argmax(pair.stars_flux_e * is_inside)
    x, y = pair.stars_x[brightest], pair.stars_y[brightest]
    away = np.hypot(column(measured.stars, "x") - x, column(measured.stars, "y") - y)
    near = away < 0.5
    assert np.count_nonzero(near) == 1
    assert "FWHM" in measured._repr_html_()
    with fits.open(measured.write(tmp_path / "m.fits")) as hdus:
        assert np.array_equal(data_of(hdus, "DATA"), measured.data)
        assert len(data_of(hdus, "STARS")) == len(measured.stars)


@pytest.mark.slow
def test_a_limit_of_surveys_is_reported_and_does_not_refuse(files: TwoFiles) -> None:
    measured = api.measure(files.science, max_noise_pattern=1.01)
    assert not measured.is_usable
    assert measured.sentence.endswith(measured.reasons[0])
    assert measured.n_stars > 20


def test_what_is_no_frame_is_refused_with_its_name(files: TwoFiles, tmp_path: Path) -> None:
    text = tmp_path / "notes.fits"
    text.write_text("not a FITS file")
    with pytest.raises(FrameRejected, match=r"notes\.fits"):
        api.difference(text, files.reference)
    with pytest.raises(FileNotFoundError, match="no file"):
        api.difference(tmp_path / "missing.fits", files.reference)
    with pytest.raises(IsADirectoryError):
        api.measure(tmp_path)
    cube = np.zeros((3, 64, 64), np.float32)
    with pytest.raises(FrameRejected, match=r"science: .*not two") as refused:
        api.difference(cube, files.reference)
    assert refused.value.code == "not_2d"
    with pytest.raises(TypeError, match="path, an array"):
        api.measure(42)  # type: ignore[arg-type]
    with pytest.raises(FrameRejected, match="no numbers"):
        api.measure(np.full((64, 64), "sky"))


@pytest.mark.slow
def test_other_stars_are_no_reference(files: TwoFiles) -> None:
    other = simulate_pair(12, (256, 288)).reference.data + np.float32(SKY_E)
    with pytest.raises(ScienceError, match=r"reference against new\.fits"):
        api.difference(files.science, other)


def test_empty_sky_has_too_few_stars(rng: np.random.Generator) -> None:
    with pytest.raises(ScienceError, match=r"frame: .*stars"):
        api.measure(rng.normal(500, 20, (128, 128)))


def test_an_unknown_setting_is_named_with_its_neighbour(files: TwoFiles) -> None:
    with pytest.raises(TypeError, match="did you mean threshold_sigma"):
        api.difference(files.science, files.reference, treshold_sigma=5)
    with pytest.raises(ValueError, match="threshold_sigma"):
        api.difference(files.science, files.reference, threshold_sigma=1)


def test_results_travel_between_processes(result: Subtraction) -> None:
    assert np.array_equal(pickle.loads(pickle.dumps(result)).d, result.d)  # noqa: S301  ours


@pytest.mark.data
def test_a_microlensing_event_is_found_without_a_wcs(shared_data: Path) -> None:
    folder = shared_data / "saao_microlensing"
    found = api.difference(
        folder / "science/kb13475_i0097.fits",
        folder / "reference/kb13475_i0177.fits",
        gain_e_per_adu=1.9,
        read_noise_e=5,
    )
    assert found.is_usable
    x, y, significance = (column(found.kept, name)[0] for name in ("x", "y", "significance"))
    # Position of the set's own list.
    assert np.hypot(x - 261.5, y - 213.7) < 1
    assert significance > 50


@pytest.mark.data
def test_a_supernova_is_found_between_two_sites(shared_data: Path) -> None:
    folder = shared_data / "kmtnet_supernova"
    found = api.difference(
        folder / "science/kmtnet_20151012_0868_ctio.fits.fz",
        folder / "reference/kmtnet_20150920_9361_saao.fits.fz",
    )
    assert found.is_usable
    ra_deg, dec_deg = (column(found.kept, name)[0] for name in ("ra_deg", "dec_deg"))
    assert ra_deg == pytest.approx(14.2633, abs=1 / 3600)
    assert dec_deg == pytest.approx(-37.0399, abs=1 / 3600)


@pytest.mark.slow
def test_a_mirrored_frame_is_registered_by_its_stars(files: TwoFiles) -> None:
    mirrored = np.ascontiguousarray(files.array("reference")[0][:, ::-1])
    found = api.difference(files.science, mirrored, gain_e_per_adu=GAIN)
    assert found_of(found, files) == len(files.pair.transients)
