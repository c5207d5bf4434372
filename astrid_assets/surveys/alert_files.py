"""Public alerts with cutouts, as Parquet files hold them: ZTF packets, MeerLICHT votes.

An `Alert` is what both have in common. Images are brought to one convention here:
first row below, candidate at the centre, difference is science minus reference.
"""

from __future__ import annotations

import datetime as dt
import re
import stat
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.surveys.alert_columns import (
    MEERLICHT_COLUMNS,
    ZTF_COLUMNS,
    missing_columns,
    sign_of,
)

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping
    from pathlib import Path

    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image

    Row = Mapping[str, object]

MAX_FILE_BYTES = 2 * 2**30
SENTINEL = 1e20  # beyond it a pixel is no measurement: some packets use -3.4e38
ZTF_SIDE = 63
ZTF_BANDS = {1: "g", 2: "r", 3: "i"}
MJD_OF_JD_ZERO = -2_400_000.5
UNIX_EPOCH_MJD = 40_587.0
DAY_S = 86_400.0
SUPERNOVA = re.compile(r"\b(SN|SLSN)")
NOISE_CLIP_SIGMA = 3.0
PEAK_PX = 2  # a candidate's peak lies this near the middle of its cutout
FWHM_PER_SIGMA = 2.3548


class NoAlerts(ValueError):
    """A file that holds no alerts that can be read; the message says why."""


class BadAlert(ValueError):
    """An alert that cannot be used; `code` is what refusals are counted by."""

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


@dataclass(frozen=True, kw_only=True)
class Opinion:
    """What a catalogue or a foreign reviewer says; `word` as they say it."""

    source: str
    reviewer: str
    word: str
    classification: str | None = None
    notes: str | None = None


@dataclass(frozen=True, kw_only=True)
class Alert:
    """One alert with its cutouts.

    Attributes
    ----------
    name
        Unique among its kind.
    science, reference : (n, n)
        In any unit; NaN where there is nothing.
    third : (n, n)
        S_corr in sigma where `third_is_score`, else the difference in any unit.
    score_sigma
        Significance as published, negative for a source that faded.
    fwhm_px
        Width of a point source in the cutouts.
    numbers
        What else is worth keeping, such as the survey's own scores.
    survey_score
        Name and value, 0 to 1, of the score of the survey's own network; None without one.
    """

    name: str
    kind: str
    ra_deg: float
    dec_deg: float
    observed_mjd: float
    band: str
    field: str
    mag: float
    mag_err: float
    score_sigma: float
    fwhm_px: float
    elongation: float | None
    limiting_mag: float | None
    n_bad: int
    science: Image
    reference: Image
    third: Image
    third_is_score: bool
    numbers: dict[str, float]
    survey_score: tuple[str, float] | None = None
    opinions: tuple[Opinion, ...] = ()


def read_alerts(path: Path) -> Iterator[Alert | BadAlert]:
    """Yield the alerts of a Parquet file; one that cannot be used as `BadAlert`.

    Raises
    ------
    NoAlerts
        If it is no Parquet file of a known kind, lacks a column or is too large.
    """
    import polars as pl

    status = path.stat()
    if not stat.S_ISREG(status.st_mode):
        raise NoAlerts(f"{path.name} is no regular file")
    if status.st_size > MAX_FILE_BYTES:
        raise NoAlerts(f"{path.name} is larger than {MAX_FILE_BYTES // 2**30} GiB")
    try:
        frame = pl.read_parquet(path)
    except (pl.exceptions.PolarsError, OSError) as error:
        raise NoAlerts(f"{path.name} is no Parquet file: {error}") from error
    if {"candid", "cutout_template"} <= set(frame.columns):
        _must_have(ZTF_COLUMNS, frame.columns, path)
        return _read(frame.iter_rows(named=True), _ztf)
    if {"candidate_id", "cutout_scorr"} <= set(frame.columns):
        _must_have(MEERLICHT_COLUMNS, frame.columns, path)
        return _read(frame.iter_rows(named=True), _meerlicht)
    raise NoAlerts(
        f"{path.name} has neither the columns of ZTF alerts (candid, "
        "cutout_template) nor of MeerLICHT votes (candidate_id, cutout_scorr)"
    )


def noise_fwhm(score: Image) -> float:
    """Return the FWHM of the PSF from how the noise of a score hangs together.

    The score is the difference filtered with the PSF, so its noise correlates like
    the PSF with itself: for a Gaussian rho(1) = exp(-1 / 4 sigma^2).
    """
    noise = np.clip(np.nan_to_num(score), -NOISE_CLIP_SIGMA, NOISE_CLIP_SIGMA)
    along = (noise[:, 1:] * noise[:, :-1]).mean() + (noise[1:] * noise[:-1]).mean()
    rho = float(along / 2 / np.mean(noise**2))
    if not 0 < rho < 1:
        raise BadAlert("no_psf", "the noise of its score shows no PSF")
    return FWHM_PER_SIGMA / (2 * np.sqrt(-np.log(rho)))


def _must_have(wanted: frozenset[str], found: list[str], path: Path) -> None:
    missing = missing_columns(wanted, found)
    if missing:
        raise NoAlerts(
            f"{path.name} lacks the columns {', '.join(missing)}: write the table again "
            "with them; a column without values may hold nulls"
        )


def _read(
    rows: Iterator[dict[str, object]], alert_of: Callable[[Row], Alert]
) -> Iterator[Alert | BadAlert]:
    for row in rows:
        try:
            yield alert_of(row)
        except BadAlert as bad:
            yield bad


