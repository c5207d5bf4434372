"""The words that AstrID's texts avoid, and what to write instead.

`python -m astrid_assets_tests.plain_english` lists where they stand, as `file:line: word; instead`,
and exits with 1 if it found any; `make lint` runs it. Read are comments, docstrings and messages of
the package, the words of its pages, and the Markdown files. Names, stored values and whatever
stands between backquotes are not prose. `plain_english_exceptions.toml` lists the allowed uses,
each with its reason.
"""

import ast
import io
import re
import sys
import tokenize
import tomllib
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
EXCEPTIONS = Path(__file__).with_name("plain_english_exceptions.toml")

WORDS = {
    r"places?": "position (of a star, in a list, in the queue), location, directory",
    r"told|tells?|telling": "reported, stated, distinguished, shown",
    r"sa(?:y|ys|id)\s+of": "reports, states about",
    r"(?:tak(?:e|es|en|ing)|took)\s+off": "subtracted",
    r"(?:tak(?:e|es|en|ing)|took)\s+out": "removed",
    r"register(?:s|ed|ing)?": "ingest (a file); to register is to align images",
    r"(?:fits_)?doors?": "reader",
    r"(?:held|holds?|holding)\s+back": "blocked",
    r"(?:held|holds?|holding)\s+against": "compared with, checked against",
    r"workshops?": "builder",
    r"wish(?:es|ed)?": "request",
    r"lots?": "sampler; many",
    r"strangers?": "anonymous user, default, untrusted source",
    r"unhurried": "time-limited",
    r"people": "reviewers, users",
}
DANGLING = r"(?:^|(?<=[.:;]\s)|(?<=\n))[ \t]*Of\s(?=[a-z])"
FOUND = re.compile(rf"\b(?P<word>{'|'.join(f'(?:{w})' for w in WORDS)})\b", re.IGNORECASE)
NOT_PROSE = re.compile(
    r"``[^`]*``|`[^`\n]*`"
    r"|\bin(?:to)?\s+place\b|\bdecimal\s+places?\b|\bthe\s+(?:one|only)\s+place\b"
    r"|\btakes?\s+(?:place|(?:its|their|the)\s+place)\b"
)
TEXTS = ("README.md", "docs/**/*.md", "docker/**/*.md")
PAGES = ("astrid_assets/**/*.html", "astrid_assets/**/*.js")
READ_BY_USERS = re.compile(r"(?:alt|title|placeholder|aria-label|content)=\"([^\"]*)\"")

# Written from the code, where they are read.
GENERATED = ("docs/_generated/", "docs/_build/")


@dataclass(frozen=True)
class Finding:
    """A word to replace; `line` counts from 1."""

    file: str
    line: int
    word: str
    instead: str

    def __str__(self) -> str:
        """Return the finding as an editor can follow it."""
        return f"{self.file}:{self.line}: {self.word!r}; rather: {self.instead}"


@dataclass
class Allowed:
    """One exception: a word that is right in these files, and why."""

    file: str
    word: str
    reason: str
    used: bool = False

    def covers(self, finding: Finding) -> bool:
        """Whether the finding is this exception."""
        same = re.fullmatch(self.word, finding.word, re.IGNORECASE)
        return bool(same) and fnmatch(finding.file, self.file)


def findings_in(text: str, first_line: int, file: str) -> Iterator[Finding]:
    """Find the words to avoid in one text that begins on `first_line`."""
    prose = NOT_PROSE.sub(lambda m: re.sub(r"[^\n]", "_", m.group()), text)
    for match in FOUND.finditer(prose):
        word = re.sub(r"\s+", " ", match["word"])
        instead = next(i for w, i in WORDS.items() if re.fullmatch(w, match["word"], re.IGNORECASE))
        yield Finding(file, first_line + prose.count("\n", 0, match.start()), word, instead)
    for match in re.finditer(DANGLING, prose):
        line = first_line + prose.count("\n", 0, match.end())
        yield Finding(file, line, "Of", 'name the thing: "Fraction of light that …"')


def python_texts(source: str) -> Iterator[tuple[int, str]]:
    """Return (line, text) of every comment, docstring and message of a module."""
    tree = ast.parse(source)
    inner = {
        id(part)
        for node in ast.walk(tree)
        if isinstance(node, ast.JoinedStr)
        for part in ast.walk(node)
        if part is not node
    }
    for node in ast.walk(tree):
        if id(node) in inner:
            continue
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            text = node.value
        elif isinstance(node, ast.JoinedStr):
            parts = (p.value if isinstance(p, ast.Constant) else "…" for p in node.values)
            text = "".join(map(str, parts))
        else:
            continue
        if re.search(r"\s", text.strip()):  # one word alone is a key or a stored value
            yield node.lineno, text
    yield from _comments(source)


def _comments(source: str) -> Iterator[tuple[int, str]]:
    """Return the comments; lines that follow each other are one text."""
    first, lines = 0, []
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type != tokenize.COMMENT:
            continue
        line = token.start[0]
        if lines and line != first + len(lines):
            yield first, "\n".join(lines)
            lines = []
        first = first if lines else line
        lines.append(token.string.lstrip("#: "))
    if lines:
        yield first, "\n".join(lines)


def page_texts(source: str) -> Iterator[tuple[int, str]]:
    """Return (line, text) of what a template shows."""
    shown = re.sub(r"\{[{%#].*?[}%#]\}", "_", source, flags=re.DOTALL)
    for number, line in enumerate(shown.split("\n"), 1):
        yield number, re.sub(r"<[^>]*>?", " ", line)
        for attribute in READ_BY_USERS.findall(line):
            yield number, attribute


def script_texts(source: str) -> Iterator[tuple[int, str]]:
    """Return (line, text) of the comments and messages of a JavaScript file."""
    for number, line in enumerate(source.split("\n"), 1):
        for text in re.findall(r"//.*|\"[^\"]*\"|'[^']*'|`[^`]*`", line):
            if " " in text.strip("`\"'/ "):
                yield number, text.strip("`")


def markdown_texts(source: str) -> Iterator[tuple[int, str]]:
    """Return the file as one text."""
    yield 1, source


READERS: dict[str, Callable[[str], Iterator[tuple[int, str]]]] = {
    ".py": python_texts,
    ".html": page_texts,
    ".js": script_texts,
    ".md": markdown_texts,
}


def files() -> list[Path]:
    """Return every file whose texts are read."""
    patterns = ("astrid_assets/**/*.py", *PAGES, *TEXTS)
    found = {path for pattern in patterns for path in ROOT.glob(pattern)}
    return sorted(p for p in found if not p.relative_to(ROOT).as_posix().startswith(GENERATED))


def exceptions() -> list[Allowed]:
    """Return the allowed uses."""
    return [Allowed(**row) for row in tomllib.loads(EXCEPTIONS.read_text())["allowed"]]


def check(allowed: list[Allowed]) -> list[Finding]:
    """Return what is neither clean nor allowed; marks the exceptions that were used."""
    left = []
    for path in files():
        file = path.relative_to(ROOT).as_posix()
        for line, text in READERS[path.suffix](path.read_text()):
            for finding in findings_in(text, line, file):
                covering = [exception for exception in allowed if exception.covers(finding)]
                for exception in covering:
                    exception.used = True
                if not covering:
                    left.append(finding)
    return sorted(left, key=lambda f: (f.file, f.line))


def main() -> int:
    """Print the findings; 1 if there are any."""
    found = check(exceptions())
    for finding in found:
        print(finding)  # noqa: T201  a command's output
    return 1 if found else 0


if __name__ == "__main__":
    sys.exit(main())
