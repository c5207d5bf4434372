"""A run that failed is said aloud: in the log, and where ASTRID_WEBHOOK_URL points."""

import json
import logging
from collections.abc import Collection
from http.client import HTTPException
from urllib.error import URLError
from urllib.parse import urlsplit
from urllib.request import Request

import dagster as dg

from astrid_assets.failures import sentence_of
from astrid_assets.outgoing import InternalAddress, outgoing
from astrid_assets.resources.environment import Addresses

log = logging.getLogger(__name__)

TIMEOUT_S = 10.0
LONGEST_TEXT = 2000  # characters; chat services cut or refuse longer ones


@dg.run_failure_sensor(name="run_failures", default_status=dg.DefaultSensorStatus.RUNNING)
def run_failures(context: dg.RunFailureSensorContext) -> None:
    """Log every failed run and post it to the webhook, where one is set."""
    text = failure_text(context)
    log.error(text)
    addresses = Addresses()
    if addresses.webhook_url is not None:
        post(addresses.webhook_url.get_secret_value(), text, addresses.internal_hosts)


def failure_text(context: dg.RunFailureSensorContext) -> str:
    """Return one paragraph: which run, which nights, which steps, and why."""
    run = context.dagster_run
    nights = run.tags.get("dagster/partition") or " to ".join(
        run.tags[tag]
        for tag in (
            "dagster/asset_partition_range_start",
            "dagster/asset_partition_range_end",
        )
        if tag in run.tags
    )
    where = f" ({nights})" if nights else ""
    lines = [f"AstrID: run {run.run_id[:8]} of {run.job_name}{where} failed"]
    for event in context.get_step_failure_events():
        error = event.step_failure_data.error
        lines.append(f"{event.step_key}: {sentence_of(error) if error else 'no message'}")
    if len(lines) == 1:
        error = getattr(context.failure_event.event_specific_data, "error", None)
        lines.append(sentence_of(error) if error else context.failure_event.message or "no message")
    return "\n".join(lines)[:LONGEST_TEXT]


def post(url: str, text: str, internal_hosts: Collection[str] = ()) -> bool:
    """Post a message; returns whether it was taken.

    A webhook that does not answer is logged: it must not hide the failure itself.
    """
    if urlsplit(url).scheme not in {"http", "https"}:
        log.error("ASTRID_WEBHOOK_URL is no http or https address; nothing was posted")
        return False
    request = Request(  # noqa: S310  the scheme was checked
        url,
        data=json.dumps({"text": text}).encode(),
        headers={"Content-Type": "application/json"},
        method="POST",
    )
    try:
        with outgoing(internal_hosts).open(request, timeout=TIMEOUT_S):
            return True
    except InternalAddress as error:
        log.error("nothing was posted to ASTRID_WEBHOOK_URL: %s", error)  # noqa: TRY400  as below
        return False
    except (URLError, HTTPException, OSError) as error:
        # The address itself is a secret of many chat services.
        log.error(  # noqa: TRY400  a traceback of urllib adds nothing
            "the webhook of ASTRID_WEBHOOK_URL did not take the message: %s", error
        )
        return False
