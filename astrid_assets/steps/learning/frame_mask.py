"""The mask that a model draws on a whole frame, on request: where it sees something real."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sqlalchemy import select

from astrid_assets.science.detection.cutouts import whole_planes
from astrid_assets.steps.learning.cutout_version import refuse_other_cutouts
from astrid_assets.steps.learning.package import WEIGHTS
from astrid_assets.steps.learning.score import find_model
from astrid_assets.steps.learning.settings import NoModel
from astrid_assets.storage.database.tables.detections import DifferenceRun
from astrid_assets.storage.database.tables.frames import Observation, PreprocessRun
from astrid_assets.storage.fits.differences import difference_from_fits
from astrid_assets.storage.fits.frames import frame_from_fits
from astrid_assets.storage.queries.frame_names import frame_named

if TYPE_CHECKING:
    from astropy.wcs import WCS

    from astrid_assets.science.arrays.types import Image
    from astrid_assets.steps.nights import Tools
    from astrid_assets.storage.database.tables.learning import Model


class NoFrame(LookupError):
    """There is no such frame, or no difference of it; the message says what is missing."""


@dataclass(frozen=True)
class FrameMask:
    """A model's mask of a whole frame.

    Attributes
    ----------
    mask : (ny, nx)
        Probability of each pixel to belong to something real.
    wcs
        That of the science frame.
    """

    model: Model
    observation_id: str
    mask: Image
    wcs: WCS


def mask_of_frame(tools: Tools, frame: str, model_name: str | None = None) -> FrameMask:
    """Let a model draw the mask of a frame whose difference is kept.

    Parameters
    ----------
    frame
        Id of a frame, or its path in the source.
    model_name
        See `score.find_model`.

    Raises
    ------
    NoFrame
        If there is no such frame, or no current difference of it.
    AmbiguousFrame
        If several frames have this path.
    NoModel
        If there is no such model, or it has no record of its weights.
    UnusableModel
        If it draws no masks, or takes other cutouts than are made now.
    """
    from astrid_assets.learning.tiles import frame_mask
    from astrid_assets.learning.weights import network_from_weights

    model = find_model(tools, model_name)
    refuse_other_cutouts(model)
    weights = ((model.package or {}).get("files") or {}).get(WEIGHTS)
    if weights is None:
        raise NoModel(
            f"{model.name} version {model.version} has no record of its weights, which whole "
            "frames need: train again"
        )
    observation_id, difference_key, frame_key = _files(tools, frame)
    difference = difference_from_fits(tools.store.get(difference_key))
    science = frame_from_fits(tools.store.get(frame_key), with_variance=False)
    network, calibration, _ = network_from_weights(tools.store.get(weights["key"]))
    mask = frame_mask(network, calibration, whole_planes(science, difference))
    return FrameMask(model, observation_id, mask, difference.wcs)


def _files(tools: Tools, frame: str) -> tuple[str, str, str]:
    """Return id, difference and processed frame of a frame."""
    query = (
        select(DifferenceRun.difference_key, PreprocessRun.frame_key)
        .select_from(Observation)
        .join(
            DifferenceRun,
            (DifferenceRun.observation_id == Observation.id) & DifferenceRun.is_current,
            isouter=True,
        )
        .join(PreprocessRun, PreprocessRun.observation_id == Observation.id, isouter=True)
    )
    with tools.catalogue.read() as session:
        observation_id = frame_named(session, frame)
        if observation_id is None:
            raise NoFrame(f"there is no frame {frame}: give its id, or its path in the source")
        found = session.execute(query.where(Observation.id == observation_id)).one()
    difference_key, frame_key = found
    if difference_key is None or frame_key is None:
        raise NoFrame(
            f"no difference of frame {frame} is kept: run difference_images for its night; "
            "alerts have none"
        )
    return observation_id, difference_key, frame_key
