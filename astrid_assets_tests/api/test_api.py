"""What the API's addresses answer."""

from __future__ import annotations

import io
import json
from typing import TYPE_CHECKING

import numpy as np
import pytest
from astropy.io import fits
from astropy.wcs import WCS
from PIL import Image as Pillow

from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.fits.cards import data_of, header_of
from astrid_assets.web.dagster_client import DagsterClient
from astrid_assets_tests import small_sky as values
from astrid_assets_tests.storage.world import WHEN

if TYPE_CHECKING:
    import httpx

    from astrid_assets_tests.small_sky import SmallSky

UNKNOWN = "00000000-0000-0000-0000-000000000000"
PNG_MAGIC = b"\x89PNG"


def say(client: httpx.Client, detection_id: str, **body: object) -> httpx.Response:
    """Send an event."""
    address = f"/detections/{detection_id}/validation-events"
    return client.post(address, json={"event_key": "k1", "label": "real"} | body)


def test_health_says_that_the_catalogue_answers(client: httpx.Client) -> None:
    answer = client.get("/health")
    assert answer.status_code == 200
    assert answer.json()["status"] == "ok"
    assert answer.json()["login_needed"] is False


def test_search_finds_the_place_and_its_time(client: httpx.Client) -> None:
    near = client.get("/detections", params={"ra": 150, "dec": 2, "radius_arcsec": 1}).json()
    assert [item["night"] for item in near["items"]] == [values.NIGHT]
    assert near["items"][0]["observed_at"] == "2025-03-01T00:00:00Z"
    elsewhere = client.get("/detections", params={"ra": 151, "dec": 2, "radius_arcsec": 1}).json()
    assert elsewhere == {"items": [], "next": None}
    later = client.get("/detections", params={"start": "2025-03-02T00:00:00Z"}).json()
    assert later["items"] == []
    assert client.get("/detections", params={"ra": 150}).status_code == 422


@pytest.mark.parametrize("name", ["min_score", "max_score", "min_sigma", "ra", "radius_arcsec"])
def test_a_limit_that_is_no_number_is_refused(client: httpx.Client, name: str) -> None:
    assert client.get("/detections", params={name: "nan"}).status_code == 422


@pytest.mark.parametrize(
    ("address", "known"),
    [("/detections", "min_score"), ("/observations", "night"), ("/surveys", "takes none")],
)
def test_a_mistyped_filter_is_refused_and_not_ignored(
    client: httpx.Client, address: str, known: str
) -> None:
    assert client.get(address).status_code == 200
    answer = client.get(address, params={"min_scores": "0.9"})
    assert answer.status_code == 422
    assert "min_scores" in answer.json()["detail"]
    assert known in answer.json()["detail"]


def test_observations_tell_what_became_of_them(client: httpx.Client) -> None:
    page = client.get("/observations", params={"night": values.NIGHT}).json()
    assert len(page["items"]) == len(values.OUTCOMES)
    rejected = [i for i in page["items"] if (i["processed"] or {}).get("reasons")]
    assert [i["processed"]["reasons"][0]["code"] for i in rejected] == ["elongated_stars"]
    one = client.get(f"/observations/{rejected[0]['id']}").json()
    assert one == rejected[0]
    assert client.get("/surveys").json()[0]["name"] == values.SURVEY


@pytest.mark.slow
def test_a_detection_names_its_cutouts_and_each_is_there(
    client: httpx.Client, sky: SmallSky
) -> None:
    detail = client.get(f"/detections/{sky.detection_id}").json()
    assert len(detail["cutouts"]) == 8
    for name, address in detail["cutouts"].items():
        answer = client.get(address)
        assert answer.status_code == 200, name
        if name.endswith(".png"):
            assert answer.content.startswith(PNG_MAGIC)
            assert Pillow.open(io.BytesIO(answer.content)).size == (64, 64)
    with fits.open(io.BytesIO(client.get(detail["cutouts"]["score.fits"]).content)) as hdus:
        assert data_of(hdus, 0)[32, 32] == np.float32(values.SEEN_SIGMA)
    with fits.open(io.BytesIO(client.get(detail["cutouts"]["difference.fits"]).content)) as hdus:
        position = WCS(header_of(hdus, 0)).all_pix2world([[32, 32]], 0)[0]
        assert position == pytest.approx(values.PLACE, abs=1e-7)
        assert header_of(hdus, 0)["BUNIT"] == "electron"


