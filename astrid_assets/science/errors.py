"""Known failures of the data, as exceptions that carry their numbers.

::

    ScienceError
    ├── FrameRejected        this frame cannot be used; the night goes on
    ├── TooFewStars          PSF, astrometry or zero point lack stars
    ├── ShapeMismatch        images that should share a grid do not
    └── NoReference      nothing to subtract from this frame

Anything else that goes wrong is a fault of the program and passes through.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from astrid_assets.science.reasons import ReasonCode


@dataclass(frozen=True)
class Reason:
    """Why a frame, a difference or a night was blocked or flagged.

    `code` names the cause (``wrong_field``), and users filter by it; `message` is a
    sentence with the numbers; `measurements` the numbers themselves.
    """

    code: ReasonCode
    message: str
    measurements: dict[str, float] = field(default_factory=dict)

    def as_dict(self) -> dict[str, object]:
        """Return the form kept in the catalogue's JSON columns."""
        return {
            "code": str(self.code),
            "message": self.message,
            "measurements": dict(self.measurements),
        }


class ScienceError(Exception):
    """A known failure of the data.

    Parameters
    ----------
    message
        A sentence with the numbers.
    **measurements
        The numbers themselves.
    """

    code: ReasonCode = ReasonCode.SCIENCE_ERROR

    def __init__(self, message: str, **measurements: float) -> None:
        super().__init__(message)
        self.measurements = measurements

    @property
    def reason(self) -> Reason:
        """The failure as a reason that can be stored."""
        return Reason(self.code, str(self), dict(self.measurements))


class FrameRejected(ScienceError):
    """A frame that cannot be used.

    Parameters
    ----------
    code
        Which of the known causes it is.
    message
        A sentence with the numbers.
    **measurements
        The numbers themselves.
    """

    def __init__(self, code: ReasonCode, message: str, **measurements: float) -> None:
        super().__init__(message, **measurements)
        self.code = code


class TooFewStars(ScienceError):
    """Not enough stars for what was asked.

    Parameters
    ----------
    purpose
        What they were needed for.
    found, needed
        Numbers of stars.
    """

    code = ReasonCode.TOO_FEW_STARS

    def __init__(self, purpose: str, found: int, needed: int) -> None:
        super().__init__(
            f"{found} stars for the {purpose}, {needed} needed",
            found=found,
            needed=needed,
        )
        self.found = found


class ShapeMismatch(ScienceError):
    """Images that should share one pixel grid do not.

    Parameters
    ----------
    first, second
        Their shapes.
    """

    code = ReasonCode.SHAPE_MISMATCH

    def __init__(self, first: tuple[int, ...], second: tuple[int, ...]) -> None:
        super().__init__(f"images of shapes {first} and {second} share no grid")


class NoReference(ScienceError):
    """No earlier good frame of this field and band."""

    code = ReasonCode.NO_REFERENCE
