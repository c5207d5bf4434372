"""Texts use the field's plain words, and the search for the others finds them."""

import pytest

from astrid_assets_tests import plain_english
from astrid_assets_tests.plain_english import (
    Allowed,
    check,
    exceptions,
    findings_in,
    page_texts,
    python_texts,
    script_texts,
)


def words_of(texts: list[tuple[int, str]]) -> list[tuple[int, str]]:
    return [
        (found.line, found.word)
        for line, text in texts
        for found in findings_in(text, line, "a file")
    ]


@pytest.mark.slow
def test_no_text_uses_a_word_to_avoid() -> None:
    assert [str(finding) for finding in check(exceptions())] == []


@pytest.mark.slow
def test_every_exception_is_used_and_has_its_reason() -> None:
    allowed = exceptions()
    check(allowed)
    assert [exception for exception in allowed if not exception.used] == []
    assert all(len(exception.reason.split()) > 2 for exception in allowed)


def test_an_exception_holds_for_its_word_in_its_file_only() -> None:
    allowed = Allowed("a/*.py", "register(ed)?", "aligned with the reference")
    found = list(findings_in("Registered at one place.", 1, "a/b.py"))
    assert [allowed.covers(finding) for finding in found] == [True, False]
    elsewhere = list(findings_in("Registered.", 1, "c/b.py"))
    assert [allowed.covers(finding) for finding in elsewhere] == [False]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("The place of a star.", ["place"]),
        ("The night is held\nback.", ["held back"]),
        ("What it says of the sky is told.", ["says of", "told"]),
        ("Of the light that falls.", ["Of"]),
        ("Kept. Of each night the worst.", ["Of"]),
        ("Written in place; the night takes its place.", []),
        ("To five decimal places, in `place` and ``told``.", []),
        ("The fraction of the light; the misplaced replacement.", []),
    ],
)
def test_words_are_found_and_idioms_and_names_are_not(text: str, words: list[str]) -> None:
    assert [found.word for found in findings_in(text, 1, "a file")] == words


def test_python_is_read_in_comments_docstrings_and_messages_but_not_in_keys() -> None:
    source = (
        '"""A door\n\nand\nits lot."""\n'
        "# held\n"
        "# back\n"
        'place = {"place": f"{door} of strangers"}  # a wish\n'
    )
    assert sorted(words_of(list(python_texts(source)))) == [
        (1, "door"),
        (4, "lot"),
        (5, "held back"),
        (7, "strangers"),
        (7, "wish"),
    ]


def test_pages_are_read_in_what_they_show() -> None:
    page = '<p class="place">{{ place.ra }}\n the people <img alt="a door"></p>'
    assert sorted(words_of(list(page_texts(page)))) == [(2, "door"), (2, "people")]


def test_scripts_are_read_in_comments_and_messages() -> None:
    script = 'const place = item["place"];\nsay("no such place"); // it is told'
    assert sorted(words_of(list(script_texts(script)))) == [(2, "place"), (2, "told")]


def test_every_kind_of_file_is_read() -> None:
    kinds = {path.suffix for path in plain_english.files()}
    assert kinds == {".py", ".html", ".js", ".md"}