@pytest.mark.slow
def test_an_alert_has_no_plane_that_was_never_published(
    client: httpx.Client, sky: SmallSky
) -> None:
    for method, missing in (("alert_d", "score"), ("alert_scorr", "difference")):
        with sky.catalogue.begin() as session:
            candidate = session.get_one(Detection, sky.detection_id).candidate_id
            difference = session.get_one(CandidateRow, candidate).difference_id
            run = session.get_one(DifferenceRun, difference)
            run.method, run.difference_key = method, None
        detail = client.get(f"/detections/{sky.detection_id}").json()
        assert detail["method"] == method
        assert len(detail["cutouts"]) == 6
        assert f"{missing}.png" not in detail["cutouts"]
        for address in detail["cutouts"].values():
            assert client.get(address).status_code == 200, address
        address = f"/detections/{sky.detection_id}/cutouts/{missing}.png"
        answer = client.get(address)
        assert answer.status_code == 404
        assert f"without its {missing} image" in answer.json()["detail"]


PATH_TRICKS = (
    "..%2f..%2fcatalogue.db/cutouts/science.png",
    "../../catalogue.db/cutouts/science.png",
    "{id}/cutouts/..%2f..%2fcatalogue.db",
    "{id}/cutouts/science.png%00.fits",
    "{id}/cutouts/%2e%2e%2f%2e%2e%2fetc%2fpasswd.png",
    "{id}/cutouts/science.npy",
    "{id}%00/cutouts/science.png",
    "{id}'%20OR%201=1/cutouts/science.png",
)


def test_a_path_trick_in_a_cutout_address_finds_nothing(
    client: httpx.Client, sky: SmallSky
) -> None:
    for path in PATH_TRICKS:
        answer = client.get("/detections/" + path.replace("{id}", sky.detection_id))
        assert answer.status_code in {404, 422}, path
        assert answer.headers["content-type"] == "application/problem+json"


def test_a_repeated_save_is_one_event(client: httpx.Client, sky: SmallSky) -> None:
    first = say(client, sky.detection_id, classification="supernova", notes="bright")
    again = say(client, sky.detection_id, classification="supernova", notes="bright")
    assert (first.status_code, again.status_code) == (201, 200)
    assert first.json() == again.json()
    events = client.get(f"/detections/{sky.detection_id}/validation-events").json()
    assert len(events) == 1
    assert events[0]["cutout_index"] == 0
    assert events[0]["source"] == "person"
    assert client.get(f"/detections/{sky.detection_id}").json()["label"] == "real"
    other = say(client, sky.detection_id, label="bogus")
    assert other.status_code == 409


def test_reviewers_on_loopback_label_under_their_own_names(
    client: httpx.Client, sky: SmallSky
) -> None:
    for name, label in (("ada", "real"), ("bob", "bogus")):
        client.headers["astrid-reviewer"] = name
        assert say(client, sky.detection_id, label=label).status_code == 201
    events = client.get(f"/detections/{sky.detection_id}/validation-events").json()
    assert [event["reviewer"] for event in events] == ["ada", "bob"]
    found = client.get("/detections", params={"label": "disputed"}).json()
    assert [i["detection_id"] for i in found["items"]] == [sky.detection_id]


@pytest.mark.slow
def test_an_event_that_makes_no_sense_is_refused(client: httpx.Client, sky: SmallSky) -> None:
    for body in (
        {"label": "maybe"},
        {"classification": "dipole"},
        {"confidence": 2},
        {"label": "undo"},
        {"event_key": "a b"},
        {"reviewer": "somebody else"},
        {"notes": "x" * 2001},
    ):
        answer = say(client, sky.detection_id, **body)
        assert answer.status_code == 422, body
        assert len(answer.json()["detail"]) > 20
    assert say(client, UNKNOWN).status_code == 404


def test_the_queue_gives_each_reviewer_something_else(client: httpx.Client, sky: SmallSky) -> None:
    with sky.catalogue.begin() as session:
        row = session.get_one(Detection, sky.detection_id)
        values.finish_detections(session, row.night)
    client.headers["astrid-reviewer"] = "ada"
    first = client.post("/queues/next", json={}).json()
    assert [item["detection_id"] for item in first] == [sky.detection_id]
    assert "score" not in first[0]
    assert "label" not in first[0]
    client.headers["astrid-reviewer"] = "bob"
    assert client.post("/queues/next", json={}).json() == []
    assert sum(client.get("/queues").json()["waiting"].values()) == 1


def seen_by(client: httpx.Client, sky: SmallSky, name: str) -> bool:
    """Answer under a name; returns whether the answer counts as given after the score."""
    client.headers["astrid-reviewer"] = name
    return say(client, sky.detection_id, label="real").json()["score_seen"]


