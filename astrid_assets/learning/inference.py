"""Running a deployed model: ONNX Runtime and numpy, no torch.

Scores do not depend on how many cutouts are scored together, nor on the number of
threads: a night that is scored again gets the same scores.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from astrid_assets.science.detection.measurements import unmeasured

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from astrid_assets.science.detection.measurements import Measurements

BATCH = 128
"""Cutouts per call of the runtime; more only costs memory."""


class UnusableModel(ValueError):
    """The bytes are not a model of this project; the message says what is wrong."""


PICKLES = (b"\x80", b"PK\x03\x04")
"""What pickles begin with, and the archives of them that ``torch.save`` writes."""


def refuse_pickle(content: bytes) -> None:
    """Raise UnusableModel for a pickle, whatever it holds; it is not read."""
    if content.startswith(PICKLES):
        raise UnusableModel(
            "this file is a pickle, which can run any code when it is read: a model is an ONNX "
            "file with its weights in safetensors, as a training of this project leaves them"
        )


class OnnxScorer:
    """A model made by `export.to_onnx`, ready to score.

    Parameters
    ----------
    content
        The ONNX file.
    threads
        CPU threads of one call.

    Raises
    ------
    UnusableModel
        If ONNX Runtime cannot load it or inputs and outputs have other names.
    """

    def __init__(self, content: bytes, *, threads: int = 1) -> None:
        import onnxruntime
        from onnxruntime.capi.onnxruntime_pybind11_state import (
            Fail,  # pyright: ignore[reportAttributeAccessIssue]  compiled
            InvalidArgument,  # pyright: ignore[reportAttributeAccessIssue]
            InvalidGraph,  # pyright: ignore[reportAttributeAccessIssue]
            InvalidProtobuf,  # pyright: ignore[reportAttributeAccessIssue]
        )

        refuse_pickle(content)
        refused = (Fail, InvalidArgument, InvalidGraph, InvalidProtobuf)
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = threads
        options.inter_op_num_threads = 1
        # Waiting threads must not take the processor from those that work.
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = 3
        try:
            self._session = onnxruntime.InferenceSession(
                content, options, providers=["CPUExecutionProvider"]
            )
        except refused as error:
            raise UnusableModel(
                f"ONNX Runtime cannot load these {len(content)} bytes as a model: {error}"
            ) from error
        inputs = {port.name: port.shape for port in self._session.get_inputs()}
        outputs = {port.name: port.shape for port in self._session.get_outputs()}
        self.takes_measurements = "measurements" in inputs
        if set(inputs) - {"measurements"} != {"cutouts"} or set(outputs) != {"mask", "score"}:
            raise UnusableModel(
                "a model takes `cutouts`, perhaps `measurements`, and returns `mask` and "
                f"`score`; this one takes {sorted(inputs)} and returns {sorted(outputs)}"
            )
        self._n_measurements = int(inputs["measurements"][1]) if self.takes_measurements else 0
        self._shape = tuple(inputs["cutouts"][1:])
        self._mask_shape = tuple(outputs["mask"][1:])

    def score(
        self, cutouts: NDArray[np.float32], measurements: Measurements | None = None
    ) -> NDArray[np.float32]:
        """Return the probability of being real for each cutout, ``(n,)``.

        Parameters
        ----------
        cutouts : (n, 3, 64, 64)
            May be memory-mapped; read batch by batch.
        measurements : (n, len(MEASUREMENTS))
            What detection measured; None: nothing. A model that sees pixels only does
            not look at them.
        """
        return self._run("score", cutouts, (), measurements)

    def masks(self, cutouts: NDArray[np.float32]) -> NDArray[np.float32]:
        """Return the probability of each pixel to belong to something real.

        Parameters
        ----------
        cutouts : (n, 3, 64, 64)

        Returns
        -------
        masks : (n, side, side)
            The middle of each cutout, as far as the network sees it.
        """
        return self._run("mask", cutouts, self._mask_shape)

    def _run(
        self,
        output: str,
        cutouts: NDArray[np.float32],
        shape: tuple[int, ...],
        measurements: Measurements | None = None,
    ) -> NDArray[np.float32]:
        if cutouts.shape[1:] != self._shape:
            raise ValueError(
                f"this model takes cutouts of shape (n, {str(self._shape)[1:]}, got {cutouts.shape}"
            )
        measured = unmeasured(len(cutouts)) if measurements is None else measurements
        if self.takes_measurements and measured.shape != (len(cutouts), self._n_measurements):
            raise ValueError(
                f"this model takes {self._n_measurements} measurements of each of "
                f"{len(cutouts)} cutouts, got {measured.shape}"
            )
        found = np.empty((len(cutouts), *shape), dtype=np.float32)
        for start in range(0, len(cutouts), BATCH):
            batch = np.ascontiguousarray(cutouts[start : start + BATCH], dtype=np.float32)
            given = {"cutouts": batch}
            if self.takes_measurements:
                given["measurements"] = np.ascontiguousarray(
                    measured[start : start + BATCH], dtype=np.float32
                )
            values = self._session.run([output], given)[0]
            found[start : start + len(batch)] = np.asarray(values)
        return found
