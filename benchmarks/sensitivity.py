"""How faint a change is found, and what else is: pairs of known truth, eight cases.

For each case the theoretical S/N at which half of the transients are found when the
threshold lets one false candidate per megapixel pass (a perfect score of Gaussian
noise: about 4.8), and the false candidates per megapixel at 5 sigma. A candidate is
one that `detect` keeps, of either sign; what lies at no transient is false. Settings
are the defaults, the same for all cases.

``true``: PSFs, variances and sky are those of the simulation, the flux ratio and the
offset are measured. ``blind``: sky, noise, masks and PSF are measured as well, and the
header's WCS is wrong by a third of a pixel.

All S/N are theoretical: the matched filter of ZOGY's S without error terms, S/N² =
F² Σ |P_n|² |P_r|² / (σ_n² |P_r|² + σ_r² |P_n|²); a peak, being sought where noise makes it
highest, has √(S/N² + 2). Aims are what was asked of each case.

    .venv/bin/python -m benchmarks.sensitivity
    .venv/bin/python -m benchmarks.sensitivity --seeds 2 --cases crowded jitter --keep
"""

from __future__ import annotations

from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np
from scipy.optimize import minimize
from scipy.spatial import KDTree
from scipy.stats import norm

from astrid_assets.science.arrays.threads import set_threads
from astrid_assets.science.detection.candidate import reason_names
from astrid_assets.science.detection.settings import DetectionSettings
from astrid_assets.science.detection.sources import detect
from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.differencing.subtraction import subtract
from astrid_assets.science.errors import ScienceError
from astrid_assets.science.injection.completeness import position_scale_px
from astrid_assets.science.mask_bits import UNUSABLE
from benchmarks.figures import Figures, parser_of
from benchmarks.known_pairs import CASES, blind, blind_stack, make_pair

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.detection.candidate import Candidate
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.simulation.pair import SimulatedPair

LOWEST_SIGMA = 4.0  # of the candidates that are listed at all
MATCH_PX = 2.5
BORDER_PX = 20.0
STAR_NEAR_PX = 30.0  # a false candidate nearer than this to a saturated star is its
BRIGHT_SNR = 50.0  # a PSF error of 1 % is half a sigma

AIMS = {
    "reference sharper": (5.0, 1),
    "science sharper": (5.0, 1),
    "crossed": (5.1, 1),
    "varying PSF": (5.4, 3),
    "jitter": (5.6, 2),
    "crowded": (5.8, 2),
    "cosmic rays": (6.0, 3),
}
"""By case: the S/N at which half should be found, and false candidates per Mpx."""

WAYS = {"true": "PSFs, sky and variances given", "blind": "all measured"}


@dataclass
class Found:
    """What one pair, or all of a case, gave."""

    mpx: float = 0.0
    blank_mpx: float = 0.0
    truth: list[tuple[float, float]] = field(default_factory=list)
    """Theoretical S/N, and the score it was found with (0: not kept)."""
    flux: list[tuple[float, float, float]] = field(default_factory=list)
    """Theoretical S/N, relative flux error, flux error in units of the quoted one."""
    place: list[tuple[float, float]] = field(default_factory=list)
    """Offsets over the theoretical error, x and y."""
    false: list[float] = field(default_factory=list)
    blank_peaks: int = 0
    blank_expected: float = 0.0
    near_saturated: int = 0
    saturated: int = 0
    std: list[float] = field(default_factory=list)
    bright: list[float] = field(default_factory=list)
    rejected: dict[str, int] = field(default_factory=dict)
    failed: list[str] = field(default_factory=list)

    def add(self, other: Found) -> None:
        """Take in what another pair gave."""
        for name, value in vars(other).items():
            if isinstance(value, dict):
                for key, count in value.items():
                    self.rejected[key] = self.rejected.get(key, 0) + count
            else:
                setattr(self, name, getattr(self, name) + value)


def main() -> None:
    """Run the cases."""
    parser = parser_of("sensitivity", __doc__)
    parser.add_argument("--seeds", type=int, default=6)
    parser.add_argument("--first-seed", type=int, default=100)
    parser.add_argument("--cases", nargs="*", default=list(CASES), choices=list(CASES))
    parser.add_argument("--ways", nargs="*", default=["true", "blind"])
    parser.add_argument("--method", default="")
    parser.add_argument("--jobs", type=int, default=1)
    figures = Figures(parser)
    options = figures.options
    tasks = [
        (case, way, seed, options.method)
        for case in options.cases
        for way in options.ways
        for seed in range(options.first_seed, options.first_seed + options.seeds)
    ]
    totals: dict[tuple[str, str], Found] = {}
    with ProcessPoolExecutor(options.jobs) as pool:
        for task, found in zip(tasks, pool.map(run_pair, *zip(*tasks)), strict=True):  # noqa: B905
            totals.setdefault(task[:2], Found()).add(found)
    for (case, way), found in totals.items():
        add_case(figures, WAYS.get(way, way), case, found)
    figures.finish()


