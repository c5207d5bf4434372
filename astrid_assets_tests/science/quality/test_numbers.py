"""Declared numbers: printed values never contradict the verdict; a code means one thing."""

from __future__ import annotations

import math
import re
from collections import defaultdict

import pytest
from hypothesis import given
from hypothesis import strategies as st

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.errors import Reason
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.numbers import (
    Limit,
    LimitSide,
    MeasuredNumber,
    Severity,
    reasons_and_flags,
)
from astrid_assets.science.quality.printing import as_html, printed, printed_limit
from astrid_assets.science.reasons import RENAMED, ReasonCode, current_code
from astrid_assets.science.settings import ProcessingSettings, Settings

SETTINGS: dict[str, Settings] = {
    "processing": ProcessingSettings(),
    "differencing": DifferencingSettings(),
}
NUMBERS = (*FRAME_NUMBERS, *DIFFERENCE_NUMBERS)
LIMITS = [(number, limit) for number in NUMBERS for limit in number.limits]
LIMITS_ON = [
    (number, limit) for number, limit in LIMITS if limit.value(SETTINGS[number.section]) is not None
]


def bound_of(number: MeasuredNumber, limit: Limit) -> float:
    bound = limit.value(SETTINGS[number.section])
    assert bound is not None
    return bound


@given(which=st.sampled_from(LIMITS_ON), factor=st.floats(0.5, 2.0) | st.floats(0.999999, 1.000001))
def test_a_printed_value_lies_on_the_same_side_of_the_printed_limit(which, factor):
    number, limit = which
    bound = bound_of(number, limit)
    value = bound * factor
    shown = float(printed(value, bound, number.unit).split()[0])
    against = float(printed_limit(bound, number.unit).split()[0])
    assert (shown > against) == (value > bound)
    assert (shown < against) == (value < bound)


@given(which=st.sampled_from(LIMITS_ON), factor=st.floats(0.1, 10.0))
def test_a_reason_is_given_exactly_beyond_the_limit(which, factor):
    number, limit = which
    bound = bound_of(number, limit)
    value = bound * factor
    reason = number.reason(limit, value, SETTINGS[number.section])
    is_outside = value > bound if limit.side is LimitSide.AT_MOST else value < bound
    assert (reason is not None) == is_outside
    if reason is not None:
        assert reason.code is limit.code
        assert reason.measurements == {number.name: value, "limit": bound}


@given(
    which=st.sampled_from([w for w in LIMITS_ON if w[1].severity is Severity.REJECT]),
    factor=st.floats(1.0001, 50.0),
)
def test_the_line_of_the_profile_in_a_message_is_legal_and_lets_the_value_pass(which, factor):
    number, limit = which
    settings = SETTINGS[number.section]
    bound = bound_of(number, limit)
    value = bound * factor if limit.side is LimitSide.AT_MOST else bound / factor
    reason = number.reason(limit, value, settings)
    assert reason is not None
    if f"No value of [{number.section}] {limit.setting} lets it pass" in reason.message:
        return
    assert f"[{number.section}] {limit.setting} = " in reason.message
    line = reason.message.split(f"{limit.setting} = ")[1].split()[0]
    relaxed = type(settings).model_validate_json(f'{{"{limit.setting}": {line}}}')
    assert number.reason(limit, value, relaxed) is None


@given(
    which=st.sampled_from(NUMBERS),
    value=st.floats(0.01, 1e4),
    factor=st.none() | st.floats(0.999999, 1.000001),
)
def test_a_value_in_a_table_lies_on_its_side_of_every_limit(which, value, factor):
    settings = SETTINGS[which.section]
    bounds = [bound for limit in which.limits if (bound := limit.value(settings)) is not None]
    if factor is not None and bounds:
        value = bounds[0] * factor
    shown = float(which.in_table(value, settings))
    for bound in bounds:
        against = float(printed_limit(bound, which.unit).split()[0])
        assert (shown > against) == (value > bound)
        assert (shown < against) == (value < bound)


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_what_was_not_measured_is_shown_as_unknown_and_not_as_zero(number):
    settings = SETTINGS[number.section]
    for value in (None, math.nan):
        assert number.in_table(value, settings) == "–"
        assert number.in_words(value, settings) == f"{number.label} unknown"
    assert number.broken(None, settings) is None


