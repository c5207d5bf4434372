"""A reference is read and prepared once for the frames of a night."""

from __future__ import annotations

import copy

import numpy as np
import pytest

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.simulation.pair import simulate_pair
from astrid_assets.steps.reference_frames.reading import reference_frame
from astrid_assets.storage.fits.frames import frame_from_fits, frame_to_fits
from astrid_assets.storage.objects.object_store import open_object_store


@pytest.fixture(autouse=True)
def _nothing_read():
    reference_frame.cache_clear()
    yield
    reference_frame.cache_clear()


def test_the_last_reference_stays_for_every_copy_of_the_store(tmp_path):
    store = open_object_store(str(tmp_path))
    pair = simulate_pair(1, (160, 160), n_transients=0)
    one = store.put("one", frame_to_fits(pair.science, None), ".fits")
    other = store.put("other", frame_to_fits(pair.reference, None), ".fits")
    found = reference_frame(store, one)
    assert found.frame.frame_id == pair.science.frame_id
    # A task brings its own copy of the store to a worker.
    assert reference_frame(copy.copy(store), one) is found
    assert reference_frame(store, other) is not found
    assert reference_frame.cache_info().currsize == 1


@pytest.mark.slow
def test_what_was_measured_for_one_frame_serves_the_next(tmp_path):
    """The second frame gets the very difference that it gets alone."""
    store = open_object_store(str(tmp_path))
    pair = simulate_pair(2, (320, 320))
    key = store.put("reference", frame_to_fits(pair.reference, None), ".fits")
    reference = reference_frame(store, key)
    settings = DifferencingSettings()
    first, second = (subtract(pair.science, reference, settings) for _ in range(2))
    alone = subtract(pair.science, frame_from_fits(store.get(key)), settings)
    for found in (first, second):
        assert np.array_equal(found.score, alone.score)
        assert np.array_equal(found.registered_reference, alone.registered_reference)
