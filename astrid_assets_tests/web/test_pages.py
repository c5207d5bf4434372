"""Pages over real HTTP: all links work, the safe headers are there, nobody peeks."""

from __future__ import annotations

import datetime as dt
import re
import subprocess
import sys
import uuid
from dataclasses import replace
from html import unescape
from typing import TYPE_CHECKING
from urllib.parse import quote

import numpy as np
import pytest
from sqlalchemy import select, update

from astrid_assets.pictures.light_curve_svg import LightPoint, light_curve_svg
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, ForcedFlux
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.learning import (
    Model,
    Search,
    SearchTrial,
    TrainingDataset,
)
from astrid_assets.storage.database.tables.watching import HealthNumber, NightDrift
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.queries.retraining import record_decision
from astrid_assets.storage.queries.watching import NUMBERS, ON_RANDOM_ITEMS
from astrid_assets.storage.review import accounts, reviewer_stats
from astrid_assets.storage.review.events import Statement, record_statement
from astrid_assets.web.security import NAME_HEADER
from astrid_assets.web.settings import WebSettings
from astrid_assets.web.views.light_curve import light_curve
from astrid_assets_tests.api.serving import asked
from astrid_assets_tests.catalogues import new_catalogue
from astrid_assets_tests.sensors.labelled import add_labels
from astrid_assets_tests.storage.world import WHEN, World
from astrid_assets_tests.web.scripted import known_truth, label_all, wrong_shares
from astrid_assets_tests.web.small_sky import NIGHT, SmallSky, make_sky

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    import httpx

    from astrid_assets.storage.database.catalogue import Catalogue

PAGES = ["/", "/browse/reviewers", "/browse/datasets", "/browse/models", "/login"]
HTML = {"accept": "text/html"}


@pytest.fixture
def catalogue(tmp_path: Path) -> Catalogue:
    return new_catalogue(tmp_path)


@pytest.fixture
def sky(catalogue: Catalogue, tmp_path: Path) -> SmallSky:
    return make_sky(catalogue, FolderObjectStore(tmp_path / "store"), 12)


@pytest.fixture
def settings(tmp_path: Path) -> WebSettings:
    return WebSettings(
        database_url=f"sqlite:///{tmp_path / 'catalogue.db'}",
        store_url=str(tmp_path / "store"),
    )


@pytest.fixture
def client(sky: SmallSky, settings: WebSettings) -> Iterator[httpx.Client]:
    with asked(settings) as client:
        yield client


@pytest.mark.slow
def test_every_link_leads_somewhere(client: httpx.Client, sky: SmallSky):
    todo = [*PAGES, "/browse/explain?ra=150&dec=2", f"/browse/nights/sim/{NIGHT}"]
    seen: set[str] = set()
    while todo:
        address = todo.pop()
        if address in seen or len(seen) > 120:
            continue
        seen.add(address)
        answer = client.get(address, headers=HTML)
        assert answer.status_code == 200, address
        assert "default-src 'none'" in answer.headers["content-security-policy"]
        if answer.headers["content-type"].startswith("text/html"):
            found = re.findall(r'(?:href|src)="(/[^"]*)"', answer.text)
            todo += [link.replace("&amp;", "&") for link in found]
            # Nothing inline runs, so nothing may be there.
            assert not re.search(r"<script(?![^>]*src=)|style=|\son\w+=", answer.text)
    kinds = {re.sub(r"[0-9a-f-]{36}", "ID", address).split("?")[0] for address in seen}
    assert {"/browse/detections/ID", "/browse/objects/ID", "/review"} <= kinds
    assert {"/pictures/ID/science.png", "/pictures/ID/light-curve.svg"} <= kinds


@pytest.mark.slow
def test_a_detection_leads_back_to_the_raw_frame(client, sky, catalogue):
    with catalogue.begin() as session:
        statement = Statement(
            event_key="k",
            detection_id=sky.detection_ids[0],
            reviewer="ann",
            label="real",
            classification="supernova",
            notes="<b>bold</b>",
        )
        record_statement(session, statement, WHEN)
    text = client.get(f"/browse/detections/{sky.detection_ids[0]}").text
    for words in (
        "light-f1-r-0.fits",
        "SHA-256",
        "Reference",
        "ann",
        "supernova",
        "unet v1 says",
        "in no training dataset yet",
        # What is given to the model beside the pixels.
        '<code>edge</code></td><td class="n">12.50</td>',
        '<code>significance</code></td><td class="n">–</td>',
    ):
        assert words in text
    assert "&lt;b&gt;bold" in text
    assert "<b>bold" not in text


