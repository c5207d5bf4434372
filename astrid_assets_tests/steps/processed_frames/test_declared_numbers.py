"""A declared number shows wherever numbers are shown, by its declaration alone."""

from __future__ import annotations

import json
import math
import re
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from sqlalchemy import select, update

from astrid_assets.api import measure
from astrid_assets.compute import Compute
from astrid_assets.report.summary import collect_report
from astrid_assets.resources.home import project_root
from astrid_assets.science.quality.declarations import MEASURED_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.numbers import Severity
from astrid_assets.science.quality.printing import as_html
from astrid_assets.steps.explain.explain import explain
from astrid_assets.steps.explain.explanation import in_one_line
from astrid_assets.steps.nights import Tools
from astrid_assets.steps.processed_frames.process import process_nights
from astrid_assets.steps.raw_observations.ingest import register_from_source
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.api.serving import asked
from astrid_assets_tests.science.star_fields import noisy, paint, tangent_wcs
from astrid_assets_tests.small_survey import add_survey

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from astrid_assets.steps.nights import NightReport

SHAPE = (256, 256)
NIGHT = "2025-03-01"
PLACE = (40.0, -20.0)
SKY_E, READ_NOISE_E = 300.0, 5.0
GRADIENT = 20.0
"""Of the second frame, in sky noise per pixel, from left to right."""

LIMIT = 12.5
TOML = """
name = "mine"
[source]
kind = "folder"
path = "{folder}"
"""
SET = f"[processing]\nmax_sky_gradient = {LIMIT}\n"
LIMITED = "sky_gradient"
NAMES = [number.name for number in FRAME_NUMBERS]


@dataclass(frozen=True)
class Home:
    """A survey of two frames: an even sky, and one that rises from left to right."""

    tools: Tools
    folder: Path
    toml: str

    def process(self, toml: str) -> NightReport:
        """Process the night with a profile."""
        profile = add_survey(self.tools.catalogue, toml)
        list(register_from_source(self.tools, profile, [NIGHT]))
        (report,) = process_nights(self.tools, profile, [NIGHT])
        return report

    def runs(self) -> list[PreprocessRun]:
        """Return the rows of both frames in the order they were taken."""
        query = select(PreprocessRun).join(
            Observation, Observation.id == PreprocessRun.observation_id
        )
        with self.tools.catalogue.read() as session:
            return list(session.scalars(query.order_by(Observation.observed_mjd)))


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Home]:
    folder = tmp_path_factory.mktemp("numbers")
    (folder / "frames").mkdir()
    rng = np.random.default_rng(7)
    x, y = rng.uniform(0, 255, 60), rng.uniform(0, 255, 60)
    stars = paint(SHAPE, x, y, np.minimum(2000 * (1 + rng.pareto(0.8, 60)), 2e5), 2.8)
    noise = np.sqrt(SKY_E + READ_NOISE_E**2)
    rise = np.tile(np.linspace(-0.5, 0.5, SHAPE[1]), (SHAPE[0], 1))
    header = tangent_wcs(SHAPE).to_header()
    for k, sigma in enumerate((0.0, GRADIENT)):
        hdu = fits.PrimaryHDU(noisy(rng, stars, SKY_E, READ_NOISE_E) + sigma * noise * rise)
        hdu.header.update(header)
        hdu.header["DATE-OBS"] = f"{NIGHT}T22:1{k}:00"
        for key, value in (
            ("EXPTIME", 60.0),
            ("FILTER", "r"),
            ("GAIN", 1.0),
            ("RDNOISE", READ_NOISE_E),
            ("SATURATE", 250_000.0),
        ):
            hdu.header[key] = value
        hdu.writeto(folder / "frames" / f"{k}.fits")
    catalogue = Catalogue(f"sqlite:///{folder}/catalogue.db")
    catalogue.migrate()
    store = open_object_store(f"file://{folder}/store")
    made = Home(
        Tools(catalogue, store, Compute("serial", 1)),
        folder,
        TOML.format(folder=folder / "frames"),
    )
    made.process(made.toml)
    yield made
    catalogue.close()


def test_every_declared_number_is_measured_and_kept(home: Home) -> None:
    for run in home.runs():
        assert [name for name in NAMES if not math.isfinite(getattr(run, name))] == []


def test_the_summary_of_a_night_has_every_declared_number(home: Home) -> None:
    report = home.process(home.toml)
    assert [name for name in NAMES if report.summary[name] is None] == []


