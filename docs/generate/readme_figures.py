"""The figures of the README, from the kept results of benchmarks.

`python -m docs.generate.readme_figures` writes them between two marks; a test fails when they
differ from the results. All figures are on the page that `figures_page` writes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING

from docs.generate.results import results

if TYPE_CHECKING:
    from collections.abc import Iterable

    from docs.generate.results import Result

README = Path(__file__).resolve().parents[2] / "README.md"
BEGIN = "<!-- Written by `python -m docs.generate.readme_figures`; not by hand. -->"
END = "<!-- Until here. -->"
BETWEEN = re.compile(f"{re.escape(BEGIN)}.*?{re.escape(END)}", re.DOTALL)

GIVEN, MEASURED = "PSFs, sky and variances given", "all measured"
SURVEYS = {"sim-wide": "1″ per pixel", "sim-deep": "0.4″ per pixel"}
STRONG = "all ≥ 10"
CASES = {
    "reference sharper": "reference sharper and deeper",
    "science sharper": "science sharper",
    "crossed": "crossed elongation",
    "varying PSF": "PSFs vary over the frame",
    "jitter": "jitter and a shift that no WCS shows",
    "crowded": "crowded",
    "cosmic rays": "unmarked cosmic rays",
    "saturated": "stars saturate early",
}
STEPS = (
    "calibration",
    "background",
    "noise patterns",
    "trails",
    "cosmic rays",
    "stars",
    "PSF",
    "PSF fluxes",
    "WCS, zero point",
    "registration",
    "write",
)


def block(kept: dict[str, Result]) -> str:
    """Return what stands between the marks."""
    parts = (
        demo(kept["demo"]),
        trainings(kept["learning"], kept["scoring"]),
        frames(kept["frames"]),
        accuracy(kept),
        sensitivity(kept["sensitivity"]),
        speed(kept["differencing"], kept["asset"]),
        services(kept),
    )
    return "\n\n".join((BEGIN, *parts, END))


def demo(result: Result) -> str:
    """Return what the demo finds, and how well its network tells real from bogus."""
    tables = {name: f"{name}: known changes" for name in SURVEYS}
    bins = [f.row for f in result.figures if f.table.startswith(tables["sim-wide"])]
    bins = list(dict.fromkeys(bins))
    lines = [
        [
            f"`{name}` ({scale})",
            *(f"{result.value(b, 'share', '%', table=tables[name]):.0f} %" for b in bins[:-1]),
            (
                f"**{result.value(STRONG, 'share', '%', table=tables[name]):.1f} %** of "
                f"{result.value(STRONG, 'known', table=tables[name])}"
            ),
        ]
        for name, scale in SURVEYS.items()
    ]
    head = ["known changes found, by theoretical S/N", *bins]
    injected = [
        sum(
            int(result.value(STRONG, what, table=f"{name}: injected transients"))
            for name in SURVEYS
        )
        for what in ("known", "found")
    ]
    scatter = [
        [result.value(name, f"std(S_corr), {which}", "σ") for name in SURVEYS]
        for which in ("least", "largest")
    ]
    real = [f"{result.value(name, 'real before any model', '%'):.0f} %" for name in SURVEYS]
    sentence = (
        f"std(S_corr) on blank sky is {min(scatter[0]):.2f}–{max(scatter[1]):.2f} on every "
        f"difference; of {injected[0]} injected\ntransients above S/N 10 the nights find "
        f"{injected[1]}. Before any model {' and '.join(real)} of the detections are real."
    )
    return "\n\n".join((_table(head, lines), sentence, _model(result)))


def _model(result: Result) -> str:
    title = next(f.table for f in result.figures if f.table.startswith("frozen test split"))
    names = {
        "roc auc": "ROC AUC",
        "average precision": "average precision",
        "fpr at 95 completeness": "false positive rate at 95 % completeness",
    }
    rows = ("U-Net", "plain S/N ranking")

    def cell(row: str, name: str) -> str:
        value, low, high = (result.value(row, name + which) for which in ("", ", low", ", high"))
        return f"{value:.3f} ({low:.3f}–{high:.3f})"

    there = {f.name for f in result.figures if f.table == title}
    lines = [
        [text, *(cell(row, name) for row in rows)] for name, text in names.items() if name in there
    ]
    return _table([f"{title} (95 % intervals)", *rows], lines)


def trainings(result: Result, speed: Result) -> str:
    """Return how well trainings of several seeds judge a larger test, and how fast they score."""
    seeds = list(dict.fromkeys(f.row for f in result.figures if f.row.startswith("seed")))

    def mean(name: str, unit: str = "") -> float:
        return sum(result.value(seed, name, unit) for seed in seeds) / len(seeds)

    real, bogus = (int(result.value("cutouts", name)) for name in ("real", "bogus"))
    share = 100 * speed.value("ONNX Runtime", "of the peak")
    return (
        f"{len(seeds)} trainings judged on {real} real and {bogus} bogus of eight simulated "
        f"surveys (`benchmarks.learning`): ROC AUC {result.value('all', 'mean ROC AUC'):.3f}, at "
        f"worst\n{result.value('all', 'worst'):.3f}; false positive rate at 95 % completeness "
        f"{mean('FPR at 95 %'):.2f}; at S/N 5–7 ROC AUC {mean('S/N 5-7'):.3f}; asteroids against "
        f"cosmic rays\nand noise {mean('asteroids'):.3f}; {mean('CPU', 's'):.0f} CPU seconds each. "
        f"One core scores {speed.value('ONNX Runtime', 'cutouts', '1/s'):.0f} cutouts a second, "
        f"{share:.0f} % of what it can (`benchmarks.scoring`)."
    )


def frames(result: Result) -> str:
    """Return what each step of a frame costs, beside another program."""
    rows = list(dict.fromkeys(f.row for f in result.figures))
    lines = []
    for step in STEPS:
        peer = next((row for row in rows if row.startswith(f"{step} by ")), None)
        other = ["", ""]
        if peer is not None:
            other = [peer.removeprefix(f"{step} by "), f"{result.value(peer, 'CPU time', 's'):.3f}"]
        lines.append([step, f"{result.value(step, 'CPU time', 's'):.3f}", *other])
    whole, others = "the chain, raw to written and registered", "the other programs in a row"
    lines.append(
        [
            f"**{whole}**",
            f"**{result.value(whole, 'CPU time', 's'):.2f}**",
            "the others in a row",
            f"{result.value(others, 'CPU time', 's'):.1f}",
        ]
    )
    side = result.about["arguments"]["side"]
    title = f"one frame of {side}², one thread (`benchmarks.frames`)"
    memory = result.value(whole, "memory", "frames")
    return (
        _table([title, "CPU s", "instead", "CPU s"], lines)
        + f"\n\nThe chain needs {memory:.1f} frame-sizes of float32."
    )


def accuracy(kept: dict[str, Result]) -> str:
    """Return what masks, PSF and registration get right, in sentences."""
    masks, psf, registration = (kept[name] for name in ("masks", "psf", "registration"))

    def searches(fwhm: str) -> str:
        table = f"cosmic rays, FWHM {fwhm} px"
        found = [
            f"{masks.value(name, 'recall', '%', table=table):.1f} % with "
            f"{masks.value(name, 'false', 'pixels', table=table)}"
            for name in ("astrid", "astroscrappy objlim 2", "astroscrappy objlim 5")
        ]
        return f"FWHM {fwhm} px: {found[0]} false pixels, against {found[1]} or {found[2]}"

    errors = {
        fwhm: psf.value("PSF", "largest PSF error", "% of peak", table=table)
        for fwhm in ("3.0", "1.5")
        for table in (next(f.table for f in psf.figures if f"FWHM {fwhm}" in f.table),)
    }
    position = registration.value("resample", "position error", "px")
    flux = registration.value("resample", "flux error", "%")
    return (
        "Cosmic rays above 5 σ are found as often as astroscrappy finds them "
        f"({searches('3.0')});\nin sharper seeing a few less, because stars are spared "
        f"({searches('2.0')}) (`benchmarks.masks`).\nThe PSF errs by at most "
        + " and ".join(f"{error:.2f} % of its peak at FWHM {f} px" for f, error in errors.items())
        + f" (`benchmarks.psf`). Registration moves\nno noise-free star by more than "
        f"{position:.0e} px and keeps its flux to {flux:.0e} % (`benchmarks.registration`)."
    )


def sensitivity(result: Result) -> str:
    """Return how faint a change is found, case by case."""
    columns = {
        "half found at S/N": ("half found at S/N", "", ".1f"),
        "false per Mpx at 5 σ": ("false at 5 σ", "per Mpx", ".1f"),
        "std(S_corr) on blank sky": ("std(S_corr) on blank sky", "σ", ".2f"),
        "S/N over theory": ("score over theory", "", ".2f"),
        "rms at bright stars": ("rms at bright stars", "σ", ".2f"),
        "position error over theory": ("position error over theory", "", ".2f"),
        "% within the quoted flux error": ("within the quoted flux error", "%", ".0f"),
    }
    cases = dict.fromkeys(f.row for f in result.figures if f.table == GIVEN)
    lines = [
        [
            CASES[case],
            *(
                " / ".join(
                    format(result.value(case, name, unit, table=way), shape)
                    for way in (GIVEN, MEASURED)
                )
                for name, unit, shape in columns.values()
            ),
        ]
        for case in cases
    ]
    seeds = result.about["arguments"]["seeds"]
    title = f"PSFs given / all measured, {seeds} pairs of 1024² each (`benchmarks.sensitivity`)"
    return _table([title, *columns], lines)


def speed(differencing: Result, asset: Result) -> str:
    """Return what a subtraction costs, in units of one transform of the frame."""
    rows = {
        "14 transforms: the bound": "the 14 transforms of a textbook ZOGY",
        "all products, constant PSF": "**D, P_D, flux, error and S_corr, constant PSFs**",
        "all products, changing PSF": "the same, PSFs that change over the frame",
        "textbook ZOGY in float32": "textbook ZOGY, float32",
        "textbook ZOGY in complex128": "textbook ZOGY, complex128",
    }
    lines = [
        [
            text,
            f"{differencing.value(row, 'wall time', 'units', table='2048²'):.0f}",
            f"{differencing.value(row, 'memory', 'frames', table='2048²'):.0f}",
        ]
        for row, text in rows.items()
    ]
    whole = [f"{asset.value('all', which, 'units'):.0f}" for which in ("first", "further")]
    lines.append(
        [
            (
                "from the store to detections: read, register, subtract, write, read, detect; "
                "first / each further frame of a night (`benchmarks.asset`)"
            ),
            " / ".join(whole),
            "",
        ]
    )
    title = (
        "speed at 2048², two threads; a unit is one `scipy.fft.rfft2` of the frame in the same run "
        "(`benchmarks.differencing`)"
    )
    return _table([title, "units", "frames of memory"], lines)


def services(kept: dict[str, Result]) -> str:
    """Return what reviewing, the database, orchestration and the demo take, and a real event."""
    reviewers, review, api = (kept[name] for name in ("reviewers", "review", "api"))
    wrong = [reviewers.value(f"reviewer {n}", "wrong", "%") for n in (1, 2, 3)]
    lines = [
        [
            "wrong answers of three scripted reviewers, through the API → wrong labels",
            ", ".join(f"{value:.1f}" for value in wrong)
            + f" % → **{reviewers.value('consensus', 'wrong', '%'):.2f} %** of "
            + f"{reviewers.value('consensus', 'number')}",
            _source(reviewers),
        ],
        [
            (
                f"{review.about['arguments']['detections']} detections in PostgreSQL: next of the "
                "queue; save; search by cone, time, score (medians)"
            ),
            _ms(
                review,
                "next six of a newcomer",
                "save a decision",
                "search near a place",
                "search by time",
                "search by score",
            ),
            _source(review),
        ],
        [
            "the same over HTTP: next of the queue; save; a cone of 1 degree; highest scores",
            _ms(api, "next of the queue", "an event", "cone of 1 degree", "highest scores"),
            _source(api),
        ],
    ]
    if "backfill" in kept:
        ways = ("orchestration in process", "orchestration through the daemon")
        cells = (f"{kept['backfill'].value(w, 'wall time per night', 's'):.2g} s" for w in ways)
        row = "orchestration per night, in process / a run per night through the daemon"
        lines.append([row, " / ".join(cells), _source(kept["backfill"])])
    times = (
        f"{kept['demo'].value(row, 'wall time', 's'):.0f} s"
        for row in ("all", "again, when all is done")
    )
    lines.append(["the demo / again", " / ".join(times), _source(kept["demo"])])
    event = kept["pictures"]
    frames = event.value("forced light curve", "frames")
    r = event.value("forced light curve", "correlation with the published")
    lines.append(
        [
            "a microlensing event in the Galactic bulge: forced fluxes against the published ones",
            f"r = {r:.3f} on {frames} frames",
            _source(event),
        ]
    )
    return _table(["", "", "measured by, at load average"], lines)


def _source(result: Result) -> str:
    load = result.about["load"]
    return f"`benchmarks.{result.name}`, {max(load['before'], load['after']):.0f}"


def _ms(result: Result, *rows: str) -> str:
    return "; ".join(f"{result.value(row, 'median', 'ms'):.0f}" for row in rows) + " ms"


def _table(head: Iterable[str], lines: Iterable[Iterable[str]]) -> str:
    cells = [list(head), *map(list, lines)]
    cells.insert(1, ["---"] * len(cells[0]))
    return "\n".join("| " + " | ".join(line) + " |" for line in cells)


def main() -> None:
    """Write the figures into the README."""
    text = README.read_text()
    if not BETWEEN.search(text):
        raise SystemExit(f"README.md lacks the marks {BEGIN!r} and {END!r}")
    README.write_text(BETWEEN.sub(lambda _: block(results()), text))


if __name__ == "__main__":
    main()
