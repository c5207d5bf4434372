"""Sparklines: small enough to be shown inline, with every point in its place."""

from __future__ import annotations

import base64
import re
import xml.etree.ElementTree as ET  # the test's own output is parsed

import numpy as np

from astrid_assets.pictures.sparklines import (
    HEIGHT,
    MAX_POINTS,
    WIDTH,
    light_curve_sparkline,
)

INLINE_LIMIT = 1000  # characters of markdown that Dagster shows without a click


def points(svg: bytes) -> list[tuple[int, int]]:
    path = ET.fromstring(svg).findall("{http://www.w3.org/2000/svg}path")[1]  # noqa: S314  our own
    return [(int(x), int(y)) for x, y in re.findall(r"M(\d+) (\d+)", path.attrib["d"])]


def test_a_rising_source_rises():
    drawn = points(light_curve_sparkline([1.0, 2.0, 3.0], [10.0, 20.0, 30.0]))
    assert [x for x, _ in drawn] == sorted(x for x, _ in drawn)
    heights = [HEIGHT - y for _, y in drawn]
    assert heights == sorted(heights)


def test_the_longest_curve_is_shown_inline(rng):
    flux = rng.normal(size=300) * 1e5
    svg = light_curve_sparkline(np.arange(300).tolist(), flux.tolist())
    assert len(points(svg)) == MAX_POINTS
    assert len(base64.b64encode(svg)) + 60 < INLINE_LIMIT


def test_every_point_lies_inside(rng):
    for _ in range(20):
        flux = (rng.normal(size=5) * 1e4).tolist()
        for x, y in points(light_curve_sparkline([1, 2, 3, 4, 5], flux)):
            assert 0 <= x <= WIDTH
            assert 0 <= y <= HEIGHT


def test_a_single_point_and_a_constant_are_drawn():
    assert len(points(light_curve_sparkline([5.0], [3.0]))) == 1
    assert len(points(light_curve_sparkline([5.0, 6.0], [0.0, 0.0]))) == 2
