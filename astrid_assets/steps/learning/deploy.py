"""Decide whether the newest model replaces the champion; roll back when asked.

Both are judged now, on the rows of the newest dataset's test split that neither of their
trainings saw (`seen`). The decision is a pure function of the two evaluations; the
catalogue's deployment row is the truth, the aliases in the model registry follow it. A
model that was taken back stays back: what the test split did not show, its use did.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol

from astrid_assets.science.quality.gates import MIN_TEST_SAMPLES
from astrid_assets.steps.learning.evaluate import evaluate_model
from astrid_assets.steps.learning.opening import open_dataset, require_dataset
from astrid_assets.steps.learning.seen import UnknownTraining, seen_by_none
from astrid_assets.steps.learning.settings import DeploymentSettings, NoModel
from astrid_assets.steps.learning.train import MODEL_NAME
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.nights import Tools


class ModelAliases(Protocol):
    """The part of a model registry that a deployment writes to."""

    def set_alias(self, name: str, alias: str, version: str) -> None:
        """Let an alias name a version."""
        ...

    def delete_alias(self, name: str, alias: str) -> None:
        """Let an alias name nothing."""
        ...


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
    tools: Tools, tracking: ModelAliases, settings: DeploymentSettings, work_folder: Path
) -> DeploymentReport:
    """Put the newest model in force if it is better; keep a row of the decision.

    Raises
    ------
    NoModel
        If nothing was trained yet.
    """
    with tools.catalogue.read() as session:
        newest = models.newest_model(session)
        champion = models.champion(session)
        last = models.last_deployment(session)
        taken_back = newest is not None and models.was_rolled_back(session, newest.id)
    if newest is None:
        raise NoModel("no model was trained yet: materialize trained_unet first")
    if taken_back:
        _follow(tools, tracking, None)
        reason = "the newest model was rolled back; train another one"
        return DeploymentReport("keep", reason, champion, None, None)
    row = require_dataset(tools)
    arrays = open_dataset(tools, row, work_folder / "datasets")
    if champion is not None and champion.id == newest.id:
        judged = _judge(tools, newest, None, arrays, settings)
        _follow(tools, tracking, None)
        reason = "the newest model is in force already"
        return DeploymentReport("keep", reason, champion, judged.challenger, judged.challenger)
    judged = _judge(tools, newest, champion, arrays, settings)
    decision = judged.decision
    action = "deploy" if decision.deploy else "keep"
    refused_before = last is not None and last.action == "keep" and last.model_id == newest.id
    if not (action == "keep" and refused_before):
        with tools.catalogue.begin() as session:
            models.record_deployment(
                session,
                Deployment(
                    action=action,
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
                ),
            )
    _follow(tools, tracking, None if decision.deploy else newest)
    in_force = newest if decision.deploy else champion
    return DeploymentReport(
        action, decision.reason, in_force, judged.challenger, judged.champion, judged.n_unseen
    )


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


def roll_back(tools: Tools, tracking: ModelAliases, reason: str) -> DeploymentReport:
    """Put the model before the champion in force again.

    Raises
    ------
    NoModel
        If there is no earlier model.
    """
    with tools.catalogue.begin() as session:
        champion = models.champion(session)
        previous = models.previous(session)
        if champion is None or previous is None:
            raise NoModel("there is no earlier model to roll back to")
        models.record_deployment(
            session,
            Deployment(
                action="rollback",
                model_id=previous.id,
                previous_model_id=champion.id,
                dataset_id=None,
                reason=reason,
                metrics={},
                created_at=now(),
            ),
        )
    _follow(tools, tracking, None)
    return DeploymentReport("rollback", reason, previous, None, None)


def _follow(tools: Tools, tracking: ModelAliases, challenger: Model | None) -> None:
    """Let the registry's aliases say what the catalogue says."""
    with tools.catalogue.read() as session:
        aliases = {
            "champion": models.champion(session),
            "previous": models.previous(session),
            "challenger": challenger,
        }
    for alias, model in aliases.items():
        if model is None:
            tracking.delete_alias(MODEL_NAME, alias)
        else:
            tracking.set_alias(MODEL_NAME, alias, model.version)