def run_pair(case: str, way: str, seed: int, method: str) -> Found:
    """Simulate, subtract, search and compare with the truth."""
    set_threads(1)
    pair = make_pair(case, seed)
    science, reference = pair.science, pair.reference
    settings = DifferencingSettings.model_validate({"method": method} if method else {})
    try:
        if way == "blind":
            science = blind(science)
            reference = blind_stack(reference, float(science.sky_rms_e or 0))
        difference = subtract(science, reference, settings)
    except ScienceError as error:
        return Found(failed=[error.reason.code])
    candidates = detect(
        difference,
        science,
        DetectionSettings.model_validate({"threshold_sigma": LOWEST_SIGMA}),
    )
    return compare(pair, difference, candidates)


def compare(pair: SimulatedPair, difference: Difference, candidates: list[Candidate]) -> Found:
    """Match candidates to the truth and collect the numbers."""
    usable = (difference.mask & UNUSABLE) == 0
    found = Found(mpx=usable.sum() / 1e6, std=[difference.std_score])
    kept = [c for c in candidates if c.is_kept]
    taken: set[int] = set()
    unit = position_scale_px(difference.psf_d)
    for t in pair.transients:
        here = [
            (np.hypot(c.x - t.x, c.y - t.y), i)
            for i, c in enumerate(kept)
            if c.sign == np.sign(t.flux_e)
        ]
        distance, i = min(here, default=(np.inf, -1))
        if distance > MATCH_PX:
            found.truth.append((abs(t.snr), 0.0))
            lost = [c for c in candidates if np.hypot(c.x - t.x, c.y - t.y) < MATCH_PX]
            for name in {n for c in lost for n in _names(c)} if abs(t.snr) > 8 else ():
                found.rejected[name] = found.rejected.get(name, 0) + 1
            continue
        taken.add(i)
        c = kept[i]
        found.truth.append((abs(t.snr), abs(c.score)))
        off = c.flux_e - t.flux_e
        found.flux.append((abs(t.snr), off / t.flux_e, off / c.flux_err_e))
        if abs(t.snr) > 10:
            scale = abs(c.score) / unit
            found.place.append(((c.x - t.x) * scale, (c.y - t.y) * scale))
    others = [c for i, c in enumerate(kept) if i not in taken]
    found.false = [abs(c.score) for c in others]
    stars = bright_stars(pair, difference)
    found.bright = stars.tolist()
    _count_places(pair, difference, candidates, others, found)
    return found


def _names(candidate: Candidate) -> list[str]:
    return reason_names(candidate.reasons)


def _count_places(
    pair: SimulatedPair,
    difference: Difference,
    candidates: list[Candidate],
    false: list[Candidate],
    found: Found,
) -> None:
    """False candidates of saturated stars, and peaks on blank sky."""
    ny, nx = difference.score.shape
    full = pair.science.saturation_e or np.inf
    peak = pair.stars_flux_e * pair.science_psf.centre().max()
    inside = (
        (pair.stars_x > BORDER_PX)
        & (pair.stars_x < nx - BORDER_PX)
        & (pair.stars_y > BORDER_PX)
        & (pair.stars_y < ny - BORDER_PX)
    )
    is_full = inside & (peak > full)
    x, y = pair.stars_x[is_full], pair.stars_y[is_full]
    found.saturated = int(is_full.sum())
    for c in false:
        near = x.size and np.hypot(x - c.x, y - c.y).min() < STAR_NEAR_PX
        found.near_saturated += bool(near and abs(c.score) >= 5)
    seen = pair.stars_flux_e > 500
    sx, sy = pair.stars_x[seen], pair.stars_y[seen]
    tx = np.array([t.x for t in pair.transients])
    ty = np.array([t.y for t in pair.transients])
    around = np.r_[sx, tx], np.r_[sy, ty]
    blank = (difference.mask & UNUSABLE) == 0
    yy, xx = np.mgrid[:ny, :nx]
    tree = KDTree(np.column_stack(around))
    distance, _ = tree.query(np.column_stack([xx[blank], yy[blank]]), workers=1)
    found.blank_mpx = float((distance > 10).sum() / 1e6)
    found.blank_expected = found.blank_mpx * gaussian_peaks(difference.psf_d, 5.0)
    places = [(c.x, c.y) for c in candidates if abs(c.score) >= 5]
    if places:
        found.blank_peaks = int((tree.query(places)[0] > 10).sum())


def bright_stars(pair: SimulatedPair, difference: Difference) -> NDArray[np.floating]:
    """Scores at the pixels of bright unsaturated stars, away from transients."""
    ny, nx = difference.score.shape
    x, y, flux = pair.stars_x, pair.stars_y, pair.stars_flux_e
    inside = (x > BORDER_PX) & (x < nx - BORDER_PX) & (y > BORDER_PX) & (y < ny - BORDER_PX)
    x, y, flux = x[inside], y[inside], flux[inside]
    columns, rows = np.rint(x).astype(int), np.rint(y).astype(int)
    bright = flux > BRIGHT_SNR * difference.flux_err[rows, columns]
    free = (difference.mask[rows, columns] & UNUSABLE) == 0
    for t in pair.transients:
        free &= np.hypot(x - t.x, y - t.y) > 15
    chosen = bright & free
    return difference.score[rows[chosen], columns[chosen]]


