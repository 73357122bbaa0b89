"""The ONNX model of a bundle whose artifact is data: as it is, or rebuilt from another format."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .bundle import Bundle


def onnx_model(bundle: Bundle) -> bytes:
    """
    Return the model; a zip of Stable-Baselines3 is read as data and rebuilt as one.

    :param bundle: the bundle; its backend is one of ``DATA_BACKENDS``.
    :raises ArtifactError: the artifact is not supported, or does not fit the contract.
    :raises MissingDependencyError: a package that this needs is not installed.
    """
    if bundle.contract.artifact.backend == 'onnx':
        return bundle.artifact
    from .sb3.rebuilt import rebuilt_as_onnx  # its package loads here

    return rebuilt_as_onnx(bundle)
