"""The cross-check of a night: which frames, what is kept, what a failure says."""

from __future__ import annotations

from dataclasses import replace
from typing import TYPE_CHECKING

import numpy as np
import pytest

from astrid_assets.science.differencing.kernel_fit import MIN_STARS
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.simulation.pair import SimulatedPair, simulate_pair
from astrid_assets.science.stars.measurement import empty_stars
from astrid_assets.steps.difference_images.cross_check import (
    CheckTask,
    check_frame,
    check_tasks,
    disagreement,
)
from astrid_assets.steps.difference_images.subtract import SubtractOutcome, subtract_frame
from astrid_assets.steps.difference_images.task import SubtractTask
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.fits.frames import frame_to_fits
from astrid_assets.storage.objects.object_store import FolderObjectStore

if TYPE_CHECKING:
    from pathlib import Path

SETTINGS = DifferencingSettings.model_validate({})


def task_of(
    folder: Path,
    pair: SimulatedPair,
    number: int = 0,
    group: tuple[str, str] = ("f", "r"),
    settings: DifferencingSettings = SETTINGS,
) -> SubtractTask:
    store = FolderObjectStore(folder / "store")
    science, reference = (
        store.put(frame.frame_id, frame_to_fits(frame, empty_stars()), ".fits")
        for frame in (pair.science, pair.reference)
    )
    return SubtractTask(
        store=store,
        survey="s",
        night="2025-03-04",
        observation_id=f"o{number}",
        group=group,
        reference_id="r",
        reason=None,
        settings=settings,
        frame_key=science,
        reference_key=reference,
        settings_hash="hash",
    )


def pair_of(**options: float) -> SimulatedPair:
    usual = {"stars_per_mpx": 4000.0, "n_transients": 6, "snr_range": (15.0, 40.0)}
    return simulate_pair(4, (256, 256), **(usual | options))  # type: ignore[arg-type]  # a name decides the type


def done(task: SubtractTask) -> tuple[SubtractOutcome, CheckTask]:
    outcome = subtract_frame(task)
    [check] = check_tasks([task], [outcome.row]).values()
    return outcome, check


def row_of(task: SubtractTask, status: str) -> DifferenceRun:
    return DifferenceRun(
        id=f"difference of {task.observation_id}",
        observation_id=task.observation_id,
        settings_hash=task.settings_hash,
        method=task.settings.method,
        is_current=True,
        status=status,
        reasons=[],
        flags=[],
        difference_key="d",
        subtracted_at=now(),
    )


@pytest.mark.slow
def test_the_first_accepted_frame_of_each_group_is_checked(tmp_path: Path) -> None:
    pair = pair_of()
    groups = [("a", "r"), ("a", "r"), ("a", "r"), ("b", "r"), ("a", "g")]
    tasks = [task_of(tmp_path, pair, n, group) for n, group in enumerate(groups)]
    status = ["rejected", "accepted", "accepted", "accepted", "rejected"]
    rows = [row_of(task, word) for task, word in zip(tasks, status, strict=True)]
    chosen = check_tasks(tasks, rows)
    assert list(chosen) == ["o1", "o3"]
    assert [check.with_picture for check in chosen.values()] == [True, False]


@pytest.mark.slow
def test_switched_off_it_costs_nothing(tmp_path: Path) -> None:
    off = SETTINGS.model_copy(update={"cross_check": False})
    task = task_of(tmp_path, pair_of(), settings=off)
    assert check_tasks([task], [row_of(task, "accepted")]) == {}


@pytest.mark.slow
def test_a_good_pair_gives_numbers_and_a_picture(tmp_path: Path) -> None:
    task = task_of(tmp_path, pair_of())
    _, check = done(task)
    numbers, picture = check_frame(check)
    assert numbers["flux_ratio"] == pytest.approx(1, abs=0.02)
    assert picture is not None
    assert task.store.get(picture).startswith(b"\x89PNG")
    assert disagreement(numbers, SETTINGS) == ()
    assert check_frame(replace(check, with_picture=False)) == (numbers, None)


@pytest.mark.slow
def test_a_difference_the_other_method_contradicts_is_flagged(tmp_path: Path) -> None:
    pair = pair_of()
    wide = pair_of(reference_fwhm_px=2.7 * 1.3)
    wrong = replace(pair.reference, psf=wide.reference.psf)
    _, check = done(task_of(tmp_path, replace(pair, reference=wrong)))
    numbers, _ = check_frame(check)
    [flag] = disagreement(numbers, SETTINGS)
    assert flag.code == "methods_disagree"
    assert flag.measurements["star_difference"] > SETTINGS.max_method_difference


@pytest.mark.slow
def test_a_pair_the_kernel_cannot_do_is_told_as_that(tmp_path: Path) -> None:
    # ZOGY needs stars anywhere, the kernel whole stamps: all but a rim is masked.
    pair = pair_of(stars_per_mpx=12_000.0)
    mask = pair.science.mask.copy()
    mask[20:-20, 20:-20] |= np.uint16(MaskBit.NO_DATA)
    pair = replace(pair, science=replace(pair.science, mask=mask))
    outcome, check = done(task_of(tmp_path, pair))
    assert (outcome.row.n_stars or 0) >= MIN_STARS
    numbers, picture = check_frame(check)
    assert "matching kernel" in str(numbers["failure"])
    assert picture is None
    assert disagreement(numbers, SETTINGS) == ()


@pytest.mark.slow
def test_too_few_stars_are_counted_in_the_row(tmp_path: Path) -> None:
    row = subtract_frame(task_of(tmp_path, pair_of(stars_per_mpx=50.0))).row
    assert row.status == "rejected"
    assert isinstance(row.n_stars, int)
    assert row.n_stars < SETTINGS.min_stars
