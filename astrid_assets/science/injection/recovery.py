"""Recovery of injected transients: which of them a search finds, and from which S/N on."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray
from scipy.optimize import minimize
from scipy.spatial import KDTree

if TYPE_CHECKING:
    from collections.abc import Sequence

    from astrid_assets.science.detection.candidate import Candidate
    from astrid_assets.science.injection.sources import Injections

Array = NDArray[np.float64]
Bool = NDArray[np.bool_]

MATCH_FWHM = 1.0
SHARPEST, SOFTEST = 0.05, 0.6
"""Limits of the curve's width, as fractions of the S/N at which half are found: noise of one
sigma at a threshold of five gives 0.2."""


@dataclass(frozen=True)
class Recovery:
    """What became of each injection; every array has shape (n,).

    `found`: a kept candidate of the right sign within one FWHM; `listed`: any
    candidate, `reasons` its failed tests, `candidate` its index in the list that was
    searched, -1 for none. `score`, `flux_e`, `flux_err_e`, `dx_px`, `dy_px` (measured minus
    true) are NaN where nothing was listed.
    """

    found: Bool
    listed: Bool
    reasons: NDArray[np.int64]
    candidate: NDArray[np.int64]
    score: Array
    flux_e: Array
    flux_err_e: Array
    dx_px: Array
    dy_px: Array


def recover(injections: Injections, candidates: Sequence[Candidate], fwhm_px: float) -> Recovery:
    """Look up each injection among the candidates of the injected difference.

    Parameters
    ----------
    injections : (n,)
        Positions in pixels, S/N and electrons.
    candidates
        All candidates of that difference, kept and rejected.
    fwhm_px : pixels
        FWHM of the science PSF.

    Returns
    -------
    recovery : (n,)
        Found or listed, with fluxes in electrons and offsets in pixels.
    """
    n = len(injections)
    nothing = np.full(n, np.nan)
    out = Recovery(
        found=np.zeros(n, dtype=bool),
        listed=np.zeros(n, dtype=bool),
        reasons=np.zeros(n, dtype=np.int64),
        candidate=np.full(n, -1),
        score=nothing,
        flux_e=nothing.copy(),
        flux_err_e=nothing.copy(),
        dx_px=nothing.copy(),
        dy_px=nothing.copy(),
    )
    sign = np.sign(injections.snr)
    for which in (1, -1):
        places = [place for place, c in enumerate(candidates) if c.sign == which]
        wanted = np.flatnonzero(sign == which)
        if not places or not len(wanted):
            continue
        tree = KDTree([(candidates[place].x, candidates[place].y) for place in places])
        positions = np.column_stack([injections.x, injections.y])[wanted]
        distance, index = tree.query(positions, distance_upper_bound=MATCH_FWHM * fwhm_px)
        near = np.isfinite(np.asarray(distance))
        for i, j in zip(wanted[near], np.asarray(index)[near], strict=True):
            candidate = candidates[places[int(j)]]
            out.candidate[i] = places[int(j)]
            out.listed[i], out.found[i] = True, candidate.is_kept
            out.reasons[i] = candidate.reasons
            out.score[i], out.flux_e[i] = candidate.score, candidate.flux_e
            out.flux_err_e[i] = candidate.flux_err_e
            out.dx_px[i] = candidate.x - injections.x[i]
            out.dy_px[i] = candidate.y - injections.y[i]
    return out


def half_found_snr(snr: Array, found: Bool) -> float | None:
    """Return the S/N at which half of the injections are found; None: unknown.

    By a maximum-likelihood fit of a logistic curve in log S/N that rises to one.

    Parameters
    ----------
    snr : (n,)
        S/N of the injections; the sign does not matter.
    found : (n,)
        Whether they were found.

    Returns
    -------
    snr
        None when all or none were found.
    """
    snr = np.abs(snr)
    if not found.any() or found.all():
        return None
    u = np.log(snr)

    def loss(p: Array) -> float:
        z = np.clip((u - p[0]) / np.exp(p[1]), -30, 30)
        share = 1 / (1 + np.exp(-z))
        return -float(np.sum(np.log(np.where(found, share, 1 - share) + 1e-9)))

    start = np.array([np.log(np.median(snr[found])) - 0.5, np.log(0.15)])
    bounds = [(u.min() - 1, u.max() + 1), (np.log(SHARPEST), np.log(SOFTEST))]
    fitted = minimize(loss, start, method="L-BFGS-B", bounds=bounds)
    return float(np.exp(fitted.x[0]))