@pytest.mark.slow
@pytest.mark.parametrize(
    "path",
    [
        "/browse/detections/..%2F..%2Fetc",
        "/pictures/x/science.png",
        "/browse/nights/sim/1999-01-01",
        "/browse/objects/x",
        "/browse/datasets/x",
        "/browse/explain?ra=1&dec=1&survey=none",
    ],
)
def test_what_is_not_there_is_told(client: httpx.Client, path: str):
    answer = client.get(path, headers=HTML)
    assert answer.status_code == 404
    assert "Back to the front page" in answer.text


def test_pictures_of_unknown_planes_are_refused(client, sky):
    id_ = sky.detection_ids[0]
    for path in (
        f"/pictures/{id_}/variance.png",
        f"/pictures/{id_}/science.png?stretch=x",
    ):
        assert client.get(path).status_code == 422


@pytest.mark.slow
def test_a_reviewer_sees_neither_score_nor_reason_nor_others(client, sky):
    items = client.post("/review/next", json={"count": 5}).json()
    assert len(items) == 5
    for item in items:
        text = str(item)
        for hidden in ("score_kind", "drawn_as", "uncertain", "unet", "votes"):
            assert hidden not in text
        assert item["facts"]["neighbour"]["distance_px"] > 0
        assert item["turn"] is not None
        assert item["planes"] == ["science", "reference", "difference", "score"]


@pytest.mark.slow
def test_pages_hide_the_score_from_a_reviewer_until_the_answer(client, sky):
    id_ = client.post("/review/next", json={"count": 1}).json()[0]["facts"]["id"]
    with_bob = {NAME_HEADER: "bob"}
    said = {"event_key": "bob-said", "detection_id": id_, "label": "bogus", "notes": "a ghost"}
    assert client.post("/review/events", json=said, headers=with_bob).status_code == 200
    page = f"/browse/detections/{id_}"
    night = f"/browse/nights/sim/{NIGHT}"
    thumbs = client.get(night, headers=with_bob).text.count("unet v1 says")
    for words in ("unet v1", "a ghost", "bob", "bogus", "What was said"):
        assert words not in client.get(page).text
        assert words in client.get(page, headers=with_bob).text
    assert client.get(night).text.count("unet v1 says") == thumbs - 1
    assert client.get(night).text.count("yours to judge") == 1
    assert "unet version 1 keeps no calibration" in client.get(night).text
    own = {"event_key": "own-said", "detection_id": id_, "label": "real"}
    assert client.post("/review/events", json=own).status_code == 200
    for words in ("unet v1", "a ghost", "bob"):
        assert words in client.get(page).text
    assert client.get(night).text.count("unet v1 says") == thumbs


@pytest.mark.slow
def test_what_the_model_does_not_decide_is_neither_real_nor_bogus(client, sky, catalogue):
    scores = {0.2: "bogus", 0.5: "undecided", 0.7: "undecided", 0.9: "real"}
    with catalogue.begin() as session:
        session.execute(update(Survey).values(profile_toml="[labels]\nundecided_odds = 3\n"))
        rows = [
            {"id": id_, "score": score}
            for id_, score in zip(sky.detection_ids[:4], scores, strict=True)
        ]
        session.execute(update(Detection), rows)
    found = {row["detection_id"]: row for row in client.get("/detections").json()["items"]}
    for row in rows:
        said = scores[row["score"]]
        assert found[row["id"]]["opinion"] == said
        assert client.get(f"/detections/{row['id']}").json()["opinion"] == said
        page = unescape(client.get(f"/browse/detections/{row['id']}").text)
        words = "does not decide" if said == "undecided" else f"says {said}"
        limits = "(real from 0.818, bogus below 0.333)"
        assert f"unet v1 {words}: {row['score']:.3f} {limits}" in page


