"""Files that belong to no night, counted in one sentence."""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.science.reasons import ReasonCode

if TYPE_CHECKING:
    from collections.abc import Mapping

WORDS = {
    ReasonCode.EMPTY_FILE: "empty",
    ReasonCode.UNREADABLE: "not readable as FITS",
    ReasonCode.TRUNCATED: "cut off",
    ReasonCode.TOO_LARGE: "too large",
    ReasonCode.NO_IMAGE: "without an image",
    ReasonCode.NO_DATE: "without a date",
    ReasonCode.NOT_2D: "of other than two axes",
    ReasonCode.TOO_SMALL: "too small",
    ReasonCode.FILE_UNAVAILABLE: "that cannot be read",
    ReasonCode.NOT_A_FILE: "that are no regular files",
    ReasonCode.BAD_NAME: "with a name that cannot be printed",
}
"""What follows the number of files, by the reason they are refused for."""

UNKNOWN = "for a reason that was not kept"


def files_without_a_night(counts: Mapping[str, int]) -> str:
    """Return how many files have no night and why, or an empty text for none.

    Parameters
    ----------
    counts
        Files by the code of their reason; ``""`` where none is known.

    Returns
    -------
    sentence
        Such as ``14 files without a night: 2 empty, 5 not readable as FITS,
        7 without a date``, the reasons in the order of `WORDS`, then by their code.
    """
    total = sum(counts.values())
    if not total:
        return ""
    known = [(word, counts[code]) for code, word in WORDS.items() if counts.get(code)]
    others = [
        (code.replace("_", " ") if code else UNKNOWN, counts[code])
        for code in sorted(set(counts) - set(WORDS))
        if counts[code]
    ]
    parts = ", ".join(f"{number} {word}" for word, number in [*known, *others])
    return f"{total} {'file' if total == 1 else 'files'} without a night: {parts}"
