"""What a model does once it is in force: a look at it, and the way back where it fails.

Verdict and rollback are one transaction, so no crash leaves a model in force that failed.
A deployment that was cut off before its look gets it from the next decision.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING

import numpy as np
from sqlalchemy.exc import IntegrityError

from astrid_assets.learning.inference import UnusableModel
from astrid_assets.steps.learning.deployment.aliases import follow
from astrid_assets.steps.learning.deployment.newest_nights import newest_cutouts, night_scores
from astrid_assets.steps.learning.evaluate import open_scorer
from astrid_assets.steps.learning.golden import golden_check
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.objects.store_errors import ObjectCorrupt, ObjectMissing
from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.steps.learning.deployment.aliases import ModelAliases
    from astrid_assets.steps.learning.settings import DeploymentSettings
    from astrid_assets.steps.nights import Tools


@dataclass(frozen=True)
class Canary:
    """Whether a model in force does what it should, and what was measured.

    Attributes
    ----------
    golden_difference
        Largest difference of a score from the network that was trained; None where the
        training kept no golden cutouts, or the model cannot be opened.
    n, called_real
        Detections of the newest nights, and the share that it calls real; None without any.
    """

    passed: bool
    reason: str
    golden_difference: float | None = None
    n: int = 0
    called_real: float | None = None


def finish_deployments(
    tools: Tools, tracking: ModelAliases, settings: DeploymentSettings, work_folder: Path
) -> list[Deployment]:
    """Look at each model that came into force and was not looked at; let aliases follow.

    Returns
    -------
    rollbacks
        What was decided because a model failed.
    """
    with tools.catalogue.read() as session:
        rows = [models.in_force(session, scope) for scope in models.scopes(session)]
    rollbacks = []
    for row in rows:
        if row is not None and row.action == "deploy" and row.canary is None:
            canary = look_at(tools, row, settings, work_folder)
            rollback = _kept(tools, row, canary)
            if rollback is not None:
                rollbacks.append(rollback)
    follow(tools, tracking)
    return rollbacks


def look_at(
    tools: Tools, row: Deployment, settings: DeploymentSettings, work_folder: Path
) -> Canary:
    """Open a model that is in force and have it score, as the next night will."""
    with tools.catalogue.read() as session:
        model = session.get_one(Model, row.model_id)
    try:
        scorer = open_scorer(tools, model)
        check = golden_check(tools, model, scorer, settings, work_folder)
        newest = newest_cutouts(tools, row.scope)
        scores = None if newest is None else night_scores(model, newest, scorer)
    except (UnusableModel, ObjectMissing, ObjectCorrupt) as error:
        return Canary(passed=False, reason=str(error))
    if check.passed is False:
        return Canary(
            passed=False,
            reason=f"{check.name} {check.value}: {check.detail}",
            golden_difference=check.value,
        )
    if scores is None:
        return Canary(
            passed=True, reason="no night has detections yet", golden_difference=check.value
        )
    share = float((scores >= model.threshold).mean())
    problem = _problem(scores, share, (row.metrics or {}).get("shadow"), settings)
    return Canary(
        passed=problem is None,
        reason=problem or f"calls {share:.1%} of {len(scores)} detections real",
        golden_difference=check.value,
        n=len(scores),
        called_real=share,
    )


def _problem(
    scores: np.ndarray,
    share: float,
    shadow: dict[str, float] | None,
    settings: DeploymentSettings,
) -> str | None:
    if not np.isfinite(scores).all():
        return f"{int((~np.isfinite(scores)).sum())} of {len(scores)} scores are no numbers"
    if len(scores) >= settings.canary_min_detections and share > settings.max_called_real:
        return (
            f"calls {share:.1%} of {len(scores)} detections real, at most "
            f"{settings.max_called_real:.0%} are allowed (max_called_real)"
        )
    if shadow and abs(share - shadow["called_real"]) > settings.max_off_shadow:
        return (
            f"calls {share:.1%} real, {shadow['called_real']:.1%} before it came into force: "
            "its file, or its calibration, is not the one that was judged"
        )
    return None


def _kept(tools: Tools, row: Deployment, canary: Canary) -> Deployment | None:
    """Keep what was seen; where it failed, the model before comes back in the same transaction."""
    try:
        with tools.catalogue.begin() as session:
            current = models.in_force(session, row.scope)
            if current is None or current.sequence != row.sequence:
                return None
            current.canary = asdict(canary)
            previous = models.previous(session, row.scope)
            if canary.passed or previous is None:
                return None
            return models.record_deployment(
                session,
                Deployment(
                    action="rollback",
                    model_id=previous.id,
                    previous_model_id=row.model_id,
                    dataset_id=None,
                    reason=f"failed once it was in force: {canary.reason}",
                    metrics={},
                    created_at=now(),
                    scope=row.scope,
                    follows=row.sequence,
                ),
            )
    except IntegrityError:
        # Another process decided in the meantime, and its decision stands.
        with tools.catalogue.read() as session:
            current = models.in_force(session, row.scope)
        if current is not None and current.sequence != row.sequence:
            return None
        raise
