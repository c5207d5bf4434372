"""For notebooks and scripts: subtract two frames, measure one, load data, train, score.

::

    from astrid_assets import api

    result = api.difference("science.fits", "reference.fits")
    result.kept          # an astropy Table of what changed
    result.plot()
    result.write("difference.fits")

    train, val, test = api.load_training_dataset()
    trained = api.train_network({"epochs": 30})
    api.score(cutouts)   # probability of being real, by the model in force

Bands, dates, nights and anchors are not asked for; what has to be assumed stands in
`notes`, with the argument that settles it. Nights and seasons are what `astrid
backfill` is for; the formulas are in `science`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from astrid_assets.resources.environment import keep_compiled_code

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping
    from pathlib import Path

    import numpy as np
    from numpy.typing import NDArray

    from astrid_assets.learning.segmentation_task import EpochMetrics
    from astrid_assets.standalone.inputs import Input
    from astrid_assets.standalone.results import Measurement, Subtraction
    from astrid_assets.steps.learning.loading import TrainingData
    from astrid_assets.steps.learning.score import CutoutMetadata
    from astrid_assets.steps.learning.train import TrainedVersion
    from astrid_assets.steps.nights import Tools
    from astrid_assets.tracking.client import Tracking


def difference(science: Input, reference: Input, **settings: object) -> Subtraction:
    """Subtract a reference from a science frame and list what changed.

    Sky, noise, stars and PSF are measured on both frames; the frames are registered
    by their stars, with the help of their WCS where they have one. Shapes and pixel
    scales may differ.

    Parameters
    ----------
    science, reference
        A path of a FITS file; or an array (ny, nx), in ADU unless ``BUNIT`` says
        electrons; or a pair of it and its header (FITS header, mapping or WCS); or a
        `astropy.nddata.CCDData`; or an HDU. Calibrated: bias, dark and flat are done.
    **settings
        What headers do not say: `gain_e_per_adu`, `read_noise_e`, `saturation_adu`,
        `hdu`, `zero_point_mag` (of one electron of the science frame); and every field
        of `ProcessingSettings`, `DifferencingSettings` and `DetectionSettings`, such
        as `threshold_sigma` or `method`.

    Returns
    -------
    result
        D, its PSF, S_corr, flux, mask and candidates, on the science frame's pixels.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FrameRejected
        If a file holds no usable image, a frame cannot be measured, or the frames
        do not show the same stars; `code` names the cause.
    TooFewStars
        If the frames have too few stars, or too few in common.
    TypeError, ValueError
        If a setting is unknown or out of range.

    References
    ----------
    Zackay, Ofek & Gal-Yam 2016, ApJ 830, 27.
    """
    keep_compiled_code()
    from astrid_assets.standalone.working import subtracted

    return subtracted(science, reference, settings)


def measure(frame: Input, **settings: object) -> Measurement:
    """Measure the sky, noise, stars, PSF, mask and quality of one frame.

    Parameters
    ----------
    frame, **settings
        As for `difference`.

    Returns
    -------
    result
        Frame without its sky, sky, mask, PSF, stars and quality.

    Raises
    ------
    FileNotFoundError
        If there is no such file.
    FrameRejected
        If the file holds no usable image or nothing can be measured on it.
    TypeError, ValueError
        If a setting is unknown or out of range.
    """
    keep_compiled_code()
    from astrid_assets.standalone.working import measured

    return measured(frame, settings)


def score(
    cutouts: NDArray[np.floating],
    metadata: CutoutMetadata | None = None,
    *,
    model: str | None = None,
) -> NDArray[np.float32]:
    """Return the probability of being real of each cutout, by a model of the catalogue.

    The same cutout gets the same score, however many come with it; NaN, infinite and
    absurd pixels count as blank sky. Cutouts of other sizes and channels are fitted by
    the rules of `science.labelling.cutout_fitting`.

    Parameters
    ----------
    cutouts : (n, channels, ny, nx)
        As the pipeline makes them, (n, 3, 64, 64) in sigma; or of another survey.
    metadata
        For cutouts from elsewhere: `channels`, their names in order, of ``science``,
        ``reference``, ``difference``, ``score``; `unit`, ``sigma`` or ``counts``;
        `signs`, -1 where a faded source is shown as positive. For all: `measurements`, what
        was measured of them, (n,) by the names of `science.detection.measurements`; a
        model gets on without.
    model
        Id or version of a model; None: the one in force, else the newest.

    Returns
    -------
    probability : (n,), at the share of real of the set that calibrated the model

    Raises
    ------
    NoModel
        If there is no such model.
    UnfitCutouts
        If no rule fits the cutouts.
    """
    from astrid_assets.steps.learning.score import score_cutouts

    return score_cutouts(_tools(), cutouts, metadata, model)


def load_training_dataset(
    dataset_id: str | None = None, collection_params: Mapping[str, object] | None = None
) -> TrainingData:
    """Load a frozen dataset version, or collect one; ``train, val, test = …`` gives its sides.

    The catalogue and the store are those that the environment names, as for all commands.

    Parameters
    ----------
    dataset_id
        Id or content hash of a version, or the beginning of one; None: the active version.
    collection_params
        Fields of `CollectionSettings`, such as `survey_ids`, `start`, `anomaly_types`: a
        version is collected, judged and recorded, as `astrid dataset collect` does.
        `date_range` stands for `start` and `end`.

    Returns
    -------
    data
        Images (n, 3, size, size), masks (n, size, size), labels and a table per side, read
        from local files row by row.

    Raises
    ------
    ValueError
        If both are given, or a setting is unknown or out of range.
    NoDataset
        If there is no such version, or it was refused or retired.
    TooFewLabels, TooFewGroups
        If too few labels fit the settings.
    """
    if dataset_id is not None and collection_params:
        raise ValueError("give dataset_id or collection_params, not both")
    from astrid_assets.steps.learning.loading import load_dataset

    tools, tracking, work_folder = _workplace()
    params = dict(collection_params or {})
    if "date_range" in params:
        params["start"], params["end"] = (_day(when) for when in params.pop("date_range"))  # pyright: ignore[reportGeneralTypeIssues]  validated with the others
    return load_dataset(tools, tracking, work_folder, dataset_id, params)


def train_network(
    settings: Mapping[str, object] | None = None,
    dataset_id: str | None = None,
    *,
    on_epoch: Callable[[EpochMetrics], None] | None = None,
) -> TrainedVersion:
    """Train a model on a dataset version and judge it on its test split.

    The same as `astrid train`: MLflow records it, the same training asked for again is
    returned, and one that was cut off goes on. It is not deployed.

    Parameters
    ----------
    settings
        Fields of `TrainingSettings` that differ from the defaults, such as ``epochs``.
    dataset_id
        As for `load_training_dataset`.
    on_epoch
        Called after each epoch with its losses and metrics on the val split.

    Returns
    -------
    trained
        `model`, `evaluation` with intervals of 95 %, `history` by epoch, and `pictures`, PNG
        bytes by name.

    Raises
    ------
    ValueError
        If a setting is unknown or out of range.
    NoDataset
        If there is no such version, or it was refused or retired.
    TrackingUnavailable
        If MLflow does not answer.
    """
    from astrid_assets.learning.settings import TrainingSettings
    from astrid_assets.steps.learning.train import train_model

    asked = TrainingSettings.model_validate(dict(settings or {}))
    tools, tracking, work_folder = _workplace()
    return train_model(
        tools, tracking, asked, work_folder, dataset_id=dataset_id, on_epoch=on_epoch
    )


def simulate_candidates(path: str | Path, *, pairs: int = 4, seed: int = 1) -> Path:
    """Write labelled candidates of simulated pairs, for a first dataset without a survey.

    `astrid alerts import` reads the file; its votes are the truth of the simulation.

    Parameters
    ----------
    path
        Parquet file to write.
    pairs
        Science and reference frames; each gives some 60 candidates, half of them real.
    seed
        Decides everything that is drawn.

    Returns
    -------
    path
    """
    keep_compiled_code()
    from pathlib import Path

    from astrid_assets.standalone.simulated_candidates import write_simulated_candidates

    return write_simulated_candidates(Path(path), pairs, seed)


def _workplace() -> tuple[Tools, Tracking, Path]:
    """Return catalogue and store with their tables made, MLflow, and where work is done."""
    from astrid_assets.resources.environment import Addresses
    from astrid_assets.storage.beginning import migrate
    from astrid_assets.storage.private import make_private_folder
    from astrid_assets.tracking.client import Tracking

    addresses = Addresses()
    make_private_folder(addresses.home)
    tools = _tools()
    migrate(tools.catalogue, tools.store)
    tracking = Tracking(addresses.tracking_uri.get_secret_value(), addresses.artifacts_folder)
    return tools, tracking, addresses.home / "work"


def _day(when: object) -> str:
    """Return a date, or the date of a time, as YYYY-MM-DD."""
    return when if isinstance(when, str) else f"{when:%Y-%m-%d}"


def _tools() -> Tools:
    """Return the catalogue and the store of the environment, as `astrid` finds them."""
    from astrid_assets.compute import Compute
    from astrid_assets.resources.environment import Addresses
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.catalogue import Catalogue
    from astrid_assets.storage.objects.object_store import open_object_store

    addresses = Addresses()
    return Tools(
        Catalogue(addresses.database_url.get_secret_value()),
        open_object_store(addresses.store_url, **addresses.s3_access),
        Compute(),
    )
