"""Schemathesis attacks every operation of the API and of the pages by its description."""

from __future__ import annotations

import shutil
import unittest
from collections import Counter
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any, cast

import hypothesis
import pytest
import requests
import schemathesis
from hypothesis.errors import Unsatisfiable
from schemathesis.checks import (
    not_a_server_error,
    positive_data_acceptance,
)
from schemathesis.core.result import Ok
from schemathesis.specs.openapi.checks import content_type_conformance, negative_data_rejection

from astrid_assets.web.reading_limits import ReadingLimiter
from astrid_assets.web.settings import WebSettings
from astrid_assets_tests.api.conftest import NOWHERE
from astrid_assets_tests.api.every_route import pages_document
from astrid_assets_tests.api.serving import served
from astrid_assets_tests.small_sky import NIGHT, SURVEY

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from hypothesis.strategies import SearchStrategy
    from schemathesis.checks import CheckFunction

    from astrid_assets_tests.small_sky import SmallSky

pytestmark = pytest.mark.slow

NEEDS_DAGSTER = (
    "/training/datasets/collect",
    "/training/runs",
    "/ml/training",
    "/ml/optimization",
    "/ml/evaluation/evaluate",
    "/ml/deployment",
)
"""Dagster is not there: 503 is right."""

NOT_IN_A_SCHEMA = positive_data_acceptance
"""A position takes ra and dec, a class belongs to its label, a cursor comes from a
page: JSON Schema has no words for it, so such requests look valid and are refused."""

IN_NO_DOCUMENT = content_type_conformance
"""Pages answer with HTML, pictures and JSON, and no document states which."""

BEFORE_IT_IS_READ = negative_data_rejection
"""Who is not logged in is sent to the login, whatever the request brings."""

EXAMPLES = 20  # good and bad ones each, per operation: about a minute for all
EXAMPLES_OF_A_PAGE = 5


@pytest.fixture(scope="module")
def settings(
    sky_to_copy: tuple[Path, SmallSky], tmp_path_factory: pytest.TempPathFactory
) -> WebSettings:
    """Of an application that may be broken."""
    folder = tmp_path_factory.mktemp("attacked")
    shutil.copytree(sky_to_copy[0], folder, dirs_exist_ok=True)
    return WebSettings(
        database_url=f"sqlite:///{folder}/catalogue.db",
        store_url=str(folder / "store"),
        dagster_url=NOWHERE,
    )


@pytest.fixture(scope="module")
def address(settings: WebSettings) -> Iterator[str]:
    """The address of a served application."""
    with served(settings) as (url, _):
        yield url


@pytest.fixture(scope="module")
def guarded_address(settings: WebSettings) -> Iterator[str]:
    """The address of the same where nobody is logged in and everybody should be."""
    with served(replace(settings, login_required=True)) as (url, app):
        app.state.reading = ReadingLimiter(burst=1e9)
        yield url


@pytest.mark.slow
def test_no_request_breaks_the_api(address: str) -> None:
    found = operations_of(schemathesis.openapi.from_url(f"{address}/openapi.json"))
    with requests.Session() as session:
        attack = Attack(session, EXAMPLES)
        broken = set().union(*(attack.on(operation) for operation in found))
    assert not broken, "\n\n".join(sorted(broken))


@pytest.mark.slow
@pytest.mark.parametrize("login_required", [False, True])
def test_no_request_breaks_a_page(
    address: str, guarded_address: str, sky_to_copy: tuple[Path, SmallSky], login_required: bool
) -> None:
    document = pages_document()
    for methods in document["paths"].values():
        for operation in methods.values():
            suggest_ids(operation, sky_to_copy[1])
    schema = schemathesis.openapi.from_dict(document)
    schema.config.update(base_url=guarded_address if login_required else address)
    with requests.Session() as session:
        session.headers["Accept"] = "text/html"
        excluded = (IN_NO_DOCUMENT, *([BEFORE_IT_IS_READ] if login_required else []))
        attack = Attack(session, EXAMPLES_OF_A_PAGE, excluded)
        broken = set().union(*(attack.on(operation) for operation in operations_of(schema)))
    assert not broken, "\n\n".join(sorted(broken))
    assert attack.statuses[303 if login_required else 200] > 30, attack.statuses


def operations_of(schema: schemathesis.BaseSchema) -> list[schemathesis.APIOperation]:
    """Return all of them."""
    operations = []
    for found in schema.get_all_operations():
        assert isinstance(found, Ok), found
        operations.append(found.ok())
    assert len(operations) > 20
    return operations


def suggest_ids(operation: dict[str, Any], sky: SmallSky) -> None:
    """Let half of the generated paths name something that is there."""
    there = {"detection_id": sky.detection_id, "survey": SURVEY, "night": NIGHT}
    for parameter in operation.get("parameters", []):
        known = there.get(parameter["name"])
        if parameter["in"] == "path" and known is not None:
            parameter["schema"] = {"anyOf": [{"const": known}, parameter["schema"]]}


@dataclass(frozen=True)
class Attack:
    """Sends generated requests; `excluded` are checks that do not hold."""

    session: requests.Session
    n_examples: int
    excluded: tuple[CheckFunction, ...] = ()
    statuses: Counter[int] = field(default_factory=Counter)

    def on(self, operation: schemathesis.APIOperation) -> set[str]:
        """Send requests, good and bad; return what was wrong."""
        wrong: set[str] = set()
        for mode in schemathesis.GenerationMode:
            takes_any_text = not operation.query and not operation.body
            if mode.is_negative and takes_any_text and IN_NO_DOCUMENT in self.excluded:
                continue  # hardly any path of a page is bad; a search for one takes long
            try:
                self._sender(operation.as_strategy(generation_mode=mode))()
            except (unittest.SkipTest, pytest.skip.Exception, Unsatisfiable):
                continue  # an operation without input has no bad one
            except BaseExceptionGroup as group:
                wrong |= {f"{operation.label}: {error}" for error in group.exceptions}
        return wrong

    def _sender(self, cases: SearchStrategy[schemathesis.Case]) -> Callable[[], None]:
        """Return the test that sends examples of the cases."""

        @hypothesis.given(case=cases)
        @hypothesis.settings(
            max_examples=self.n_examples,
            deadline=None,
            derandomize=True,
            database=None,
            phases=[hypothesis.Phase.generate],
            suppress_health_check=cast(
                "list[hypothesis.HealthCheck]", list(hypothesis.HealthCheck)
            ),
        )
        def send(case: schemathesis.Case) -> None:
            answer = case.call(session=self.session, allow_redirects=False)
            self.statuses[answer.status_code] += 1
            excluded = [NOT_IN_A_SCHEMA, *self.excluded]
            if case.path.startswith(NEEDS_DAGSTER):
                excluded.append(not_a_server_error)
            case.validate_response(answer, excluded_checks=excluded)
            assert answer.status_code != 500

        return send
