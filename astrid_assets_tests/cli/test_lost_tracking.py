"""MLflow's database is gone or half made: `doctor` and `status` say so, and `--fix` mends."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from sqlalchemy import update

from astrid_assets.cli import doctor_checks
from astrid_assets.cli.doctor import findings
from astrid_assets.cli.workplace import open_catalogue, open_tracking, prepare_home
from astrid_assets.storage.database.tables.learning import TrainingRun
from astrid_assets.storage.queries import models
from astrid_assets_tests.sensors.labelled import add_dataset, deploy
from astrid_assets_tests.small_survey import add_survey
from astrid_assets_tests.tracking.test_embedded import half_made

if TYPE_CHECKING:
    from pathlib import Path

pytestmark = pytest.mark.slow


def train(run_id: str) -> None:
    """Record a model in force, whose training is an MLflow run of that id."""
    catalogue = open_catalogue()
    deploy(catalogue, add_dataset(catalogue, 0))
    with catalogue.begin() as session:
        champion = models.champion(session)
        assert champion is not None
        session.execute(
            update(TrainingRun)
            .where(TrainingRun.id == champion.training_run_id)
            .values(mlflow_run_id=run_id)
        )


def test_a_tracking_history_that_is_gone_is_told_by_doctor_and_status(cli, home: Path):
    prepare_home()
    add_survey(open_catalogue())
    (untrained,) = findings(doctor_checks.check_mlflow)
    assert (untrained.level, "made with the first training" in untrained.what) == ("OK", True)
    train("0123456789abcdef0123456789abcdef")

    (found,) = findings(doctor_checks.check_mlflow)
    assert found.level == "WARN"
    assert "the tracking history is gone: 1 of 1 MLflow runs" in found.what
    assert "nights are scored as before" in found.remedy
    told = " ".join(cli("status").output.split())
    assert "the tracking history is gone: 1 of 1 MLflow runs" in told
    assert "in force" in told

    # A file that was begun anew does not know the run either.
    open_tracking().make_file()
    assert [each.level for each in findings(doctor_checks.check_mlflow)] == ["WARN", "OK"]
    assert "tracking history is gone" in " ".join(cli("status").output.split())

    with open_tracking().start_run("x", "y") as active:
        pass
    train(active.run_id)
    assert [each.level for each in findings(doctor_checks.check_mlflow)] == ["OK"]
    assert "tracking history is gone" not in " ".join(cli("status").output.split())


def test_a_half_made_database_is_moved_aside_when_asked(home: Path):
    prepare_home()
    file = home / "mlflow" / "mlflow.db"
    file.parent.mkdir()
    half_made(file)
    (found,) = findings(doctor_checks.check_mlflow)
    assert found.level == "FAIL"
    assert "astrid doctor --fix" in found.remedy
    assert file.exists()
    mended = list(doctor_checks.check_mlflow(fix=True))
    assert {each.level for each in mended} == {"OK"}
    assert "moved to" in mended[0].what
    (aside,) = file.parent.glob("mlflow.db.broken-*")
    assert aside.stat().st_size > 0
    with open_tracking().start_run("x", "y"):
        pass
    assert [each.level for each in findings(doctor_checks.check_mlflow)] == ["OK"]
