"""What every request works with: the catalogue, the store, the clock, caches.

One `WebState` per application, kept in ``app.state.astrid``; nothing is global.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from fastapi import Request  # noqa: TC002  FastAPI reads the annotation

from astrid_assets.storage.database.catalogue import Catalogue, now
from astrid_assets.storage.objects.object_store import open_object_store
from astrid_assets.web.views.planes import PlaneReader
from astrid_assets.web.views.queue import QueueWatch

if TYPE_CHECKING:
    import datetime as dt

    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.web.settings import WebSettings


class Clock(Protocol):
    """Gives the time; tests bring their own."""

    def __call__(self) -> dt.datetime:
        """Return the time, aware and in UTC."""
        ...


@dataclass(frozen=True)
class WebState:
    """What one application serves."""

    settings: WebSettings
    catalogue: Catalogue
    store: ObjectStore
    clock: Clock
    planes: PlaneReader
    queue: QueueWatch = field(default_factory=QueueWatch)


def open_state(settings: WebSettings, clock: Clock = now) -> WebState:
    """Return the state for these settings; nothing is contacted yet."""
    store = open_object_store(
        settings.store_url,
        endpoint=settings.s3_endpoint,
        region=settings.s3_region,
        access_key=settings.s3_access_key,
        secret_key=settings.s3_secret_key,
    )
    catalogue = Catalogue(settings.database_url)
    return WebState(settings, catalogue, store, clock, PlaneReader(store))


def state_of(request: Request) -> WebState:
    """Return the state of the application that got the request (a dependency)."""
    state: WebState = request.app.state.astrid
    return state
