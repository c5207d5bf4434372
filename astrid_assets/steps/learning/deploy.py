"""Decide whether a model, if not named the newest, replaces the champion of a scope.

Both are judged now, on the rows of the newest dataset's test split that neither of their
trainings saw (`judge_challenger`). The decision is a pure function (`learning.gate`); the
catalogue's deployment row is the truth, the aliases in the model registry follow it
(`deployment`). A model that was taken back stays back: what the test split did not show, its
use did.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import TYPE_CHECKING

import polars as pl

from astrid_assets.science.labelling.split_names import SPARE
from astrid_assets.steps.learning.deployment.canary import finish_deployments
from astrid_assets.steps.learning.deployment.evidence import keep_card
from astrid_assets.steps.learning.deployment.in_force import put_in_force
from astrid_assets.steps.learning.deployment.shadow import score_in_shadow
from astrid_assets.steps.learning.judge_challenger import judge_challenger
from astrid_assets.steps.learning.opening import open_dataset, require_dataset
from astrid_assets.steps.learning.settings import NoModel
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.learning import Deployment, Model
from astrid_assets.storage.queries import models

if TYPE_CHECKING:
    from pathlib import Path

    from astrid_assets.learning.evaluation import Evaluation
    from astrid_assets.learning.gate.card import EvidenceCard
    from astrid_assets.steps.learning.deployment.aliases import ModelAliases
    from astrid_assets.steps.learning.opening import DatasetArrays
    from astrid_assets.steps.learning.settings import DeploymentSettings
    from astrid_assets.steps.nights import Tools


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
    card: EvidenceCard | None = None
    """All that the gate measured."""


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
    UnusableModel
        If a model is forced that does not score.
    """
    # What a crash left unfinished comes first, for it may change the champion.
    finish_deployments(tools, tracking, settings, work_folder)
    with tools.catalogue.read() as session:
        newest = models.newest_model(session) if name is None else models.model_named(session, name)
        own = models.champion(session, scope)
        champion = own or models.champion(session)
        follows = models.number_to_follow(session, scope)
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
        return DeploymentReport("keep", f"{which} is in force already", own, None, None)
    if taken_back and not force_because:
        reason = (
            f"{which} was rolled back; train another one (astrid train --again), or force it with "
            "a reason"
        )
        return DeploymentReport("keep", reason, champion, None, None)
    row = require_dataset(tools)
    arrays = open_dataset(tools, row, work_folder / "datasets")
    if scope:
        arrays = judged_by_survey(arrays, scope)
    # A survey's first own champion is compared with the common one, which may be itself.
    is_same = champion is not None and champion.id == newest.id
    before = None if is_same else champion
    judged = judge_challenger(tools, newest, before, arrays, settings, work_folder, scope)
    card, deploys = judged.card, judged.card.deploys
    reason = f"{card.reason}; judged on {judged.n_unseen} test samples that no training saw"
    if force_because:
        deploys, reason = True, f"forced: {force_because}; the comparison said: {reason}"
    shadow = score_in_shadow(tools, newest, champion, scope) if deploys else None
    decided = Deployment(
        action="deploy" if deploys else "keep",
        model_id=newest.id,
        previous_model_id=champion.id if champion else None,
        dataset_id=row.id,
        reason=reason,
        metrics={
            "card": card.as_dict(),
            "unseen_test_samples": judged.n_unseen,
            "challenger": judged.challenger and judged.challenger.as_dict(),
            "champion": judged.champion and judged.champion.as_dict(),
            "shadow": shadow and asdict(shadow),
        },
        created_at=now(),
        scope=scope,
        follows=follows if deploys else None,
    )
    decided = _written(tools, decided, last)
    if decided is not last:
        keep_card(tools, tracking, newest, card)
    for row in finish_deployments(tools, tracking, settings, work_folder):
        if row.follows == decided.sequence:
            decided, deploys, reason = row, False, f"deployed, but {row.reason}"
    return DeploymentReport(
        decided.action,
        reason,
        newest if deploys else champion,
        judged.challenger,
        judged.champion,
        judged.n_unseen,
        decided.sequence,
        card,
    )


def _written(tools: Tools, decided: Deployment, last: Deployment | None) -> Deployment:
    """Write a decision; the last one where it refused the same model on the same version."""
    refused = (decided.action, decided.model_id, decided.dataset_id)
    if decided.action == "deploy":
        put_in_force(tools, decided)
    elif last is not None and (last.action, last.model_id, last.dataset_id) == refused:
        return last
    else:
        with tools.catalogue.begin() as session:
            models.record_deployment(session, decided)
    return decided


def judged_by_survey(arrays: DatasetArrays, survey: str) -> DatasetArrays:
    """Return a version whose test split holds rows of one survey only."""
    others = (pl.col("survey") != survey) & (pl.col("split") == "test")
    split = pl.when(others).then(pl.lit(SPARE)).otherwise(pl.col("split"))
    return replace(arrays, manifest=arrays.manifest.with_columns(split.alias("split")))
