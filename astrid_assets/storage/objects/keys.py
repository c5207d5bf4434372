"""Keys of objects: ``<prefix>.<first 32 hex digits of the SHA-256><suffix>``.

What is allowed in them works in a folder of any file system and in any bucket, and
can never name anything outside the store.
"""

from __future__ import annotations

import re

HASH_DIGITS = 32  # of the SHA-256: 128 bits, no collision by chance
KEY = re.compile(r"\.([0-9a-f]{32})((?:\.[A-Za-z0-9]{1,16})*)\Z")
SEGMENT = re.compile(r"[A-Za-z0-9_+=-][A-Za-z0-9._+=-]{0,199}")
SUFFIX = re.compile(r"(?:\.[A-Za-z0-9]{1,16})*")


def content_key(prefix: str, sha256: str, suffix: str) -> str:
    """Return the key of content with this hash below a prefix.

    Raises
    ------
    ValueError
        If the prefix or suffix could leave the store or is not portable.
    """
    check_prefix(prefix)
    if not SUFFIX.fullmatch(suffix):
        raise ValueError(f"{suffix!r} is no suffix of a key, like '.fits' or ''")
    return f"{prefix}.{sha256[:HASH_DIGITS]}{suffix}"


def hash_in(key: str) -> str:
    """Return the hash a key holds; ValueError when it is no key of ours."""
    found = KEY.search(key)
    if not found:
        raise ValueError(f"{key!r} is no key of an object: it holds no hash")
    check_prefix(key[: found.start()])
    return found[1]


def check_prefix(prefix: str) -> None:
    """Raise ValueError unless a prefix is portable and stays in the store."""
    if not all(SEGMENT.fullmatch(part) for part in prefix.split("/")):
        raise ValueError(
            f"{prefix!r} is no prefix of a key: parts of letters, digits and ._+=-, "
            "separated by single slashes, none starting with a dot"
        )
