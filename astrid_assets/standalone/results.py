"""What `api.difference` and `api.measure` return: arrays, tables, a picture, files."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.pictures.frame_panels import (
    SIGNIFICANCE_RANGE,
    Mark,
    Panel,
    panels_figure,
)
from astrid_assets.science.differencing.judgement import judged_values
from astrid_assets.science.mask_bits import UNUSABLE
from astrid_assets.science.quality.difference_numbers import DIFFERENCE_NUMBERS
from astrid_assets.science.quality.frame_numbers import FRAME_NUMBERS
from astrid_assets.science.quality.numbers import by_name
from astrid_assets.standalone import files
from astrid_assets.standalone.tables import column_values, rows_where

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping

    from astropy.table import Table
    from astropy.wcs import WCS
    from matplotlib.figure import Figure
    from numpy.typing import NDArray

    from astrid_assets.science.arrays.types import Image, Mask
    from astrid_assets.science.differencing.difference import Difference
    from astrid_assets.science.frame import Frame, PsfModel
    from astrid_assets.science.quality.frame_quality import FrameQuality
    from astrid_assets.science.quality.numbers import MeasuredNumber

MARKED_STARS = 50
SAID_OF_FRAME = ("n_stars", "fwhm_px", "elongation", "bad_fraction")
SAID_OF_DIFFERENCE = ("std_score", "n_stars", "coverage")
"""Declared numbers in the sentence that sums up a result."""


@dataclass(frozen=True, kw_only=True, repr=False)
class Subtraction:
    """Science minus reference, on the pixels of the science frame.

    Attributes
    ----------
    difference
        Everything that the subtraction measured; the arrays below are its own.
    science : (ny, nx), electrons
        The science frame without its sky.
    candidates
        One row per peak of |S_corr| above the threshold, the most significant
        first; `kept` is True where no test failed.
    wcs
        WCS of the science frame; None where neither header had one.
    reasons
        Why the subtraction should not be trusted, one sentence each; mostly empty.
    notes
        What was assumed, and what is worth knowing, one sentence each.
    """

    difference: Difference
    science: Image
    candidates: Table
    wcs: WCS | None
    threshold_sigma: float
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def d(self) -> Image:
        """The proper difference, (ny, nx), electrons of the science frame."""
        return self.difference.d

    @property
    def psf(self) -> Image:
        """PSF of `d` at the centre of the frame, (n, n), unit sum."""
        return self.difference.psf_d

    @property
    def significance(self) -> Image:
        """S_corr, (ny, nx), sigma; 0 under unusable pixels."""
        return self.difference.score

    @property
    def flux(self) -> Image:
        """PSF flux of a point source centred on each pixel, (ny, nx), electrons."""
        return self.difference.flux

    @property
    def flux_err(self) -> Image:
        """The error of `flux`, (ny, nx), electrons."""
        return self.difference.flux_err

    @property
    def mask(self) -> Mask:
        """Bits of `science.mask_bits.MaskBit`, (ny, nx); 0 is a good pixel."""
        return self.difference.mask

    @property
    def reference(self) -> Image:
        """The reference, registered and scaled to the science frame, (ny, nx), electrons."""
        return self.difference.registered_reference

    @property
    def kept(self) -> Table:
        """The candidates that no test rejected."""
        return rows_where(self.candidates, column_values(self.candidates, "kept") != 0)

    @property
    def is_usable(self) -> bool:
        """True when nothing speaks against the subtraction."""
        return not self.reasons

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        kept, rejected = len(self.kept), len(self.candidates) - len(self.kept)
        text = (
            f"{kept} {'change' if kept == 1 else 'changes'} above "
            f"{self.threshold_sigma:g} sigma and {rejected} rejected "
            f"{'candidate' if rejected == 1 else 'candidates'}; "
            + _in_words(DIFFERENCE_NUMBERS, SAID_OF_DIFFERENCE, judged_values(self.difference))
        )
        return text if self.is_usable else f"not to be trusted ({self.reasons[0]}): {text}"

    def plot(self) -> Figure:
        """Draw science, reference, difference and S_corr with the kept candidates."""
        kept = self.kept
        signs = np.sign(column_values(kept, "significance"))
        return panels_figure(
            (
                Panel("science", self.science),
                Panel("reference, registered and scaled", self.reference),
                Panel("difference", self.d, "symmetric"),
                Panel("S_corr, -8 to 8 sigma", self.significance, "symmetric", SIGNIFICANCE_RANGE),
            ),
            title=self.sentence,
            masked=(self.mask & UNUSABLE) != 0,
            marks=_marks(kept, signs),
        )

    def write(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the result; the suffix chooses the format.

        Parameters
        ----------
        path
            ``.fits``: all images and the candidates; ``.csv`` or ``.ecsv``: the
            candidates; ``.png``: the plot.
        overwrite
            Replace a file that is there.

        Raises
        ------
        FileExistsError
            If the file is there.
        ValueError
            If the suffix is another one.
        """
        return files.write_result(
            Path(path), self.candidates, self._fits, self.plot, overwrite=overwrite
        )

    def _fits(self) -> bytes:
        of = self.difference
        images = {
            "D": (self.d, "electron"),
            "S_CORR": (self.significance, ""),
            "FLUX": (self.flux, "electron"),
            "FLUX_ERR": (self.flux_err, "electron"),
            "MASK": (self.mask, ""),
            "REFERENCE": (self.reference, "electron"),
            "SCIENCE": (self.science, "electron"),
            "PSF": (self.psf, ""),
        }
        numbers = files.number_cards(DIFFERENCE_NUMBERS, judged_values(of)) | {
            "SKYRMS": (of.sky_rms_e, "[electron] per pixel, science"),
            "REFRMS": (of.reference_rms_e, "[electron] per pixel, reference"),
            "ZPMAG": (of.zero_point_mag, "[mag] of one electron"),
            "LIMMAG": (of.limiting_mag, "[mag] 5 sigma"),
            "THRESH": (self.threshold_sigma, "[sigma] of the candidates"),
        }
        notes = [self.sentence, *self.reasons, *self.notes]
        return files.fits_bytes(images, numbers, self.candidates, "CANDIDATES", self.wcs, notes)

    def __repr__(self) -> str:
        """Return the sentence: arrays would fill the screen."""
        return f"<Subtraction: {self.sentence}>"

    def _repr_html_(self) -> str:
        """Return sentence, plot, first candidates and notes for a notebook."""
        return files.html(self.sentence, self.plot(), self.kept, (*self.reasons, *self.notes))


