"""A failed run is posted in words; a webhook that is away hides nothing."""

import json
import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import dagster as dg
import pytest

from astrid_assets.alerts import post
from astrid_assets.sensors.run_failures import (
    LONGEST_TEXT,
    failure_text,
    run_failures,
)
from astrid_assets.storage.objects.store_errors import StoreUnavailable


class Receiver:
    """A webhook that keeps what it gets."""

    def __init__(self) -> None:
        received = self.received = []

        class Handler(BaseHTTPRequestHandler):
            def do_POST(self) -> None:
                length = int(self.headers["Content-Length"])
                received.append(json.loads(self.rfile.read(length)))
                self.send_response(200)
                self.end_headers()

            def log_message(self, format: str, *args: object) -> None:  # noqa: A002
                """Keep the terminal quiet."""

        self.received: list[dict[str, str]]
        self.server = HTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}/hook"


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    made = Receiver()
    thread = threading.Thread(target=made.server.serve_forever, args=(0.01,))
    thread.start()
    yield made
    made.server.shutdown()
    thread.join()
    made.server.server_close()


@dg.asset
def broken() -> None:
    """Fail as science fails."""
    raise dg.Failure("3 stars for the PSF, 5 needed", allow_retries=False)


@dg.asset(retry_policy=dg.RetryPolicy(max_retries=0))
def unkept() -> None:
    """Fail as a store fails."""
    error = OSError(28, "No space left on device")
    raise StoreUnavailable("/data: the disk is full: free space there") from error


def failed_run(
    instance: dg.DagsterInstance, asset: dg.AssetsDefinition = broken
) -> dg.RunFailureSensorContext:
    job = dg.Definitions(assets=[asset], jobs=[dg.define_asset_job("night_job")]).resolve_job_def(
        "night_job"
    )
    result = job.execute_in_process(
        instance=instance,
        raise_on_error=False,
        tags={
            "dagster/asset_partition_range_start": "2025-03-01|wide",
            "dagster/asset_partition_range_end": "2025-03-04|wide",
        },
    )
    return dg.build_run_status_sensor_context(
        sensor_name="run_failures",
        dagster_event=result.get_run_failure_event(),
        dagster_instance=instance,
        dagster_run=result.dagster_run,
    ).for_run_failure()


@pytest.mark.slow
def test_the_text_names_job_nights_step_and_reason(
    instance: dg.DagsterInstance,
) -> None:
    text = failure_text(failed_run(instance))
    assert "night_job (2025-03-01|wide to 2025-03-04|wide) failed" in text
    assert "broken: " in text
    assert "3 stars for the PSF, 5 needed" in text
    assert len(text) <= LONGEST_TEXT


@pytest.mark.slow
def test_the_text_of_a_known_failure_is_its_sentence(instance: dg.DagsterInstance) -> None:
    text = failure_text(failed_run(instance, unkept))
    assert text.endswith("\nunkept: /data: the disk is full: free space there")


@pytest.mark.slow
def test_a_failure_is_logged_and_posted(
    instance: dg.DagsterInstance,
    receiver: Receiver,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    monkeypatch.setenv("ASTRID_WEBHOOK_URL", receiver.url)
    monkeypatch.setenv("ASTRID_INTERNAL_HOSTS", "127.0.0.1")
    run_failures(failed_run(instance))
    [message] = receiver.received
    assert "3 stars for the PSF" in message["text"]
    assert "3 stars for the PSF" in caplog.text


@pytest.mark.slow
def test_a_webhook_inside_is_not_posted_to_unless_its_host_is_named(
    receiver: Receiver, caplog: pytest.LogCaptureFixture
) -> None:
    assert post(receiver.url, "text") is False
    assert receiver.received == []
    assert "ASTRID_INTERNAL_HOSTS" in caplog.text
    assert "/hook" not in caplog.text
    assert post("http://169.254.169.254/latest/meta-data", "text") is False
    assert post(receiver.url, "text", ["127.0.0.1"])
    assert receiver.received == [{"text": "text"}]


@pytest.mark.slow
def test_without_a_webhook_it_is_only_logged(
    instance: dg.DagsterInstance, caplog: pytest.LogCaptureFixture
) -> None:
    run_failures(failed_run(instance))
    assert "3 stars for the PSF" in caplog.text


def test_a_webhook_that_is_away_is_logged_without_its_address(
    caplog: pytest.LogCaptureFixture,
) -> None:
    with caplog.at_level(logging.ERROR):
        assert post("http://127.0.0.1:9/secret-path", "text", ["127.0.0.1"]) is False
    assert "ASTRID_WEBHOOK_URL" in caplog.text
    assert "secret-path" not in caplog.text


def test_an_address_that_is_no_web_address_is_refused(
    caplog: pytest.LogCaptureFixture,
) -> None:
    assert post("file:///etc/passwd", "text") is False
    assert "no http or https address" in caplog.text
