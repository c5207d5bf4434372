"""The pieces of `astrid demo`; the graph it runs has its own tests."""

from __future__ import annotations

import io

import pytest
from rich.console import Console

from astrid_assets.cli.demo import add_simulated_surveys, run_learning
from astrid_assets.cli.surveys import (
    profile_of,
    store_survey,
    stored_survey,
    stored_surveys,
)
from astrid_assets.cli.workplace import (
    dagster_instance,
    load_graph,
    open_catalogue,
    prepare_home,
)
from astrid_assets.surveys.profile_sources import SimulatedSource
from astrid_assets.surveys.sources.simulated import demo_profiles, tiny_profile


@pytest.mark.slow
def test_the_simulated_surveys_are_added_once_and_valid(home):
    prepare_home()
    catalogue = open_catalogue()
    with dagster_instance() as instance:
        first = add_simulated_surveys(catalogue, instance, demo_profiles())
        assert add_simulated_surveys(catalogue, instance, demo_profiles()) == first
        assert sorted(instance.get_dynamic_partitions("survey")) == sorted(first)
    stored = {row.name: profile_of(row) for row in stored_surveys(catalogue)}
    assert stored == {profile.name: profile for profile in demo_profiles()}


@pytest.mark.slow
def test_a_demo_survey_that_somebody_changed_stays_changed(home):
    prepare_home()
    catalogue = open_catalogue()
    with dagster_instance() as instance:
        name = add_simulated_surveys(catalogue, instance, demo_profiles())[0]
        edited = stored_survey(catalogue, name).profile_toml + "\n# fewer nights\n"
        store_survey(catalogue, instance, name, edited)
        add_simulated_surveys(catalogue, instance, demo_profiles())
    assert stored_survey(catalogue, name).profile_toml == edited


@pytest.mark.slow
def test_learning_without_labels_is_told_not_raised(home):
    prepare_home()
    open_catalogue()
    job = load_graph().resolve_job_def("learning_job")
    with dagster_instance() as instance:
        (problem,) = run_learning(Console(file=io.StringIO()), instance, job)
    assert problem.startswith("training_dataset:")
    assert "label" in problem


def test_the_tiny_survey_is_one_and_small():
    profile = tiny_profile()
    assert profile.has_known_truth
    assert profile.name not in {each.name for each in demo_profiles()}
    assert isinstance(profile.source, SimulatedSource)
    assert profile.source.nights * profile.source.frames_per_night <= 12
