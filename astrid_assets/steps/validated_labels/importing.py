"""Labels from a file: what reviewers said elsewhere, checked row by row.

A row names a detection by its id, or by survey, night and position, and says who
called it what and when (the columns of `exporting`). Imported rows become events
marked ``import`` (or what the caller says), never ``truth``; importing a file
twice adds nothing, and a row that cannot be used is counted with its reason.
"""

from __future__ import annotations

import datetime as dt
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

import numpy as np
from sqlalchemy import select

from astrid_assets.science.labelling.classes import BOGUS_CLASSES, CLASSES
from astrid_assets.science.labelling.consensus import EVENTS
from astrid_assets.steps.validated_labels.files import BadLine, FileRow, read_rows
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.ids import content_hash
from astrid_assets.storage.database.sky_index import distance_arcsec
from astrid_assets.storage.database.tables.detections import Detection
from astrid_assets.storage.database.tables.learning import Model
from astrid_assets.storage.database.tables.review import ValidationEvent
from astrid_assets.storage.queries import candidates
from astrid_assets.storage.queries.observations import in_chunks
from astrid_assets.storage.review import accounts, labels
from astrid_assets.storage.review.views import refresh

if TYPE_CHECKING:
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.queries.detection_rows import DetectionRow

Source = Literal["person", "catalogue", "import"]

BATCH = 2000  # rows per transaction
MATCH_ARCSEC = 2.0
MAX_NOTES = 4000  # characters
MAX_KEY = 120
SHOWN_REFUSALS = 100

WORDS: dict[str, tuple[str, str | None]] = {
    **{word: (word, None) for word in EVENTS},
    **{f"bogus_{name}": ("bogus", name) for name in BOGUS_CLASSES},
    "bogus_subtract": ("bogus", "bad_subtraction"),
}
"""Words of the column ``label``, also foreign ones: the label and its class."""

CLASS_NAMES = frozenset(name for names in CLASSES.values() for name in names)


class RowRefused(ValueError):
    """A row that cannot be used; `code` is what refusals are counted by."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass
class ImportReport:
    """What became of a file's rows."""

    read: int = 0
    added: int = 0
    known: int = 0
    refused: int = 0
    reasons: Counter[str] = field(default_factory=Counter)
    examples: list[tuple[int, str]] = field(default_factory=list)
    """(line, reason) of the first refused rows."""

    def refuse(self, line: int, code: str, message: str) -> None:
        """Count a refused row."""
        self.refused += 1
        self.reasons[code] += 1
        if len(self.examples) < SHOWN_REFUSALS:
            self.examples.append((line, message))


def import_labels(
    catalogue: Catalogue,
    path: Path,
    *,
    source: Source = "import",
    reviewer: str | None = None,
) -> ImportReport:
    """Append the labels of a file as events; returns what became of its rows.

    Parameters
    ----------
    source
        The kind of reviewer all rows come from, whatever the file says.
    reviewer
        Who said what the file has no column for.

    Raises
    ------
    BadFile
        If the file is not one of labels.
    """
    report = ImportReport()
    batch: list[tuple[int, FileRow]] = []
    for line, row in read_rows(path):
        report.read += 1
        if isinstance(row, BadLine):
            report.refuse(line, "unreadable", str(row))
            continue
        batch.append((line, row))
        if len(batch) == BATCH:
            _import_batch(catalogue, batch, source, reviewer, report)
            batch = []
    _import_batch(catalogue, batch, source, reviewer, report)
    return report


def _import_batch(
    catalogue: Catalogue,
    batch: Sequence[tuple[int, FileRow]],
    source: Source,
    reviewer: str | None,
    report: ImportReport,
) -> None:
    if not batch:
        return
    with catalogue.begin() as session:
        places = _Places(session)
        places.learn([str(row.get("detection_id") or "") for _, row in batch])
        models = set(session.scalars(select(Model.id)))
        events: list[ValidationEvent] = []
        for line, row in batch:
            try:
                events.append(_event(row, source, reviewer, places, models))
            except RowRefused as refused:
                report.refuse(line, refused.code, str(refused))
        added = labels.append_events(session, events)
        refresh(session, {event.detection_id for event in events})
    report.added += added
    report.known += len(events) - added


def _event(
    row: FileRow,
    source: Source,
    reviewer: str | None,
    places: _Places,
    models: set[str],
) -> ValidationEvent:
    said, classification = _label(row)
    detection_id = places.detection(row)
    name = _text(row, "reviewer") or reviewer
    if name is None:
        raise RowRefused("no_reviewer", "it names no reviewer; --reviewer gives one")
    if not accounts.NAME.fullmatch(name):
        raise RowRefused("bad_reviewer", f"{name!r:.60} is no reviewer's name")
    notes = _text(row, "notes")
    if notes is not None and len(notes) > MAX_NOTES:
        raise RowRefused("long_notes", f"its notes are longer than {MAX_NOTES} characters")
    model_id = _text(row, "model_id")
    event: dict[str, Any] = {
        "detection_id": detection_id,
        "reviewer": name,
        "source": source,
        "label": said,
        "classification": classification,
        "confidence": _confidence(row),
        "notes": notes,
        # A model of another installation means nothing here.
        "model_id": model_id if model_id in models else None,
        "cutout_key": _text(row, "cutout_key"),
        "cutout_index": _index(row),
        "drawn_as": None,
    }
    # Not part of the key: files of earlier versions have no such column.
    score_seen = str(row.get("score_seen") or "").lower() in {"true", "1"}
    when = _time(row)
    key = _text(row, "event_key")
    if key is not None and len(key) > MAX_KEY:
        raise RowRefused("bad_key", f"its event_key is longer than {MAX_KEY} characters")
    made = "import:" + content_hash([event, when.isoformat() if when else None])[:40]
    return ValidationEvent(
        event_key=key or made, created_at=when or now(), score_seen=score_seen, **event
    )


