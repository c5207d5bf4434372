"""Data-quality gates: comparisons that compute their verdict from the value they show.

A gate judges a number that an asset measured; it computes no science. Each gate is
declared once, with its asset, its claim and what its value is; a `Verdict` holds value
and limits and passes exactly when the one lies within the other. Assets keep the
verdicts in the catalogue, where the next asset reads which frames and nights to leave
out; `checks` shows the same verdicts in Dagster. The gates of the subtraction follow
from the declared numbers of a difference (`difference_gates`).
"""

from __future__ import annotations

from collections import Counter
from typing import TYPE_CHECKING

from astrid_assets.science.arrays.intervals import upper_bound
from astrid_assets.science.quality.gate import Gate, Verdict

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

MAX_REJECTED_FRACTION = 0.5  # more than half of a night lost: a person should look
MIN_AGREEMENT = 0.8  # of reviewers on labelled detections
MIN_QUALITY_SCORE = 0.8  # requirements
MIN_TEST_SAMPLES = 30  # fewer test samples decide nothing


FRAMES_ARRIVED = Gate(
    name="frames_arrived",
    asset="raw_observations",
    claim="The night's files hold at least one usable frame.",
    number="frames ingested",
    blocks=False,
)
FRAME_QUALITY = Gate(
    name="frame_quality",
    asset="processed_frames",
    claim="At least one frame is good enough to subtract.",
    number="accepted light frames",
    blocks=True,
)
REJECTED_FRACTION = Gate(
    name="rejected_fraction",
    asset="processed_frames",
    claim="Most of the night's frames are usable.",
    number="rejected light frames over all",
    blocks=False,
)
CANDIDATE_DENSITY = Gate(
    name="candidate_density",
    asset="detections",
    claim="Fewer candidates than a bad subtraction leaves.",
    number="kept candidates per square degree",
    blocks=True,
)
SCORE_DRIFT = Gate(
    name="score_drift",
    asset="detections",
    claim="The model's scores are distributed as on the first nights that it scored.",
    number="difference of the cumulative distributions, at least",
    blocks=False,
)
INPUT_DRIFT = Gate(
    name="input_drift",
    asset="detections",
    claim="S/N, width and sky noise are distributed as on the first nights of the model.",
    number="difference of the cumulative distributions, at least",
    blocks=False,
)
COMPLETENESS = Gate(
    name="completeness",
    asset="injected_transients",
    claim="Injected transients of S/N 10 to 20 are found, within the error of their number.",
    number="upper end of the 95 % interval of the fraction found",
    blocks=False,
)
INJECTIONS_ANSWERED = Gate(
    name="injections_answered",
    asset="injected_transients",
    claim="Every injected frame could be subtracted and searched.",
    number="injected frames without an answer",
    blocks=False,
)
REFERENCE_IS_CLEAN = Gate(
    name="reference_is_clean",
    asset="light_curves",
    claim="No source is in the reference and nowhere else.",
    number="positions that are dark on nearly every frame",
    blocks=False,
)
LABEL_AGREEMENT = Gate(
    name="label_agreement",
    asset="validated_labels",
    claim="Reviewers of the same detections mostly agree.",
    number="mean agreement of reviewers",
    blocks=True,
)
NIGHT_BALANCE = Gate(
    name="label_balance",
    asset="validated_labels",
    claim="Both real and bogus are among the night's labels.",
    number="real labels over all",
    blocks=False,
)
DATASET_QUALITY = Gate(
    name="dataset_quality",
    asset="training_dataset",
    claim="The quality score of the training set reaches its limit.",
    number="quality score",
    blocks=True,
)
IMAGE_QUALITY = Gate(
    name="image_quality",
    asset="training_dataset",
    claim="The quality of the training images reaches its limit.",
    number="image quality score",
    blocks=True,
)
DATASET_BALANCE = Gate(
    name="label_balance",
    asset="training_dataset",
    claim="Both classes are present in the training set.",
    number="real labels over all, as training draws them",
    blocks=True,
)
NO_LEAKS = Gate(
    name="no_leaks",
    asset="training_dataset",
    claim="No object, position, frame and position, or set of pixels stands on two sides.",
    number="rows that share something with another side",
    blocks=True,
)
EVALUATION_FLOOR = Gate(
    name="evaluation_floor",
    asset="trained_unet",
    claim="The model separates real from bogus on unseen samples.",
    number="ROC AUC on the test split",
    blocks=True,
)
ENOUGH_TEST_SAMPLES = Gate(
    name="enough_test_samples",
    asset="trained_unet",
    claim="The test split holds enough samples to decide.",
    number="test samples",
    blocks=True,
)
DEPLOYMENT_IS_CONSISTENT = Gate(
    name="deployment_is_consistent",
    asset="deployed_model",
    claim="The champion's file is in the store.",
    number="champions without a file",
    blocks=True,
)

