"""Every declared number, limit and reason code as plain rows, for pages and tests.

Nothing is declared here: `frame_numbers` and `difference_numbers` hold the numbers,
`reasons` the codes.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from astrid_assets.science.differencing.settings import DifferencingSettings
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.printing import printed_limit
from astrid_assets.science.reasons import ReasonCode
from astrid_assets.science.settings import ProcessingSettings, Settings

if TYPE_CHECKING:
    from astrid_assets.science.quality.numbers import MeasuredNumber

MEASURED_NUMBERS = (*FRAME_NUMBERS, *DIFFERENCE_NUMBERS)


@dataclass(frozen=True, kw_only=True)
class Declaration:
    """One limit on one measured number, as a reader of the reference page sees it.

    Attributes
    ----------
    number, label, unit, where, sentence
        Name, label and unit of the number, what it is measured on, and what it is.
    side, limit
        ``at most`` or ``at least``, and the default in the number's unit; ``off``
        where no limit is set by default.
    setting
        Section and key of the profile, ``processing.max_fwhm_px``.
    severity, code, meaning, remedy
        What breaking the limit does, and the reason it gives.
    """

    number: str
    label: str
    unit: str
    where: str
    sentence: str
    side: str
    limit: str
    setting: str
    severity: str
    code: str
    meaning: str
    remedy: str


def declarations() -> tuple[Declaration, ...]:
    """Return one row per limit, in the order in which limits are checked.

    Returns
    -------
    rows
        Texts only; limits are the defaults of the profile.
    """
    defaults: dict[str, Settings] = {
        "processing": ProcessingSettings.model_validate({}),
        "differencing": DifferencingSettings.model_validate({}),
    }
    return tuple(
        row for number in MEASURED_NUMBERS for row in _rows(number, defaults[number.section])
    )


def _rows(number: MeasuredNumber, settings: Settings) -> list[Declaration]:
    rows = []
    for limit in number.limits:
        bound = limit.value(settings)
        code = ReasonCode(limit.code)
        rows.append(
            Declaration(
                number=number.name,
                label=number.label,
                unit=number.unit,
                where=number.where,
                sentence=number.sentence,
                side=str(limit.side),
                limit="off" if bound is None else printed_limit(bound, number.unit),
                setting=f"{number.section}.{limit.setting}",
                severity=str(limit.severity),
                code=str(code),
                meaning=code.sentence,
                remedy=code.remedy,
            )
        )
    return rows
