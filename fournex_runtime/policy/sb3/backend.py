"""The artifact of a bundle that is a zip file of Stable-Baselines3 or sb3-contrib."""

from __future__ import annotations

import pathlib
from collections.abc import Sequence

from ...errors import ArtifactError
from ..backend import signature
from ..bundle import Bundle
from ..contract import Term
from ..inference import DEFAULT_INFERENCE, Inference
from ..onnx_backend import OnnxModel
from .network import MASKS, build_onnx
from .sampling import NOISE
from .saved_policy import parse_sb3


class Sb3Backend(OnnxModel):
    """
    A saved model, rebuilt as ONNX and run by ONNX Runtime; nothing in the file is run.

    Its inputs are ``obs`` or the keys of the observation, its output is ``actions``, a recurrent
    one has ``h_in``, ``c_in``, ``h_out`` and ``c_out``; see :func:`~.network.build_onnx`. Actions
    are as the network gives them: the contract clips, or spreads them over the action space. They
    are drawn where the contract has an input ``noise`` of ``noise`` terms, else the most probable.

    :param bundle: the bundle; its artifact is checked against its contract here.
    :param inference: providers and threads.
    :raises ArtifactError: the artifact is not supported, or does not fit the contract.
    :raises MissingDependencyError: the package ``onnx`` is not installed.
    """

    def __init__(self, bundle: Bundle, inference: Inference = DEFAULT_INFERENCE) -> None:
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
        super().__init__(built.model, str(file), signature(contract), contract.state, inference)


def _check_noise(terms: Sequence[Term], distribution: str, file: pathlib.Path) -> None:
    for term in terms:
        found = term.options['distribution'] if term.kind == 'noise' else f'a {term.kind}'
        if found != distribution:
            raise ArtifactError(
                f'{file}: draws its actions with {distribution} noise; the contract has {found} '
                f'in term {term.name} of input {NOISE}'
            )
