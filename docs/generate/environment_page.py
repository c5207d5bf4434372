"""Every environment variable, as a page and as `.env.example`.

``python -m docs.generate.environment_page`` writes `.env.example` anew.
"""

from __future__ import annotations

from textwrap import wrap
from typing import TYPE_CHECKING

from astrid_assets.resources.environment import PARTS
from astrid_assets.resources.home import project_root
from astrid_assets.resources.variables import expected_value, is_secret, variable_of
from astrid_assets.sensors.retraining import SETTING_OF
from astrid_assets.steps.learning.retraining.settings import RetrainingSettings
from docs.generate.entries import Entry, Group, Page, paragraphs

if TYPE_CHECKING:
    from pydantic.fields import FieldInfo

EXAMPLE = project_root() / ".env.example"
EXAMPLE_WIDTH = 96  # characters of a line
INTRODUCTION = """
The environment holds addresses and secrets only; everything has a default that works on one machine
without any service. `cp .env.example .env`, keep what you need, and export it before a command:
`set -a; . ./.env; set +a`.
"""
EXAMPLE_INTRODUCTION = (
    "Copy to .env, keep what you need, and export it with `set -a; . ./.env; set +a`. "
    "Everything has a default that works on one machine without any service. Lines without a "
    "value count as unset."
)


def page() -> Page:
    """Return the page of environment variables, one group for each part."""
    return Page("environment", "Environment", INTRODUCTION, tuple(_groups()))


def example() -> str:
    """Return the text of `.env.example`."""
    lines = _comment(EXAMPLE_INTRODUCTION)
    for group in _groups():
        lines += ["", f"# ---- {group.title} ----", *_comment(group.sentence), ""]
        for entry in group.entries:
            (value,) = entry.cells
            lines += _comment(entry.sentence) + _comment(value and f"Value: {value}")
            lines.append(f"{entry.name}=")
    return "\n".join(lines) + "\n"


def _groups() -> list[Group]:
    groups = []
    for part in PARTS:
        title, *about = paragraphs(part.__doc__ or "")
        entries = [
            Entry(variable_of(field), _sentence(name, field), (expected_value(field),))
            for name, field in part.model_fields.items()
            if name in part.__annotations__  # those of its base have a group of their own
        ]
        groups.append(Group(title.rstrip("."), " ".join(about), ("value",), tuple(entries)))
    return groups


def _sentence(name: str, field: FieldInfo) -> str:
    default, sentence = field.default, field.description or ""
    if name in SETTING_OF:
        default = RetrainingSettings.model_fields[SETTING_OF[name]].default
    if not field.default_factory and default not in (None, ()):
        shown = int(default) if isinstance(default, bool) else default
        sentence += f" Default: {shown}."
    return sentence + (" Kept secret." if is_secret(field) else "")


def _comment(text: str) -> list[str]:
    return wrap(text, EXAMPLE_WIDTH, initial_indent="# ", subsequent_indent="# ")


if __name__ == "__main__":
    EXAMPLE.write_text(example())
