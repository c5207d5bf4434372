"""Evidence cards beside the curves of the training, for whoever looks in MLflow."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.column_types import json_text
from astrid_assets.storage.database.tables.learning import TrainingRun

if TYPE_CHECKING:
    from astrid_assets.learning.gate.card import EvidenceCard
    from astrid_assets.steps.learning.deployment.aliases import ModelAliases
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model


def keep_card(tools: Tools, tracking: ModelAliases, model: Model, card: EvidenceCard) -> None:
    """Keep an evidence card with the MLflow run of the training, one folder per decision."""
    from astrid_assets.learning.gate.card_text import card_markdown

    with tools.catalogue.read() as session:
        run = session.get(TrainingRun, model.training_run_id) if model.training_run_id else None
    if run is None or run.mlflow_run_id is None:
        return
    folder = f"deployment/{now():%Y-%m-%d_%H%M%S.%f}_{card.verdict.replace(' ', '_')}"
    for name, text in (
        ("evidence.md", card_markdown(card)),
        ("evidence.json", json_text(card.as_dict())),
    ):
        tracking.keep_file(run.mlflow_run_id, f"{folder}/{name}", text.encode())
