"""A long proof: on skies nobody tuned for, what changed is found, and purity is known.

Simulated surveys of several seeds run from raw frames to detections, with the default
settings. The simulation knows every change and every artefact: of the changes above S/N 10
at least 95 % must be found, and the purity that the night's next frame suggests, without the
truth, must agree with the true one. Both are judged by their 95 % intervals: a claim fails
when its interval leaves no room for it. `benchmarks/sensitivity.py` measures single pairs to
the limit.

    .venv/bin/python -m benchmarks.soak_skies
    .venv/bin/python -m benchmarks.soak_skies --seeds 101 102 103 --nights 16 --keep
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
from dataclasses import dataclass, fields
from pathlib import Path
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.report.summary import collect_report
from astrid_assets.resources.environment import keep_compiled_code
from astrid_assets.science.arrays.intervals import wilson_interval
from astrid_assets.storage.database.catalogue import Catalogue
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection
from astrid_assets.storage.database.tables.review import ValidationEvent
from astrid_assets_tests.small_survey import profile_toml
from benchmarks.figures import Figures, parser_of

if TYPE_CHECKING:
    from collections.abc import Sequence

STRONG_SNR = 10
LEAST_COMPLETENESS = 0.95
"""Of the changes above `STRONG_SNR` on usable pixels, of all skies together."""


@dataclass(frozen=True)
class Sky:
    """What became of one simulated survey, or of several together.

    Attributes
    ----------
    strong, found
        Changes above `STRONG_SNR` on usable pixels, and how many of them were found.
    tested, repeated
        Detections that the night's next frame could show, and how many it shows.
    rising, lasting
        Detections above the reference, and how many of them are real and no asteroid:
        what repeats.
    """

    strong: int = 0
    found: int = 0
    tested: int = 0
    repeated: int = 0
    rising: int = 0
    lasting: int = 0

    def __add__(self, other: Sky) -> Sky:
        """Return both together."""
        return Sky(*(getattr(self, f.name) + getattr(other, f.name) for f in fields(self)))


def main(words: Sequence[str] | None = None) -> int:
    """Run the skies and print the figures; returns 1 if too much is lost or false."""
    parser = parser_of("soak_skies", __doc__)
    parser.add_argument("--seeds", type=int, nargs="+", default=[101, 102, 103, 104, 105])
    parser.add_argument("--nights", type=int, default=8, help="nights of each survey, from 6")
    parser.add_argument("--side", type=int, default=512, help="of a frame, pixels")
    figures = Figures(parser, words)
    options = figures.options
    keep_compiled_code()  # once, whatever home each run has
    together = Sky()
    for seed in options.seeds:
        with tempfile.TemporaryDirectory(prefix="astrid-sky-") as folder:
            sky = run_sky(Path(folder), seed, options.nights, options.side)
        add_sky(figures, f"seed {seed}", sky)
        together += sky
    failures = judged(figures, together)
    for text in failures:
        figures.note(text)
    figures.finish()
    return 1 if failures else 0


def run_sky(home: Path, seed: int, nights: int, side: int) -> Sky:
    """Run a simulated survey from raw frames to labels, and read what was found."""
    name = f"sky-{seed}"
    (home / "survey.toml").write_text(profile_toml(nights, side, name=name, seed=seed))
    for words in (("survey", "add", "survey.toml"), ("backfill", "--survey", name)):
        done = subprocess.run(  # noqa: S603  our own command
            [Path(sys.executable).with_name("astrid"), *words],
            cwd=home,
            env=os.environ | {"ASTRID_HOME": str(home)},
            check=False,
            capture_output=True,
            text=True,
        )
        if done.returncode:
            raise RuntimeError(f"astrid {' '.join(words)} failed:\n{done.stdout}{done.stderr}")
    catalogue = Catalogue(f"sqlite:///{home / 'catalogue.db'}")
    try:
        return sky_of(catalogue)
    finally:
        catalogue.close()


def sky_of(catalogue: Catalogue) -> Sky:
    """Count what a catalogue of one simulated survey says."""
    (part,) = collect_report(catalogue).surveys
    if part.truth is None or part.injections is None:
        raise RuntimeError(f"no night of {part.name} was compared with the truth")
    inside = [k for k, edge in enumerate(part.truth.edges[:-1]) if edge >= STRONG_SNR]
    with catalogue.read() as session:
        known = {
            event.detection_id: event
            for event in session.scalars(
                select(ValidationEvent).where(ValidationEvent.source == "truth")
            )
        }
        rising = [
            known[detection.id]
            for detection, candidate in session.execute(
                select(Detection, CandidateRow).join(
                    CandidateRow, Detection.candidate_id == CandidateRow.id
                )
            )
            if detection.id in known and candidate.score_sigma > 0
        ]
    return Sky(
        strong=sum(part.truth.injected[k] for k in inside),
        found=sum(part.truth.found[k] for k in inside),
        tested=part.injections.tested,
        repeated=part.injections.repeated,
        rising=len(rising),
        lasting=sum(e.label == "real" and e.classification != "asteroid" for e in rising),
    )


def add_sky(figures: Figures, row: str, sky: Sky) -> None:
    """Add the counts of one sky, or of several together."""
    table = "simulated skies, raw frames to detections"
    figures.add(table, row, f"changes above S/N {STRONG_SNR}", sky.strong)
    figures.add(table, row, "found", sky.found)
    figures.add(table, row, "detections tested", sky.tested)
    figures.add(table, row, "seen again", sky.repeated)
    figures.add(table, row, "rising detections", sky.rising)
    figures.add(table, row, "real and lasting", sky.lasting)


def judged(figures: Figures, sky: Sky) -> list[str]:
    """Add the shares of all skies; return a sentence for each claim that does not hold."""
    complete = wilson_interval(sky.found, sky.strong)
    estimated = wilson_interval(sky.repeated, sky.tested)
    true = wilson_interval(sky.lasting, sky.rising)
    if complete is None or estimated is None or true is None:
        return ["no strong change was simulated, or nothing was found: nothing is shown"]
    shares = {
        "completeness": complete,
        "purity by the next frame": estimated,
        "purity by the truth": true,
    }
    for row, (low, high) in shares.items():
        figures.add("all skies, 95 % intervals", row, "at least", 100 * low, "%")
        figures.add("all skies, 95 % intervals", row, "at most", 100 * high, "%")
    failures = []
    if complete[1] < LEAST_COMPLETENESS:
        failures.append(
            f"{sky.strong - sky.found} of {sky.strong} changes above S/N {STRONG_SNR} were lost"
        )
    if estimated[0] > true[1] or true[0] > estimated[1]:
        failures.append(
            f"purity is {true[0]:.2f}-{true[1]:.2f}, and the next frame suggests "
            f"{estimated[0]:.2f}-{estimated[1]:.2f}"
        )
    return failures


if __name__ == "__main__":
    sys.exit(main())