def _ztf(row: Row) -> Alert:
    name = str(row["candid"])
    sign = sign_of(row["isdiffpos"])
    if sign is None:
        raise BadAlert(
            "no_sign",
            f"alert {name}: isdiffpos = {str(row['isdiffpos'])[:20]!r} is neither true (t, 1) "
            "nor false (f, 0), so nobody knows whether the source brightened",
        )
    fwhm = _number(row, "fwhm")
    if not fwhm > 0:
        raise BadAlert("no_fwhm", f"alert {name} has no FWHM")
    numbers = ("rb", "drb", "classtar", "distnr", "magnr", "ssdistnr", "sgscore1")
    return Alert(
        name=name,
        kind="ztf",
        ra_deg=_number(row, "ra"),
        dec_deg=_number(row, "dec"),
        observed_mjd=_number(row, "jd") + MJD_OF_JD_ZERO,
        band=ZTF_BANDS.get(int(_number(row, "fid")), str(row["fid"])),
        field=str(row["field"]),
        mag=_number(row, "magpsf"),
        mag_err=_number(row, "sigmapsf"),
        score_sigma=sign * _number(row, "scorr"),
        fwhm_px=fwhm,
        elongation=_number(row, "elong"),
        limiting_mag=_number(row, "diffmaglim"),
        n_bad=int(_number(row, "nbad")),
        science=_square(row, "cutout_science", name),
        reference=_square(row, "cutout_template", name),
        # Packets show every change as positive.
        third=sign * _square(row, "cutout_difference", name),
        third_is_score=False,
        numbers={key: float(str(row[key])) for key in numbers if row.get(key) is not None},
        survey_score=_own_score(row),
        opinions=_catalogued(row),
    )


def _own_score(row: Row) -> tuple[str, float] | None:
    """Return braai's score, or what a table made of it: 1 from 0.9 on, 0 up to 0.1."""
    for name in ("drb", "machine_label"):
        value = row.get(name)
        if value is not None and 0 <= (score := float(str(value))) <= 1:
            return name, score
    return None


def _catalogued(row: Row) -> tuple[Opinion, ...]:
    if row.get("label") != 1 or row.get("label_kind") is None:
        return ()
    kind, detail = str(row["label_kind"]), str(row["label_detail"] or "")
    classes = {
        "known_solar_system_object": "asteroid",
        "catalogued_variable_star": "variable",
        "catalogued_supernova": "supernova",
    }
    found = classes.get(kind)
    if kind == "spectroscopic":
        found = "supernova" if SUPERNOVA.search(detail) else "other"
    said = Opinion(
        source="catalogue",
        reviewer=kind,
        word="real",
        classification=found,
        notes=detail or None,
    )
    return (said,)


def _meerlicht(row: Row) -> Alert:
    name = str(row["candidate_id"])
    images = {
        what: _binary(row, f"cutout_{what}", name) for what in ("science", "reference", "scorr")
    }
    score = images["scorr"]
    y, x = (score.shape[0] - 1) // 2, (score.shape[1] - 1) // 2
    middle = np.nan_to_num(score[y - PEAK_PX : y + PEAK_PX + 1, x - PEAK_PX : x + PEAK_PX + 1])
    peak = float(middle.flat[int(np.abs(middle).argmax())])
    when = dt.datetime.fromisoformat(str(row["date_obs"])).replace(tzinfo=dt.UTC)
    return Alert(
        name=name,
        kind="meerlicht",
        ra_deg=_number(row, "ra"),
        dec_deg=_number(row, "dec"),
        observed_mjd=when.timestamp() / DAY_S + UNIX_EPOCH_MJD,
        band=str(row["band"]),
        field=str(row["field"]),
        mag=_number(row, "mag"),
        mag_err=_number(row, "magerr"),
        score_sigma=peak,
        fwhm_px=noise_fwhm(score),
        elongation=None,
        limiting_mag=None,
        n_bad=0,
        science=images["science"],
        reference=images["reference"],
        third=score,
        third_is_score=True,
        numbers={"scorr_peak_published": _number(row, "scorr_peak")},
        opinions=tuple(
            Opinion(source="import", reviewer=voter, word=word)
            for voter, _, word in (
                vote.partition(":") for vote in str(row["votes"] or "").split("|")
            )
            if voter
        ),
    )


def _number(row: Row, name: str) -> float:
    try:
        value = float(str(row[name]))
    except (KeyError, ValueError):
        value = np.nan
    if not np.isfinite(value):
        raise BadAlert("no_number", f"it has no {name}")
    return value


def _square(row: Row, name: str, alert: str) -> Image:
    pixels = np.asarray(row[name], dtype=np.float32)
    if pixels.size != ZTF_SIDE**2:
        raise BadAlert(
            "small_cutout",
            f"alert {alert}: {name} has {pixels.size} pixels, {ZTF_SIDE} x {ZTF_SIDE} "
            "are needed to know where the candidate is (an alert at the CCD's edge)",
        )
    return _measured(pixels.reshape(ZTF_SIDE, ZTF_SIDE))


def _binary(row: Row, name: str, alert: str) -> Image:
    content = row[name]
    ny, nx = int(_number(row, f"{name}_ny")), int(_number(row, f"{name}_nx"))
    if not isinstance(content, bytes) or len(content) != 4 * ny * nx:
        raise BadAlert("bad_cutout", f"alert {alert}: {name} is not {ny} x {nx} pixels")
    return _measured(np.frombuffer(content, "<f4").reshape(ny, nx).astype(np.float32))


def _measured(image: NDArray[np.float32]) -> Image:
    return np.where(np.abs(image) < SENTINEL, image, np.float32(np.nan))
