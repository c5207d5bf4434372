"""Sections: the same pixels however they are written."""

from __future__ import annotations

import pytest

from astrid_assets.science.errors import FrameRejected
from astrid_assets.surveys.fits.headers import HeaderView
from astrid_assets.surveys.fits.sections import section
from astrid_assets_tests.surveys.fits_files import header_of

SHAPE = (64, 80)


@pytest.mark.parametrize(
    "text",
    [
        "[65:80,1:64]",
        "[65:80,*]",
        "[80:65,64:1]",
        "[65:80:1,1:64:1]",
        "[80:65:-1,*]",
        "65 : 80 , 1 : 64",
        "[ 65:80, * ]",
    ],
)
def test_every_spelling_of_a_section_means_the_same_pixels(text: str) -> None:
    header = HeaderView(header_of({"BIASSEC": text}))
    assert section("header", "BIASSEC", header, SHAPE) == (slice(0, 64), slice(64, 80))


@pytest.mark.parametrize("text", ["[65:81,*]", "[0:5,*]", "[1:64:2,*]", "[*]", "[65-80,1-64]", ""])
def test_a_section_outside_the_image_or_of_every_second_pixel_is_refused(text: str) -> None:
    header = HeaderView(header_of({}))
    with pytest.raises(FrameRejected, match="section"):
        section(text, "BIASSEC", header, SHAPE)
