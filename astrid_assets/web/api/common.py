"""What the API's modules share: dependencies, paging, words for bits."""

from __future__ import annotations

import datetime as dt
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Path, Query

from astrid_assets.science.reasons import current_code
from astrid_assets.web.schemas import Id, ReasonOut, Text
from astrid_assets.web.security import Person, current_admin, current_reviewer, reader
from astrid_assets.web.state import WebState, state_of
from astrid_assets.web.texts import Day, PlainText

if TYPE_CHECKING:
    from collections.abc import Iterable

State = Annotated[WebState, Depends(state_of)]
Looker = Annotated[Person | None, Depends(reader)]
Writer = Annotated[Person, Depends(current_reviewer)]
Admin = Annotated[Person, Depends(current_admin)]
Limit = Annotated[int, Query(ge=1, le=500, description="Largest number of items on a page.")]
Cursor = Annotated[
    PlainText | None,
    Query(max_length=400, description="`next` of the page before; the first without."),
]
SurveyName = Annotated[Text | None, Query(description="Only this survey.")]
Night = Annotated[Day | None, Query(description="Only this night.")]
FirstNight = Annotated[Day | None, Query(description="This night and later ones.")]
LastNight = Annotated[Day | None, Query(description="This night and earlier ones.")]
Field = Annotated[Text | None, Query(description="Only this field, by its name.")]
Band = Annotated[Text | None, Query(description="Only this filter, by its name.")]
DetectionId = Annotated[Id, Path(description="Id of the detection.")]
ObjectId = Annotated[Id, Path(description="Id of the object.")]
ObservationId = Annotated[Id, Path(description="Id of the observation.")]
DatasetId = Annotated[Id, Path(description="Id of the dataset version.")]
RunId = Annotated[Id, Path(description="Id of the run, as the collection answered.")]

MJD_EPOCH = dt.datetime(1858, 11, 17, tzinfo=dt.UTC)
DAY_S = 86_400.0


def mjd_of(when: dt.datetime) -> float:
    """Return a time as MJD; without a zone it is taken for UTC."""
    aware = when if when.tzinfo is not None else when.replace(tzinfo=dt.UTC)
    return (aware - MJD_EPOCH).total_seconds() / DAY_S


def time_of(mjd: float) -> dt.datetime:
    """Return an MJD as a time in UTC."""
    return MJD_EPOCH + dt.timedelta(days=mjd)


def night_text(night: dt.date | None) -> str | None:
    """Return a night as the catalogue writes it."""
    return None if night is None else night.isoformat()


def reasons_of(stored: Iterable[object]) -> list[ReasonOut]:
    """Return stored reasons without their numbers."""
    return [
        ReasonOut(
            code=current_code(str(reason["code"]), reason.get("measurements") or {}),
            message=str(reason["message"]),
        )
        for reason in stored
        if isinstance(reason, dict)
    ]


def text_id(given: Id) -> str:
    """Return an id as the catalogue writes it."""
    return str(given)
