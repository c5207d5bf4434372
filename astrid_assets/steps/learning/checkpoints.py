"""Checkpoints of a training in the store, so that any machine can go on with it.

The last and the best epoch of a member only mean something together: they travel as one
archive, whose prefix names the epoch. The newest archive counts; older ones are
forgotten once it is there.
"""

from __future__ import annotations

import tempfile
import time
import zipfile
from pathlib import Path
from typing import TYPE_CHECKING

from astrid_assets.storage.objects import layout
from astrid_assets.storage.objects.store_errors import ObjectCorrupt

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.storage.objects.object_store import ObjectStore

SENT_EVERY_S = 60.0
"""Between two archives of a member: what a killed machine loses at most, beside an epoch."""
LARGEST_BYTES = 4 * 2**30
"""A file in an archive that is larger was not made by a training."""


class StoredCheckpoints:
    """The checkpoints of one training, in the store and in its local folder.

    Parameters
    ----------
    run_dir
        Where the training keeps the folders of its members.
    files
        Names of the files that mean something together.
    """

    def __init__(
        self, store: ObjectStore, run_id: str, run_dir: Path, files: Sequence[str]
    ) -> None:
        self.store = store
        self.run_id = run_id
        self.run_dir = run_dir
        self.files = tuple(files)
        self._sent_at: dict[int, float] = {}

    def fetch(self) -> None:
        """Bring the members that are not here; what is here stays.

        Raises
        ------
        ObjectCorrupt
            If an archive holds what no training puts there.
        """
        newest: dict[str, str] = {}
        for key in self.store.list(layout.checkpoints_prefix(self.run_id)):
            newest[key.split("/")[-2]] = key  # in the order of their epochs
        for member, key in newest.items():
            folder = self.run_dir / member
            if not folder.exists():
                self._unpack(key, folder)

    def send(self, folder: Path, member: int, epoch: int, *, is_last: bool = False) -> None:
        """Keep what a member's folder holds after an epoch, unless it was done just now."""
        now = time.monotonic()
        if not is_last and now - self._sent_at.get(member, -SENT_EVERY_S) < SENT_EVERY_S:
            return
        prefix = layout.checkpoints_prefix(self.run_id, folder.name)
        with tempfile.TemporaryDirectory(dir=self.run_dir) as beside:
            archive = Path(beside) / "checkpoints.zip"
            with zipfile.ZipFile(archive, "w") as content:
                for name in self.files:
                    content.write(folder / name, name)
            key = self.store.put_file(f"{prefix}/epoch_{epoch:05d}", archive, ".zip")
        for older in list(self.store.list(prefix)):
            if older != key:
                self.store.delete(older)
        self._sent_at[member] = now

    def _unpack(self, key: str, folder: Path) -> None:
        self.run_dir.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=self.run_dir) as beside:
            archive = Path(beside) / "checkpoints.zip"
            self.store.get_to_file(key, archive)
            with zipfile.ZipFile(archive) as content:
                entries = content.infolist()
                if sorted(entry.filename for entry in entries) != sorted(self.files) or any(
                    entry.file_size > LARGEST_BYTES for entry in entries
                ):
                    raise ObjectCorrupt(
                        f"{key} holds no checkpoints of a training: delete it, then the "
                        "training begins anew"
                    )
                content.extractall(Path(beside) / "unpacked")
            # Whole or not there.
            (Path(beside) / "unpacked").rename(folder)
