"""Public alerts as detections of a survey of their own, with their labels.

Each alert becomes one chain of rows (image, difference, candidate, detection) and one
cutout of the pipeline's kind: science and reference in units of their sky sigma and a
third channel in sigma. What stands in that channel is the method of the difference:
``alert_scorr``, S_corr as published; ``alert_d``, the difference over its own robust
sigma, because ZTF publishes no S_corr image. A network trained on both learns from
two kinds of third channel: take them apart by survey.

Labels that come with the alerts are events marked ``catalogue`` or ``import``; scores
of the survey's own network are kept as numbers (`SurveyScore`) and become no labels here: a
collection may train on high and low ones when it is asked to.
"""

from __future__ import annotations

import hashlib
import io
import itertools
import logging
import math
from collections import Counter
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.arrays.types import CUTOUT_SIZE
from astrid_assets.science.detection.ranking import snr_ranking
from astrid_assets.science.errors import Reason
from astrid_assets.science.labelling.cutout_fitting import fitted_cutout
from astrid_assets.science.mask_bits import MaskBit
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.steps.detections.objects import with_objects
from astrid_assets.steps.validated_labels.importing import WORDS
from astrid_assets.storage.database import ids
from astrid_assets.storage.database.catalogue import now
from astrid_assets.storage.database.sky_index import healpix_of
from astrid_assets.storage.database.tables.detections import CandidateRow, Detection, DifferenceRun
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun
from astrid_assets.storage.database.tables.learning import SurveyScore
from astrid_assets.storage.database.tables.review import ValidationEvent
from astrid_assets.storage.database.upsert import upsert
from astrid_assets.storage.objects import layout
from astrid_assets.storage.queries import gates
from astrid_assets.storage.review import labels
from astrid_assets.storage.review.views import refresh
from astrid_assets.surveys.alert_files import Alert, BadAlert, read_alerts
from astrid_assets.surveys.night import night_of_mjd

if TYPE_CHECKING:
    import datetime as dt
    from collections.abc import Sequence
    from pathlib import Path

    from sqlalchemy.orm import Session

    from astrid_assets.science.arrays.types import Cutouts
    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import ObjectStore
    from astrid_assets.surveys.profile import SurveyProfile

VERSION = "1"
"""Raised when the cutouts made of the same alert change."""

KIND = "alert"
"""Kind of these images: no step of the graph takes them for frames."""

ZERO_POINT_MAG = 25.0
"""Alerts come in magnitudes: fluxes are counts of this zero point, not electrons."""

SHOWN_REFUSALS = 20

log = logging.getLogger(__name__)


@dataclass
class AlertReport:
    """What became of the alerts of a file."""

    read: int = 0
    detections: int = 0
    nights: int = 0
    labels_added: int = 0
    labels_known: int = 0
    labels_refused: int = 0
    refused: Counter[str] = field(default_factory=Counter)
    examples: list[str] = field(default_factory=list)


def import_alerts(
    catalogue: Catalogue, store: ObjectStore, profile: SurveyProfile, path: Path
) -> AlertReport:
    """Make detections of the alerts of a file; a second time changes nothing.

    Raises
    ------
    NoAlerts
        If the file holds no alerts of a known kind.
    """
    report = AlertReport()
    alerts: list[Alert] = []
    for alert in read_alerts(path):
        report.read += 1
        if isinstance(alert, BadAlert):
            report.refused[alert.code] += 1
            if len(report.examples) < SHOWN_REFUSALS:
                report.examples.append(str(alert))
            continue
        alerts.append(alert)

    def night(alert: Alert) -> str:
        return night_of_mjd(alert.observed_mjd, profile.night)

    alerts.sort(key=lambda alert: (night(alert), alert.kind, alert.name))
    for date, group in itertools.groupby(alerts, key=night):
        _import_night(catalogue, store, profile, date, list(group), report)
        report.nights += 1
    return report


def alert_cutout(alert: Alert) -> Cutouts:
    """Return the (3, 64, 64) cutout of an alert, by the rules of `cutout_fitting`."""
    third = "score" if alert.third_is_score else "difference"
    return fitted_cutout(
        {"science": alert.science, "reference": alert.reference, third: alert.third}
    )


def _import_night(
    catalogue: Catalogue,
    store: ObjectStore,
    profile: SurveyProfile,
    night: str,
    alerts: Sequence[Alert],
    report: AlertReport,
) -> None:
    buffer = io.BytesIO()
    np.save(buffer, np.stack([alert_cutout(alert) for alert in alerts]))
    name = "alerts-" + ids.content_hash([[a.kind, a.name] for a in alerts])[:12]
    key = store.put(layout.cutouts_key(profile.name, night, name), buffer.getvalue(), ".npy")
    chains = [_chain(profile.name, night, alert, key, index) for index, alert in enumerate(alerts)]
    events = [
        event
        for alert, chain in zip(alerts, chains, strict=True)
        for event in _events(alert, chain.detection.id)
    ]
    with catalogue.begin() as session:
        upsert(session, [chain.observation for chain in chains])
        upsert(session, [chain.run for chain in chains])
        upsert(session, [chain.difference for chain in chains])
        candidates = [chain.candidate for chain in chains]
        upsert(session, candidates)
        detections = [chain.detection for chain in chains]
        upsert(session, with_objects(session, profile, candidates, detections))
        upsert(session, [chain.score for chain in chains if chain.score is not None])
        added = labels.append_events(session, events)
        refresh(session, {event.detection_id for event in events})
        _finish(session, profile.name, night, len(detections), key)
    report.detections += len(detections)
    report.labels_added += added
    report.labels_known += len(events) - added
    report.labels_refused += sum(len(alert.opinions) for alert in alerts) - len(events)


