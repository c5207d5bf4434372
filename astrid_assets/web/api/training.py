"""Training datasets: collect one, list, judge and load them.

Collecting is work for the graph: it starts Dagster's job for ``training_dataset`` and
answers with the run. Everything else reads the catalogue and the store.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Annotated, Any, Literal

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from astrid_assets.steps.learning.settings import REQUESTED_BY
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.objects.keys import hash_in
from astrid_assets.storage.queries import dataset_states, datasets
from astrid_assets.web.api.common import (
    Admin,
    DatasetId,
    Limit,
    RunId,
    State,
    SurveyName,
    text_id,
)
from astrid_assets.web.dagster_client import DagsterClient, Run
from astrid_assets.web.problems import Problem, not_found, responses
from astrid_assets.web.schemas import Id, PageOf, Text
from astrid_assets.web.schemas_training import (
    CollectIn,
    ComparisonOut,
    DatasetDetail,
    DatasetOut,
    FileOut,
    LoadedOut,
    QualityOut,
    RetireIn,
    RunOut,
    SampleOut,
    ShardOut,
)

router = APIRouter(prefix="/training", tags=["training"])

JOB = "learning_job"
ASSET = "training_dataset"
MAX_SHARDS = 1_000_000
ShardPart = Literal["images", "masks"]
Part = Annotated[ShardPart, InPath(description="Cutouts or training masks (npy).")]
Number = Annotated[int, InPath(ge=0, le=MAX_SHARDS, description="Number of the shard, from 0.")]
NPY, PARQUET = "application/x-npy", "application/vnd.apache.parquet"


def _file_response(media_type: str) -> dict[int | str, dict[str, Any]]:
    return {
        200: {
            "description": "the file",
            "content": {media_type: {"schema": {"type": "string", "format": "binary"}}},
        }
    }


@router.post(
    "/datasets/collect",
    status_code=202,
    responses=responses(400, 413, 401, 403, 422, 503),
)
def collect(state: State, person: Admin, body: CollectIn) -> RunOut:
    """Freeze the labelled detections into a dataset version, as a run to follow."""
    start, end = _night(body.start), _night(body.end)
    if start is not None and end is not None and end < start:
        raise Problem(422, f"the end {end} lies before the start {start}", code="invalid")
    config = {
        **body.model_dump(mode="json", exclude={"start", "end", "cone_deg", "box_deg"}),
        "cone_deg": list(body.cone_deg or ()),
        "box_deg": list(body.box_deg or ()),
        # Dagster takes no null for what may be left out.
        **({"start": start} if start is not None else {}),
        **({"end": end} if end is not None else {}),
    }
    client = DagsterClient(state.settings.dagster_url)
    tags = {REQUESTED_BY: person.name}
    return _told(client, client.launch(JOB, ASSET, config, tags))


@router.get("/runs/{run_id}", responses=responses(404, 422, 503))
def run(state: State, run_id: RunId) -> RunOut:
    """Say how a run stands, and which dataset it made."""
    client = DagsterClient(state.settings.dagster_url)
    found = client.run(text_id(run_id))
    if found is None:
        raise not_found("run", text_id(run_id))
    return _told(client, found)


@router.get("/datasets", responses=responses(422))
def list_datasets(
    state: State,
    name: Annotated[Text | None, Query(description="Only versions of this name.")] = None,
    status: Annotated[
        Literal["active", "superseded", "refused", "retired"] | None,
        Query(description="Only versions in this state."),
    ] = None,
    min_quality: Annotated[
        float, Query(ge=0, le=1, description="Only versions of at least this quality score.")
    ] = 0.0,
) -> list[DatasetOut]:
    """List the dataset versions, newest first."""
    with state.catalogue.read() as session:
        rows = datasets.all_datasets(session, name=name, status=status)
    rows = [row for row in rows if row.quality_score >= min_quality]
    return [DatasetOut.model_validate(row) for row in rows]


@router.get("/datasets/{dataset_id}", responses=responses(404, 422))
def dataset(state: State, dataset_id: DatasetId) -> DatasetDetail:
    """Return one dataset version with the size of its splits."""
    with state.catalogue.read() as session:
        row = session.get(TrainingDataset, text_id(dataset_id))
        if row is None:
            raise not_found("dataset", text_id(dataset_id))
        splits = datasets.split_counts(session, row.id)
    told = DatasetOut.model_validate(row).model_dump()
    return DatasetDetail(**told, splits=splits, collection_report=row.collection_report)


@router.get("/datasets/{dataset_id}/comparison", responses=responses(404, 422, 503))
def comparison(
    state: State,
    dataset_id: DatasetId,
    other: Annotated[
        Id | None,
        Query(description="The earlier version; without: the one of the same name before it."),
    ] = None,
) -> ComparisonOut:
    """Compare a dataset with an earlier one: added, left out, relabelled, moved."""
    # polars is loaded by this request only.
    from astrid_assets.steps.learning.comparing import compare_versions

    row = _row(state, dataset_id)
    if other is not None:
        before: TrainingDataset | None = _row(state, other)
    else:
        with state.catalogue.read() as session:
            before = datasets.version_before(session, row)
    if before is None:
        raise not_found("earlier dataset of the name", row.name)
    return ComparisonOut.model_validate(compare_versions(state.store, before, row))


@router.post(
    "/datasets/{dataset_id}/retire", responses=responses(400, 413, 401, 403, 404, 409, 422)
)
def retire_dataset(
    state: State, person: Admin, dataset_id: DatasetId, body: RetireIn
) -> DatasetOut:
    """Take a dataset away from training; the version before it is active again."""
    row = _row(state, dataset_id)
    try:
        with state.catalogue.begin() as session:
            dataset_states.retire_version(session, row.id, body.reason, person.name)
            return DatasetOut.model_validate(session.get_one(TrainingDataset, row.id))
    except dataset_states.UnusableVersion as error:
        raise Problem(409, str(error), code="not-usable") from error


@router.get("/datasets/{dataset_id}/quality", responses=responses(404, 422))
def quality(state: State, dataset_id: DatasetId) -> QualityOut:
    """Return what is known of a dataset's quality."""
    row = _row(state, dataset_id)
    return QualityOut(dataset_id=row.id, quality_score=row.quality_score, report=row.quality_report)


