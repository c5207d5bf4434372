"""Of a chain of errors our own sentence is what a person reads, and where it happened."""

from __future__ import annotations

import errno
import sys
from itertools import pairwise
from typing import TYPE_CHECKING

import dagster as dg
import pytest
from dagster._utils.error import serializable_error_info_from_exc_info

from astrid_assets.compute import Compute, WorkerDied
from astrid_assets.failures import (
    classes_of,
    in_words,
    known_failures,
    names_of,
    sentence_of,
    services,
    words_of,
)
from astrid_assets.resources.variables import BadEnvironment
from astrid_assets.steps.locations import located, located_outcomes, location_of
from astrid_assets.storage.objects.store_errors import ObjectMissing, StoreUnavailable

if TYPE_CHECKING:
    from dagster_shared.error import SerializableErrorInfo


def recorded(*chain: Exception) -> SerializableErrorInfo:
    """Return what a run keeps of exceptions, each raised from the next."""
    for outer, cause in pairwise(chain):
        outer.__cause__ = cause
    try:
        raise chain[0]  # noqa: TRY301  only what is raised has a traceback
    except Exception:  # noqa: BLE001  whatever it is
        return serializable_error_info_from_exc_info(sys.exc_info())


FULL = StoreUnavailable("/data: the disk is full: free space there")


@pytest.mark.parametrize(
    ("chain", "sentence"),
    [
        ([RuntimeError("step"), FULL, OSError(28, "No space left")], str(FULL)),
        ([RuntimeError("step"), ObjectMissing("a.b", "/s"), FULL], str(ObjectMissing("a.b", "/s"))),
        ([BadEnvironment("A must be 1", "B must be 2")], "A must be 1; B must be 2"),
        ([RuntimeError("step"), dg.Failure("label more"), KeyError("x")], "label more"),
        ([RuntimeError("step"), ValueError("inner")], "ValueError: inner"),
    ],
)
def test_the_outermost_known_failure_speaks_else_the_innermost_cause(chain, sentence):
    assert sentence_of(recorded(*chain)) == sentence


def test_a_failure_that_is_only_the_context_of_another_is_found():
    other = RuntimeError("cleaning up")
    other.__context__ = FULL
    assert sentence_of(recorded(other)) == str(FULL)


def test_a_full_disk_that_nobody_translated_still_says_what_to_do():
    error = OSError(errno.ENOSPC, "No space left on device", "/home/x")
    assert "the disk is full; free space there" in sentence_of(recorded(error))
    assert "the disk is full; free space there" in str(words_of(error))
    assert words_of(OSError(errno.EACCES, "no", "/home/x")) is None


def fail_on_two(number: int) -> int:
    if number == 2:
        raise StoreUnavailable("/data: the disk is full") from OSError(28, "No space left")
    return number


@pytest.mark.slow
@pytest.mark.parametrize("workers", [1, 2])
def test_the_sentence_and_the_place_survive_the_way_from_a_worker(workers):
    compute = Compute("processes" if workers > 1 else "serial", workers)
    with pytest.raises(StoreUnavailable) as caught:
        located_outcomes("s", "2025-03-01", [1, 2], compute.map(fail_on_two, [1, 2]))
    error = recorded(RuntimeError("step"), caught.value)
    assert sentence_of(error) == "s 2025-03-01: /data: the disk is full"
    assert "StoreUnavailable" in classes_of(error)


class Frame:
    """A task of a step, which names its file."""

    path = "lights/a.fits"


def test_an_error_names_the_closest_place_once():
    night, frame = located("s", "2025-03-01"), located("s", "2025-03-01", "lights/a.fits")
    with pytest.raises(KeyError) as caught, night, frame:
        raise KeyError("x")
    assert location_of(caught.value) == "s 2025-03-01, lights/a.fits"
    assert sentence_of(recorded(caught.value)) == "s 2025-03-01, lights/a.fits: KeyError: 'x'"


def test_a_worker_that_died_blames_no_single_frame():
    def outcomes():
        yield 1
        raise WorkerDied("memory ran out")

    with pytest.raises(WorkerDied) as caught:
        located_outcomes("s", "2025-03-01", [Frame(), Frame()], outcomes())
    assert location_of(caught.value) == "s 2025-03-01"


def test_a_step_ends_with_the_sentence_and_its_place():
    with pytest.raises(dg.Failure) as caught, in_words("s 2025-03-01 to 2025-03-04"):
        raise FULL
    assert caught.value.description == f"s 2025-03-01 to 2025-03-04: {FULL}"
    assert caught.value.metadata["failure"].value == "StoreUnavailable"
    with pytest.raises(KeyError), in_words("s"):
        raise KeyError("x")


def test_what_is_made_from_a_known_failure_is_known_too():
    assert "ObjectMissing" in names_of(known_failures())
    assert "ObjectMissing" not in names_of(services())
    assert names_of(services()) <= names_of(known_failures())