@pytest.mark.slow
def test_an_answer_after_the_api_gave_the_score_is_not_blind(
    client: httpx.Client, sky: SmallSky
) -> None:
    with sky.catalogue.begin() as session:
        row = session.get_one(Detection, sky.detection_id)
        values.finish_detections(session, row.night)
    one = f"/detections/{sky.detection_id}"
    # In a list of detections of which one is on the screen.
    client.headers["astrid-reviewer"] = "cid"
    asked = client.post("/queues/next", json={}).json()
    assert [item["detection_id"] for item in asked] == [sky.detection_id]
    assert "score" in client.get("/detections").json()["items"][0]
    assert seen_by(client, sky, "cid")
    # One looked at by itself, twice.
    client.headers["astrid-reviewer"] = "bob"
    assert "score" in client.get(one).json()
    assert client.get(one).status_code == 200
    assert seen_by(client, sky, "bob")
    # Neither what others were given nor a list of what one is not asked about.
    client.headers["astrid-reviewer"] = "ada"
    assert client.get("/detections").json()["items"]
    assert not seen_by(client, sky, "ada")
    # The page of a detection shows the score to whoever is not asked.
    client.headers["astrid-reviewer"] = "dan"
    assert client.get(f"/browse{one}").status_code == 200
    assert seen_by(client, sky, "dan")


def test_the_light_curve_is_in_order_of_time(client: httpx.Client, sky: SmallSky) -> None:
    answer = client.get(f"/objects/{sky.object_id}/lightcurve").json()
    assert answer["object"]["id"] == sky.object_id
    times = [point["observed_mjd"] for point in answer["points"]]
    assert len(times) == 1
    assert times == sorted(times)
    assert client.get(f"/objects/{UNKNOWN}/lightcurve").status_code == 404


@pytest.mark.slow
def test_explain_answers_as_the_function_does(client: httpx.Client) -> None:
    answer = client.get("/explain", params={"ra": 150, "dec": 2}).json()
    outcomes = [f["outcome"] for f in answer["frames"] if f["night"] == values.NIGHT]
    assert outcomes == values.OUTCOMES
    named = client.get("/explain", params={"name": f"{values.OBJECT}.1"}).json()
    assert named["frames"] == answer["frames"]
    assert client.get("/explain", params={"name": "AST25zzzz"}).status_code == 404
    for wrong in (
        {"ra": 150, "dec": 91},
        {},
        {"ra": 150},
        {"ra": 1, "dec": 1, "name": "AST25aabc"},
    ):
        assert client.get("/explain", params=wrong).status_code == 422
    found = client.get("/detections", params={"name": values.OBJECT.lower()}).json()["items"]
    assert [row["name"] for row in found] == [f"{values.OBJECT}.1"]


@pytest.mark.slow
def test_labels_are_exported_in_every_format(client: httpx.Client, sky: SmallSky) -> None:
    import polars as pl

    say(client, sky.detection_id, notes="=1+1")
    csv = client.get("/export/labels.csv")
    assert "'=1+1" in csv.text
    lines = client.get("/export/labels.jsonl", params={"survey": "sim"}).text
    assert json.loads(lines)["notes"] == "=1+1"
    frame = pl.read_parquet(io.BytesIO(client.get("/export/labels.parquet").content))
    assert frame["reviewer"].to_list() == ["local"]
    assert client.get("/export/labels.jsonl", params={"source": "truth"}).text == ""
    assert client.get("/export/labels.exe").status_code == 422


def test_collecting_without_dagster_says_how_to_start_it(client: httpx.Client) -> None:
    body = {
        "survey_ids": ["hst"],
        "start": "2024-01-01T00:00:00",
        "end": "2024-12-31T23:59:59",
        "confidence_threshold": 0.7,
        "max_samples": 200,
        "name": "hst_2024_training",
    }
    answer = client.post("/training/datasets/collect", json=body)
    assert answer.status_code == 503
    assert "astrid ui" in answer.json()["detail"]
    backwards = body | {"start": "2025-01-01", "end": "2024-01-01"}
    answer = client.post("/training/datasets/collect", json=backwards)
    assert answer.status_code == 422
    assert client.get(f"/training/runs/{UNKNOWN}").status_code == 503


