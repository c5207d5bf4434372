"""Decide whether a model, if not named the newest, replaces the champion of a scope.

Both are judged now, on the rows of the newest dataset's test split that neither of their
trainings saw (`seen`). The decision is a pure function of the two evaluations; the
catalogue's deployment row is the truth, the aliases in the model registry follow it
(`deployment`). A model that was taken back stays back: what the test split did not show, its
use did.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from astrid_assets.science.quality.gates import MIN_TEST_SAMPLES
from astrid_assets.steps.learning.deployment.aliases import follow
from astrid_assets.steps.learning.deployment.in_force import put_in_force
from astrid_assets.steps.learning.evaluate import evaluate_model
from astrid_assets.steps.learning.opening import open_dataset, require_dataset
from astrid_assets.steps.learning.seen import UnknownTraining, seen_by_none
from astrid_assets.steps.learning.settings import DeploymentSettings, NoModel
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.steps.learning.deployment.aliases import ModelAliases
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools


@dataclass(frozen=True)
class DeploymentDecision:
    """Deploy or keep, and why, in a sentence."""

    deploy: bool
    reason: str


@dataclass(frozen=True)
class DeploymentReport:
    """What is in force now, and what led to it."""

    action: str
    reason: str
    model: Model | None
    challenger: Evaluation | None
    champion: Evaluation | None
    n_unseen: int = 0
    """Test samples that no training of the two saw, which decided."""
    sequence: int | None = None
    """Number of the decision in the catalogue; None where none was written."""


def decide(
    challenger: Evaluation, champion: Evaluation | None, settings: DeploymentSettings
) -> DeploymentDecision:
    """Compare the challenger with floor, S/N ranking and champion, in this order."""
    auc = challenger.model.roc_auc.value
    precision = challenger.model.average_precision.value
    snr_precision = challenger.snr_ranking.average_precision.value
    if auc < settings.min_roc_auc:
        return DeploymentDecision(
            deploy=False,
            reason=f"ROC AUC {auc:.4f} is below the floor {settings.min_roc_auc:g}",
        )
    if settings.must_beat_snr and precision <= snr_precision:
        return DeploymentDecision(
            deploy=False,
            reason=f"average precision {precision:.4f} does not beat plain S/N "
            f"ranking ({snr_precision:.4f})",
        )
    if champion is None:
        return DeploymentDecision(
            deploy=True,
            reason=f"first model: ROC AUC {auc:.4f}, average precision "
            f"{precision:.4f} against {snr_precision:.4f} for plain S/N ranking",
        )
    before = champion.model.average_precision.value
    return DeploymentDecision(
        deploy=precision - before > settings.min_gain,
        reason=f"average precision {precision:.4f} against the champion's "
        f"{before:.4f} on the same test split (gain {precision - before:+.4f}, "
        f"more than {settings.min_gain:g} needed)",
    )


def deploy_newest(
    tools: Tools,
    tracking: ModelAliases,
    settings: DeploymentSettings,
    work_folder: Path,
    *,
    name: str | None = None,
    scope: str = "",
    force_because: str = "",
) -> DeploymentReport:
    """Put the newest model in force if it is better; keep a row of the decision.

    Parameters
    ----------
    name
        Id or version of another model than the newest.
    scope
        Survey that it is to score alone, judged on this survey's rows; empty: all that have
        no champion of their own.
    force_because
        Not empty: deploy whatever the comparison says, for this reason.

    Raises
    ------
    NoModel
        If nothing was trained yet, or there is no model of that name.
    DeployedMeanwhile
        If another model came into force while these were compared.
    """
    with tools.catalogue.read() as session:
        newest = models.newest_model(session) if name is None else models.model_named(session, name)
        own = models.champion(session, scope)
        champion = own or models.champion(session)
        in_force = models.in_force(session, scope)
        last = models.last_deployment(session, scope)
        taken_back = newest is not None and models.was_rolled_back(session, newest.id, scope)
    if newest is None:
        raise NoModel(
            "no model was trained yet: materialize trained_unet first"
            if name is None
            else f"there is no model {name}: astrid models lists those there are"
        )
    which = f"version {newest.version}" if name else "the newest model"
    if own is not None and own.id == newest.id:
        follow(tools, tracking)
        return DeploymentReport("keep", f"{which} is in force already", own, None, None)
    if taken_back and not force_because:
        follow(tools, tracking)
        reason = f"{which} was rolled back; train another one, or force it with a reason"
        return DeploymentReport("keep", reason, champion, None, None)
    row = require_dataset(tools)
    arrays = open_dataset(tools, row, work_folder / "datasets")
    if scope:
        arrays = judged_by_survey(arrays, scope)
    # A survey's first own champion is compared with the common one, which may be itself.
    is_same = champion is not None and champion.id == newest.id
    judged = _judge(tools, newest, None if is_same else champion, arrays, settings)
    decision = judged.decision
    if force_because:
        reason = f"forced: {force_because}; the comparison said: {decision.reason}"
        decision = DeploymentDecision(deploy=True, reason=reason)
    decided = Deployment(
        action="deploy" if decision.deploy else "keep",
        model_id=newest.id,
        previous_model_id=champion.id if champion else None,
        dataset_id=row.id,
        reason=decision.reason,
        metrics={
            "unseen_test_samples": judged.n_unseen,
            "challenger": judged.challenger and judged.challenger.as_dict(),
            "champion": judged.champion and judged.champion.as_dict(),
        },
        created_at=now(),
        scope=scope,
        follows=(in_force.sequence if in_force else 0) if decision.deploy else None,
    )
    if decision.deploy:
        put_in_force(tools, decided)
    elif last is not None and (last.action, last.model_id) == ("keep", newest.id):
        decided = last
    else:
        with tools.catalogue.begin() as session:
            models.record_deployment(session, decided)
    follow(tools, tracking)
    return DeploymentReport(
        decided.action,
        decision.reason,
        newest if decision.deploy else champion,
        judged.challenger,
        judged.champion,
        judged.n_unseen,
        decided.sequence,
    )


def judged_by_survey(arrays: DatasetArrays, survey: str) -> DatasetArrays:
    """Return a version whose test split holds rows of one survey only."""
    others = (pl.col("survey") != survey) & (pl.col("split") == "test")
    split = pl.when(others).then(pl.lit("spare")).otherwise(pl.col("split"))
    return replace(arrays, manifest=arrays.manifest.with_columns(split.alias("split")))


@dataclass(frozen=True)
class _Judgement:
    """Both models on the test rows that neither saw; None where these cannot decide."""

    challenger: Evaluation | None
    champion: Evaluation | None
    n_unseen: int
    decision: DeploymentDecision


def _judge(
    tools: Tools,
    challenger: Model,
    champion: Model | None,
    arrays: DatasetArrays,
    settings: DeploymentSettings,
) -> _Judgement:
    both = [challenger] if champion is None else [challenger, champion]
    try:
        rows = seen_by_none(tools, both, arrays)
    except UnknownTraining as error:
        return _Judgement(None, None, 0, DeploymentDecision(deploy=False, reason=str(error)))
    n_real = int(arrays.is_real[rows].sum())
    n_bogus = len(rows) - n_real
    if len(rows) < MIN_TEST_SAMPLES or not n_real or not n_bogus:
        reason = (
            f"{len(rows)} test samples ({n_real} real, {n_bogus} bogus) were never seen in "
            f"training, at least {MIN_TEST_SAMPLES} with both classes are needed: label more "
            "detections and collect again"
        )
        return _Judgement(None, None, len(rows), DeploymentDecision(deploy=False, reason=reason))
    first = evaluate_model(tools, challenger, arrays, rows)
    second = None if champion is None else evaluate_model(tools, champion, arrays, rows)
    decision = decide(first, second, settings)
    reason = f"{decision.reason}; judged on {len(rows)} test samples that no training saw"
    return _Judgement(
        first, second, len(rows), DeploymentDecision(deploy=decision.deploy, reason=reason)
    )
