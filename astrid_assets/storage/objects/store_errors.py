"""What can go wrong with an object store, each with its remedy.

::

    StoreError
    ├── ObjectMissing      nothing is kept under this key
    ├── ObjectCorrupt      the bytes are not those that were put
    └── StoreUnavailable   the store as a whole: full, read-only, unreachable, refused

`store_error` turns what the client library raises into these; no message holds a secret.
"""

from __future__ import annotations

import errno
import re

from obstore.exceptions import (
    BaseError,
    PermissionDeniedError,
    UnauthenticatedError,
)

CLIENT_ERRORS = (BaseError, OSError)
"""What the client library raises when a store does not do its work."""

OS_ERROR = re.compile(r"os error (\d+)")
STATUS = re.compile(r"status code: (\d{3})")
S3_CODE = re.compile(r"<Code>(\w+)</Code>")
MAX_DETAIL = 300  # characters; the library appends pages of debug output

FOLDER_REMEDIES = {
    errno.ENOSPC: "the disk is full: free space there or move the store to another "
    "disk (ASTRID_STORE_URL)",
    errno.EDQUOT: "the disk quota is used up: free space there or move the store to "
    "another disk (ASTRID_STORE_URL)",
    errno.EFBIG: "the file system takes no file of this size: move the store to "
    "another disk (ASTRID_STORE_URL)",
    errno.EROFS: "the disk is mounted read-only: mount it writable or point "
    "ASTRID_STORE_URL elsewhere",
    errno.EACCES: "no permission: let this user write there or point ASTRID_STORE_URL elsewhere",
    errno.EPERM: "no permission: let this user write there or point ASTRID_STORE_URL elsewhere",
    errno.ENOTDIR: "a part of that path is a file: point ASTRID_STORE_URL at a folder",
    errno.EEXIST: "that path is a file: point ASTRID_STORE_URL at a folder",
    errno.EISDIR: "a folder stands where an object should be: move that folder, not the "
    "store, away",
    errno.ENOENT: "that folder does not exist and cannot be made: point "
    "ASTRID_STORE_URL at a folder that can",
    errno.ENAMETOOLONG: "the path is too long for this file system: use a shorter "
    "folder (ASTRID_STORE_URL)",
    errno.EIO: "the disk reports read or write errors: check it before going on",
}


class StoreError(Exception):
    """An object store did not do what it was asked; the message has the remedy."""


class ObjectMissing(StoreError):
    """Nothing is kept under this key."""

    def __init__(self, key: str, url: str) -> None:
        super().__init__(f"no object {key} in {url}; `astrid doctor --verify --fix` makes it again")
        self.key = key
        self.url = url

    def __reduce__(self) -> tuple[type[ObjectMissing], tuple[str, str]]:
        """Travel between processes with the arguments it was made from."""
        return type(self), (self.key, self.url)


class ObjectCorrupt(StoreError):
    """The bytes kept under a key are not those that were put there."""


class StoreUnavailable(StoreError):
    """The store as a whole cannot be used: full, read-only, unreachable, refused."""


def store_error(error: Exception, url: str, key: str = "", *, secret: str = "") -> StoreError:
    """Return the error of ours that says what a client's error means.

    Parameters
    ----------
    error
        One of `CLIENT_ERRORS`.
    url
        Address of the store, without credentials.
    key
        The object that was asked for, if any.
    secret
        Blotted out should a server repeat it.
    """
    text = str(error)
    code = S3_CODE.search(text)
    if code and code[1] == "NoSuchBucket":
        return StoreUnavailable(
            f"the bucket of {url} does not exist: create it, or correct "
            "ASTRID_STORE_URL (or ASTRID_S3_ENDPOINT)"
        )
    if isinstance(error, FileNotFoundError) and key:
        return ObjectMissing(key, url)
    if url.startswith("s3://"):
        return StoreUnavailable(f"{url}: {_s3_remedy(error, text, secret)}")
    return StoreUnavailable(f"{url}: {_folder_remedy(error, text)}")


def _folder_remedy(error: Exception, text: str) -> str:
    number = getattr(error, "errno", None)
    found = OS_ERROR.search(text)
    if found:
        number = int(found[1])
    if isinstance(error, PermissionDeniedError | PermissionError) and number is None:
        number = errno.EACCES
    remedy = FOLDER_REMEDIES.get(number) if number is not None else None
    if number == errno.EISDIR:
        return f"{remedy} ({_detail(text)})"
    return remedy or f"cannot be used: {_detail(text)}"


def _s3_remedy(error: Exception, text: str, secret: str) -> str:
    code = S3_CODE.search(text)
    status = STATUS.search(text)
    refused = isinstance(error, PermissionDeniedError | UnauthenticatedError | PermissionError) or (
        status is not None and status[1] in {"401", "403"}
    )
    if refused:
        name = f" ({code[1]})" if code else ""
        return (
            f"access refused{name}: check AWS_ACCESS_KEY_ID, AWS_SECRET_ACCESS_KEY "
            "and that this key may read and write the bucket"
        )
    if "169.254.169.254" in text or "credential" in text.lower():
        return "no credentials: set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"
    if status is not None and status[1].startswith("5"):
        return (
            f"the server fails (status {status[1]}), also when asked again: look at its log, "
            "or wait, and run the same command again"
        )
    # The client's text names its own retry_timeout, whatever went wrong.
    if re.search(r"Connect|dns error|(?i:(?<!retry_)timeout|timed ?out)", text):
        return (
            "the server does not answer: check ASTRID_S3_ENDPOINT, the network, and "
            "that the server runs"
        )
    if status is not None and status[1].startswith("3"):
        return "the server answers for another region: set ASTRID_S3_REGION to the bucket's region"
    return f"cannot be used: {_detail(text, secret)}"


def _detail(text: str, secret: str = "") -> str:
    first = text.split("\n", 1)[0][:MAX_DETAIL]
    return first.replace(secret, "***") if secret else first