@dataclass(frozen=True, kw_only=True, repr=False)
class Measurement:
    """One frame, measured by itself.

    Attributes
    ----------
    frame
        Without its sky, with mask, variance and PSF.
    sky : (ny, nx), electrons
    stars
        One row per star, the brightest first.
    quality
        Its numbers: FWHM, elongation, sky level and noise, share of bad pixels, and
        a score between 0 and 1.
    reasons
        Limits that a survey would reject it by, one sentence each.
    notes
        What was assumed, and what is worth knowing, one sentence each.
    """

    frame: Frame
    psf_model: PsfModel
    sky: Image
    stars: Table
    n_stars: int
    quality: FrameQuality
    reasons: tuple[str, ...]
    notes: tuple[str, ...]

    @property
    def data(self) -> Image:
        """The frame without its sky, (ny, nx), electrons."""
        return self.frame.data

    @property
    def mask(self) -> Mask:
        """Bits of `science.mask_bits.MaskBit`, (ny, nx); 0 is a good pixel."""
        return self.frame.mask

    @property
    def psf(self) -> Image:
        """The PSF in the middle of the frame, (n, n), unit sum."""
        return self.psf_model.centre

    @property
    def is_usable(self) -> bool:
        """True when no limit is broken."""
        return not self.reasons

    @property
    def sentence(self) -> str:
        """The result in one sentence."""
        q = self.quality
        text = (
            f"{_in_words(FRAME_NUMBERS, SAID_OF_FRAME, q.declared())}, "
            f"sky {q.sky_level_e:.1f} ± {q.sky_rms_e:.2f} electrons"
        )
        if q.quality_score is not None:
            text += f", quality {q.quality_score:.2f}"
        return text if self.is_usable else f"{text}; a survey would reject it: {self.reasons[0]}"

    def plot(self) -> Figure:
        """Draw the frame with its stars and its mask, and its sky."""
        is_good = column_values(self.stars, "flag") == 0
        shown = rows_where(self.stars, is_good & (np.cumsum(is_good) <= MARKED_STARS))
        # The sky about its own middle, or its gradient would not show.
        middle = self.quality.sky_level_e
        return panels_figure(
            (
                Panel("without its sky; brightest good stars", self.data),
                Panel(
                    f"sky less {middle:.0f} electrons",
                    self.sky - middle,
                    "symmetric",
                    max(3 * self.quality.sky_rms_e, 1e-6),
                ),
            ),
            title=self.sentence,
            masked=(self.mask & UNUSABLE) != 0,
            marks=_marks(shown, np.ones(len(shown))),
        )

    def write(self, path: str | Path, *, overwrite: bool = False) -> Path:
        """Write the result; the suffix chooses the format, as in `Subtraction.write`.

        Raises
        ------
        FileExistsError
            If the file is there.
        ValueError
            If the suffix is another one.
        """
        return files.write_result(
            Path(path), self.stars, self._fits, self.plot, overwrite=overwrite
        )

    def _fits(self) -> bytes:
        q = self.quality
        images = {"DATA": (self.data, "electron"), "SKY": (self.sky, "electron")}
        if self.frame.variance is not None:
            images["VARIANCE"] = (self.frame.variance, "electron2")
        images |= {"MASK": (self.mask, ""), "PSF": (self.psf, "")}
        numbers = files.number_cards(FRAME_NUMBERS, q.declared()) | {
            "SKYLEVEL": (q.sky_level_e, "[electron]"),
            "SKYRMS": (q.sky_rms_e, "[electron] per pixel"),
            "QUALITY": (q.quality_score, "0 to 1"),
        }
        notes = [self.sentence, *self.reasons, *self.notes]
        return files.fits_bytes(images, numbers, self.stars, "STARS", self.frame.wcs, notes)

    def __repr__(self) -> str:
        """Return the sentence: arrays would fill the screen."""
        return f"<Measurement: {self.sentence}>"

    def _repr_html_(self) -> str:
        """Return sentence, plot, first stars and notes for a notebook."""
        return files.html(self.sentence, self.plot(), self.stars, (*self.reasons, *self.notes))


def _in_words(
    numbers: Iterable[MeasuredNumber], names: Iterable[str], values: Mapping[str, float | None]
) -> str:
    declared = by_name(numbers)
    return ", ".join(declared[name].in_words(values[name]) for name in names)


def _marks(table: Table, signs: NDArray[np.float64]) -> list[Mark]:
    x, y = column_values(table, "x"), column_values(table, "y")
    return [Mark(float(a), float(b), int(sign)) for a, b, sign in zip(x, y, signs, strict=True)]
