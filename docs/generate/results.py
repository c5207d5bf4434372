"""Kept results of benchmarks: `benchmarks/results/*.json`, read back for the pages."""

from __future__ import annotations

import ast
import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks.figures import Figure

BENCHMARKS = Path(__file__).resolve().parents[2] / "benchmarks"


@dataclass(frozen=True)
class Result:
    """One run of a benchmark: `about` holds all that was kept but the figures."""

    name: str
    about: dict[str, Any]
    figures: tuple[Figure, ...]

    @property
    def docstring(self) -> str:
        """Return what the benchmark's module states that it measures."""
        return ast.get_docstring(ast.parse((BENCHMARKS / f"{self.name}.py").read_text())) or ""

    def value(self, row: str, name: str, unit: str = "", *, table: str = "") -> float:
        """Return the one figure of a row; `table` is how its title begins.

        Raises
        ------
        LookupError
            If none or more than one is there.
        """
        found = [
            figure.value
            for figure in self.figures
            if (figure.row, figure.name, figure.unit) == (row, name, unit)
            and figure.table.startswith(table)
        ]
        if len(found) != 1:
            raise LookupError(
                f"{self.name}.json has {len(found)} figures {name!r} ({unit or 'no unit'}) of "
                f"{row!r} in {table!r}, one is needed: run `{self.about['command']}` again"
            )
        return found[0]


def results(folder: Path = BENCHMARKS / "results") -> dict[str, Result]:
    """Return the kept results by the name of the benchmark."""
    made = {}
    for path in sorted(folder.glob("*.json")):
        kept = json.loads(path.read_text())
        figures = tuple(Figure(**figure) for figure in kept.pop("figures"))
        made[path.stem] = Result(path.stem, kept, figures)
    return made


def scripts() -> list[str]:
    """Return the names of the benchmarks."""
    return sorted(
        path.stem
        for path in BENCHMARKS.glob("*.py")
        if 'if __name__ == "__main__"' in path.read_text()
    )
