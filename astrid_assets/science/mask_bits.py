"""Mask planes: what is wrong with a pixel, one named bit each.

A mask is a ``uint16`` image; zero means a good pixel. Bits travel with a frame
from calibration to detection and are combined with ``|``. Each step decides which bits
it excludes (`UNUSABLE` here is the common case).
"""

from enum import IntFlag


class MaskBit(IntFlag):
    """One bit of a frame's mask; the value is what is stored in the FITS file."""

    BAD = 1 << 0
    """Dead or unreliable detector pixel."""
    SATURATED = 1 << 1
    """At or above the linear range, and the pixels its charge spills into."""
    COSMIC_RAY = 1 << 2
    """Hit by a cosmic ray."""
    TRAIL = 1 << 3
    """Crossed by a satellite or an aircraft."""
    HALO = 1 << 4
    """Wings of a saturated star, where subtraction leaves residuals."""
    EDGE = 1 << 5
    """Too close to the border for a full PSF."""
    NO_DATA = 1 << 6
    """NaN in the file, outside the detector, not covered."""
    INTERPOLATED = 1 << 7
    """Interpolated from pixels that were filled from their neighbours."""
    HOT = 1 << 8
    """Its dark current is noisier than the sky."""
    SPIKE = 1 << 9
    """Diffraction spike of a bright star."""
    BLEEDING = 1 << 10
    """Charge that ran along the columns from a saturated star."""


UNUSABLE = int(
    MaskBit.BAD
    | MaskBit.HOT
    | MaskBit.SATURATED
    | MaskBit.BLEEDING
    | MaskBit.COSMIC_RAY
    | MaskBit.TRAIL
    | MaskBit.NO_DATA
)
"""Bits whose pixels carry no usable flux."""


def mask_names(value: int) -> list[str]:
    """Return the names of the bits set in a mask value, lowest bit first.

    Parameters
    ----------
    value
        Mask value of one pixel, or several combined with ``|``.

    Returns
    -------
    names
        In lower case, such as ``cosmic_ray``; empty for a good pixel.
    """
    return [bit.name.lower() for bit in MaskBit if value & bit and bit.name]