@pytest.mark.slow
def test_a_search_shows_its_trials_and_what_mattered(client, sky, catalogue):
    assert "astrid tune" in client.get("/browse/searches").text
    dataset = TrainingDataset(
        id="d",
        content_hash="d" * 64,
        name="d",
        collection_params={},
        total_samples=1,
        anomaly_ratio=0.5,
        quality_score=1.0,
        quality_report={},
        shards=[],
        samples_key="none",
        last_sequence=0,
        created_at=WHEN,
        created_by="ann",
        status="active",
        status_at=WHEN,
    )
    search = Search(
        id="s",
        dataset_id="d",
        training_params={},
        search_params={"search": "random", "space": {"depth": [2, 3]}, "metric": "val_auc"},
        best_settings={"depth": 3},
        importance={"depth": 0.75},
        status="completed",
        started_at=WHEN,
        completed_at=WHEN,
    )
    tried = [(2, 0.81, "finished", None), (3, 0.92, "finished", None), (4, None, "failed", "boom")]
    trials = [
        SearchTrial(
            id=f"t{depth}",
            search_id="s",
            number=number,
            values={"depth": depth},
            history=[]
            if auc is None
            else [{"epoch": 0.0, "val_loss": 1.0, "val_candidate_loss": 1.0, "val_auc": auc}],
            status=status,
            error=error,
        )
        for number, (depth, auc, status, error) in enumerate(tried, 1)
    ]
    with catalogue.begin() as session:
        for rows in ([dataset], [search], trials):
            upsert(session, rows)
    assert "/browse/searches" in client.get("/browse/models").text
    assert "/browse/searches/s" in client.get("/browse/searches").text
    text = client.get("/browse/searches/s").text
    assert "Best settings: depth 3" in text
    assert "depth 0.75" in text
    assert "failed: boom" in text
    assert text.index("0.9200") < text.index("0.8100") < text.index("boom")
    for name in ("importance", "trials"):
        assert f"/pictures/searches/s/{name}.png" in text
        assert client.get(f"/pictures/searches/s/{name}.png").content[:4] == b"\x89PNG"
    for address in ("/browse/searches/x", "/pictures/searches/x/trials.png"):
        assert client.get(address).status_code == 404


@pytest.mark.slow
def test_what_was_decided_about_retraining_stands_on_its_page(client, catalogue):
    assert "/browse/retraining" in client.get("/browse/models").text
    assert "none yet" in client.get("/browse/retraining").text
    with catalogue.begin() as session:
        for action, reason in (("wait", "3 new: 50 needed"), ("train", "50 new <labels>")):
            record_decision(session, action, reason, WHEN)
            record_decision(session, action, reason, WHEN)
            session.flush()
    text = client.get("/browse/retraining").text
    assert text.index("50 new &lt;labels&gt;") < text.index("3 new: 50 needed")
    assert text.count('<td class="n">2</td>') == 2


@pytest.mark.slow
def test_the_nights_of_a_model_show_what_stands_out(client, sky, catalogue):
    with catalogue.begin() as session:
        [model_id] = session.scalars(select(Model.id))
    page = f"/browse/models/{model_id}/nights"
    assert page in client.get(f"/browse/models/{model_id}").text
    assert "No night was scored" in client.get(page).text
    drifts = [
        NightDrift(
            survey="sim",
            model_id=model_id,
            number=number,
            night=f"2025-04-{day:02d}",
            n=50,
            median=3.0,
            n_reference=10 if day > 1 else 0,
            effect=0.4 if day > 1 else None,
            usual=(0.3 if number == "score" else 0.5) if day > 1 else None,
            measured_at=WHEN,
        )
        for number in NUMBERS
        for day in (1, 2)
    ]
    with catalogue.begin() as session:
        upsert(session, drifts)
    text = client.get(page).text
    assert text.count("stands out</b>") == 1
    assert text.count("not measured") == len(NUMBERS)
    assert client.get(f"/pictures/models/{model_id}/sim.png").content[:4] == b"\x89PNG"
    assert client.get(f"/pictures/models/{model_id}/x.png").status_code == 404


