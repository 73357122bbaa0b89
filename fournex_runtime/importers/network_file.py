"""
The network that lies beside a description of it: one observation in, one action out, its memory.

Of an ONNX model and a torch.export program the sizes are known, of a TorchScript archive only the
buffers in which it remembers. None of them is run.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from ..errors import ArtifactError
from .draft import Draft
from .network_arrays import is_network, network_arrays
from .recognise import Match
from .source_file import SourceFile
from .torch_program import (
    BUFFERS,
    is_torch_export,
    is_torchscript,
    read_torch_export,
    read_torchscript,
)

_SUFFIXES = {'onnx': 'onnx', 'torchscript': 'pt', 'torch_export': 'pt2'}


@dataclasses.dataclass(frozen=True)
class NetworkFile:
    """
    A network with one observation and one action.

    :param file: the file.
    :param backend: what runs it, as in the contract.
    :param observation: name of the input.
    :param action: name of the output.
    :param observations: how many values it takes; None where only running it would tell.
    :param actions: how many values it gives; None likewise.
    :param state: the section ``state`` of the contract.
    """

    file: SourceFile
    backend: str
    observation: str = 'obs'
    action: str = 'actions'
    observations: int | None = None
    actions: int | None = None
    state: dict[str, Any] = dataclasses.field(default_factory=dict)

    def put_into(self, draft: Draft) -> None:
        """Put the file, and what it remembers, into the draft."""
        if self.state:
            draft.tree['state'] = {
                name: draft.known(f'state.{name}', one, self.file.name, None, 'artifact')
                for name, one in self.state.items()
            }
        name = f'policy.{_SUFFIXES[self.backend]}'
        draft.set_artifact(name, self.file.data, self.backend, self.file)

    def check_sizes(self, where: str, observations: int, actions: int) -> None:
        """
        Compare how many values a description has with those of the network.

        :param where: the description, for errors.
        :raises ArtifactError: they are not as many.
        """
        self._check('observation', self.observation, self.observations, observations, where)
        self.check_actions(where, actions)

    def check_actions(self, where: str, actions: int) -> None:
        """Compare how many actions a description has; see :meth:`check_sizes`."""
        self._check('action', self.action, self.actions, actions, where)

    def _check(self, what: str, array: str, size: int | None, described: int, where: str) -> None:
        if size is not None and size != described:
            raise ArtifactError(
                f'{where}: describes {described} values of {what}, {array} of {self.file.path} '
                f'has {size}. Do both belong to one training?'
            )


def find_network(
    match: Match, draft: Draft, folders: Sequence[str], named: str = ''
) -> NetworkFile:
    """
    Return the network that belongs to a description.

    :param match: the description.
    :param draft: notes which file was taken.
    :param folders: where to look, relative to the folder of the description.
    :param named: how the description calls the file; where it does not, an ONNX model is taken
        before a program of torch. A network that the user names comes first.
    :raises ArtifactError: there is none, there are several, or it is not of one observation and
        one action.
    """
    if not named:
        file = match.companion(draft, 'network', is_network, folders)
        if file is None:
            file = match.needed(draft, 'network', _is_program, folders)
        return file.once(_network)
    return match.needed(
        draft,
        f'network ({named})',
        lambda one: (
            one.path.name == named or (one in match.also and (is_network(one) or _is_program(one)))
        ),
        folders,
    ).once(_network)


def _is_program(file: SourceFile) -> bool:
    return is_torchscript(file) or is_torch_export(file)


def _network(file: SourceFile) -> NetworkFile:
    if is_network(file):
        return _onnx_network(file)
    if _is_program(file):
        return _program_network(file)
    raise ArtifactError(
        f'{file.path}: expected an ONNX model, a TorchScript archive or a torch.export program; '
        f'{file.complaint or "it is none of these"}'
    )


def _onnx_network(file: SourceFile) -> NetworkFile:
    arrays = network_arrays(file)
    if len(arrays.inputs) != 1 or len(arrays.outputs) != 1:
        raise ArtifactError(
            f'{file.path}: expected one input and one output beside its state, found '
            f'{", ".join(one.name for one in arrays.inputs) or "none"} and '
            f'{", ".join(one.name for one in arrays.outputs) or "none"}'
        )
    observation, action = arrays.inputs[0], arrays.outputs[0]
    return NetworkFile(
        file,
        'onnx',
        observation.name,
        action.name,
        math.prod(observation.shape),
        math.prod(action.shape),
        arrays.state_tree(),
    )


def _program_network(file: SourceFile) -> NetworkFile:
    script = is_torchscript(file)
    program = read_torchscript(file) if script else read_torch_export(file)
    if len(program.arguments) != 1 or len(program.results) != 1:
        raise ArtifactError(
            f'{file.path}: expected one argument and one result, found '
            f'{", ".join(one.name for one in program.arguments) or "none"} and '
            f'{len(program.results)}'
        )
    (taken,), (given,) = program.arguments, program.results
    return NetworkFile(
        file,
        'torchscript' if script else 'torch_export',
        observations=None if taken.shape is None else math.prod(taken.shape),
        actions=None if given.shape is None else math.prod(given.shape),
        state={BUFFERS[name]: _state(shape, name) for name, shape in program.buffers.items()},
    )


def _state(shape: tuple[int, ...], buffer: str) -> dict[str, Any]:
    return {'shape': list(shape), 'buffer': buffer, 'initial': 'zeros', 'reset': 'episode'}
