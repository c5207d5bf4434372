"""The lint of docstrings: what public functions raise stands under Raises."""

import pytest

from astrid_assets_tests.lint_docstrings import ROOT, findings, undocumented_raises

DOCUMENTED = '''
def stack(frames):
    """Stack.

    Raises
    ------
    NoFrames, ShapeMismatch
        If there is nothing to stack.
    """
    if not frames:
        raise NoFrames("none")
    raise ShapeMismatch(1, 2)
'''


def missing(source: str) -> list[tuple[str, str]]:
    return [(name, error) for _, name, error in undocumented_raises(source)]


@pytest.mark.slow
def test_the_docstrings_of_science_are_complete() -> None:
    assert findings(ROOT) == []


def test_documented_exceptions_are_no_finding() -> None:
    assert missing(DOCUMENTED) == []


def test_an_exception_that_raises_does_not_name_is_found_with_its_function_and_line() -> None:
    source = DOCUMENTED.replace("NoFrames, ShapeMismatch", "NoFrames")
    assert undocumented_raises(source) == [(2, "stack", "ShapeMismatch")]


def test_methods_are_read_like_functions() -> None:
    source = (
        'class Masters:\n    def shape(self):\n        """Return."""\n        raise NoFrames("x")\n'
    )
    assert missing(source) == [("shape", "NoFrames")]


def test_private_functions_are_followed_for_failures_of_the_data_alone() -> None:
    source = (
        "def stack():\n    return _inner()\n"
        "def _inner():\n    for i in x:\n        _deeper()\n"
        'def _deeper():\n    if x:\n        raise NoFrames("x")\n    raise ValueError("a fault")\n'
    )
    assert missing(source) == [("stack", "NoFrames")]


def test_an_exception_made_by_a_private_function_has_the_class_it_returns() -> None:
    source = "def solve():\n    raise _unsolved()\ndef _unsolved() -> FrameRejected:\n    ...\n"
    assert missing(source) == [("solve", "FrameRejected")]


def test_what_is_caught_is_not_raised() -> None:
    source = (
        "def measure():\n    try:\n        _inner()\n    except TooFewStars:\n        pass\n"
        'def _inner():\n    raise TooFewStars("PSF")\n    raise NoFrames("x")\n'
    )
    assert missing(source) == [("measure", "NoFrames")]
    assert missing(source.replace("except TooFewStars", "except ScienceError")) == []
