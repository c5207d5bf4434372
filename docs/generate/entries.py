"""What a generated page consists of: entries with a name and a sentence, in groups."""

from __future__ import annotations

import re
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Entry:
    """One thing that the code declares, such as a setting or a command.

    `cells` are the other columns of its row, after the sentence.
    """

    name: str
    sentence: str
    cells: tuple[str, ...] = ()


@dataclass(frozen=True)
class Group:
    """Entries that belong together; `columns` name their cells."""

    title: str
    sentence: str
    columns: tuple[str, ...] = ()
    entries: tuple[Entry, ...] = ()


@dataclass(frozen=True)
class Page:
    """A page of the reference: `name` is its file, `introduction` is Markdown."""

    name: str
    title: str
    introduction: str
    groups: tuple[Group, ...] = field(default=())


def as_markdown(page: Page) -> str:
    """Return the page as MyST Markdown, one table per group."""
    parts = [f"# {page.title}", page.introduction.strip()]
    for group in page.groups:
        parts.append(f"## {escaped(group.title)}")
        if group.sentence:
            parts.append("\n\n".join(escaped(p) for p in paragraphs(group.sentence)))
        if group.entries:
            parts.append(_table(group))
    return "\n\n".join(parts) + "\n"


def _table(group: Group) -> str:
    # A column that is empty in this table is left out.
    used = [n for n in range(len(group.columns)) if any(entry.cells[n] for entry in group.entries)]
    titles = ("", "", *(group.columns[n] for n in used))
    rows = [
        (f"`{entry.name}`", " ".join(entry.sentence.split()), *(entry.cells[n] for n in used))
        for entry in group.entries
    ]
    lines = [_row(titles), _row(("---",) * len(titles))]
    return "\n".join(lines + [_row(tuple(escaped(cell) for cell in row)) for row in rows])


def _row(cells: tuple[str, ...]) -> str:
    return "| " + " | ".join(cells) + " |"


def paragraphs(text: str) -> list[str]:
    """Return the paragraphs of a docstring, each on one line."""
    return [" ".join(part.split()) for part in re.split(r"\n\s*\n", text.strip()) if part.strip()]


def escaped(text: str) -> str:
    """Return plain text with code spans so that Markdown shows it as it is."""
    code = re.compile(r"(``[^`]+``|`[^`]+`)")
    parts = code.split(text)
    for index, part in enumerate(parts):
        plain = part if index % 2 else re.sub(r"([*<>$\[\]{}])", r"\\\1", part)
        parts[index] = plain.replace("|", "\\|")
    return "".join(parts)
