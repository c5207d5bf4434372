"""The frame loop gives the same results in the same order wherever it runs."""

from __future__ import annotations

import itertools
import os
import signal
import subprocess
import sys
import time

import pytest

from astrid_assets.compute import THREAD_VARIABLES, Compute, WorkerDied
from astrid_assets.science.arrays.threads import threads

BOTH = pytest.mark.parametrize(
    "compute", [Compute(), Compute("processes", 2)], ids=["serial", "processes"]
)


def square_slowly_at_first(number: int) -> int:
    time.sleep(0.05 if number == 0 else 0)
    return number**2


def refuse_three(number: int) -> int:
    if number == 3:
        raise ValueError("three is refused")
    return number


def die_at_two(number: int) -> int:
    if number == 2:
        os.kill(os.getpid(), signal.SIGKILL)
    return number


def process_id(_: int) -> int:
    time.sleep(0.02)
    return os.getpid()


def threads_allowed(_: int) -> list[str | None]:
    return [os.environ.get(name) for name in THREAD_VARIABLES]


def frame_threads(_: int) -> int:
    return threads()


@pytest.mark.slow
@BOTH
def test_results_come_in_the_order_of_the_items(compute: Compute) -> None:
    results = list(compute.map(square_slowly_at_first, range(20)))
    assert results == [n**2 for n in range(20)]


@BOTH
def test_no_items_give_no_results(compute: Compute) -> None:
    assert list(compute.map(square_slowly_at_first, [])) == []


@pytest.mark.slow
@BOTH
def test_an_error_arrives_at_the_item_that_raised_it(compute: Compute) -> None:
    results = compute.map(refuse_three, range(10))
    assert list(itertools.islice(results, 3)) == [0, 1, 2]
    with pytest.raises(ValueError, match="three is refused"):
        next(results)


@pytest.mark.slow
@BOTH
def test_items_are_taken_only_as_results_are(compute: Compute) -> None:
    taken = itertools.count()
    results = compute.map(square_slowly_at_first, taken)
    assert list(itertools.islice(results, 5)) == [0, 1, 4, 9, 16]
    assert next(taken) <= 5 + 2 * 2 + 1


@pytest.mark.slow
def test_the_work_is_shared_by_other_processes() -> None:
    ids = set(Compute("processes", 2).map(process_id, range(20)))
    assert os.getpid() not in ids
    assert len(ids) == 2


def test_frames_side_by_side_take_one_core_each() -> None:
    assert set(Compute("processes", 2).map(frame_threads, range(6))) == {1}
    assert list(Compute().map(frame_threads, [0])) == [len(os.sched_getaffinity(0))]


def test_one_worker_is_this_process() -> None:
    assert set(Compute("processes", 1).map(process_id, range(3))) == {os.getpid()}


def test_workers_have_one_thread_each() -> None:
    [allowed] = Compute("processes", 2).map(threads_allowed, [0])
    assert allowed == ["1"] * len(THREAD_VARIABLES)


@pytest.mark.slow
def test_a_killed_worker_is_told_and_the_next_loop_works() -> None:
    compute = Compute("processes", 2)
    with pytest.raises(WorkerDied, match="ASTRID_WORKERS"):
        list(compute.map(die_at_two, range(5)))
    assert list(compute.map(square_slowly_at_first, range(3))) == [0, 1, 4]


@pytest.mark.slow
def test_workers_end_with_a_killed_parent() -> None:
    script = (
        "import time\n"
        "from astrid_assets.compute import Compute\n"
        "from astrid_assets_tests.test_compute import process_id\n"
        "if __name__ == '__main__':\n"
        "    print(*set(Compute('processes', 2).map(process_id, range(20))), flush=1)\n"
        "    time.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", script], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    with parent.stdout:
        workers = [int(word) for word in parent.stdout.readline().split()]
    assert len(workers) == 2
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 10
    while any(is_alive(pid) for pid in workers) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not any(is_alive(pid) for pid in workers)


@pytest.mark.slow
def test_ray_gives_the_same_results() -> None:
    import ray

    compute = Compute("ray", 2)
    try:
        results = list(compute.map(square_slowly_at_first, range(20)))
        assert results == [n**2 for n in range(20)]
        with pytest.raises(ValueError, match="three is refused"):
            list(compute.map(refuse_three, range(10)))
        assert next(iter(compute.map(threads_allowed, [0]))) == ["1"] * 5
    finally:
        ray.shutdown()


@pytest.mark.parametrize("workers", [0, -1])
def test_no_workers_are_refused(workers: int) -> None:
    with pytest.raises(ValueError, match="at least one worker"):
        Compute("processes", workers)


def test_an_unknown_back_end_is_refused() -> None:
    with pytest.raises(ValueError, match="serial, processes, ray"):
        Compute("threads", 2)  # type: ignore[arg-type]  what is tested


def is_alive(pid: int) -> bool:
    """Return whether a process runs; one that only waits to be reaped does not."""
    try:
        with open(f"/proc/{pid}/stat") as stat:  # noqa: PTH123  no such path is fine
            return stat.read().rsplit(")", 1)[1].split()[0] != "Z"
    except FileNotFoundError:
        return False
