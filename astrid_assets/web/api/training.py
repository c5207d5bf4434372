"""Training datasets: collect one, list, judge and load them.

Collecting is work for the graph: it starts Dagster's job for ``training_dataset`` and
answers with the run. Everything else reads the catalogue and the store.
"""

from __future__ import annotations

import datetime as dt
import tempfile
from pathlib import Path
from typing import Annotated, Literal

from fastapi import APIRouter, Query
from fastapi import Path as InPath
from fastapi.responses import FileResponse
from starlette.background import BackgroundTask

from astrid_assets.storage.database import ids
from astrid_assets.storage.database.tables.learning import TrainingDataset
from astrid_assets.storage.objects.keys import hash_in
from astrid_assets.storage.queries import datasets
from astrid_assets.web.api.common import Admin, DatasetId, Limit, RunId, State, text_id
from astrid_assets.web.dagster_client import DagsterClient, Run
from astrid_assets.web.problems import Problem, not_found, responses
from astrid_assets.web.schemas import Id, PageOf
from astrid_assets.web.schemas_training import (
    CollectIn,
    DatasetDetail,
    DatasetOut,
    FileOut,
    LoadedOut,
    QualityOut,
    RunOut,
    SampleOut,
)

router = APIRouter(prefix="/training", tags=["training"])

JOB = "learning_job"
ASSET = "training_dataset"
FilePart = Literal["images", "masks", "samples"]
Part = Annotated[
    FilePart,
    InPath(description="Cutouts (npy), training masks (npy), or the table of samples (Parquet)."),
]
MEDIA_TYPES = {
    "images": "application/x-npy",
    "masks": "application/x-npy",
    "samples": "application/vnd.apache.parquet",
}
PARTS: tuple[FilePart, ...] = ("images", "masks", "samples")


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
        "name": body.name,
        "survey_ids": body.survey_ids,
        "min_agreement": body.confidence_threshold,
        "max_samples": body.max_samples,
        "min_samples": body.min_samples,
        "sources": list(body.sources),
        "seed": body.seed,
        # Dagster takes no null for what may be left out.
        **({"start": start} if start is not None else {}),
        **({"end": end} if end is not None else {}),
    }
    client = DagsterClient(state.settings.dagster_url)
    tags = {"astrid/requested_by": person.name}
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
def list_datasets(state: State) -> list[DatasetOut]:
    """List the dataset versions, newest first."""
    with state.catalogue.read() as session:
        rows = datasets.all_datasets(session)
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
    return DatasetDetail(**told, splits=splits)


@router.get("/datasets/{dataset_id}/quality", responses=responses(404, 422))
def quality(state: State, dataset_id: DatasetId) -> QualityOut:
    """Return what is known of a dataset's quality."""
    row = _row(state, dataset_id)
    return QualityOut(dataset_id=row.id, quality_score=row.quality_score, report=row.quality_report)


@router.post("/datasets/{dataset_id}/load", responses=responses(404, 422, 503))
def load(state: State, dataset_id: DatasetId) -> LoadedOut:
    """Return the files of a dataset, after looking that all of them are there."""
    row = _row(state, dataset_id)
    files = {}
    for part in PARTS:
        key = _key(row, part)
        if not state.store.exists(key):
            raise Problem(
                503,
                f"the {part} of this dataset are not in the store: collect it again",
                code="object-missing",
            )
        files[part] = FileOut(
            href=f"/training/datasets/{row.id}/files/{part}",
            key=key,
            media_type=MEDIA_TYPES[part],
            sha256_starts_with=hash_in(key),
        )
    with state.catalogue.read() as session:
        splits = datasets.split_counts(session, row.id)
    return LoadedOut(
        dataset_id=row.id,
        content_hash=row.content_hash,
        splits=splits,
        files=files,
        samples=f"/training/datasets/{row.id}/samples",
    )


@router.get("/datasets/{dataset_id}/samples", responses=responses(404, 422))
def samples(
    state: State,
    dataset_id: DatasetId,
    split: Annotated[
        Literal["train", "val", "test"] | None, Query(description="Only this split.")
    ] = None,
    limit: Limit = 100,
    cursor: Annotated[
        Id | None, Query(description="`next` of the page before; the first without.")
    ] = None,
) -> PageOf[SampleOut]:
    """List the samples of a dataset, or of one of its splits."""
    row = _row(state, dataset_id)
    with state.catalogue.read() as session:
        page = datasets.sample_page(
            session,
            row.id,
            split=split,
            limit=limit,
            after=None if cursor is None else text_id(cursor),
        )
    items = [SampleOut.model_validate(sample) for sample in page]
    more = len(page) == limit
    return PageOf(items=items, next=page[-1].id if more else None)


@router.get(
    "/datasets/{dataset_id}/files/{part}",
    response_class=FileResponse,
    responses={
        200: {
            "description": "the file",
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}}
                for kind in sorted(set(MEDIA_TYPES.values()))
            },
        }
    }
    | responses(404, 422, 503),
)
def dataset_file(state: State, dataset_id: DatasetId, part: Part) -> FileResponse:
    """Return a file of a dataset: images, masks (npy) or samples (Parquet)."""
    key = _key(_row(state, dataset_id), part)
    with tempfile.NamedTemporaryFile(prefix="astrid-", delete=False) as target:
        path = Path(target.name)
    try:
        state.store.get_to_file(key, path)
    except BaseException:
        path.unlink(missing_ok=True)
        raise
    return FileResponse(
        path,
        media_type=MEDIA_TYPES[part],
        filename=f"{part}{Path(key).suffix}",
        background=BackgroundTask(path.unlink, missing_ok=True),
    )


def _row(state: State, dataset_id: Id) -> TrainingDataset:
    with state.catalogue.read() as session:
        row = session.get(TrainingDataset, text_id(dataset_id))
    if row is None:
        raise not_found("dataset", text_id(dataset_id))
    return row


def _key(row: TrainingDataset, part: FilePart) -> str:
    return {
        "images": row.images_key,
        "masks": row.masks_key,
        "samples": row.samples_key,
    }[part]


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
