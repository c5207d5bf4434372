"""Reviewers who are scripts: they label what the API hands them, and err on purpose."""

from __future__ import annotations

import uuid
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.storage.database.tables.review import Label, ReviewItem, VoteRow
from astrid_assets.web.security import NAME_HEADER

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    import numpy as np
    from httpx import Client

    from astrid_assets.storage.database.catalogue import Catalogue

AT_ONCE = 20
OTHER = {"real": "bogus", "bogus": "real"}


def label_all(
    client: Client,
    truth: Mapping[str, str],
    errors: Mapping[str, float],
    rng: np.random.Generator,
) -> int:
    """Let reviewers take turns until nobody is asked any more; returns the votes.

    Parameters
    ----------
    truth
        The true label of each detection.
    errors
        Per reviewer the share of wrong answers.
    """
    votes = 0
    waiting = set(errors)
    while waiting:
        for name in sorted(waiting):
            asked = client.post(
                "/queues/next", json={"count": AT_ONCE}, headers={NAME_HEADER: name}
            )
            asked.raise_for_status()
            items = asked.json()
            if not items:
                waiting.discard(name)
            for item in items:
                right = truth[item["detection_id"]]
                label = OTHER[right] if rng.random() < errors[name] else right
                said = client.post(
                    f"/detections/{item['detection_id']}/validation-events",
                    json={"event_key": str(uuid.uuid4()), "label": label},
                    headers={NAME_HEADER: name},
                )
                said.raise_for_status()
                votes += 1
        # Somebody's vote may have made work for one who had none left.
        if not waiting and any(_is_asked(client, name) for name in errors):
            waiting = set(errors)
    return votes


def known_truth(catalogue: Catalogue) -> dict[str, str]:
    """Return the label of each detection that a truth or a catalogue knows."""
    query = select(ReviewItem.detection_id, ReviewItem.gold_label).where(
        ReviewItem.gold_label.is_not(None), ReviewItem.queue != "closed"
    )
    with catalogue.read() as session:
        return {row[0]: str(row[1]) for row in session.execute(query)}


def wrong_shares(
    catalogue: Catalogue, truth: Mapping[str, str]
) -> tuple[dict[str, float], float, int]:
    """Return the wrong share of each reviewer and of the labels, and their number."""
    with catalogue.read() as session:
        votes = list(session.scalars(select(VoteRow).where(VoteRow.source == "person")))
        labels = list(
            session.scalars(
                select(Label).where(Label.source == "person", Label.label.in_(sorted(OTHER)))
            )
        )
    each: dict[str, list[bool]] = {}
    for vote in votes:
        each.setdefault(vote.reviewer, []).append(vote.label != truth[vote.detection_id])
    people = {name: _mean(wrong) for name, wrong in sorted(each.items())}
    decided = [label.label != truth[label.detection_id] for label in labels]
    return people, _mean(decided), len(decided)


def _is_asked(client: Client, name: str) -> bool:
    asked = client.post("/queues/next", json={"count": 1}, headers={NAME_HEADER: name})
    return bool(asked.json())


def _mean(values: Sequence[bool]) -> float:
    return sum(values) / len(values) if values else float("nan")