@router.post("/datasets/{dataset_id}/load", responses=responses(404, 409, 422, 503))
def load(state: State, dataset_id: DatasetId) -> LoadedOut:
    """Return the files of a dataset to train on, after looking that all of them are there."""
    row = _row(state, dataset_id)
    if reason := dataset_states.why_unusable(row):
        raise Problem(409, reason, code="not-usable")
    address = f"/training/datasets/{row.id}"
    shards = [
        ShardOut(
            rows=shard["rows"],
            images=_file(state, f"{address}/shards/{number}/images", shard["images"], NPY),
            masks=_file(state, f"{address}/shards/{number}/masks", shard["masks"], NPY),
        )
        for number, shard in enumerate(row.shards)
    ]
    with state.catalogue.read() as session:
        splits = datasets.split_counts(session, row.id)
    return LoadedOut(
        dataset_id=row.id,
        content_hash=row.content_hash,
        splits=splits,
        shards=shards,
        table=_file(state, f"{address}/table", row.samples_key, PARQUET),
        samples=f"{address}/samples",
    )


@router.get("/datasets/{dataset_id}/samples", responses=responses(404, 422))
def samples(
    state: State,
    dataset_id: DatasetId,
    split: Annotated[
        Literal["train", "val", "test", "spare"] | None, Query(description="Only this split.")
    ] = None,
    label: Annotated[
        Literal["real", "bogus"] | None, Query(description="Only with this label.")
    ] = None,
    survey: SurveyName = None,
    limit: Limit = 100,
    cursor: Annotated[
        Id | None, Query(description="`next` of the page before; the first without.")
    ] = None,
) -> PageOf[SampleOut]:
    """List the samples of a dataset, or those of a split, label or survey."""
    row = _row(state, dataset_id)
    with state.catalogue.read() as session:
        page = datasets.sample_page(
            session,
            row.id,
            split=split,
            label=label,
            survey=survey,
            limit=limit,
            after=None if cursor is None else text_id(cursor),
        )
    items = [SampleOut.model_validate(sample) for sample in page]
    more = len(page) == limit
    return PageOf(items=items, next=page[-1].id if more else None)


@router.get(
    "/datasets/{dataset_id}/table",
    response_class=FileResponse,
    responses=_file_response(PARQUET) | responses(404, 422, 503),
)
def table(state: State, dataset_id: DatasetId) -> FileResponse:
    """Return the table of samples (Parquet), in the order of the shards' rows."""
    return _sent(state, _row(state, dataset_id).samples_key, PARQUET)


@router.get(
    "/datasets/{dataset_id}/shards/{number}/{part}",
    response_class=FileResponse,
    responses=_file_response(NPY) | responses(404, 422, 503),
)
def shard(state: State, dataset_id: DatasetId, number: Number, part: Part) -> FileResponse:
    """Return the cutouts or masks (npy) of one shard of a dataset."""
    row = _row(state, dataset_id)
    if number >= len(row.shards):
        raise not_found("shard", str(number))
    return _sent(state, row.shards[number][part], NPY)


def _sent(state: State, key: str, media_type: str) -> FileResponse:
    with tempfile.NamedTemporaryFile(prefix="astrid-", delete=False) as target:
        path = Path(target.name)
    try:
        state.store.get_to_file(key, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return FileResponse(
        path,
        media_type=media_type,
        filename=key.rsplit("/", 1)[-1],
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _file(state: State, href: str, key: str, media_type: str) -> FileOut:
    if not state.store.exists(key):
        raise Problem(
            503,
            f"{key} of this dataset is not in the store: collect it again",
            code="object-missing",
        )
    return FileOut(href=href, key=key, media_type=media_type, sha256_starts_with=hash_in(key))


def _row(state: State, dataset_id: Id) -> TrainingDataset:
    with state.catalogue.read() as session:
        row = session.get(TrainingDataset, text_id(dataset_id))
    if row is None:
        raise not_found("dataset", text_id(dataset_id))
    return row


def _told(client: DagsterClient, found: Run) -> RunOut:
    made = found.texts.get("content_hash")
    return RunOut(
        run_id=found.run_id,
        status=found.status.lower(),
        follow=f"/training/runs/{found.run_id}",
        ui=client.page_of(found.run_id),
        dataset_id=None if made is None else ids.dataset_id(made),
    )


def _night(when: dt.date | dt.datetime | None) -> str | None:
    if when is None:
        return None
    return (when.date() if isinstance(when, dt.datetime) else when).isoformat()
