"""The judging set: cutouts with known truth, enough of them to tell two networks apart.

The test split of the demo has 38 bogus objects: its own standard error of ROC AUC is
0.010, more than most changes of a network are worth. Here the two surveys of the demo are
continued with further seeds, all named below before any network was tuned on them, until
the test split alone holds more than 1500 bogus detections of more than 500 objects.

Each survey is run from its frames to its labels in a home of its own, which is removed
when its cutouts are kept. What is kept belongs to the code that finds detections: its
folder carries that code's versions, and other versions make another set.

    .venv/bin/python -m benchmarks.judging_set
"""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np
import polars as pl

from astrid_assets.cli.surveys import profile_toml
from astrid_assets.resources.environment import keep_compiled_code
from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.labelling.masks import training_mask
from astrid_assets.steps import versions
from astrid_assets.steps.learning.shards import CutoutReader
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.objects.object_store import FolderObjectStore
from astrid_assets.storage.review.labels import labelled_detections
from astrid_assets.surveys.profile_sources import SimulatedSource
from astrid_assets.surveys.sources.simulated import demo_profiles
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.detection.measurements import Measurements
    from astrid_assets.storage.review.labels import LabelledRow

Scene = Literal["wide", "deep"]

SURVEYS: tuple[tuple[Scene, int], ...] = (
    ("wide", 7),
    ("deep", 11),
    ("wide", 107),
    ("deep", 111),
    ("wide", 207),
    ("deep", 211),
    ("wide", 307),
    ("deep", 311),
)
"""Scene and seed of each survey; the first two are the demo's."""

SHARES = {"train": 0.35, "val": 0.13, "test": 0.52}
"""Of the objects: at least half test, and no more than 4000 cutouts train."""

MADE_BY = (
    versions.PROCESS,
    versions.REFERENCE,
    versions.SUBTRACT,
    versions.DETECT,
    versions.LABEL,
)
"""What decides which detections there are, and what they are called."""

FOLDER = Path(".astrid") / "judging" / "-".join(MADE_BY)


@dataclass(frozen=True)
class JudgingSet:
    """Cutouts of all surveys, each with its side.

    Attributes
    ----------
    images : (n, 3, size, size) float32
    masks : (n, size, size) uint8
    measurements : (n, len(MEASUREMENTS)) float32
    table
        One row each: ``survey``, ``group`` (object), ``label``, ``classification``,
        ``score_sigma``, ``fwhm_px``, ``night``, ``side``.
    """

    images: NDArray[np.float32]
    masks: NDArray[np.uint8]
    measurements: Measurements
    table: pl.DataFrame

    @property
    def is_real(self) -> NDArray[np.bool_]:
        """(n,), True for real."""
        return (self.table["label"] == "real").to_numpy()

    @property
    def side(self) -> NDArray[np.str_]:
        """(n,), ``train``, ``val`` or ``test``."""
        return np.array(self.table["side"].to_list())

    def part(self, side: str) -> JudgingSet:
        """Return one side."""
        rows = np.flatnonzero(self.side == side)
        return JudgingSet(
            self.images[rows], self.masks[rows], self.measurements[rows], self.table[rows]
        )


def load(folder: Path = FOLDER) -> JudgingSet:
    """Return the set that `main` has made.

    Raises
    ------
    SystemExit
        If a survey of it is missing; says how to make it.
    """
    missing = [name_of(*one) for one in SURVEYS if not (folder / f"{name_of(*one)}.npz").exists()]
    if missing:
        raise SystemExit(
            f"{folder} lacks {', '.join(missing)}: run python -m benchmarks.judging_set first"
        )
    arrays = [np.load(folder / f"{name_of(*one)}.npz", allow_pickle=False) for one in SURVEYS]
    tables = [pl.read_parquet(folder / f"{name_of(*one)}.parquet") for one in SURVEYS]
    return JudgingSet(
        np.concatenate([one["images"] for one in arrays]),
        np.concatenate([one["masks"] for one in arrays]),
        np.concatenate([one["measurements"] for one in arrays]),
        pl.concat(tables),
    )


