"""The figures that benchmarks kept, each with commit, machine, date and command."""

from __future__ import annotations

from datetime import datetime
from typing import TYPE_CHECKING

from benchmarks.figures import layouts
from docs.generate.entries import escaped, paragraphs
from docs.generate.results import Result, results, scripts

if TYPE_CHECKING:
    from benchmarks.figures import Layout

TITLE = "Measured figures"
INTRODUCTION = """
Written from `benchmarks/results/`, where each benchmark keeps what it printed when it ran with
`--keep`. Wall and CPU times are those of the machine named beside them, under the load that is
given; compare programs within one table, which measured them in turns. Memory is in frames of
float32 of the size that was measured.
"""
NO_WORDS = "No figures are kept of: {}."


def page() -> str:
    """Return the page as MyST Markdown."""
    kept = results()
    parts = [f"# {TITLE}", INTRODUCTION.strip()]
    for result in kept.values():
        parts += _section(result)
    if missing := [f"`{name}`" for name in scripts() if name not in kept]:
        parts.append(NO_WORDS.format(", ".join(missing)))
    return "\n\n".join(parts) + "\n"


def _section(result: Result) -> list[str]:
    first, *others = paragraphs(result.docstring)
    parts = [f"({result.name}-figures)=", f"## {escaped(first.rstrip('.'))}"]
    parts += [escaped(text) for text in others if not text.startswith(".venv/")]
    parts.append(f"```text\n{result.about['command']}\n```")
    parts.append(_where(result))
    for layout in layouts(list(result.figures)):
        parts += [f"**{escaped(layout.title)}**", _table(layout)]
    parts += [escaped(note) for note in result.about["notes"]]
    return parts


def _where(result: Result) -> str:
    """Return commit, date, machine and versions in three sentences."""
    about, machine, load = result.about, result.about["machine"], result.about["load"]
    state = " with changes that are not in it" if about["commit"]["dirty"] else ""
    date = datetime.fromisoformat(about["date"])
    versions = ", ".join(f"{name} {version}" for name, version in about["packages"].items())
    return (
        f"Commit `{about['commit']['hash'][:12]}`{state}, {date:%Y-%m-%d %H:%M} UTC, in "
        f"{about['seconds']} s. {machine['cpu']}, {machine['cores']} cores, "
        f"{machine['memory_gib']} GiB, {machine['os']}, Python {machine['python']}; load average "
        f"{load['before']:.1f} before and {load['after']:.1f} after. {versions}."
    )


def _table(layout: Layout) -> str:
    head, *lines = layout.cells
    texts = [number == 0 or heading in ("", "unit") for number, heading in enumerate(head)]
    rules = ["---" if is_text else "---:" for is_text in texts]
    return "\n".join("| " + " | ".join(map(escaped, line)) + " |" for line in (head, rules, *lines))
