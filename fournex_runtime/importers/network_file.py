"""
The network that lies beside a description of it: one observation in, one action out, its memory.

Of an ONNX model the arrays are read, of a TorchScript archive the state that the exporters of
rsl_rl, legged_gym and Isaac Lab keep in buffers. Neither is run.
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
from .torch_program import BUFFERS, is_torchscript, read_torchscript


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
        suffix = 'onnx' if self.backend == 'onnx' else 'pt'
        draft.set_artifact(f'policy.{suffix}', self.file.data, self.backend, self.file)

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
        before a TorchScript archive. A network that the user names comes first.
    :raises ArtifactError: there is none, there are several, or it is not of one observation and
        one action.
    """
    if not named:
        file = match.companion(draft, 'network', is_network, folders)
        if file is None:
            file = match.needed(draft, 'network', is_torchscript, folders)
        return file.once(_network)
    return match.needed(
        draft,
        f'network ({named})',
        lambda one: one.path.name == named or (one in match.also and _is_either(one)),
        folders,
    ).once(_network)


def _is_either(file: SourceFile) -> bool:
    return is_network(file) or is_torchscript(file)


def _network(file: SourceFile) -> NetworkFile:
    if is_network(file):
        return _onnx_network(file)
    if is_torchscript(file):
        return _torchscript_network(file)
    raise ArtifactError(
        f'{file.path}: expected an ONNX model or a TorchScript archive; '
        f'{file.complaint or "it is neither"}'
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


def _torchscript_network(file: SourceFile) -> NetworkFile:
    buffers = read_torchscript(file).buffers
    state = {BUFFERS[name]: _state(shape, buffer=name) for name, shape in buffers.items()}
    return NetworkFile(file, 'torchscript', state=state)


def _state(shape: tuple[int, ...], **place: str) -> dict[str, Any]:
    return {'shape': list(shape), **place, 'initial': 'zeros', 'reset': 'episode'}
