"""The report of a night's injections: completeness, purity, errors, the gate."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.plots import completeness_curve
from astrid_assets.science.injection.completeness import by_snr, errors_by_snr, shares_above
from astrid_assets.science.injection.purity import MEANING
from astrid_assets.science.injection.recovery import half_found_snr
from astrid_assets.science.injection.sources import SNR_EDGES
from astrid_assets.science.quality.gates import completeness, injections_answered
from astrid_assets.steps.nights import NightReport, Tools, keep_picture

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from astrid_assets.science.injection.purity import Repeats
    from astrid_assets.storage.database.tables.detections import InjectedTransientRow
    from astrid_assets.surveys.profile import SurveyProfile

ASSET = "injected_transients"
PICTURE = "injected transients found, and detections seen twice, by S/N"
GATE_SNR = (10.0, 20.0)
"""S/N between which the gate counts: bright enough that noise loses none."""


@dataclass(frozen=True)
class InjectOutcome:
    """What became of the transients of one frame, or why there is nothing to say.

    `others`: detections that were not injected; `made_by_injection`: those of them that
    the frame did not show before. `position_scale_px`: error of a position at S/N 1.
    """

    rows: list[InjectedTransientRow]
    others: int = 0
    made_by_injection: int = 0
    position_scale_px: float = float("nan")
    repeats: Repeats | None = None
    limit_mag: float | None = None
    failure: str | None = None


def night_report(
    tools: Tools, profile: SurveyProfile, night: str, found: Sequence[InjectOutcome]
) -> NightReport:
    """Sum up what became of a night's injections."""
    rows = [row for outcome in found for row in outcome.rows]
    signed, is_found = _column(rows, "snr"), _column(rows, "found").astype(bool)
    snr = np.abs(signed)
    counted = (snr >= GATE_SNR[0]) & (snr < GATE_SNR[1])
    injected_by_snr, found_by_snr = by_snr(snr, is_found)
    seen = [outcome.repeats for outcome in found if outcome.repeats is not None]
    purity = _purity(seen)
    limits = [o.limit_mag for o in found if o.limit_mag is not None]
    half = half_found_snr(snr, is_found) if rows else None
    summary: dict[str, object] = {
        "injected_frames": len(found),
        "injected": len(rows),
        "found": int(is_found.sum()),
        "cutouts_kept": sum(row.cutout_key is not None for row in rows),
        "half_found_snr": None if half is None else round(half, 2),
        "limiting_mag": round(float(np.mean(limits)), 3) if limits else None,
        "edges": [None if np.isinf(edge) else edge for edge in SNR_EDGES],
        "injected_by_snr": injected_by_snr,
        "found_by_snr": found_by_snr,
        "above_10_sigma": shares_above(signed, is_found, _column(rows, "on_galaxy").astype(bool)),
        "other_detections": sum(outcome.others for outcome in found),
        "made_by_injection": sum(outcome.made_by_injection for outcome in found),
        **purity,
        **_errors(found, rows, is_found),
        "failures": [o.failure for o in found if o.failure],
    }
    verdicts = (
        completeness(
            int((counted & is_found).sum()),
            int(counted.sum()),
            profile.injection.min_completeness,
            GATE_SNR,
        ),
        injections_answered(sum(o.failure is not None for o in found), len(found)),
    )
    pictures = {}
    if rows:
        png = completeness_curve(
            SNR_EDGES,
            found_by_snr,
            injected_by_snr,
            _repeats_by_snr(seen) if seen else None,
            limit=profile.injection.min_completeness,
        )
        name = f"{night}-completeness"
        pictures[PICTURE] = keep_picture(tools.store, profile.name, night, name, png)
    return NightReport(profile.name, night, ASSET, summary, verdicts, pictures=pictures)


def _purity(seen: Sequence[Repeats]) -> dict[str, object]:
    """How much of what was detected another frame of the night shows too."""
    if not seen:
        return {"purity": None, "purity_means": "no second frame of the night to ask"}
    repeated, tested = _repeats_by_snr(seen)
    faded = _repeats_by_snr(seen, sign=-1)
    return {
        "purity": _share(repeated, tested),
        "purity_of_fading": _share(*faded),
        "purity_means": MEANING,
        "tested_by_snr": tested,
        "repeated_by_snr": repeated,
    }


def _repeats_by_snr(seen: Sequence[Repeats], sign: int = 1) -> tuple[list[int], list[int]]:
    score = sign * np.concatenate([one.score for one in seen])
    repeated = np.concatenate([one.repeated for one in seen])
    tested, shown = by_snr(score, repeated)  # the other sign lies below all edges
    return shown, tested


def _share(some: Sequence[int], of: Sequence[int]) -> float | None:
    return round(sum(some) / sum(of), 3) if sum(of) else None


def _errors(
    found: Sequence[InjectOutcome],
    rows: Sequence[InjectedTransientRow],
    is_found: NDArray[np.bool_],
) -> dict[str, object]:
    """Flux and position errors of what was found, against their truth and theory."""
    if not is_found.any():
        return {}
    true, flux = (_column(rows, n)[is_found] for n in ("flux_e", "measured_flux_e"))
    error = _column(rows, "measured_flux_err_e")[is_found]
    dx, dy = (_column(rows, name)[is_found] for name in ("dx_px", "dy_px"))
    offset = np.hypot(dx, dy)
    snr = _column(rows, "snr")[is_found]
    scale = np.repeat(
        [outcome.position_scale_px for outcome in found],
        [len(outcome.rows) for outcome in found],
    )[is_found]
    return {
        "flux_over_truth": round(float(np.median(flux / true)), 4),
        "flux_within_one_sigma": round(float(np.mean(np.abs(flux - true) < error)), 3),
        "position_error_px": round(float(np.median(offset)), 3),
        "errors_by_snr": errors_by_snr(
            snr, true, flux, error, np.column_stack([dx, dy]), scale / np.abs(snr)
        ),
    }


def _column(rows: Sequence[InjectedTransientRow], name: str) -> NDArray[np.float64]:
    values = [getattr(row, name) for row in rows]
    return np.array([np.nan if v is None else v for v in values], dtype=np.float64)
