"""An ONNX file as a model of MLflow: kept byte for byte, described, registered."""

from __future__ import annotations

import warnings
from contextlib import contextmanager
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterator

    import onnx
    from mlflow import MlflowClient
    from mlflow.models import ModelSignature


def log_onnx(client: MlflowClient, uri: str, name: str, content: bytes, run_id: str) -> str:
    """Log an ONNX file to a run and register it; returns the new version."""
    import onnx

    model = onnx.load_from_string(content)
    with warnings.catch_warnings():
        # MLflow about the types of its own examples, when it is imported.
        warnings.simplefilter("ignore")
        from mlflow.onnx import log_model

        with _as_global_run(client, uri, run_id):
            info = log_model(
                model,
                name="model",
                registered_model_name=name,
                save_as_external_data=False,
                onnx_execution_providers=["CPUExecutionProvider"],
                pip_requirements=["onnxruntime"],
                signature=_signature(model),
            )
    return str(info.registered_model_version)


@contextmanager
def _as_global_run(client: MlflowClient, uri: str, run_id: str) -> Iterator[None]:
    """Make a run the one MLflow's module-level functions write to.

    Afterwards everything is as before; so is the run's status, which MLflow sets to
    finished on leaving.
    """
    import mlflow

    info = client.get_run(run_id).info
    status = info.status
    with global_address(uri):
        active = mlflow.active_run()
        if active is not None and active.info.run_id == run_id:
            yield
        else:
            # Whoever used MLflow in this process before may have left another one.
            mlflow.set_experiment(experiment_id=info.experiment_id)
            with mlflow.start_run(run_id=run_id, nested=active is not None):
                yield
            client.update_run(run_id, status=status)


def address_before() -> str | None:
    """Return MLflow's global address, None where none is set.

    MLflow's own default must not be put back: setting it also sets MLFLOW_TRACKING_URI, and
    whatever opens MLflow next in this process would take a file of the working directory.
    """
    import mlflow

    return mlflow.get_tracking_uri() if mlflow.is_tracking_uri_set() else None


@contextmanager
def global_address(uri: str) -> Iterator[None]:
    """Let MLflow's module-level functions use an address, as some of them only can."""
    import mlflow

    before = address_before(), mlflow.get_registry_uri()
    mlflow.set_tracking_uri(uri)
    mlflow.set_registry_uri(uri)
    try:
        yield
    finally:
        mlflow.set_tracking_uri(before[0])  # pyright: ignore[reportArgumentType]  None unsets it
        mlflow.set_registry_uri(before[1])


def _signature(model: onnx.ModelProto) -> ModelSignature:
    """Describe inputs and outputs; MLflow would need to run the model to find out."""
    import numpy as np
    from mlflow.models import ModelSignature
    from mlflow.types import Schema, TensorSpec

    inputs, outputs = (
        Schema(
            [
                TensorSpec(
                    np.dtype(np.float32),
                    # A free dimension has a name and the value 0.
                    [dim.dim_value or -1 for dim in port.type.tensor_type.shape.dim],
                    port.name,
                )
                for port in ports
            ]
        )
        for ports in (model.graph.input, model.graph.output)
    )
    return ModelSignature(inputs=inputs, outputs=outputs)
