"""What an ONNX network takes and gives, told apart: observations, actions, recurrent state."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

from ..configuration import nearest
from ..errors import ArtifactError
from ..policy.backend import ArraySpec
from ..policy.contract_types import DTYPES, OUTPUT_DTYPES
from ..policy.onnx_header import OnnxArray, OnnxHeader
from .source_file import SourceFile

_IN, _OUT = '_in', '_out'


@dataclasses.dataclass(frozen=True)
class NetworkArrays:
    """
    The arrays of a network, batch of one.

    :param file: the network.
    :param header: all that it says of itself.
    :param inputs: what it takes, state left out.
    :param outputs: what it gives, state left out.
    :param state: recurrent state: what takes it, and what gives the next one (``h_in``,
        ``h_out``), in the order of the inputs.
    """

    file: SourceFile
    header: OnnxHeader
    inputs: tuple[ArraySpec, ...]
    outputs: tuple[ArraySpec, ...]
    state: tuple[tuple[ArraySpec, ArraySpec], ...]

    def input(self, name: str) -> ArraySpec:
        """Return an input by name; raises ArtifactError where there is none."""
        return _named(self.file, 'input', self.inputs, name)

    def output(self, name: str) -> ArraySpec:
        """Return an output by name; raises ArtifactError where there is none."""
        return _named(self.file, 'output', self.outputs, name)

    def actions(self, *names: str) -> ArraySpec:
        """
        Return the output that is the action: the first of some names, or the only output.

        :raises ArtifactError: it has several outputs, and none of these names.
        """
        found = [one for name in names for one in self.outputs if one.name == name]
        if found or len(self.outputs) == 1:
            return (found or list(self.outputs))[0]
        gives = ', '.join(one.name for one in self.outputs) or 'nothing that could be'
        raise ArtifactError(
            f'{self.file.path}: expected an output {" or ".join(names)}, found {gives}'
        )

    def state_tree(self) -> dict[str, Any]:
        """Return the states as the contract has them; they begin with zeros in every episode."""
        return {
            takes.name.removesuffix(_IN): {
                'shape': list(takes.shape),
                'input': takes.name,
                'output': gives.name,
                'initial': 'zeros',
                'reset': 'episode',
            }
            for takes, gives in self.state
        }


def is_network(file: SourceFile) -> bool:
    """Return whether a file is an ONNX model."""
    return file.onnx is not None


def network_arrays(file: SourceFile, memory: Mapping[str, str] | None = None) -> NetworkArrays:
    """
    Return what a network takes and gives.

    :param file: an ONNX model.
    :param memory: inputs that take recurrent state, and the outputs that give the next one;
        beside those whose names say it.
    :raises ArtifactError: it is none, or has arrays of a kind that no contract has.
    """
    header = file.onnx
    if header is None:
        raise ArtifactError(
            f'{file.path}: expected an ONNX model; {file.complaint or "it is not"}'
        )
    outputs = {one.name: one for one in header.outputs}
    pairs = {
        one.name: outputs[partner]
        for one in header.inputs
        if (partner := (memory or {}).get(one.name) or _partner(one.name)) in outputs
        and outputs[partner].dtype == one.dtype == 'float32'
    }
    taken = {one.name for one in pairs.values()}
    state = tuple(
        (_spec(file, 'input', one, DTYPES), _spec(file, 'output', pairs[one.name], OUTPUT_DTYPES))
        for one in header.inputs
        if one.name in pairs
    )
    takes = tuple(_spec(file, 'input', x, DTYPES) for x in header.inputs if x.name not in pairs)
    gives = tuple(
        _spec(file, 'output', one, OUTPUT_DTYPES)
        for one in header.outputs
        if one.name not in taken and one.dtype in OUTPUT_DTYPES
    )
    for side, arrays, dtypes in (('input', takes, DTYPES), ('output', gives, OUTPUT_DTYPES)):
        if not arrays:
            raise ArtifactError(
                f'{file.path}: expected an {side} of {", ".join(dtypes)} beside recurrent state, '
                'found none'
            )
    return NetworkArrays(file, header, takes, gives, state)


def _partner(name: str) -> str:
    """Return how the output is called that goes with an input of recurrent state."""
    return name.removesuffix(_IN) + _OUT if name.endswith(_IN) else ''


def _spec(file: SourceFile, side: str, array: OnnxArray, dtypes: tuple[str, ...]) -> ArraySpec:
    """Return an array with a batch of one where an axis is open; only the batch may be."""
    if array.dtype not in dtypes:
        raise ArtifactError(
            f'{file.path}: {side} {array.name}: expected {", ".join(dtypes)}, found '
            f'{array.dtype or "another type"}'
        )
    open_axes = [axis for axis, length in enumerate(array.shape) if length is None]
    if len(open_axes) > 1 or not array.shape:
        found = [length or '?' for length in array.shape]
        raise ArtifactError(
            f'{file.path}: {side} {array.name}: expected fixed lengths (the batch may be open), '
            f'found {found}; export it with a fixed shape'
        )
    return ArraySpec(array.name, tuple(length or 1 for length in array.shape), array.dtype)


def _named(file: SourceFile, side: str, arrays: tuple[ArraySpec, ...], name: str) -> ArraySpec:
    for one in arrays:
        if one.name == name:
            return one
    names = [one.name for one in arrays]
    raise ArtifactError(f'{file.path}: has no {side} {name}.{nearest(name, names)}')