def name_of(scene: Scene, seed: int) -> str:
    """Return the name of one survey."""
    return f"judge-{scene}-{seed}"


def side_of(group: str) -> str:
    """Return the side that the hash of a group's name selects."""
    digest = hashlib.sha256(group.encode()).digest()
    at = int.from_bytes(digest[:6], "big") / 2**48
    for side, share in SHARES.items():
        if at < share:
            return side
        at -= share
    return "test"  # rounding of the shares


def make(scene: Scene, seed: int, folder: Path) -> None:
    """Run one survey from its frames to its labels and keep its cutouts."""
    name = name_of(scene, seed)
    with tempfile.TemporaryDirectory(prefix="astrid-judging-") as home:
        profile = Path(home) / f"{name}.toml"
        profile.write_text(_profile_toml(scene, seed))
        environment = os.environ | {"ASTRID_HOME": home}
        for words in (("survey", "add", str(profile)), ("backfill", "--survey", name)):
            subprocess.run(  # noqa: S603  our own command
                [Path(sys.executable).with_name("astrid"), *words],
                env=environment,
                check=True,
                stdout=subprocess.DEVNULL,
            )
        catalogue = Catalogue(f"sqlite:///{home}/catalogue.db")
        store = FolderObjectStore(Path(home) / "store")
        with catalogue.read() as session:
            rows = labelled_detections(session, sources=["truth"])
        with CutoutReader(store) as reader:
            cutouts = reader.read([(row.cutout_key, row.cutout_index) for row in rows])
        masks = np.stack([training_mask(row.label, row.fwhm_px, CUTOUT_SIZE) for row in rows])
        part = folder / f".{name}.npz"
        np.savez(part, images=cutouts.pixels, masks=masks, measurements=cutouts.measurements)
        _table(rows).write_parquet(folder / f"{name}.parquet")
        # The arrays last: with them the survey is done.
        shutil.move(part, folder / f"{name}.npz")


def _profile_toml(scene: Scene, seed: int) -> str:
    like = next(
        profile
        for profile in demo_profiles()
        if isinstance(profile.source, SimulatedSource) and profile.source.scene == scene
    )
    source = like.source.model_copy(update={"seed": seed})
    return profile_toml(like.model_copy(update={"name": name_of(scene, seed), "source": source}))


def _table(rows: list[LabelledRow]) -> pl.DataFrame:
    groups = [row.object_id or row.detection_id for row in rows]
    return pl.DataFrame(
        {
            "survey": [row.survey for row in rows],
            "group": groups,
            "label": [row.label for row in rows],
            "classification": [row.classification for row in rows],
            "score_sigma": [row.score_sigma for row in rows],
            "fwhm_px": [row.fwhm_px for row in rows],
            "night": [row.night for row in rows],
            "side": [side_of(group) for group in groups],
        },
        schema_overrides={"classification": pl.String},
    )


def main() -> None:
    """Make what is missing, and print what the set holds."""
    parser = parser_of("judging_set", __doc__)
    parser.add_argument("--folder", type=Path, default=FOLDER, help="where the set is kept")
    figures = Figures(parser)
    folder: Path = figures.options.folder
    folder.mkdir(parents=True, exist_ok=True)
    keep_compiled_code()
    for scene, seed in SURVEYS:
        if not (folder / f"{name_of(scene, seed)}.npz").exists():
            print(f"running {name_of(scene, seed)} ...", flush=True)
            make(scene, seed, folder)
    judged = load(folder)
    for side in SHARES:
        part = judged.part(side)
        for label, rows in (("real", part.is_real), ("bogus", ~part.is_real)):
            figures.add("cutouts", side, label, int(rows.sum()))
            objects = part.table.filter(pl.Series(rows))["group"].n_unique()
            figures.add("cutouts", side, f"{label}, objects", objects)
    figures.finish()


if __name__ == "__main__":
    main()
