"""
ONNX models that say nothing of training: arrays with names, shapes and dtypes.

Pairs such as ``h_in`` and ``h_out`` are recurrent state, as rsl_rl exports it. What all other
numbers mean, and whether normalisation and action scale are in the network, is asked.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ..configuration import nearest
from ..policy.backend import ArraySpec
from .array_questions import ask_arrays, ask_poses
from .draft import Draft
from .identity import ask_identity, ask_period
from .network_arrays import NetworkArrays, network_arrays
from .questions import Expected, Question, choice, names
from .recognise import Importer, Match
from .source_file import SourceFile
from .statistics_file import take_statistics

_ACTIONS = (
    'scale and offset are what the environment does to the output of this network: leave them out '
    'only where the network does it, or nobody does. clip: what limits the output before that'
)


def _claims(file: SourceFile) -> str:
    return '' if file.onnx is None else f'an ONNX model of {file.onnx.producer or "no name"}'


def _draft(match: Match, draft: Draft) -> None:
    ask_identity(draft, match)
    ask_period(draft, 'the time between two actions')
    network = _network(match, draft)
    take_statistics(match, draft, network.inputs, _normaliser(network), ())
    outputs = [] if draft.more_follow else _actions(draft, network)
    if not outputs:
        draft.more_follow = True
        return
    arrays = ask_arrays(draft, network.inputs, outputs, why=_ACTIONS)
    ask_poses(draft, arrays)
    draft.tree['inputs'] = dict(arrays.inputs)
    draft.tree['outputs'] = dict(arrays.outputs)
    if network.state:
        where = f'{match.file.name}: inputs and outputs'
        state = network.state_tree()
        draft.tree['state'] = draft.known('state', state, where, None, 'artifact')
    draft.set_artifact('policy.onnx', match.file.data, 'onnx', match.file)


def _actions(draft: Draft, network: NetworkArrays) -> list[ArraySpec]:
    """Return the outputs that are actions; none while that is asked."""
    if len(network.outputs) == 1:
        return list(network.outputs)
    known = [one.name for one in network.outputs]
    chosen = draft.ask(
        Question(
            'actions',
            f'which outputs are actions: {", ".join(known)}',
            Expected('a list of names', lambda value: _of(value, known), f'[{known[0]}]'),
            'values, log probabilities and the like are left out',
        )
    )
    return [one for one in network.outputs if one.name in (chosen or ())]


def _normaliser(network: NetworkArrays) -> Question:
    begins = ', '.join(network.header.operators[:3])
    return Question(
        'normaliser',
        'where observations are normalised by statistics of training',
        choice('in_network', 'nowhere'),
        f'the network begins with {begins}; Sub and Div would be a normaliser. Statistics of a '
        'VecNormalize in a file of its own: give the file with --also',
    )


def _network(match: Match, draft: Draft) -> NetworkArrays:
    """Return the arrays; asks for the recurrent state where it could be one under other names."""
    network = network_arrays(match.file)
    pairs = {
        takes.name: [gives.name for gives in network.outputs if gives.shape == takes.shape]
        for takes in network.inputs
        if takes.dtype == 'float32' and len(takes.shape) > 1
    }
    if len(network.inputs) < 2 or len(network.outputs) < 2 or not any(pairs.values()):
        return network
    takes = {name: one[0] for name, one in pairs.items() if one}
    example = ', '.join(f'{name}: {one}' for name, one in takes.items())
    memory: dict[str, str] | None = draft.ask(
        Question(
            'memory',
            'which inputs take recurrent state, and which outputs give the next one',
            Expected(
                'a mapping of inputs to outputs, or none',
                lambda value: _memory(value, pairs),
                f'{{{example}}}',
            ),
            'recurrent state is zeroed at the start of an episode and goes from tick to tick',
        )
    )
    draft.more_follow = memory is None
    return network_arrays(match.file, memory)


def _memory(value: Any, pairs: Mapping[str, list[str]]) -> dict[str, str]:
    if value == 'none':
        return {}
    if not isinstance(value, dict):
        raise ValueError(f'expected a mapping of inputs to outputs, or none, found {value!r}')
    for takes, gives in value.items():
        if gives not in pairs.get(takes, ()):
            raise ValueError(
                f'{takes}: {gives} is no pair of an input and an output of one shape.'
                f'{nearest(str(takes), list(pairs))}'
            )
    if len(set(value.values())) != len(value):
        raise ValueError('expected an output of its own for each input')
    return value


def _of(value: Any, known: list[str]) -> tuple[str, ...]:
    found: tuple[str, ...] = names(None).read(value)
    for name in found:
        if name not in known:
            raise ValueError(f'{name} is no output.{nearest(name, known)}')
    return found


IMPORTER = Importer('onnx', 'any other ONNX model', _claims, _draft, general=True)
