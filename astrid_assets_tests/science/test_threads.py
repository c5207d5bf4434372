"""Bands cover every row once, and what goes wrong in one is heard."""

import numpy as np
import pytest

from astrid_assets.science.threads import in_bands, set_threads, threads


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


def test_fewer_than_one_thread_is_one(cores):
    cores(0)
    assert threads() == 1
