"""The parts of a dataset's quality: what can be wrong with a labelled set, one by one.

Each part is a share from 0 to 1, on a scale where its limit lies at 0.8: so parts can be
compared, and the worst one is the quality of the set. A part that cannot be known has no
value.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.intervals import upper_bound, wilson_interval
from astrid_assets.science.labelling.label_errors import SUREST, suspect_labels

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.labelling.dataset_settings import DatasetQualitySettings
    from astrid_assets.science.labelling.labelled_set import LabelledSet, ReviewEvidence

AT_LIMIT = 0.8
"""Where the limit of every part lies on the common scale (requirements: quality 0.8)."""

FEWEST_MEASURED = 10
"""Fewer rows than this measure no agreement."""

FEWEST_DOUBLE = 30
"""Fewer doubly reviewed detections than this give no kappa worth judging."""

FEWEST_PER_CLASS = 15
"""Fewer rows of a class than this give no estimate of wrong labels."""


@dataclass(frozen=True)
class Part:
    """One part of the quality.

    Attributes
    ----------
    value
        As measured; None where unknown.
    score
        The same on the common scale, 0.8 at the limit.
    reason
        What is wrong, and what to do; shown where the score is below its limit.
    """

    value: float | None
    score: float | None
    reason: str


def parts_of(
    samples: LabelledSet, evidence: ReviewEvidence, settings: DatasetQualitySettings
) -> dict[str, Part]:
    """Return every part of the quality of a set that is not empty.

    Parameters
    ----------
    samples
        All cutouts, whatever their split.
    evidence
        What is known of their reviewers.
    settings
        The limits.

    Returns
    -------
    parts
        By name.
    """
    return {
        "counts": _counts(samples, settings),
        "balance": _balance(samples, settings),
        "images": _images(samples, settings),
        "reviewed": _reviewed(samples, settings),
        "agreement": _agreement(samples, settings),
        "reviewers": _reviewers(evidence, settings),
        "consistency": _consistency(samples, settings),
        "distinctness": _distinctness(samples, settings),
        "labels": _labels(samples, settings),
        "mixture": _mixture(samples, settings),
    }


def contradictory(samples: LabelledSet) -> NDArray[np.bool_]:
    """Return which rows show pixels that also have the other label: (n,).

    Parameters
    ----------
    samples
        With hashes, and with keys of near-duplicates where these were searched.

    Returns
    -------
    is_contradictory
        By equal pixels or by nearly equal ones.
    """
    found = np.zeros(len(samples), dtype=bool)
    for key in (samples.content_hash, samples.duplicate):
        if key is None:
            continue
        known = key != ""
        _, member = np.unique(key[known], return_inverse=True)
        real = np.bincount(member, weights=samples.is_real[known])
        total = np.bincount(member)
        found[known] |= ((real > 0) & (real < total))[member]
    return found


def measured_agreement(samples: LabelledSet) -> NDArray[np.float64]:
    """Return the agreement of the labels that more than one vote made.

    Parameters
    ----------
    samples
        With or without numbers of votes.

    Returns
    -------
    agreement : (m,)
        One vote alone always agrees with itself, and is left out.
    """
    if samples.n_votes is None:
        return samples.agreement[np.isfinite(samples.agreement)]
    measured = (samples.n_votes >= 2) | (samples.agreement < 1)
    return samples.agreement[measured & np.isfinite(samples.agreement)]


def _scaled(value: float | None, zero: float, limit: float, best: float = 1.0) -> float | None:
    """Put a value on the common scale: 0 at `zero`, 0.8 at the limit, 1 at best."""
    if value is None:
        return None
    return float(np.interp(value, [zero, max(limit, zero + 1e-9), best], [0, AT_LIMIT, 1]))


def _counts(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    n_real = int(samples.is_real.sum())
    n_bogus = len(samples) - n_real
    fewest, least = min(n_real, n_bogus), settings.min_per_class
    word = "real" if n_real < n_bogus else "bogus"
    return Part(
        fewest,
        _scaled(fewest, 0, least, 2.0 * least),
        f"{n_real} real and {n_bogus} bogus cutouts, at least {least} of each are needed: label "
        f"more {word} detections",
    )


def _balance(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    mix = samples.mix
    low, high = settings.min_anomaly_ratio, settings.max_anomaly_ratio
    # The nearer limit decides; half and half is best.
    value, limit = (mix, low) if mix < 0.5 else (1 - mix, 1 - high)
    drawn = "" if samples.weight is None else " of what counts in training"
    if mix < 0.5:
        reason = (
            f"only {mix:.1%}{drawn} are real (at least {low:.0%}): label more real detections, "
            "raise min_class_weight, or lower min_anomaly_ratio"
        )
    else:
        reason = (
            f"{mix:.1%}{drawn} are real (at most {high:.0%}): label more bogus detections, raise "
            "min_class_weight, or raise max_anomaly_ratio"
        )
    return Part(mix, _scaled(value, 0, limit, max(0.5, limit + 1e-9)), reason)


def _images(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    known = samples.image_quality[np.isfinite(samples.image_quality)]
    mean = float(known.mean()) if len(known) else None
    return Part(
        mean,
        _scaled(mean, 0, settings.min_image_quality),
        f"mean image quality {0 if mean is None else mean:.2f} (at least "
        f"{settings.min_image_quality:.2f}): leave out the worst nights",
    )


def _reviewed(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    # What may only train was asked for as it is; what judges must be able to know.
    judges = np.ones(len(samples), dtype=bool) if samples.judges is None else samples.judges
    known = np.isin(samples.source[judges], settings.trusted_sources)
    share = float(known.mean()) if len(known) else 0.0
    return Part(
        share,
        _scaled(share, 0, settings.min_reviewed),
        f"{share:.0%} of the labels come from a source that can know (at least "
        f"{settings.min_reviewed:.0%}): review more, or name the source in trusted_sources",
    )


def _agreement(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    measured = measured_agreement(samples)
    mean = float(measured.mean()) if len(measured) >= FEWEST_MEASURED else None
    return Part(
        mean,
        _scaled(mean, 0.5, settings.min_mean_agreement),
        f"mean agreement {0 if mean is None else mean:.2f} of the {len(measured)} labels with "
        f"several votes (at least {settings.min_mean_agreement:.2f}): have disputed ones "
        "reviewed again, or raise min_agreement",
    )


def _reviewers(evidence: ReviewEvidence, settings: DatasetQualitySettings) -> Part:
    # A few chance errors condemn nobody: the upper end of the interval is judged.
    shares = {
        name: upper_bound(*counted)
        for name, counted in (("repeats", evidence.repeats), ("gold", evidence.gold))
        if counted[1]
    }
    found = [
        f"{name} {getattr(evidence, name)[0]} of {getattr(evidence, name)[1]}" for name in shares
    ]
    judged = evidence.doubly_reviewed >= FEWEST_DOUBLE
    if judged and evidence.noise is not None:
        shares["pairs"] = 1 - evidence.noise
        found.append(f"at least {evidence.noise:.0%} wrong by the disagreement of pairs")
    scores = [
        _scaled(share, 0.5, settings.min_reviewer_accuracy) or 0.0 for share in shares.values()
    ]
    if judged and evidence.kappa is not None:
        scores.append(_scaled(evidence.kappa, 0, settings.min_kappa) or 0.0)
        found.append(f"kappa {evidence.kappa:.2f}")
    return Part(
        min(shares.values(), default=None),
        min(scores, default=None),
        f"reviewers contradict themselves, each other or known labels ({', '.join(found)}; at "
        f"least {settings.min_reviewer_accuracy:.0%}, kappa {settings.min_kappa:g}): agree on "
        "the hard cases, then review again",
    )


def _consistency(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    wrong = contradictory(samples)
    share = 1 - float(wrong.mean())
    return Part(
        share,
        _scaled(share, 0, 1 - settings.max_contradictory),
        f"{int(wrong.sum())} cutouts show the same pixels as others with the other label (at "
        f"most {settings.max_contradictory:.0%}): review them",
    )


def _distinctness(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    shown = samples.content_hash
    if samples.duplicate is not None:
        shown = np.where(samples.duplicate == "", shown, np.char.add("near ", samples.duplicate))
    distinct = len(np.unique(shown))
    share = distinct / len(samples)
    return Part(
        share,
        _scaled(share, 0, settings.min_distinct),
        f"only {distinct} of {len(samples)} cutouts differ (at least "
        f"{settings.min_distinct:.0%}): the others repeat their pixels",
    )


def _labels(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    n_real = int(samples.is_real.sum())
    fewest = min(n_real, len(samples) - n_real)
    if samples.probability is None or fewest < FEWEST_PER_CLASS:
        return Part(None, None, "")
    found = suspect_labels(samples.probability, samples.is_real)
    # Both classes count the same: with 94 % real, labels at random would seem 6 % wrong. As
    # for reviewers, labels are not blamed for what chance explains.
    low = 0.0
    for share, count in ((found.missed, n_real), (found.invented, len(samples) - n_real)):
        trials = max(round(count * SUREST), 1)
        low += (wilson_interval(round(share * trials), trials) or (0.0, 1.0))[0] / 2
    wrong = (found.missed + found.invented) / 2
    return Part(
        1 - wrong,
        _scaled(1 - low, 0.5, 1 - settings.max_label_errors),
        f"labels do not follow from the pixels: about {found.missed:.0%} of the real cutouts and "
        f"{found.invented:.0%} of the bogus ones have the other label (at most "
        f"{settings.max_label_errors:.0%}): review the suspects, which the queue offers again",
    )


def _mixture(samples: LabelledSet, settings: DatasetQualitySettings) -> Part:
    surveys, member = np.unique(samples.survey, return_inverse=True)
    real = np.bincount(member, weights=samples.is_real, minlength=len(surveys))
    total = np.bincount(member, minlength=len(surveys)).astype(np.float64)
    mean = samples.is_real.mean()
    spread = mean * (1 - mean)
    if len(surveys) < 2 or spread == 0:
        return Part(None, None, "")
    # Share of the labels' variance that the name of the survey explains.
    explained = float((total * (real / total - mean) ** 2).sum() / (len(samples) * spread))
    return Part(
        1 - explained,
        _scaled(1 - explained, 0, 1 - settings.max_given_away),
        f"the survey alone gives {explained:.0%} of the labels away (at most "
        f"{settings.max_given_away:.0%}): label the missing class in each survey",
    )
