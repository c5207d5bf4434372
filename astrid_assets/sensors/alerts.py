"""Rollbacks, refused deployments, lasting drift and failing health are reported, each once.

Decisions are read from the catalogue, whoever made them: a sensor, a page or a terminal.
"""

import json
from dataclasses import dataclass

import dagster as dg
from sqlalchemy.orm import Session

from astrid_assets.alerts import send_alert
from astrid_assets.sensors.retraining import settings_of_the_environment
from astrid_assets.steps.learning.retraining.decision import lasting_drift
from astrid_assets.steps.learning.retraining.facts import newest_drift
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.queries import models, watching

INTERVAL_S = 120


@dataclass(frozen=True)
class Reported:
    """What was reported: decisions up to a number; what has drifted, and what is not healthy."""

    decision: int
    standing: tuple[str, ...]

    @classmethod
    def from_cursor(cls, cursor: str | None) -> "Reported | None":
        """Return what a cursor holds; None for the first look."""
        if cursor is None:
            return None
        kept = json.loads(cursor)
        return cls(int(kept["decision"]), tuple(kept["standing"]))

    @property
    def cursor(self) -> str:
        """The same as a text."""
        return json.dumps({"decision": self.decision, "standing": self.standing})


def alerts_since(
    session: Session, reported: Reported | None, settings: RetrainingSettings
) -> tuple[Reported, list[str]]:
    """Return what will have been reported, and the texts to send.

    Parameters
    ----------
    reported
        None at the first look: decisions of before are no news, what lasts is.
    """
    rows = models.decisions_after(session, reported.decision if reported else 0)
    texts = []
    if reported is not None:
        texts = [text for row in rows if (text := _text_of(session, row))]
    standing = lasting_drift(newest_drift(session), settings)
    standing |= {
        f"health/{row.survey}/{row.number}": f"{row.survey or 'labels'}: {row.detail}"
        for row in watching.newest_health(session)
        if row.passed is False
    }
    fallen = models.noted_fall(session)
    if fallen is not None:
        standing["fall"] = fallen
    known = reported.standing if reported else ()
    texts += [f"AstrID: {text}" for which, text in standing.items() if which not in known]
    last = rows[-1].sequence if rows else (reported.decision if reported else 0)
    return Reported(last, tuple(standing)), texts


@dg.sensor(
    minimum_interval_seconds=INTERVAL_S, default_status=dg.DefaultSensorStatus.RUNNING, jobs=[]
)
def alerts(
    context: dg.SensorEvaluationContext, catalogue: dg.ResourceParam[Catalogue]
) -> dg.SkipReason:
    """Report rollbacks, refusals, lasting drift and failing health: log, webhook, e-mail."""
    with catalogue.read() as session:
        reported, texts = alerts_since(
            session, Reported.from_cursor(context.cursor), settings_of_the_environment()
        )
    for text in texts:
        send_alert(text)
    context.update_cursor(reported.cursor)
    return dg.SkipReason("; ".join(texts) or "nothing new to report")


def _text_of(session: Session, row: Deployment) -> str | None:
    model = session.get_one(Model, row.model_id)
    name = f"{model.name} version {model.version}"
    scope = f" of {row.scope}" if row.scope else ""
    words = {
        "rollback": f"AstrID: {name} is the champion{scope} again after a rollback",
        "common": f"AstrID: {row.scope} is scored by the common champion again, now {name}",
        "keep": f"AstrID: {name} was not deployed{scope}",
    }
    return f"{words[row.action]}\n{row.reason}" if row.action in words else None