@pytest.mark.slow
def test_the_health_of_a_model_is_drawn_with_what_is_lacking(client, sky, catalogue):
    with catalogue.begin() as session:
        [model_id] = session.scalars(select(Model.id))
    assert "launch <code>health_job</code>" in client.get("/browse/health").text
    pictures = f"/pictures/models/{model_id}/sim"
    page = f"/browse/models/{model_id}/nights"
    assert f"{pictures}/health.png" not in client.get(page).text
    assert client.get(f"{pictures}/health.png").status_code == 404
    rows = [
        HealthNumber(
            survey="sim",
            model_id=model_id,
            number=number,
            n=20,
            detail=f"20 random items, week {week}",
            measured_at=WHEN + dt.timedelta(weeks=week),
        )
        for week in range(2)
        for number in ON_RANDOM_ITEMS
    ]
    with catalogue.begin() as session:
        session.add_all(rows)
    assert f"{pictures}/health.png" in client.get(page).text
    assert client.get(f"{pictures}/health.png").content[:4] == b"\x89PNG"
    # Nobody has labelled a random item yet.
    assert client.get(f"{pictures}/reliability.png").status_code == 404
    add_labels(catalogue, 8, model_scores={model_id: [0.9] * 8}, drawn_as="random")
    assert client.get(f"{pictures}/reliability.png").content[:4] == b"\x89PNG"
    text = client.get("/browse/health").text
    assert text.count("week 1") == len(ON_RANDOM_ITEMS)
    assert "week 0" not in text
    assert page in text


@pytest.mark.slow
def test_a_decision_with_nonsense_is_refused(client, sky):
    good = {"event_key": "k" * 8, "detection_id": sky.detection_ids[0], "label": "real"}
    for change in (
        {"label": "perhaps"},
        {"classification": "dipole"},
        {"confidence": 2},
        {"reviewer": "bob"},
        {"event_key": "k"},
        {"source": "truth"},
    ):
        assert client.post("/review/events", json=good | change).status_code == 422
    unknown = good | {"detection_id": "nobody"}
    assert client.post("/review/events", json=unknown).status_code == 404
    assert client.post("/review/events", json=good).json()["is_new"] is True
    assert client.post("/review/events", json=good).json()["is_new"] is False


@pytest.mark.slow
def test_strangers_log_in_where_that_is_asked(sky, catalogue, settings):
    with catalogue.begin() as session:
        accounts.add_reviewer(session, "ann", "reviewer", "a long password")
    with asked(replace(settings, login_required=True)) as client:
        closed = client.get("/review", headers=HTML, follow_redirects=False)
        assert closed.headers["location"].startswith("/login")
        assert client.post("/review/next", json={"count": 1}).status_code == 401
        form = client.get("/login?then=/review")
        token = re.findall(r'name="csrf" value="([^"]+)"', form.text)[0]
        entry = {"name": "ann", "password": "wrong", "csrf": token, "then": "/review"}
        refused = client.post("/login", data=entry)
        assert refused.status_code == 401
        assert "do not belong together" in refused.text
        assert "wrong" not in re.findall(r"<form.*</form>", refused.text, re.DOTALL)[0]
        assert client.post("/login", data=entry | {"csrf": "x"}).status_code == 403
        entry["password"] = "a long password"
        entered = client.post("/login", data=entry, follow_redirects=False)
        assert entered.headers["location"] == "/review"
        assert client.post("/review/next", json={"count": 1}).status_code == 200
        elsewhere = client.get("/login?then=//evil.example/")
        assert "evil" not in elsewhere.text


@pytest.mark.slow
def test_masks_come_back_to_the_pixels_they_were_drawn_on(client, sky):
    id_ = sky.detection_ids[3]
    shown = client.get(f"/review/masks/{id_}").json()
    assert shown["drawn"] is False
    painted = {"event_key": str(uuid.uuid4()), "bits": shown["bits"]}
    kept = client.post(f"/review/masks/{id_}", json=painted)
    assert kept.json() == {"is_new": True}
    again = client.get(f"/review/masks/{id_}").json()
    assert again == shown | {"drawn": True}
    for bits in ("!", "AAAA"):
        bad = {"event_key": str(uuid.uuid4()), "bits": bits}
        assert client.post(f"/review/masks/{id_}", json=bad).status_code == 422