def _finish(session: Session, survey: str, night: str, count: int, key: str) -> None:
    # The review queue opens nights whose detections are finished.
    summary = {"detections": count, "score_kind": "snr_ranking"}
    gates.record_summary(session, survey, night, "detections", summary, key[-64:])


@dataclass(frozen=True)
class _Chain:
    """The rows of one alert."""

    observation: Observation
    run: PreprocessRun
    difference: DifferenceRun
    candidate: CandidateRow
    detection: Detection
    score: SurveyScore | None


def _chain(survey: str, night: str, alert: Alert, cutout_key: str, index: int) -> _Chain:
    """Return the rows of one alert."""
    time = now()
    observation = _observation(survey, night, alert, time)
    difference = _difference(alert, observation.id, time)
    candidate = _candidate(alert, difference.id)
    detection_id = ids.detection_id(candidate.id)
    score = None
    if alert.survey_score is not None:
        name, value = alert.survey_score
        score = SurveyScore(detection_id=detection_id, name=name, score=value, imported_at=time)
    return _Chain(
        observation=observation,
        run=_run(alert, observation.id, time),
        difference=difference,
        candidate=candidate,
        detection=Detection(
            id=detection_id,
            candidate_id=candidate.id,
            observation_id=observation.id,
            survey=survey,
            night=night,
            cutout_key=cutout_key,
            cutout_index=index,
            score=float(snr_ranking(np.array([alert.score_sigma]))[0]),
            score_kind="snr_ranking",
            detected_at=time,
        ),
        score=score,
    )


def _observation(survey: str, night: str, alert: Alert, time: dt.datetime) -> Observation:
    sha256 = hashlib.sha256(f"{alert.kind}:{alert.name}".encode()).hexdigest()
    height, width = alert.science.shape
    return Observation(
        id=ids.observation_id(survey, sha256, 0),
        survey=survey,
        night=night,
        source_path=f"{alert.kind} {alert.name} ({height} x {width})",
        hdu=0,
        sha256=sha256,
        size_bytes=alert.science.nbytes * 3,
        status="registered",
        kind=KIND,
        field=alert.field,
        band=alert.band,
        observed_mjd=alert.observed_mjd,
        width=width,
        height=height,
        registered_at=time,
    )


def _run(alert: Alert, observation_id: str, time: dt.datetime) -> PreprocessRun:
    flag = Reason(
        ReasonCode.ALERT,
        f"{alert.kind} alert {alert.name}: only its cutouts are here, fluxes are "
        f"counts of zero point {ZERO_POINT_MAG:g}",
        alert.numbers,
    )
    return PreprocessRun(
        id=ids.preprocess_id(observation_id),
        observation_id=observation_id,
        settings_hash=VERSION,
        status="accepted",
        reasons=[],
        flags=[flag.as_dict()],
        fwhm_px=alert.fwhm_px,
        limiting_mag=alert.limiting_mag,
        processed_at=time,
    )


def _difference(alert: Alert, observation_id: str, time: dt.datetime) -> DifferenceRun:
    return DifferenceRun(
        id=ids.difference_id(observation_id, None, VERSION),
        observation_id=observation_id,
        settings_hash=VERSION,
        method="alert_scorr" if alert.third_is_score else "alert_d",
        is_current=True,
        status="accepted",
        reasons=[],
        flags=[],
        limiting_mag=alert.limiting_mag,
        subtracted_at=time,
    )


def _candidate(alert: Alert, difference_id: str) -> CandidateRow:
    sign = 1 if alert.score_sigma >= 0 else -1
    half = CUTOUT_SIZE // 2
    flux = sign * 10 ** (0.4 * (ZERO_POINT_MAG - alert.mag))
    pixel = healpix_of(np.array([alert.ra_deg]), np.array([alert.dec_deg]))
    return CandidateRow(
        id=ids.candidate_id(difference_id, sign, half, half),
        difference_id=difference_id,
        peak_x=half,
        peak_y=half,
        is_current=True,
        x=float(half),
        y=float(half),
        ra_deg=alert.ra_deg,
        dec_deg=alert.dec_deg,
        healpix=int(pixel[0]),
        score_sigma=alert.score_sigma,
        sign=sign,
        flux_e=flux,
        flux_err_e=abs(flux) * alert.mag_err * math.log(10) / 2.5,
        mag=alert.mag,
        mag_err=alert.mag_err,
        elongation=alert.elongation,
        mask_bits=int(MaskBit.BAD) if alert.n_bad else 0,
        reasons=0,
        is_kept=True,
    )


def _events(alert: Alert, detection_id: str) -> list[ValidationEvent]:
    events: list[ValidationEvent] = []
    for opinion in alert.opinions:
        if opinion.word not in WORDS:
            log.warning("alert %s: %r is no label", alert.name, opinion.word)
            continue
        label, implied = WORDS[opinion.word]
        events.append(
            ValidationEvent(
                event_key=f"alert:{detection_id}:{opinion.reviewer}",
                detection_id=detection_id,
                reviewer=opinion.reviewer,
                source=opinion.source,
                label=label,
                classification=opinion.classification or implied,
                notes=opinion.notes,
                created_at=now(),
            )
        )
    return events