def test_values_and_limits_read_as_people_write_them():
    by_name = {(number.section, number.name): number for number in NUMBERS}
    fwhm = by_name["processing", "fwhm_px"]
    stars = by_name["processing", "n_stars"]
    elongation = by_name["processing", "elongation"]
    bad = by_name["processing", "bad_fraction"]
    gradient = by_name["processing", "sky_gradient"]
    coverage = by_name["differencing", "coverage"]
    common = by_name["differencing", "n_stars"]
    settings, other = SETTINGS["processing"], SETTINGS["differencing"]
    assert [n.heading for n in (fwhm, stars, elongation, bad)] == [
        "FWHM (px)",
        "stars",
        "elongation",
        "unusable pixels (%)",
    ]
    assert fwhm.in_words(2.4123, settings) == "FWHM 2.41 px"
    assert stars.in_words(12345, settings) == "12345 stars"
    assert common.in_words(41, other) == "41 common stars"
    assert bad.in_words(0.0123, settings) == "unusable pixels 1.23 %"
    assert elongation.limits_in_words(settings) == ["at most 1.7", "flagged above 1.3"]
    assert coverage.limits_in_words(other) == ["at least 10 %", "flagged below 20 %"]
    assert gradient.limits_in_words(settings) == []
    assert gradient.limits_in_words(ProcessingSettings(max_sky_gradient=8)) == [
        "flagged above 8 sigma"
    ]
    assert elongation.broken(1.8, settings) is Severity.REJECT
    assert elongation.broken(1.4, settings) is Severity.FLAG
    assert elongation.broken(1.3, settings) is None


def test_html_is_escaped_and_has_a_low_index():
    assert as_html("std(S_corr) <1 & 'x'") == "std(S<sub>corr</sub>) &lt;1 &amp; &#x27;x&#x27;"


@pytest.mark.parametrize("numbers", [FRAME_NUMBERS, DIFFERENCE_NUMBERS])
def test_names_labels_and_keywords_belong_to_one_number(numbers):
    for kind in ("name", "label", "keyword"):
        texts = [getattr(number, kind) for number in numbers]
        assert len(set(texts)) == len(texts)
    for number in numbers:
        assert re.fullmatch(r"[A-Z0-9_-]{1,8}", number.keyword)  # as FITS wants it
        assert len(number.heading) <= 30


def test_a_line_that_the_profile_would_refuse_is_not_proposed():
    number, limit = next(
        w for w in LIMITS if w[0].section == "processing" and w[1].setting == "min_stars"
    )
    enough = number.reason(limit, 3, ProcessingSettings(min_stars=8))
    assert enough is not None
    assert "[processing] min_stars = 3 would let it pass" in enough.message
    too_few = number.reason(limit, 2, ProcessingSettings(min_stars=8))  # 3 is the least allowed
    assert too_few is not None
    assert "No value of [processing] min_stars lets it pass" in too_few.message


@pytest.mark.parametrize("number", NUMBERS, ids=lambda number: number.name)
def test_what_was_not_measured_is_not_judged(number):
    settings = SETTINGS[number.section]
    assert reasons_and_flags([number], {}, settings) == ([], [])
    assert reasons_and_flags([number], {number.name: None}, settings) == ([], [])
    reasons, flags = reasons_and_flags([number], {number.name: math.nan}, settings)
    assert bool(reasons) == number.nan_breaks
    assert flags == []


def test_a_code_belongs_to_one_number_in_its_section():
    numbers_of = defaultdict(set)
    for number, limit in LIMITS:
        numbers_of[number.section, limit.code].add(number.name)
    assert {code: names for code, names in numbers_of.items() if len(names) > 1} == {}


def test_every_code_has_a_sentence_and_a_remedy():
    for code in ReasonCode:
        assert code.sentence.endswith(".")
        assert code.remedy.endswith(".")
        assert code == code.value


@pytest.mark.parametrize(("stored", "today"), RENAMED.items())
def test_a_stored_code_that_meant_several_things_is_read_as_what_it_meant(stored, today):
    code, number = stored
    assert current_code(code, {number: 1.0, "limit": 2.0}) == today


def test_codes_that_kept_their_meaning_are_read_as_they_are():
    assert current_code("bright_sky", {"ratio": 6.0, "limit": 5.0}) == "bright_sky"
    assert current_code("defocused", {}) == "defocused"
    # A reason serialises as plain text.
    assert type(Reason(ReasonCode.DEFOCUSED, "wide").as_dict()["code"]) is str