@pytest.mark.slow
def test_a_limit_does_a_night_again_flags_what_is_above_and_keeps_every_file(home: Home) -> None:
    home.process(home.toml)
    even, rising = home.runs()
    least, most = (getattr(run, LIMITED) for run in (even, rising))
    assert least < 0.5
    assert most == pytest.approx(0.96 * GRADIENT, rel=0.05)
    assert [run.flags for run in (even, rising)] == [[], []]
    report = home.process(home.toml + SET)
    assert not report.unchanged
    assert report.summary["flags"] == {"sky_gradient": 1}
    again = home.runs()
    assert [[flag["code"] for flag in run.flags] for run in again] == [[], ["sky_gradient"]]
    assert [run.status for run in again] == ["accepted", "accepted"]
    assert [run.frame_key for run in again] == [even.frame_key, rising.frame_key]
    flagged = again[1].flags[0]
    assert flagged["measurements"] == {"sky_gradient": most, "limit": LIMIT}
    for words in (
        f"{most:.1f} sigma",
        "12.5 sigma",
        "[processing] max_sky_gradient",
    ):
        assert words in flagged["message"]
    assert home.process(home.toml + SET).unchanged


def test_explain_states_every_declared_number(home: Home) -> None:
    answer = explain(home.tools.catalogue, home.tools.store, None, *PLACE)
    assert len(answer.frames) == 2
    for frame in answer.frames:
        assert [said.name for said in frame.numbers] == NAMES
        line = in_one_line(frame.numbers)
        assert [n.label for n in FRAME_NUMBERS if n.label not in line] == []
    json.dumps(asdict(answer), allow_nan=False)


def test_explain_lists_what_was_not_measured(home: Home) -> None:
    with home.tools.catalogue.begin() as session:
        kept = session.scalar(select(PreprocessRun.__table__.c.wave).limit(1))
        session.execute(update(PreprocessRun).values(wave=None))
    answer = explain(home.tools.catalogue, home.tools.store, None, *PLACE)
    with home.tools.catalogue.begin() as session:
        session.execute(update(PreprocessRun).values(wave=kept))
    assert in_one_line(answer.frames[0].numbers).endswith("; not measured: noise wave")


@pytest.mark.slow
def test_the_report_has_a_line_for_every_declared_number(home: Home) -> None:
    home.process(home.toml + SET)
    (survey,) = collect_report(home.tools.catalogue).surveys
    lines = {line.heading: line for line in survey.numbers}
    assert list(lines) == [number.heading for number in FRAME_NUMBERS]
    line = lines["sky gradient (sigma)"]
    assert (line.frames, line.unknown, line.flagged, line.rejected) == (2, 0, 1, 0)
    assert line.limits == "flagged above 12.5 sigma"
    assert float(line.lowest) < 0.5 < LIMIT < float(line.highest)


@pytest.mark.slow
def test_pages_and_rest_have_every_declared_number(home: Home) -> None:
    home.process(home.toml + SET)
    settings = WebSettings(
        database_url=home.tools.catalogue.url, store_url=str(home.folder / "store")
    )
    with asked(settings) as client:
        page = client.get(f"/browse/nights/mine/{NIGHT}").text
        explained = client.get("/browse/explain?ra=40&dec=-20").text
        items = client.get("/observations?survey=mine").json()["items"]
    for number in FRAME_NUMBERS:
        assert f">{as_html(number.heading)}</th>" in page
        assert as_html(number.label) in explained
    assert 'title="processing.max_sky_gradient">flagged above 12.5 sigma</td>' in page
    assert page.count('class="n flagged"') == 1
    for item in items:
        assert list(item["processed"]["numbers"]) == NAMES
        assert None not in item["processed"]["numbers"].values()


def test_a_measured_file_has_every_declared_number_that_needs_no_anchor(home: Home) -> None:
    result = measure(home.folder / "frames" / "1.fits")
    path = result.write(home.folder / "measured.fits")
    header = fits.getheader(path)
    absent = {number.name for number in FRAME_NUMBERS if number.keyword not in header}
    assert absent == {"fwhm_ratio", "sky_rms_ratio", "transparency", "astrometric_rms_px"}
    assert header["SKYGRAD"] == pytest.approx(0.96 * GRADIENT, rel=0.05)
    assert header.comments["SKYGRAD"] == "[sigma] sky gradient"


def test_pages_and_pictures_take_labels_from_the_declarations() -> None:
    package = project_root() / "astrid_assets"
    sources = [
        *package.glob("report/*.*"),
        *package.glob("pictures/*.py"),
        *package.glob("web/templates/*.html"),
        *package.glob("web/views/*.py"),
        *package.glob("standalone/*.py"),
        *package.glob("cli/*.py"),
    ]
    assert len(sources) > 40
    # One word may mean something else; what has several is a label.
    labels = [n.label for n in MEASURED_NUMBERS if re.search(r"[ (]", n.label)]
    assert len(labels) > 10
    spelled = []
    for source in sources:
        code = re.sub(r'""".*?"""', "", source.read_text(), flags=re.DOTALL)  # prose may say it
        text = re.sub(r"<sub>(\w+)</sub>", r"_\1", code)
        spelled += [(source.name, label) for label in labels if label in text]
    assert spelled == []


def test_a_number_that_only_flags_rejects_no_frame() -> None:
    (number,) = [number for number in FRAME_NUMBERS if number.name == "sky_gradient"]
    assert [limit.severity for limit in number.limits] == [Severity.FLAG]
