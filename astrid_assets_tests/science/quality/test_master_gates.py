"""Gates of master frames: there or not, and whether their members agree."""

from __future__ import annotations

import pytest

from astrid_assets.science.quality.master_gates import MAX_CLIPPED_FRACTION, master_quality


def test_frames_without_a_master_fail_the_first_gate():
    exists, agrees = master_quality("flat", {}, 3)
    assert not exists.passed
    assert exists.value == 3
    assert "3 light frames have no master flat" in exists.detail
    assert agrees.passed  # of nothing there is nothing to say


def test_the_worst_master_decides_whether_members_agree():
    masters = {"r": (MAX_CLIPPED_FRACTION / 2, "5 frames"), "g": (0.3, "4 frames")}
    exists, agrees = master_quality("flat", masters, 0)
    assert exists.passed
    assert not agrees.passed
    assert agrees.value == pytest.approx(0.3)
    assert "g: 4 frames" in agrees.detail


def test_what_no_frame_needs_is_not_missed():
    exists, agrees = master_quality("dark", {}, 0)
    assert exists.passed
    assert agrees.passed
    assert "needed" in exists.detail
