"""What a training cost: time, processor time, cutouts per second, memory."""

from __future__ import annotations

import sys
from dataclasses import asdict, dataclass


@dataclass(frozen=True)
class TrainingCost:
    """What one call of `training.train` took; a resumed training counts from there.

    Attributes
    ----------
    seconds, cpu_seconds
        Wall time, and processor time of all threads of this process.
    cutouts
        Augmented cutouts that were trained on, each as often as it was shown.
    peak_memory_mb
        The most memory that the process held so far, in MB; None where nobody counts it.
    """

    seconds: float
    cpu_seconds: float
    cutouts: int
    peak_memory_mb: float | None

    @property
    def cutouts_per_s(self) -> float:
        """Trained on per second of wall time, validation included."""
        return self.cutouts / self.seconds if self.seconds > 0 else 0.0

    def as_dict(self) -> dict[str, float | None]:
        """Return all of it by name, for a JSON column."""
        return asdict(self) | {"cutouts_per_s": self.cutouts_per_s}

    def flat(self) -> dict[str, float]:
        """Return what is known, by the names under which MLflow shows it."""
        return {
            f"cost/{name}": value for name, value in self.as_dict().items() if value is not None
        }


def peak_memory_mb() -> float | None:
    """Return the most memory that this process ever held, MB; None where nobody counts it."""
    if sys.platform == "win32":
        return None
    import resource

    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    # Bytes on macOS, kilobytes on Linux.
    return peak / 1e6 if sys.platform == "darwin" else peak / 1e3