@pytest.mark.slow
def test_consensus_beats_every_reviewer(catalogue, settings, tmp_path, rng):
    sky = make_sky(catalogue, FolderObjectStore(tmp_path / "store"), 150)
    profile = "[labels]\ndouble_share = 1.0\n"
    with catalogue.begin() as session:
        session.execute(update(Survey).values(profile_toml=profile))
        for id_ in sky.detection_ids:
            label = "real" if rng.random() < 0.4 else "bogus"
            statement = Statement(
                event_key=id_, detection_id=id_, reviewer="truth", label=label, source="truth"
            )
            record_statement(session, statement, WHEN)
    truth = known_truth(catalogue)
    assert len(truth) == 150
    with asked(settings) as client:
        label_all(client, truth, dict.fromkeys(("ann", "bob", "cyd"), 0.1), rng)
        people, decided, n_labels = wrong_shares(catalogue, truth)
        text = client.get("/browse/reviewers").text
    assert n_labels >= 145
    assert min(people.values()) > 0.02
    # Who is asked what is drawn by lot, so the best of three may be lucky.
    assert decided < sum(people.values()) / 3
    for words in ("Fleiss", "ann", "right on known ones"):
        assert words in text
    with catalogue.read() as session:
        found = reviewer_stats.agreement(session)
    assert found.noise == pytest.approx(0.1, abs=0.05)
    assert found.fleiss == pytest.approx(1 - 2 * 0.1 * 0.9 / 0.48, abs=0.2)
    gold = {r.reviewer: 1 - (r.gold.value or 0) for r in found.reviewers}
    assert gold == pytest.approx(people)


@pytest.mark.slow
def test_the_web_application_loads_nothing_heavy():
    code = (
        "import sys; from astrid_assets.web.app import create_app; "
        "print([m for m in ('torch', 'dagster', 'matplotlib', 'mlflow', 'ray', "
        "'lightning', 'onnxruntime', 'numba') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_a_light_curve_shows_detections_and_limits():
    points = [
        LightPoint(60000.0, 1.0, 10.0, "r", is_detection=False),
        LightPoint(60001.0, 100.0, 10.0, "r", is_detection=True, is_marked=True),
        LightPoint(60002.0, 80.0, 10.0, "<g>", is_detection=True),
    ]
    svg = light_curve_svg(points, "µJy").decode()
    assert svg.count("v10m-3") == 1  # one arrow
    assert svg.count('r="3.5"') == 2
    assert svg.count('r="8"') == 1
    assert "&lt;g&gt;" in svg
    y = [float(v) for v in re.findall(r'cy="([\d.]+)" r="3.5"', svg)]
    assert y[0] < y[1]  # brighter is higher
    assert "no measurements" in light_curve_svg([], "µJy").decode()
    one = light_curve_svg(points[:1], "µJy")
    assert np.char.find(one.decode(), "nan") < 0


@pytest.mark.slow
def test_frames_that_show_nothing_give_limits(client, sky, catalogue):
    with catalogue.begin() as session:
        row = session.get_one(Detection, sky.detection_ids[0])
        world = World(session)
        empty = world.difference(world.processed(world.observation("2025-03-05", 1)))
        seen = session.get_one(CandidateRow, row.candidate_id).difference_id
        for difference, flux in ((seen, 3000.0), (empty, 40.0)):
            session.add(
                ForcedFlux(
                    object_id=row.object_id,
                    difference_id=difference,
                    flux_e=flux,
                    flux_err_e=100.0,
                    mask_bits=0,
                    is_usable=True,
                )
            )
        session.flush()
        curve = light_curve(session, str(row.object_id))
    assert curve.forced
    assert [point.detection_id for point in curve.points] == [row.id, None]
    # Microjansky of AB magnitudes: zero point 25 on the first frame, none on the other.
    expected = 3000 * 10 ** (0.4 * (23.9 - 25))
    assert curve.points[0].flux_ujy == pytest.approx(expected)
    assert curve.points[1].flux_ujy is None
    svg = client.get(f"/pictures/{row.id}/light-curve.svg").text
    assert svg.count("v10m-3") == 1
    assert "electrons" in svg
    page = client.get(f"/browse/objects/{row.object_id}").text
    assert "arrows 3 σ limits" in page


@pytest.mark.slow
@pytest.mark.parametrize(
    "path", ["/browse/objects/€", "/browse/objects/a\r\nX: b", "/browse/objects/x&y#z"]
)
def test_who_is_not_logged_in_comes_back_to_where_they_were(
    catalogue: Catalogue, settings: WebSettings, path: str
) -> None:
    with catalogue.begin() as session:
        accounts.add_reviewer(session, "ann", "reviewer", "correct horse battery")
    with asked(replace(settings, login_required=True)) as client:
        sent = client.get(quote(path), headers=HTML)
        assert sent.status_code == 303
        form = client.get(sent.headers["location"], headers=HTML)
        assert form.status_code == 200
        kept = path if path.isprintable() else "/"
        assert f'value="{kept}"' in unescape(form.text)
