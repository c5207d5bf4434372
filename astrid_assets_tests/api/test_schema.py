"""Schemathesis attacks every operation by its own description."""

from __future__ import annotations

import shutil
import unittest
from typing import TYPE_CHECKING, cast

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import not_a_server_error, positive_data_acceptance
from schemathesis.core.result import Ok

from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.api.conftest import NOWHERE
from astrid_assets_tests.api.serving import served

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy

    from astrid_assets_tests.small_sky import SmallSky

pytestmark = pytest.mark.slow

NEEDS_DAGSTER = ("/training/datasets/collect", "/training/runs")
"""Dagster is not there: 503 is right."""

NOT_IN_A_SCHEMA = positive_data_acceptance
"""A position takes ra and dec, a class belongs to its label, a cursor comes from a
page: JSON Schema has no words for it, so such requests look valid and are refused."""

EXAMPLES = 20  # good and bad ones each, per operation: about a minute for all


@pytest.fixture(scope="module")
def address(
    sky_to_copy: tuple[Path, SmallSky], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[str]:
    """The address of a served application."""
    folder = tmp_path_factory.mktemp("attacked")
    shutil.copytree(sky_to_copy[0], folder, dirs_exist_ok=True)
    settings = WebSettings(
        database_url=f"sqlite:///{folder}/catalogue.db",
        store_url=str(folder / "store"),
        dagster_url=NOWHERE,
    )
    with served(settings) as (url, _):
        yield url


@pytest.mark.slow
def test_no_request_breaks_the_api(address: str) -> None:
    schema = schemathesis.openapi.from_url(f"{address}/openapi.json")
    operations = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operations.append(found.ok())
    assert len(operations) > 20
    with requests.Session() as session:
        broken = set().union(*(attack(found, session) for found in operations))
    assert not broken, "\n\n".join(sorted(broken))


def attack(operation: schemathesis.APIOperation, session: requests.Session) -> set[str]:
    """Send generated requests, good and bad; return what was wrong."""
    wrong: set[str] = set()
    for mode in schemathesis.GenerationMode:
        try:
            sender(operation.as_strategy(generation_mode=mode), session)()
        except (unittest.SkipTest, pytest.skip.Exception, Unsatisfiable):
            continue  # an operation without input has no bad one
        except BaseExceptionGroup as group:
            wrong |= {f"{operation.label}: {error}" for error in group.exceptions}
    return wrong


def sender(
    cases: SearchStrategy[schemathesis.Case], session: requests.Session
) -> Callable[[], None]:
    """Return the test that sends examples of the cases."""

    @hypothesis.given(case=cases)
    @hypothesis.settings(
        max_examples=EXAMPLES,
        deadline=None,
        derandomize=True,
        database=None,
        phases=[hypothesis.Phase.generate],
        suppress_health_check=cast("list[hypothesis.HealthCheck]", list(hypothesis.HealthCheck)),
    )
    def send(case: schemathesis.Case) -> None:
        answer = case.call(session=session)
        needs_dagster = case.path.startswith(NEEDS_DAGSTER)
        excluded = [NOT_IN_A_SCHEMA, *([not_a_server_error] if needs_dagster else [])]
        case.validate_response(answer, excluded_checks=excluded)
        assert answer.status_code != 500

    return send
