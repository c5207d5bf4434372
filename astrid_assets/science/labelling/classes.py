"""What a candidate can be called, and the words that reviewers read for it."""

from __future__ import annotations

REAL_CLASSES = {
    "supernova": "supernova",
    "variable": "variable star",
    "asteroid": "asteroid",
    "agn": "AGN",
    "other": "other",
}
BOGUS_CLASSES = {
    "dipole": "dipole",
    "saturation": "saturation",
    "trail": "trail",
    "cosmic_ray": "cosmic ray",
    "edge": "edge",
    "ghost": "ghost",
    "bad_subtraction": "bad subtraction",
}
CLASSES = {"real": REAL_CLASSES, "bogus": BOGUS_CLASSES}
"""The names a label of each kind may have, with their words."""
