"""Curves of a training in MLflow, an epoch at a time."""

from __future__ import annotations

import logging
from typing import TYPE_CHECKING

from sqlalchemy.exc import DBAPIError

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.learning.segmentation_task import EpochMetrics
    from astrid_assets.tracking.run import ActiveRun

log = logging.getLogger(__name__)


class TrainingCurves:
    """Curves of a training in MLflow, which may be away while it goes on."""

    def __init__(self, active: ActiveRun) -> None:
        self.active = active
        self.pending: list[EpochMetrics] = []

    def add(self, metrics: EpochMetrics) -> None:
        """Record an epoch; what cannot be written now is written later."""
        from mlflow.exceptions import MlflowException

        self.pending.append(metrics)
        try:
            self._send()
        except (MlflowException, OSError, DBAPIError) as error:
            log.warning("MLflow takes no curves just now, they are sent later: %s", error)

    def finish(self, history: Sequence[EpochMetrics]) -> None:
        """Record what is missing; where a training is resumed, earlier epochs too."""
        known = {
            member: self.active.steps(_curve_name(member, "val_loss"))
            for member in {metrics["member"] for metrics in history}
        }
        self.pending = [one for one in history if one["epoch"] not in known[one["member"]]]
        self._send()

    def _send(self) -> None:
        while self.pending:
            metrics = self.pending[0]
            self.active.log_metrics(
                {
                    _curve_name(metrics["member"], name): value
                    for name, value in metrics.items()
                    if name not in {"epoch", "member"}
                },
                step=int(metrics["epoch"]),
            )
            del self.pending[0]


def _curve_name(member: float, name: str) -> str:
    """Return the name in MLflow: each member has curves of its own."""
    return f"member_{member + 1:.0f}/{name}" if member else name
