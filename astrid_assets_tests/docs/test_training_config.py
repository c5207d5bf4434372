"""The files of settings beside the training notebooks: valid, complete, and as they were run."""

from __future__ import annotations

import json
import tomllib

import pytest

from astrid_assets.learning.settings import TrainingSettings
from astrid_assets.resources.home import project_root
from astrid_assets.steps.learning.settings import CollectionSettings

FOLDER = project_root() / "notebooks" / "training" / "config"
FIELDS = (
    *("model_architecture", "input_channels", "output_channels", "initial_filters", "depth"),
    *("batch_size", "learning_rate", "num_epochs", "weight_decay", "image_size"),
    *("validation_split", "test_split", "early_stopping_patience", "checkpoint_frequency"),
    *("gradient_clip_norm", "experiment_name", "run_name", "tags"),
)
"""TrainingParameters of the requirement paper."""

VALUES = {
    "initial_filters": 64,
    "depth": 4,
    "batch_size": 16,
    "learning_rate": 0.001,
    "num_epochs": 100,
    "weight_decay": 1e-4,
    "validation_split": 0.2,
    "test_split": 0.1,
    "early_stopping_patience": 10,
    "checkpoint_frequency": 5,
    "gradient_clip_norm": 1.0,
}
"""Defaults of the paper that mean the same here."""


def test_the_template_has_every_field_of_the_paper_as_a_valid_setting() -> None:
    template = tomllib.loads((FOLDER / "training_parameters.toml").read_text())
    TrainingSettings.model_validate(template["training"])
    CollectionSettings.model_validate(template["collection"])
    assert set(template["paper"]) == set(FIELDS)
    used = set()
    for field, address in template["paper"].items():
        if address.startswith("none: "):
            continue
        table, _, name = address.partition(".")
        assert name in template[table], field
        used.add((table, name))
        if field in VALUES:
            assert template[table][name] == VALUES[field], field
    assert used == {(t, name) for t in ("training", "collection") for name in template[t]}


@pytest.mark.parametrize("name", ["run_1", "run_2"])
def test_a_sample_run_keeps_the_result_of_its_settings(name: str) -> None:
    settings = tomllib.loads((FOLDER / f"{name}.toml").read_text())["training"]
    result = json.loads((FOLDER / f"{name}.json").read_text())
    assert result["settings"] == settings
    asked = TrainingSettings.model_validate(settings)
    assert 1 <= len(result["history"]) <= asked.epochs
    metrics = result["metrics"]
    assert metrics["n_real"] + metrics["n_bogus"] == result["samples"]["test"]
    assert metrics["roc_auc_low"] <= metrics["roc_auc"] <= metrics["roc_auc_high"]