def _label(row: FileRow) -> tuple[str, str | None]:
    word = _text(row, "label")
    if word is None:
        raise RowRefused("no_label", "it has no label")
    if word.lower() not in WORDS:
        raise RowRefused(
            "unknown_label",
            f"{word!r:.40} is no label; known are {', '.join(sorted(WORDS))}",
        )
    said, implied = WORDS[word.lower()]
    given = _text(row, "classification")
    if given is not None and given not in CLASS_NAMES:
        raise RowRefused(
            "unknown_class",
            f"{given!r:.40} is no class; known are {', '.join(sorted(CLASS_NAMES))}",
        )
    if given is not None and given not in CLASSES.get(said, {}):
        raise RowRefused("unknown_class", f"{given!r} is no class of {said}")
    return said, given or implied


def _confidence(row: FileRow) -> float | None:
    value = _number(row, "confidence")
    if value is not None and not 0 <= value <= 1:
        raise RowRefused("bad_confidence", f"its confidence {value} is not within 0 and 1")
    return value


def _index(row: FileRow) -> int | None:
    value = _number(row, "cutout_index")
    if value is None:
        return None
    if value != int(value) or not 0 <= value < 2**31:
        raise RowRefused("bad_number", f"its cutout_index {value} is not a position in a list")
    return int(value)


def _time(row: FileRow) -> dt.datetime | None:
    text = _text(row, "created_at") or _text(row, "time")
    if text is None:
        return None
    try:
        when = dt.datetime.fromisoformat(text)
    except ValueError:
        raise RowRefused(
            "bad_time", f"{text!r:.40} is no time such as 2025-03-01T12:00:00Z"
        ) from None
    # Times without a zone are taken for UTC, as everywhere in AstrID.
    when = when.replace(tzinfo=dt.UTC) if when.tzinfo is None else when
    try:
        when = when.astimezone(dt.UTC)
    except OverflowError:
        raise RowRefused("bad_time", f"{text!r:.40} is no time of ours") from None
    if when > now() + dt.timedelta(days=1):
        raise RowRefused("bad_time", f"{text!r:.40} lies in the future")
    return when


def _text(row: FileRow, name: str) -> str | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    text = str(value).strip()
    if "\x00" in text:
        raise RowRefused("bad_text", f"its {name} holds a NUL character")
    return text or None


def _number(row: FileRow, name: str) -> float | None:
    value = row.get(name)
    if value is None or value == "":
        return None
    try:
        number = float(value)
    except ValueError:
        raise RowRefused("bad_number", f"its {name} {value!r:.40} is no number") from None
    if not math.isfinite(number):
        raise RowRefused("bad_number", f"its {name} is not finite")
    return number


class _Places:
    """Finds the detection a row speaks of; a night is read once."""

    def __init__(self, session: Session) -> None:
        self._session = session
        self._known: set[str] = set()
        self._nights: dict[tuple[str, str], list[DetectionRow]] = {}

    def learn(self, detection_ids: Sequence[str]) -> None:
        """Look up which of these ids are known, all at once."""
        for chunk in in_chunks([id_ for id_ in detection_ids if id_.isascii()]):
            query = select(Detection.id).where(Detection.id.in_(chunk))
            self._known |= set(self._session.scalars(query))

    def detection(self, row: FileRow) -> str:
        """Return the detection of a row; raises RowRefused when there is none."""
        given = _text(row, "detection_id")
        if given is not None and given in self._known:
            return given
        survey, night = _text(row, "survey"), _text(row, "night")
        ra, dec = _number(row, "ra_deg"), _number(row, "dec_deg")
        if survey is None or night is None or ra is None or dec is None:
            if given is not None:
                raise RowRefused("unknown_detection", f"there is no detection {given!r:.40} here")
            raise RowRefused(
                "no_place",
                "it names no detection: give detection_id, or survey, night, ra_deg and dec_deg",
            )
        if (survey, night) not in self._nights:
            self._nights[survey, night] = candidates.detections_of_night(
                self._session, survey, night
            )
        rows = [r for r in self._nights[survey, night] if r.ra_deg is not None]
        places = np.array([(r.ra_deg, r.dec_deg) for r in rows], dtype=np.float64)
        places = places.reshape(-1, 2)
        distance = distance_arcsec(ra, dec, places[:, 0], places[:, 1])
        near = np.flatnonzero(distance <= MATCH_ARCSEC)
        if len(near) == 0:
            raise RowRefused(
                "no_detection_there",
                f"no detection of {survey} {night} within {MATCH_ARCSEC:g} arcsec of "
                f"{ra:.5f} {dec:+.5f}",
            )
        return rows[int(near[np.argmin(distance[near])])].detection_id
