"""What measurements add to what the pixels say."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from astrid_assets.learning.augmentation import hide_measurements
from astrid_assets.learning.settings import AugmentationSettings, NetworkSettings
from astrid_assets.learning.unet import LIMIT_SPREADS, CandidateHead
from astrid_assets.science.detection.measurements import MEASUREMENTS

EVERY = list(MEASUREMENTS)
PIXELS = torch.tensor([-2.0, 0.0, 3.0])


def trained(names=EVERY) -> CandidateHead:
    """A head whose last layer is no longer zero."""
    torch.manual_seed(3)
    head = CandidateHead(names)
    for parameter in head.parameters():
        torch.nn.init.normal_(parameter, std=0.2)
    return head.eval()


def measured(rng, n=3) -> torch.Tensor:
    return torch.from_numpy(rng.normal(size=(n, len(EVERY))).astype(np.float32))


def test_a_new_one_says_what_the_pixels_say(rng):
    assert torch.equal(CandidateHead(EVERY)(PIXELS, measured(rng)), PIXELS)
    assert torch.equal(CandidateHead([])(PIXELS, measured(rng)), PIXELS)


def test_nothing_measured_is_not_zero_measured():
    head = trained()
    nothing = head(PIXELS, None)
    nans = torch.full((3, len(EVERY)), torch.nan)
    assert torch.equal(nothing, head(PIXELS, nans))
    assert not torch.equal(nothing, head(PIXELS, torch.zeros_like(nans)))


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf, 3e38])
def test_what_is_no_number_counts_as_not_measured(bad, rng):
    head = trained()
    some, other = measured(rng), measured(rng)
    other[:] = some
    some[1, 4], other[1, 4] = bad, torch.nan
    assert torch.equal(head(PIXELS, some), head(PIXELS, other))
    assert torch.isfinite(head(PIXELS, some)).all()


def test_the_scale_is_that_of_the_training_rows(rng):
    head = CandidateHead(["fwhm_px", "edge"])
    rows = np.full((20_000, len(EVERY)), np.nan, dtype=np.float32)
    rows[:, EVERY.index("fwhm_px")] = rng.normal(4.0, 0.5, len(rows))
    rows[::2, EVERY.index("fwhm_px")] = np.nan
    rows[:, EVERY.index("edge")] = 30.0  # the same everywhere
    head.learn_scale(rows)
    assert head.middle.tolist() == pytest.approx([4.0, 30.0], abs=0.03)
    assert head.spread.tolist() == pytest.approx([0.5, 1.0], abs=0.03)


def test_outliers_count_no_more_than_the_limit(rng):
    head = trained()
    far, further = measured(rng), measured(rng)
    further[:] = far
    far[0, 2], further[0, 2] = 1.5 * LIMIT_SPREADS, 1e6
    assert torch.equal(head(PIXELS, far), head(PIXELS, further))


def test_a_network_sees_the_measurements_it_was_given(rng):
    head = trained(["edge"])
    some, other = measured(rng), measured(rng)
    other[:, EVERY.index("edge")] = some[:, EVERY.index("edge")]
    assert torch.equal(head(PIXELS, some), head(PIXELS, other))
    other[:, EVERY.index("edge")] += 1
    assert not torch.equal(head(PIXELS, some), head(PIXELS, other))


@pytest.mark.parametrize(
    ("names", "sentence"),
    [(["colour"], "nothing measured is called 'colour'"), (["edge", "edge"], "named twice")],
)
def test_other_names_are_refused(names, sentence):
    with pytest.raises(ValueError, match=sentence):
        NetworkSettings(measurements=names)


def test_some_cutouts_are_shown_without_measurements(rng):
    some = measured(rng, 4000)
    generator = torch.Generator().manual_seed(1)
    found = hide_measurements(some, generator, AugmentationSettings(unmeasured=0.25))
    hidden = torch.isnan(found).all(dim=1)
    assert hidden.float().mean().item() == pytest.approx(0.25, abs=0.03)
    assert torch.equal(found[~hidden], some[~hidden])