OTHER_GATES = (
    FRAMES_ARRIVED,
    FRAME_QUALITY,
    REJECTED_FRACTION,
    CANDIDATE_DENSITY,
    SCORE_DRIFT,
    INPUT_DRIFT,
    COMPLETENESS,
    INJECTIONS_ANSWERED,
    REFERENCE_IS_CLEAN,
    LABEL_AGREEMENT,
    NIGHT_BALANCE,
    DATASET_QUALITY,
    IMAGE_QUALITY,
    DATASET_BALANCE,
    NO_LEAKS,
    EVALUATION_FLOOR,
    ENOUGH_TEST_SAMPLES,
    DEPLOYMENT_IS_CONSISTENT,
)
"""Gates but those of masters and differences, which `master_gates` and
`difference_gates` declare."""


def frames_arrived(ingested: int, refused: int) -> Verdict:
    """Judge whether the night has frames that the reader accepted.

    Parameters
    ----------
    ingested, refused
        Numbers of frames.

    Returns
    -------
    verdict
        On the number ingested; nothing to judge where no file came.
    """
    total = ingested + refused
    return FRAMES_ARRIVED.judge(
        ingested if total else None,
        at_least=1,
        detail=f"{ingested} frames ingested, {refused} refused by the reader",
    )


def frame_quality(accepted: int, rejected: Sequence[str]) -> Verdict:
    """Judge whether a light frame of the night is good enough to subtract.

    Parameters
    ----------
    accepted
        Number of accepted light frames.
    rejected
        First reason code of every rejected light frame.

    Returns
    -------
    verdict
        On the number accepted; nothing to judge without light frames.
    """
    total = accepted + len(rejected)
    return FRAME_QUALITY.judge(
        accepted if total else None,
        at_least=1,
        detail=f"{accepted} of {total} frames accepted{_counted(rejected)}",
    )


def rejected_fraction(accepted: int, rejected: Sequence[str]) -> Verdict:
    """Judge whether most of the night's frames are usable.

    Parameters
    ----------
    accepted, rejected
        As for `frame_quality`.

    Returns
    -------
    verdict
        On the fraction rejected.
    """
    total = accepted + len(rejected)
    return REJECTED_FRACTION.judge(
        len(rejected) / total if total else None,
        at_most=MAX_REJECTED_FRACTION,
        detail=f"{len(rejected)} of {total} frames rejected{_counted(rejected)}",
    )


def completeness(found: int, total: int, minimum: float, snr: tuple[float, float]) -> Verdict:
    """Judge whether injected transients are found, within the error of their number.

    The upper end of the 95 % interval is judged: a dozen injections that lost two by
    chance block nobody.

    Parameters
    ----------
    found, total
        Numbers of injected transients of this significance.
    minimum
        Fraction that must be within the interval.
    snr
        Range of theoretical S/N.

    Returns
    -------
    verdict
        On the upper end of the interval; nothing to judge without injections.
    """
    share = f" ({found / total:.0%})" if total else ""
    return COMPLETENESS.judge(
        upper_bound(found, total) if total else None,
        at_least=minimum,
        detail=f"{found} of {total} injected transients of S/N {snr[0]:g} to "
        f"{snr[1]:g} found{share}",
    )


def injections_answered(failures: int, frames: int) -> Verdict:
    """Judge whether every injected frame could be subtracted and searched.

    Parameters
    ----------
    failures, frames
        Injected frames without an answer, and all of them.

    Returns
    -------
    verdict
        On the number of failures; nothing to judge without injected frames.
    """
    return INJECTIONS_ANSWERED.judge(
        failures if frames else None,
        at_most=0,
        detail=f"{failures} of {frames} injected frames gave no answer",
    )


def reference_is_clean(holes: Sequence[str]) -> Verdict:
    """Judge whether the reference holds sources that no frame shows.

    Parameters
    ----------
    holes
        Positions (right ascension and declination in words) of persistent holes.

    Returns
    -------
    verdict
        On their number.
    """
    return REFERENCE_IS_CLEAN.judge(
        len(holes),
        at_most=0,
        detail=f"{len(holes)} positions are dark by the same amount on nearly every "
        "frame: sources that only the reference has"
        + (f" ({'; '.join(holes[:5])})" if holes else ""),
    )


def candidate_density(kept: int, area_deg2: float, highest: float) -> Verdict:
    """Judge whether there are fewer candidates than a bad subtraction leaves.

    Parameters
    ----------
    kept
        Candidates that passed all tests.
    area_deg2 : square degrees
        Area that was searched.
    highest : per square degree
        Highest density accepted.

    Returns
    -------
    verdict
        On their density; nothing to judge where nothing was searched.
    """
    return CANDIDATE_DENSITY.judge(
        kept / area_deg2 if area_deg2 > 0 else None,
        at_most=highest,
        detail=f"{kept} kept candidates on {area_deg2:.5f} square degrees",
    )