def gaussian_peaks(psf_d: NDArray[np.float32], threshold: float) -> float:
    """Peaks per megapixel, of both signs, that Gaussian noise alone has above sigma.

    The score of white noise is a Gaussian field with the correlation of P_D with
    itself (Adler 1981, The Geometry of Random Fields, ch. 6).
    """
    per_px = threshold * np.exp(-(threshold**2) / 2) / (2 * np.pi) ** 1.5
    return float(2e6 * per_px / position_scale_px(psf_d) ** 2)


def peak_snr(snr: NDArray[np.floating]) -> NDArray[np.floating]:
    """Return how high a source's peak is in a score of Gaussian noise, median.

    At its place the score scatters around the S/N by 1, but the peak is where noise
    makes it highest: two coordinates are fitted, and S^2 gains 1 for each.
    """
    return np.sqrt(snr**2 + 2)


def add_case(figures: Figures, table: str, case: str, found: Found) -> None:
    """Add the figures of a case: counts of pairs, what is found, and its errors."""
    figures.add(table, case, "pairs not subtracted", len(found.failed))
    if not found.truth:
        return
    if case in AIMS:
        half, false = AIMS[case]
        figures.add(table, case, "aim: half found at S/N", half)
        figures.add(table, case, "aim: false at 5 σ", false, "per Mpx")
    for (name, unit), value in summary(found).items():
        # A case of which half is never found has no such S/N.
        if np.isfinite(value):
            figures.add(table, case, name, value, unit)
    for name, count in found.rejected.items():
        figures.add(f"{table}: lost above S/N 8, by test", case, name, count)


def summary(found: Found) -> dict[tuple[str, str], float]:
    """Reduce a case to its quantities, by name and unit."""
    truth, flux = np.array(found.truth), np.array(found.flux)
    false = np.sort(np.array(found.false))[::-1]
    allowed = int(np.floor(found.mpx))
    # At this threshold one false candidate per megapixel passes.
    threshold = float(false[allowed]) if len(false) > allowed else LOWEST_SIGMA
    strong = flux[flux[:, 0] > 20]
    # What was not found counts as low: without it the median would choose the lucky.
    usual = truth[:, 0] > 5
    matched = flux[flux[:, 0] > 8]
    place = np.array(found.place)
    per_mpx = "per Mpx"
    return {
        ("half found at S/N", ""): half_found(truth[:, 0], truth[:, 1] > threshold),
        ("threshold of 1 false per Mpx", "σ"): threshold,
        ("false at 5 σ", per_mpx): float((false >= 5).sum() / found.mpx),
        ("found above S/N 10", "%"): 100 * float((truth[truth[:, 0] > 10, 1] > 0).mean()),
        ("score over theory", ""): float(np.median(truth[usual, 1] / peak_snr(truth[usual, 0]))),
        ("std(S_corr) on blank sky", "σ"): float(np.mean(found.std)),
        ("rms at bright stars", "σ"): float(np.sqrt(np.mean(np.square(found.bright)))),
        ("peaks above 5 σ on blank sky", per_mpx): found.blank_peaks / max(found.blank_mpx, 1e-9),
        ("the same of Gaussian noise", per_mpx): found.blank_expected / max(found.blank_mpx, 1e-9),
        ("saturated stars", ""): found.saturated,
        ("false candidates at them", ""): found.near_saturated,
        ("flux bias above S/N 20", "%"): 100 * float(np.median(strong[:, 1])),
        ("within the quoted flux error", "%"): 100 * float((np.abs(matched[:, 2]) < 1).mean()),
        ("position error over theory", ""): float(1.4826 * np.median(np.abs(place))),
    }


def half_found(snr: NDArray[np.floating], found: NDArray[np.bool_]) -> float:
    """Return the S/N at which half are found: a smooth curve with a ceiling, fitted."""

    def chance(p: NDArray[np.floating]) -> NDArray[np.floating]:
        ceiling = 1 / (1 + np.exp(-p[2]))
        return np.clip(ceiling * norm.cdf((snr - p[0]) / np.exp(p[1])), 1e-4, 1 - 1e-4)

    def unlikelihood(p: NDArray[np.floating]) -> float:
        c = chance(p)
        return -float(np.where(found, np.log(c), np.log1p(-c)).sum())

    best = minimize(unlikelihood, [5.0, 0.0, 3.0], method="Nelder-Mead").x
    ceiling = 1 / (1 + np.exp(-best[2]))
    if ceiling <= 0.5:
        return float("inf")
    return float(best[0] + np.exp(best[1]) * norm.ppf(0.5 / ceiling))


if __name__ == "__main__":
    main()
