"""Candidates that fewer reviewers call real than references need.

A frame leaves the references of its field once `known_transient_reviewers` reviewers
call a source on it real. Most candidates are decided by one reviewer, so the queue
offers such a "real" to others until enough agree, or somebody disagrees.
"""

from __future__ import annotations

import tomllib
from functools import lru_cache
from typing import TYPE_CHECKING

from sqlalchemy import and_, case, false, func, or_, select

from astrid_assets.science.labelling.consensus import DISPUTED, REAL
from astrid_assets.science.settings import ReferenceSettings
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.frames import Survey
from astrid_assets.storage.database.tables.review import Label, ReviewItem, VoteRow

if TYPE_CHECKING:
    from sqlalchemy import Select
    from sqlalchemy.orm import Session

JUDGED = ("person", "import")
"""Sources whose labels wait for another reviewer: a catalogue counts alone."""


def lone_reals(session: Session, reviewer: str) -> Select[tuple[str]]:
    """Return the query for detections that a reviewer may be shown for confirmation.

    It finds one detection of each object: the answers on all of them count.
    """
    source = func.coalesce(Detection.object_id, Detection.id)
    is_lone = and_(ReviewItem.queue == "retired", Label.label == REAL, Label.source.in_(JUDGED))
    n_reviewers = func.count(VoteRow.reviewer.distinct())
    is_short = [
        and_(func.min(Detection.survey) == survey, n_reviewers < n)
        for survey, n in sorted(_reviewers_needed(session).items())
    ]
    # The survey is asked for last, so that the labels lead: few of them are real.
    return (
        select(func.min(case((is_lone, Detection.id))))
        .select_from(Label)
        .join(Detection, Detection.id == Label.detection_id)
        .join(CandidateRow, CandidateRow.id == Detection.candidate_id)
        .join(ReviewItem, ReviewItem.detection_id == Detection.id)
        .join(VoteRow, VoteRow.detection_id == Detection.id)
        .where(
            Label.label.in_((REAL, DISPUTED)),
            VoteRow.label == REAL,
            VoteRow.source != "truth",
            CandidateRow.sign > 0,
        )
        .group_by(source)
        .having(
            or_(false(), *is_short),
            func.max(case((VoteRow.reviewer == reviewer, 1), else_=0)) == 0,
            func.min(case((is_lone, Detection.id))).is_not(None),
        )
    )


def _reviewers_needed(session: Session) -> dict[str, int]:
    """Return the number of reviewers of each survey that one alone does not satisfy."""
    rows = session.execute(select(Survey.name, Survey.profile_toml))
    needed = {row[0]: _declared(row[1] or "") for row in rows}
    return {survey: n for survey, n in needed.items() if n > 1}


@lru_cache(maxsize=64)
def _declared(profile_toml: str) -> int:
    """Return the number in a profile; 1 where known transients stay in references."""
    settings = ReferenceSettings.model_validate(tomllib.loads(profile_toml).get("reference", {}))
    return settings.known_transient_reviewers if settings.known_transients == "exclude" else 1