def test_a_dataset_is_listed_judged_and_loaded(client: httpx.Client, sky: SmallSky) -> None:
    keys = {
        part: sky.store.put(f"datasets/d/{part}", part.encode(), ".npy")
        for part in ("images", "masks", "samples")
    }
    row = {
        "id": UNKNOWN,
        "content_hash": "0" * 64,
        "name": values.BAD_TEXT,
        "description": None,
        "collection_params": {},
        "total_samples": 0,
        "anomaly_ratio": 0.5,
        "quality_score": 0.9,
        "quality_report": {"issues": []},
        "last_sequence": 0,
        "mlflow_run_id": None,
        "created_at": WHEN,
        "created_by": "test",
        "status": "active",
        "status_at": WHEN,
        "shards": [{"images": keys["images"], "masks": keys["masks"], "rows": 7}],
        "samples_key": keys["samples"],
    }
    with sky.catalogue.begin() as session:
        upsert(session, [TrainingDataset(**row)])
    assert client.get("/training/datasets").json()[0]["name"] == values.BAD_TEXT
    address = f"/training/datasets/{UNKNOWN}"
    assert client.get(address).json()["splits"] == {}
    assert client.get(f"{address}/quality").json()["report"] == {"issues": []}
    loaded = client.post(f"{address}/load").json()
    assert loaded["shards"][0]["rows"] == 7
    assert client.get(loaded["shards"][0]["masks"]["href"]).content == b"masks"
    assert client.get(loaded["table"]["href"]).content == b"samples"
    assert client.get(f"{address}/shards/1/masks").status_code == 404
    assert client.get(loaded["samples"]).json() == {"items": [], "next": None}
    assert client.get("/training/datasets", params={"status": "retired"}).json() == []
    assert client.get("/training/datasets", params={"min_quality": 0.95}).json() == []
    assert client.get(f"{address}/comparison").status_code == 404, "it is the first"
    sky.store.delete(keys["images"])
    assert client.post(f"{address}/load").status_code == 503


def test_a_retired_dataset_cannot_be_loaded(client: httpx.Client, sky: SmallSky) -> None:
    key = sky.store.put("datasets/d/x", b"x", ".npy")
    row = {
        "id": UNKNOWN,
        "content_hash": "0" * 64,
        "name": "all",
        "collection_params": {},
        "total_samples": 1,
        "anomaly_ratio": 0.5,
        "quality_score": 0.9,
        "quality_report": {},
        "shards": [{"images": key, "masks": key, "rows": 1}],
        "samples_key": key,
        "last_sequence": 0,
        "created_at": WHEN,
        "created_by": "test",
        "status_at": WHEN,
    }
    with sky.catalogue.begin() as session:
        upsert(session, [TrainingDataset(**row)])
    address = f"/training/datasets/{UNKNOWN}"
    assert client.post(f"{address}/load").status_code == 200
    assert client.post(f"{address}/retire", json={"reason": ""}).status_code == 422
    retired = client.post(f"{address}/retire", json={"reason": "wrong flats"}).json()
    assert (retired["status"], retired["status_reason"]) == ("retired", "wrong flats")
    assert retired["status_by"]
    answer = client.post(f"{address}/load")
    assert answer.status_code == 409
    assert "wrong flats" in answer.json()["detail"]
    assert client.post(f"{address}/retire", json={"reason": "again"}).status_code == 409


def test_every_error_is_a_problem_with_a_sentence(client: httpx.Client) -> None:
    for method, path, status in (
        ("GET", "/nothing", 404),
        ("DELETE", "/detections", 405),
        ("GET", f"/detections/{UNKNOWN}", 404),
        ("GET", "/detections/x", 422),
        ("GET", "/detections?limit=0", 422),
        ("GET", "/detections?cursor=abc", 422),
        ("GET", f"/training/datasets/{UNKNOWN}", 404),
    ):
        answer = client.request(method, path)
        assert answer.status_code == status, path
        assert answer.headers["content-type"] == "application/problem+json"
        problem = answer.json()
        assert problem["status"] == status
        assert problem["type"].startswith("urn:astrid:problem:")
        assert " " in problem["detail"]


@pytest.mark.slow
def test_the_description_tells_problems_as_they_are(client: httpx.Client) -> None:
    document = client.get("/openapi.json").json()
    assert document["info"]["version"] == client.get("/health").json()["version"]
    for path, operations in document["paths"].items():
        for operation in operations.values():
            for status, response in operation["responses"].items():
                if status >= "400":
                    assert list(response["content"]) == ["application/problem+json"], path


def test_a_catalogue_without_tables_is_told_with_its_remedy(
    client: httpx.Client, sky: SmallSky
) -> None:
    from sqlalchemy import text

    with sky.catalogue.begin() as session:
        session.execute(text("ALTER TABLE surveys RENAME TO gone"))
    answer = client.get("/surveys")
    assert answer.status_code == 503
    assert "astrid status" in answer.json()["detail"]


def test_an_address_that_is_none_of_dagsters_is_told() -> None:
    from astrid_assets.web.problems import Problem

    with pytest.raises(Problem, match="no http address"):
        DagsterClient("file:///etc/passwd").run(UNKNOWN)
