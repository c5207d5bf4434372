"""A Dagster instance with a home of its own, and the services it can use instead."""

from astrid_assets_tests.instances import empty_history, instance, own_home
from astrid_assets_tests.services import postgres_server, postgres_url, s3_endpoint, s3_server

__all__ = [
    "empty_history",
    "instance",
    "own_home",
    "postgres_server",
    "postgres_url",
    "s3_endpoint",
    "s3_server",
]
