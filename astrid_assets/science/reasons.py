"""Codes of reasons: why a frame, a difference or a night was rejected or flagged.

A code means one thing. Its sentence says what is the case, its remedy what a person can
do about it; `explain`, the report and the reference page take both from here. What was
measured, and against which limit, stands in the message of each `Reason`; limits on
numbers are declared in `quality`. Codes that had another name in stored rows are mapped
by `current_code`.
"""

from __future__ import annotations

from enum import StrEnum
from typing import TYPE_CHECKING, Self

if TYPE_CHECKING:
    from collections.abc import Mapping


class ReasonCode(StrEnum):
    """A cause of rejection or a flag: its code, one sentence, one remedy."""

    sentence: str
    remedy: str

    def __new__(cls, code: str, sentence: str, remedy: str) -> Self:
        """Make a member that compares and serialises as its code."""
        member = str.__new__(cls, code)
        member._value_ = code
        member.sentence = sentence
        member.remedy = remedy
        return member

    # Files.
    UNREADABLE = (
        "unreadable",
        "The file is not FITS, or a part of it cannot be decoded.",
        "Copy the file again; unpack archives; check the program that wrote it.",
    )
    EMPTY_FILE = ("empty_file", "The file has 0 bytes.", "Copy the file again.")
    TRUNCATED = ("truncated", "The file ends before its data do.", "Copy the file again.")
    TOO_LARGE = (
        "too_large",
        "The image, or the file, is larger than the limit.",
        "Raise detector.max_megapixels in the profile if the size is right.",
    )
    TOO_SMALL = (
        "too_small",
        "The image has too few pixels a side to find stars in.",
        "Name the HDU with the image by detector.hdu, or exclude the file.",
    )
    FILE_UNAVAILABLE = (
        "file_unavailable",
        "The source listed the file but did not give it.",
        "Check that the file is still there and may be read; ingest the night again.",
    )
    NOT_A_FILE = (
        "not_a_file",
        "The entry is no regular file: a pipe, a device, a folder, or a link to nothing.",
        "Remove it from the source, or name it in source.exclude.",
    )
    BAD_NAME = (
        "bad_name",
        "The file's name holds characters that cannot be printed.",
        "Rename the file.",
    )
    NO_IMAGE = (
        "no_image",
        "The file holds no image of the sky.",
        "Name the HDU with the image by detector.hdu, or exclude the file.",
    )
    NOT_2D = (
        "not_2d",
        "The image has not two axes.",
        "Split colour images and cubes into one file per plane.",
    )
    COLOUR_MOSAIC = (
        "colour_mosaic",
        "Neighbouring pixels see different bands.",
        "Extract one colour before AstrID reads the file.",
    )
    ALL_NAN = ("all_nan", "No pixel has a value.", "Check how the file was written.")
    CONSTANT = (
        "constant",
        "The image has no noise: all pixels are equal, or the values are quantised.",
        "Check the readout and the scaling of the file.",
    )
    NO_DATE = (
        "no_date",
        "No keyword gives date and time of the exposure.",
        "Name the keywords by keywords.date_obs and keywords.time_obs.",
    )
    NO_EXPOSURE = (
        "no_exposure",
        "No keyword gives a usable exposure time.",
        "Name the keyword by keywords.exposure_s, or give detector.exposure_s.",
    )
    BAD_SECTION = (
        "bad_section",
        "A section of the detector does not fit the image.",
        "Correct detector.trim, detector.overscan or detector.amplifiers.",
    )
    BAD_PIXEL_MAP = (
        "bad_pixel_map",
        "The map of bad pixels cannot be used.",
        "Correct detector.bad_pixel_map.",
    )
    # Calibration.
    NO_MASTER = (
        "no_master",
        "A master frame that the calibration needs does not exist.",
        "Take calibration frames, or let frames go on by calibration.on_missing_master.",
    )
    NO_CALIBRATION_FRAMES = (
        "no_calibration_frames",
        "Too few calibration frames make no master.",
        "Take more of them, or lower calibration.min_master_frames.",
    )
    MASTER_TEMPERATURE = (
        "master_temperature",
        "The master was taken at another temperature of the detector.",
        "Take calibration frames at the temperature of the light frames.",
    )
    # The frame by itself.
    MISSING_DATA = (
        "missing_data",
        "Too few pixels of the frame are usable.",
        "Look at the mask; trim borders by detector.trim.",
    )
    SATURATED = (
        "saturated",
        "Most unusable pixels are saturated.",
        "Expose less, or correct detector.saturation_adu.",
    )
    SKY_NEAR_SATURATION = (
        "sky_near_saturation",
        "The sky fills the pixels almost to saturation.",
        "Expose less in twilight and moonlight, or correct detector.saturation_adu.",
    )
    SKY_GRADIENT = (
        "sky_gradient",
        "The sky varies much over the frame, against its noise.",
        "Look for moonlight, twilight, scattered light, or a flat that does not fit.",
    )
    BRIGHT_SKY = (
        "bright_sky",
        "The sky is much noisier than in the field's anchor.",
        "None is needed; the frame is shallower.",
    )
    LINE_NOISE = (
        "line_noise",
        "Means of columns or rows scatter much more than white noise.",
        "Look at the frame: amplifier, missing flat, or a border without light.",
    )
    NOISE_WAVE = (
        "noise_wave",
        "A wave lies over the sky.",
        "Look for electrical pickup in the camera's cables and power supply.",
    )
    NOISE_RIPPLE = (
        "noise_ripple",
        "Strips of 16 pixels scatter more than white noise.",
        "Look for electrical pickup or banding.",
    )
    NOISE_RATIO = (
        "noise_ratio",
        "The sky is not as noisy as gain and read noise predict.",
        "Check detector.gain_e_per_adu and detector.read_noise_e.",
    )
    TOO_FEW_STARS = (
        "too_few_stars",
        "There are too few stars for the PSF, the astrometry or the zero point.",
        "Expose longer; look for clouds, or for a field without stars.",
    )
    WIDE_STARS = (
        "wide_stars",
        "Stars are wider than any seeing makes them.",
        "Focus the telescope, or raise processing.max_fwhm_px for a fine pixel scale.",
    )
    DEFOCUSED = (
        "defocused",
        "Stars are much wider than those of the field's anchor.",
        "Focus the telescope; look for poor seeing.",
    )
    POOR_SEEING = (
        "poor_seeing",
        "Stars are wider than those of the field's anchor.",
        "None is needed; the frame is shallower.",
    )
    ELONGATED_STARS = (
        "elongated_stars",
        "Stars are elongated.",
        "Look at guiding, wind and collimation.",
    )
    # The frame in its field.
    WRONG_FIELD = (
        "wrong_field",
        "The stars of the frame are not those of its field.",
        "Check the pointing and the keyword that names the field.",
    )
    BAD_ASTROMETRY = (
        "bad_astrometry",
        "Matched stars scatter too much, or the WCS cannot be used.",
        'Correct the WCS of the header, or set processing.wcs = "stars".',
    )
    BAD_WCS = (
        "bad_wcs",
        "The WCS of science and reference do not see the same sky.",
        "Check the pointing of both frames.",
    )
    WCS_FROM_STARS = (
        "wcs_from_stars",
        "The header's WCS was wrong and was solved from the stars.",
        "None is needed; the telescope's pointing model may be off.",
    )
    WCS_OFFSET = (
        "wcs_offset",
        "The header's WCS was off and was corrected.",
        "None is needed; the telescope's pointing model may be off.",
    )
    LOW_TRANSPARENCY = (
        "low_transparency",
        "Little of the light of the field's anchor came through.",
        "Look for clouds, dew or a dome in the beam.",
    )
    PATCHY_CLOUDS = (
        "patchy_clouds",
        "The zero point varies over the frame.",
        "Look for clouds, or for a flat that does not fit.",
    )
    NO_ANCHOR = (
        "no_anchor",
        "No frame defines astrometry and magnitudes of the field yet.",
        "Process a night with a good frame of this field and band.",
    )
    NOT_IN_CATALOGUE = (
        "not_in_catalogue",
        "The stars of the frame were not found in the catalogue.",
        "Check catalogue.path, the position and the pixel scale in the profile.",
    )
    # The difference.
    NO_REFERENCE = (
        "no_reference",
        "There is nothing to subtract from this frame.",
        "Materialize reference_frames; wait for good earlier frames of the field.",
    )
    NO_OVERLAP = (
        "no_overlap",
        "The images share no good pixel.",
        "Check the pointing, and the mask of both images.",
    )
    UNPROCESSED = (
        "unprocessed",
        "The frame lacks what processing gives it: variance, PSF, WCS or zero point.",
        "Process the frame first.",
    )
    LOW_COVERAGE = (
        "low_coverage",
        "The reference covers too little of the frame.",
        "Point at the field's centre, or choose other frames for the reference.",
    )
    PARTIAL_COVERAGE = (
        "partial_coverage",
        "The reference covers only a part of the frame.",
        "None is needed; nothing is found where there is no reference.",
    )
    FLUX_RATIO = (
        "flux_ratio",
        "Science and reference differ too much in depth.",
        "Look for clouds and wrong exposure times.",
    )
    FLUX_RATIO_CHANGES = (
        "flux_ratio_changes",
        "The flux ratio changes over the frame and was corrected.",
        "None is needed; look for thin clouds, or a flat that changed.",
    )
    FLUX_RATIO_DISAGREES = (
        "flux_ratio_disagrees",
        "Stars and zero points give different flux ratios.",
        "Look at the zero points of both frames.",
    )
    FLUX_RATIO_SCATTER = (
        "flux_ratio_scatter",
        "The flux ratios of the stars scatter.",
        "Look for thin clouds, or a flat that changed.",
    )
    MISREGISTERED = (
        "misregistered",
        "Stars do not lie where the WCS puts them.",
        'Process the frame again with processing.wcs = "stars".',
    )
    RESIDUAL_POWER = (
        "residual_power",
        "Constant stars do not vanish.",
        "Look at the PSFs and the registration of the pair.",
    )
    NOISY_SCORE = (
        "noisy_score",
        "S_corr scatters by more than 1 on blank sky.",
        "Look at the difference: the subtraction or a variance is wrong.",
    )
    OVERESTIMATED_NOISE = (
        "overestimated_noise",
        "S_corr scatters by less than 1 on blank sky.",
        "Check gain and read noise: the variances are too large.",
    )
    CORRELATED_NOISE = (
        "correlated_noise",
        "Noise on the scale of the PSF is not that of single pixels; it was measured.",
        "None is needed.",
    )
    STRUCTURED_SKY = (
        "structured_sky",
        "The skies of the pair differ by patches; their noise was added.",
        "Look for fringes, or a flat that changed.",
    )
    POOR_PSF_MATCH = (
        "poor_psf_match",
        "Bright stars leave a part of their flux.",
        "Look at the PSFs of the pair.",
    )
    FEW_STARS = (
        "few_stars",
        "Few common stars gave flux ratio and registration.",
        "None is needed; one wrong star does harm.",
    )
    ASTROMETRIC_NOISE = (
        "astrometric_noise",
        "Stars scatter about the registration.",
        "Look at the distortion and at the atmosphere; the noise was added.",
    )
    METHODS_DISAGREE = (
        "methods_disagree",
        "ZOGY and the fitted kernel give different fluxes.",
        "Look at the PSFs of the pair.",
    )
    SHAPE_MISMATCH = (
        "shape_mismatch",
        "Images that should share one pixel grid do not.",
        "Register the images first.",
    )
    ALERT = (
        "alert",
        "The detection came as a public alert, without its frame.",
        "None is needed.",
    )
    SCIENCE_ERROR = (
        "science_error",
        "The data cannot be used as asked.",
        "Read the message.",
    )


RENAMED: Mapping[tuple[str, str], ReasonCode] = {
    ("bright_sky", "sky_fraction"): ReasonCode.SKY_NEAR_SATURATION,
    ("readout_noise", "pattern"): ReasonCode.LINE_NOISE,
    ("readout_noise", "wave"): ReasonCode.NOISE_WAVE,
    ("readout_noise", "ripple"): ReasonCode.NOISE_RIPPLE,
}
"""Earlier codes stood for several causes; the measurement kept with them shows which."""


def current_code(code: str, measurements: Mapping[str, object]) -> str:
    """Return today's code of a reason that was stored earlier.

    Parameters
    ----------
    code
        As it is stored.
    measurements
        The numbers stored with it.

    Returns
    -------
    code
        Today's name; the stored one where it has not changed.
    """
    for (earlier, number), today in RENAMED.items():
        if code == earlier and number in measurements:
            return str(today)
    return code
