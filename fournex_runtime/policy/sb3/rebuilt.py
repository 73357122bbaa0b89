"""The artifact of a bundle that is a zip of Stable-Baselines3 or sb3-contrib, rebuilt as ONNX."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from ...errors import ArtifactError
from ..bundle import Bundle
from ..contract import Term
from .network import MASKS, build_onnx
from .sampling import NOISE
from .saved_policy import parse_sb3


def rebuilt_as_onnx(bundle: Bundle) -> bytes:
    """
    Return the network of a saved model as ONNX; the file is read as data, nothing in it is run.

    Its inputs are ``obs`` or the keys of the observation, its output is ``actions``, a recurrent
    one has ``h_in``, ``c_in``, ``h_out`` and ``c_out``; see :func:`~.network.build_onnx`. Actions
    are as the network gives them: the contract clips, or spreads them over the action space. They
    are drawn where the contract has an input ``noise`` of ``noise`` terms, else the most probable.

    :param bundle: the bundle.
    :raises ArtifactError: the artifact is not supported, or does not fit the contract.
    :raises MissingDependencyError: the package ``onnx`` is not installed.
    """
    contract = bundle.contract
    file = bundle.folder / contract.artifact.file
    terms = contract.inputs.get(NOISE, ())
    samples = any(term.kind == 'noise' for term in terms)
    masks = contract.input_layouts.get(MASKS)
    built = build_onnx(
        parse_sb3(bundle.artifact, file),
        samples=samples,
        masks='bool' if masks is None else masks.dtype,
    )
    if samples:
        _check_noise(terms, built.noise, file)
    return built.model


def _check_noise(terms: Sequence[Term], distribution: str, file: pathlib.Path) -> None:
    for term in terms:
        found = term.options['distribution'] if term.kind == 'noise' else f'a {term.kind}'
        if found != distribution:
            raise ArtifactError(
                f'{file}: draws its actions with {distribution} noise; the contract has {found} '
                f'in term {term.name} of input {NOISE}'
            )
