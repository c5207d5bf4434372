"""The bits of a mask and what each says of a pixel."""

from __future__ import annotations

from astrid_assets.science import mask_bits
from astrid_assets.science.mask_bits import UNUSABLE, MaskBit
from docs.generate.docstrings import attribute_docstrings
from docs.generate.entries import Entry, Group, Page


def page() -> Page:
    """Return the page of mask bits."""
    sentences = attribute_docstrings(MaskBit)
    entries = tuple(
        Entry(
            bit.name or "",
            sentences.get(bit.name or "", ""),
            (str(bit.bit_length() - 1), str(int(bit)), "no" if bit & UNUSABLE else "yes"),
        )
        for bit in MaskBit
    )
    group = Group("Bits", MaskBit.__doc__ or "", ("bit", "value", "flux can be used"), entries)
    return Page("mask-bits", "Mask bits", mask_bits.__doc__ or "", (group,))
