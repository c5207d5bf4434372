"""Asking Dagster's webserver to run something, and how a run stands.

Only GraphQL over HTTP: the web application imports no Dagster and needs none to label.

References
----------
https://docs.dagster.io/api/graphql
"""

from __future__ import annotations

import json
import urllib.error
import urllib.request
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any
from urllib.parse import urlsplit

from astrid_assets.web.problems import Problem

if TYPE_CHECKING:
    from collections.abc import Mapping

TIMEOUT_S = 30.0
MAX_ANSWER_BYTES = 16 * 2**20

REPOSITORIES = """
query Repositories {
  repositoriesOrError {
    __typename
    ... on RepositoryConnection {
      nodes { name location { name } jobs { name } }
    }
    ... on PythonError { message }
  }
}
"""

LAUNCH = """
mutation Launch($params: ExecutionParams!) {
  launchRun(executionParams: $params) {
    __typename
    ... on LaunchRunSuccess { run { runId status } }
    ... on RunConfigValidationInvalid { errors { message } }
    ... on Error { message }
  }
}
"""

RUN = """
query Run($id: ID!) {
  runOrError(runId: $id) {
    __typename
    ... on Run {
      runId
      status
      tags { key value }
      assetMaterializations {
        metadataEntries { label ... on TextMetadataEntry { text } }
      }
    }
    ... on Error { message }
  }
}
"""


@dataclass(frozen=True)
class Run:
    """A run as Dagster reports it; `texts` are those its materializations kept."""

    run_id: str
    status: str
    texts: dict[str, str]
    tags: dict[str, str] = field(default_factory=dict)


class DagsterClient:
    """Dagster's webserver at an address."""

    def __init__(self, url: str) -> None:
        self.url = url.rstrip("/")

    def launch(
        self,
        job: str,
        step: str,
        config: Mapping[str, object],
        tags: dict[str, str],
        *,
        is_asset: bool = True,
    ) -> Run:
        """Start a job on one of its assets, or one that makes no asset.

        Parameters
        ----------
        step
            Name of the asset or op that takes the configuration.

        Raises
        ------
        Problem
            503 when the webserver does not answer or does not know the job, 422 when
            it refuses the configuration.
        """
        location, repository = self._repository_with(job)
        params = {
            "selector": {
                "repositoryLocationName": location,
                "repositoryName": repository,
                "jobName": job,
                **({"assetSelection": [{"path": [step]}]} if is_asset else {}),
            },
            "runConfigData": {"ops": {step: {"config": dict(config)}}},
            "executionMetadata": {
                "tags": [{"key": key, "value": value} for key, value in tags.items()]
            },
        }
        answer = self._ask(LAUNCH, {"params": params})["launchRun"]
        if answer["__typename"] == "LaunchRunSuccess":
            run = answer["run"]
            return Run(run["runId"], run["status"], {})
        errors = [error["message"] for error in answer.get("errors", ())]
        told = "; ".join(errors) or answer.get("message", answer["__typename"])
        status = 422 if errors else 503
        raise Problem(status, f"Dagster refused to start: {told}", code="not-started")

    def run(self, run_id: str) -> Run | None:
        """Return how a run stands, None when Dagster knows none of this id."""
        answer = self._ask(RUN, {"id": run_id})["runOrError"]
        if answer["__typename"] != "Run":
            return None
        texts = {
            entry["label"]: entry["text"]
            for made in answer["assetMaterializations"]
            for entry in made["metadataEntries"]
            if "text" in entry
        }
        tags = {tag["key"]: tag["value"] for tag in answer["tags"]}
        return Run(answer["runId"], answer["status"], texts, tags)

    def page_of(self, run_id: str) -> str:
        """Return the address of a run in Dagster's own pages."""
        return f"{self.url}/runs/{run_id}"

    def _repository_with(self, job: str) -> tuple[str, str]:
        answer = self._ask(REPOSITORIES, {})["repositoriesOrError"]
        for node in answer.get("nodes", ()):
            if any(known["name"] == job for known in node["jobs"]):
                return node["location"]["name"], node["name"]
        raise Problem(
            503,
            f"Dagster at {self.url} has no {job}: its code location is not loaded; "
            "its own pages say why (Deployment)",
            code="no-dagster",
        )

    def _ask(self, query: str, variables: Mapping[str, object]) -> dict[str, Any]:
        if urlsplit(self.url).scheme not in {"http", "https"}:
            raise self._silent("that is no http address")
        body = json.dumps({"query": query, "variables": variables}).encode()
        request = urllib.request.Request(  # noqa: S310  its scheme was checked
            f"{self.url}/graphql",
            data=body,
            headers={"Content-Type": "application/json"},
        )
        try:
            with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310  its scheme was checked
                content = json.loads(answer.read(MAX_ANSWER_BYTES))
        except (urllib.error.URLError, TimeoutError, ConnectionError) as error:
            reason = getattr(error, "reason", error)
            raise self._silent(str(reason)) from error
        except ValueError as error:
            raise self._silent("its answer is no JSON") from error
        if not isinstance(content, dict) or not content.get("data"):
            errors = content.get("errors") if isinstance(content, dict) else None
            told = errors[0].get("message") if errors else "its answer is not GraphQL's"
            raise self._silent(str(told))
        data: dict[str, Any] = content["data"]
        return data

    def _silent(self, reason: str) -> Problem:
        return Problem(
            503,
            f"Dagster's webserver does not answer at {self.url} ({reason}): start it "
            "with `astrid ui`, or let ASTRID_DAGSTER_URL name it",
            code="no-dagster",
        )
