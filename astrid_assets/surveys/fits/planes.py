"""Which image extensions show the sky, and which are masks, noise or distortions."""

from __future__ import annotations

import re
from typing import TYPE_CHECKING

from astrid_assets.surveys.fits.headers import HeaderView

if TYPE_CHECKING:
    from astropy.io.fits import Header

PLANE_NAMES = re.compile(
    r"^(MASK|MSK|BPM|BPMASK|BADPIX\w*|DQ|DQA|QUALITY|FLAGS?|VAR|VARIANCE|ERR|ERROR|"
    r"ERRORS|NOISE|SIGMA|STD|STDDEV|RMS|UNCERT\w*|UNC|IVAR|INVVAR|WEIGHT\w*|WGT|WHT|"
    r"CONF\w*|EXPMAP|EXPOSURE_?MAP|COVERAGE|SAMP|TIME|WCSDVARR|D2IMARR|PSF|KERNEL|"
    r"BACKGROUND|BKG|SEGM\w*|THUMB\w*|PREVIEW)$"
)


def is_image_plane(header: Header) -> bool:
    """Return whether an image HDU shows the sky, judged by what names it.

    Looked at are EXTNAME, EXTTYPE (LSST), HDUCLAS2 and HDUCLAS3 (ESO), and the bit
    names of an LSST mask.
    """
    view = HeaderView(header)
    for keyword in ("EXTNAME", "EXTTYPE", "HDUCLAS2", "HDUCLAS3"):
        name = (view.text(keyword) or "").strip().upper()
        if PLANE_NAMES.match(name):
            return False
    return not any(keyword.startswith("MP_") for keyword in view.keywords())
