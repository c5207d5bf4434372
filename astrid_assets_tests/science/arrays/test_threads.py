"""Bands cover every row once, and what goes wrong in one is heard."""

import multiprocessing
import threading
import time

import numpy as np
import pytest

from astrid_assets.science.arrays.threads import in_bands, set_threads, side_by_side, threads


@pytest.fixture
def cores():
    """Let a test say how many threads there are, and put it back."""
    before = threads()
    yield set_threads
    set_threads(before)


@pytest.mark.parametrize("number", [1, 2, 3, 7])
@pytest.mark.parametrize("rows", [0, 1, 63, 64, 500, 1001])
def test_every_row_is_done_exactly_once(cores, number, rows):
    cores(number)
    done = np.zeros(rows, dtype=int)

    def count(first: int, last: int) -> None:
        done[first:last] += 1

    in_bands(count, rows)
    assert (done == 1).all()


def test_an_error_in_one_band_is_raised(cores):
    cores(4)

    def fail(first: int, last: int) -> None:
        if last == 1000:
            raise ValueError(f"rows {first} to {last}")

    with pytest.raises(ValueError, match="to 1000"):
        in_bands(fail, 1000)


@pytest.mark.slow
@pytest.mark.parametrize("number", [1, 2, 5])
def test_results_come_in_the_order_of_the_items(cores, number):
    cores(number)

    def slow(item: int) -> int:
        time.sleep(0.001 * (7 - item % 7))
        return item * item

    assert side_by_side(slow, iter(range(40))) == [i * i for i in range(40)]
    assert side_by_side(slow, []) == []


def test_a_loop_within_a_loop_ends(cores):
    cores(3)
    total = side_by_side(lambda i: sum(side_by_side(lambda k: k * i, range(5))), range(20))
    assert total == [10 * i for i in range(20)]


def test_several_callers_share_the_helpers(cores):
    cores(2)
    found = {}

    def call(which: int) -> None:
        found[which] = side_by_side(lambda i: i + which, range(30))

    callers = [threading.Thread(target=call, args=(n,)) for n in range(6)]
    for caller in callers:
        caller.start()
    for caller in callers:
        caller.join(timeout=30)
    assert found == {n: [i + n for i in range(30)] for n in range(6)}


def _squares(results) -> None:
    results.put(side_by_side(lambda i: i * i, range(50)))


@pytest.mark.filterwarnings("ignore:.*fork.*:DeprecationWarning")
def test_a_forked_process_has_helpers_of_its_own(cores):
    cores(2)
    side_by_side(lambda i: i, range(10))
    context = multiprocessing.get_context("fork")
    results = context.Queue()
    child = context.Process(target=_squares, args=(results,))
    child.start()
    assert results.get(timeout=30) == [i * i for i in range(50)]
    child.join(timeout=30)


def test_fewer_than_one_thread_is_one(cores):
    cores(0)
    assert threads() == 1