def label_agreement(agreements: Sequence[float]) -> Verdict:
    """Judge whether reviewers of the same detections mostly agree.

    Parameters
    ----------
    agreements
        Per labelled detection, 0 to 1.

    Returns
    -------
    verdict
        On the mean; nothing to judge without labels.
    """
    return LABEL_AGREEMENT.judge(
        sum(agreements) / len(agreements) if agreements else None,
        at_least=MIN_AGREEMENT,
        detail=f"mean agreement over {len(agreements)} labelled detections",
    )


def label_balance(gate: Gate, real: int, bogus: int, limits: tuple[float, float]) -> Verdict:
    """Judge whether both classes are present in the labels.

    Parameters
    ----------
    gate
        `NIGHT_BALANCE`, or another one of labels.
    real, bogus
        Numbers of labels.
    limits
        Lowest and highest fraction of real ones.

    Returns
    -------
    verdict
        On the fraction of real labels; nothing to judge without labels.
    """
    total = real + bogus
    return gate.judge(
        real / total if total else None,
        at_least=limits[0],
        at_most=limits[1],
        detail=f"{real} real, {bogus} bogus",
    )


def dataset_quality(
    score: float, issues: Iterable[str], limit: float = MIN_QUALITY_SCORE
) -> Verdict:
    """Judge whether the quality score of a training set reaches its limit.

    Parameters
    ----------
    score
        0 to 1.
    issues
        What lowered it, in words.
    limit
        The least that is accepted.

    Returns
    -------
    verdict
        On the score.
    """
    return DATASET_QUALITY.judge(score, at_least=limit, detail="; ".join(issues) or "no issues")


def image_quality(score: float | None, limit: float, unknown: Iterable[str]) -> Verdict:
    """Judge whether the quality of the training images reaches its limit.

    Parameters
    ----------
    score
        0 to 1; None where nothing is known of any image.
    limit
        The least that is accepted.
    unknown
        What nobody measured; parts of the image quality begin with ``image:``.

    Returns
    -------
    verdict
        On the score.
    """
    parts = [name.removeprefix("image: ") for name in unknown if name.startswith("image: ")]
    missing = ", ".join(parts)
    return IMAGE_QUALITY.judge(
        score,
        at_least=limit,
        detail="edges, masks, seeing and depth of the cutouts, quality of their frames"
        + (f"; unknown: {missing}" if missing else ""),
    )


def dataset_balance(
    mix: float, real: int, bogus: int, limits: tuple[float, float], least: int
) -> Verdict:
    """Judge whether both classes are present in what training draws.

    Parameters
    ----------
    mix
        Share of real among what training draws.
    real, bogus
        Numbers of labels.
    limits
        Lowest and highest share of real ones.
    least
        Labels that each class needs, whatever the mix.

    Returns
    -------
    verdict
        On the mix; on a share of 0 or 1 where a class has too few labels.
    """
    enough = min(real, bogus) >= least
    return DATASET_BALANCE.judge(
        mix if enough else float(real > bogus),
        at_least=limits[0],
        at_most=limits[1],
        detail=f"{real} real, {bogus} bogus" + ("" if enough else f"; each class needs {least}"),
    )


def no_leaks(n_rows: int, found: str) -> Verdict:
    """Judge whether anything stands on two sides of a frozen split.

    Parameters
    ----------
    n_rows
        Rows that share something with another side.
    found
        What they share, in words.

    Returns
    -------
    verdict
        On their number.
    """
    return NO_LEAKS.judge(n_rows, at_most=0, detail=found)


def evaluation_floor(roc_auc: float, floor: float, snr_roc_auc: float) -> Verdict:
    """Judge whether the model separates real from bogus on unseen samples.

    Parameters
    ----------
    roc_auc, floor
        ROC AUC of the model on the frozen test split, and the least accepted.
    snr_roc_auc
        ROC AUC of ranking by S/N alone, for comparison.

    Returns
    -------
    verdict
        On the ROC AUC.
    """
    return EVALUATION_FLOOR.judge(
        roc_auc,
        at_least=floor,
        detail=f"ROC AUC {roc_auc:.4f}; plain S/N ranking {snr_roc_auc:.4f}",
    )


def enough_test_samples(n_test: int) -> Verdict:
    """Judge whether the test split is large enough to decide anything.

    Parameters
    ----------
    n_test
        Samples of the frozen test split.

    Returns
    -------
    verdict
        On their number.
    """
    return ENOUGH_TEST_SAMPLES.judge(
        n_test, at_least=MIN_TEST_SAMPLES, detail=f"{n_test} samples in the test split"
    )


def _counted(codes: Sequence[str]) -> str:
    counts: Mapping[str, int] = Counter(str(code) for code in codes)
    if not counts:
        return ""
    return " (" + ", ".join(f"{n} {code}" for code, n in sorted(counts.items())) + ")"
