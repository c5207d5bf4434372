"""Every object read and hashed: which of them are lost, which damaged."""

from __future__ import annotations

from collections import deque
from concurrent.futures import ThreadPoolExecutor
from itertools import islice
from typing import TYPE_CHECKING

from astrid_assets.storage.objects.store_errors import ObjectCorrupt, ObjectMissing

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from astrid_assets.storage.objects.object_store import ObjectStore

READERS = 8
"""Objects read at once: a store elsewhere answers each with some delay."""

Damage = ObjectMissing | ObjectCorrupt


def verify_objects(
    store: ObjectStore, keys: Iterable[str]
) -> Iterator[tuple[str, Damage | ValueError | None]]:
    """Read each object and yield its key with what is wrong, or None; in their order.

    Raises
    ------
    StoreUnavailable
        If the store itself does not answer.
    """
    remaining = iter(keys)
    with ThreadPoolExecutor(READERS) as pool:
        running = deque(
            (key, pool.submit(_verified, store, key)) for key in islice(remaining, 2 * READERS)
        )
        while running:
            key, future = running.popleft()
            yield key, future.result()
            for following in islice(remaining, 1):
                running.append((following, pool.submit(_verified, store, following)))


def _verified(store: ObjectStore, key: str) -> Damage | ValueError | None:
    try:
        store.verify(key)
    except (ObjectMissing, ObjectCorrupt, ValueError) as error:
        return error  # ValueError: no key of ours, so the row that names it is damaged
    return None
