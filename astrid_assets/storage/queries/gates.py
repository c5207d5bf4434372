"""Verdicts of the data-quality gates and summaries of finished nights."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sqlalchemy import delete, select

from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.column_types import plain
from astrid_assets.storage.database.tables.nights import GateVerdict, NightSummary
from astrid_assets.storage.database.upsert import upsert

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from sqlalchemy import Select
    from sqlalchemy.orm import Session

    from astrid_assets.science.quality.gate import Judged
    from astrid_assets.storage.database.tables.base import Json

NIGHTLY_ASSETS = (
    "raw_observations",
    "calibration_masters",
    "processed_frames",
    "reference_frames",
    "difference_images",
    "detections",
    "injected_transients",
    "light_curves",
    "validated_labels",
)
"""In the order of the graph: a night blocked by one does not reach the next."""

JUDGED = ("passed", "holds_back", "value", "limit", "detail")


def record(
    session: Session, survey: str, night: str, asset: str, verdicts: Iterable[Judged]
) -> None:
    """Keep the verdicts on an asset's night in place of the earlier ones.

    A verdict that says the same as before keeps its time.
    """
    before = {row.gate: row for row in _rows(session, survey, night, asset)}
    rows: list[GateVerdict] = []
    for verdict in verdicts:
        judged: dict[str, Any] = {name: plain(getattr(verdict, name)) for name in JUDGED}
        known = before.pop(verdict.gate, None)
        if known and judged == {name: getattr(known, name) for name in JUDGED}:
            continue
        if known:
            session.delete(known)
        rows.append(
            GateVerdict(
                survey=survey,
                night=night,
                asset=asset,
                gate=verdict.gate,
                judged_at=now(),
                **judged,
            )
        )
    session.flush()
    table = GateVerdict
    session.execute(
        delete(table).where(
            table.survey == survey,
            table.night == night,
            table.asset == asset,
            table.gate.in_(sorted(before)),
        )
    )
    upsert(session, rows)


@dataclass(frozen=True, kw_only=True)
class StoredVerdict:
    """A verdict as it was reached and kept; `limit` in words."""

    gate: str
    passed: bool
    holds_back: bool
    value: float | None
    limit: str
    detail: str


def verdicts(session: Session, survey: str, night: str, asset: str) -> list[StoredVerdict]:
    """Return the verdicts on an asset's night, by gate."""
    return [
        StoredVerdict(
            gate=row.gate,
            passed=row.passed,
            holds_back=row.holds_back,
            value=row.value,
            limit=row.limit,
            detail=row.detail,
        )
        for row in _rows(session, survey, night, asset)
    ]


def verdicts_of_night(session: Session, survey: str, night: str) -> list[GateVerdict]:
    """Return all verdicts on a night, in the order of the graph."""
    table = GateVerdict
    query = select(table).where(table.survey == survey, table.night == night)
    order = {asset: number for number, asset in enumerate(NIGHTLY_ASSETS)}
    return sorted(
        session.scalars(query),
        key=lambda row: (order.get(row.asset, len(order)), row.asset, row.gate),
    )


def blocked_nights(session: Session, survey: str, asset_upto: str) -> set[str]:
    """Return nights that a gate of this asset, or of one before it, blocks."""
    position = NIGHTLY_ASSETS.index(asset_upto)
    assets = NIGHTLY_ASSETS[: position + 1]
    return set(session.scalars(blocked_nights_query(survey, assets)))


def blocked_nights_query(
    survey: str, assets: Sequence[str], *, gate: str | None = None
) -> Select[str]:
    """Return the query for the nights that gates of these assets block."""
    table = GateVerdict
    query = select(table.night).where(
        table.survey == survey,
        table.asset.in_(list(assets)),
        table.holds_back,
        ~table.passed,
    )
    return query if gate is None else query.where(table.gate == gate)


def latest(session: Session, *, limit: int = 50, failed_only: bool = False) -> list[GateVerdict]:
    """Return the newest verdicts of all surveys and assets, newest first."""
    table = GateVerdict
    query = select(table)
    if failed_only:
        query = query.where(~table.passed)
    query = query.order_by(
        table.judged_at.desc(), table.survey, table.night, table.asset, table.gate
    )
    return list(session.scalars(query.limit(limit)))


def record_summary(
    session: Session,
    survey: str,
    night: str,
    asset: str,
    summary: Mapping[str, object],
    input_hash: str,
    data_version: str | None = None,
) -> None:
    """Keep the counts of a finished night; the same again keep their time."""
    known = session.get(NightSummary, (survey, night, asset))
    counts: Json = {str(name): plain(value) for name, value in summary.items()}
    if known:
        hashes = (known.input_hash, known.data_version)
        if hashes == (input_hash, data_version) and known.summary == counts:
            return
        session.delete(known)
        session.flush()
    row = NightSummary(
        survey=survey,
        night=night,
        asset=asset,
        summary=counts,
        input_hash=input_hash,
        data_version=data_version,
        finished_at=now(),
    )
    upsert(session, [row])


def night_summary(session: Session, survey: str, night: str, asset: str) -> NightSummary | None:
    """Return the last finished run of an asset on a night."""
    return session.get(NightSummary, (survey, night, asset))


def data_version(session: Session, survey: str, night: str, asset: str) -> str:
    """Return what names the content of a finished night: the same is the same.

    Raises
    ------
    sqlalchemy.exc.NoResultFound
        If the asset has not finished the night.
    """
    row = session.get_one(NightSummary, (survey, night, asset))
    return row.data_version or row.input_hash


def summaries(
    session: Session,
    *,
    survey: str | None = None,
    asset: str | None = None,
    start: str | None = None,
    end: str | None = None,
) -> list[NightSummary]:
    """Return finished nights between two dates (inclusive), by survey and night."""
    table = NightSummary
    query = select(table)
    if survey is not None:
        query = query.where(table.survey == survey)
    if asset is not None:
        query = query.where(table.asset == asset)
    if start is not None:
        query = query.where(table.night >= start)
    if end is not None:
        query = query.where(table.night <= end)
    return list(session.scalars(query.order_by(table.survey, table.night, table.asset)))


def _rows(session: Session, survey: str, night: str, asset: str) -> list[GateVerdict]:
    table = GateVerdict
    query = select(table).where(table.survey == survey, table.night == night, table.asset == asset)
    return list(session.scalars(query.order_by(table.gate)))
