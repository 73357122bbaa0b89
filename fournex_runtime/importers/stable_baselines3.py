"""
Zips of Stable-Baselines3 and sb3-contrib (``model.save()``), with their ``VecNormalize``.

The zip says shapes, the clip and scale of actions, and recurrent state; not what the values mean,
and not at which rate the environment was stepped.
"""

from __future__ import annotations

import dataclasses
import functools
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..policy.contract_types import Term
from ..policy.sb3.actions import ActionMapping, action_mapping
from ..policy.sb3.network import OnnxPolicy, build_onnx
from ..policy.sb3.saved_policy import Sb3Policy, parse_sb3
from ..policy.sb3.spaces import Box, Discrete, MultiBinary, MultiDiscrete, Space
from .array_questions import ask_arrays, ask_poses
from .array_terms import output_terms
from .draft import Draft
from .identity import ask_identity, ask_period
from .questions import Question, choice
from .recognise import Importer, Match
from .source_file import SourceFile
from .statistics_file import take_statistics
from .terms import clipped

_CHOICES = (
    'one {term: discrete, as: …, actions: [[…], …]} for each value, with a command for each of '
    'its choices'
)
_MEMBERS = frozenset(('data', 'policy.pth'))
_NORMALISER = Question(
    'normaliser',
    'whether observations were normalised by VecNormalize',
    choice('none'),
    'no VecNormalize was found beside the zip. If there was one, give its .pkl with --also: '
    'without it the policy sees numbers that it has never seen',
)
_ACTIONS = (
    'the zip says how the action space clips and spreads, so leave out clip; scale and offset are '
    'what the environment makes of an action after that (force = 10 * action: scale: 10)'
)


def _claims(file: SourceFile) -> str:
    if not _MEMBERS <= set(file.zip_names):
        return ''
    return 'a zip with the members data and policy.pth'


@dataclasses.dataclass(frozen=True, eq=False)
class _Saved:
    """The zip, read once."""

    policy: Sb3Policy
    network: OnnxPolicy


def _saved(file: SourceFile) -> _Saved:
    policy = parse_sb3(file.data, file.path)
    return _Saved(policy, build_onnx(policy))


def _draft(match: Match, draft: Draft) -> None:
    saved = match.file.once(_saved)
    policy, network = saved.policy, saved.network
    name = match.file.name
    ask_identity(draft, match)
    draft.tree['description'] = _description(policy)
    ask_period(draft, 'the time between two calls of env.step()')
    arrays = ask_arrays(
        draft,
        network.signature.inputs,
        network.signature.outputs,
        functools.partial(_check_actions, policy.action_space),
        _why(policy.action_space),
    )
    pose = ask_poses(draft, arrays)
    take_statistics(match, draft, network.signature.inputs, _NORMALISER)
    draft.tree['inputs'] = dict(arrays.inputs)
    draft.tree['outputs'] = dict(arrays.outputs)
    if isinstance(policy.action_space, Box):
        output = network.signature.outputs[0].name
        mapping = draft.known(
            f'outputs.{output}.clip', action_mapping(policy), f'{name}: action_space', None,
            'artifact'
        )  # fmt: skip
        array = arrays.outputs[output]
        if array is not None and pose is not None:
            draft.tree['outputs'][output] = _mapped(output, array, pose, mapping)
    if network.state:
        draft.tree['state'] = {
            one.name: draft.known(
                f'state.{one.name}', _state(one.shape, one.input, one.output),
                f'{name}: policy.pth', None, 'artifact'
            )
            for one in network.state
        }  # fmt: skip
    for one in network.optional_inputs:
        if one.name == 'action_masks':
            draft.notes.append('action_masks is left out: every choice is allowed')
    draft.set_artifact('policy.zip', match.file.data, 'stable_baselines3', match.file)


def _why(space: Space) -> str:
    """Return what to know about the terms of the actions."""
    if isinstance(space, Box):
        return _ACTIONS
    counts = ', '.join(map(str, _choices(space)))
    return f'{_CHOICES}; there are {counts}'


def _choices(space: Space) -> tuple[int, ...]:
    """Return from how many actions each value chooses."""
    if isinstance(space, Discrete):
        return (space.n,)
    if isinstance(space, MultiDiscrete):
        return space.nvec
    return (2,) * space.size if isinstance(space, MultiBinary) else ()


def _check_actions(
    space: Space, written: Sequence[Mapping[str, Any]], terms: Sequence[Term]
) -> None:
    """Refuse a clip that the zip says, and choices of another number than it has."""
    for one, term in zip(written, terms):
        if isinstance(space, Box) and 'clip' in one:
            raise ValueError(f'{term.name}: leave out clip: the artifact says it')
    for term, count in zip(terms, _choices(space)):
        if len(term.choices) != count:
            raise ValueError(
                f'{term.name}: expected {count} actions to choose from, found {len(term.choices)}'
            )


def _description(policy: Sb3Policy) -> str:
    version = policy.versions.get('Stable-Baselines3', '')
    return f'{policy.algorithm} of Stable-Baselines3 {version}'.strip()


def _state(shape: tuple[int, ...], takes: str, gives: str) -> dict[str, Any]:
    return {
        'shape': list(shape),
        'input': takes,
        'output': gives,
        'initial': 'zeros',
        'reset': 'episode',
    }


def _mapped(name: str, array: dict[str, Any], pose: Any, mapping: ActionMapping) -> dict[str, Any]:
    """Return an output whose terms do what ``predict()`` does, and then what the user says."""
    made, at = [], 0
    for given, term in zip(array['terms'], output_terms(name, array, pose)):
        part = slice(at, at + term.size)
        at += term.size
        scale, offset = np.array(term.scale), np.array(term.offset)
        factor = mapping.scale[part] * scale
        constant = mapping.offset[part] * scale + offset
        one = {key: value for key, value in given.items() if key not in ('scale', 'offset')}
        one.update(clipped(mapping.low[part].tolist(), mapping.high[part].tolist()))
        if (factor != 1.0).any():
            one['scale'] = factor.tolist()
        if constant.any():
            one['offset'] = constant.tolist()
        made.append(one)
    return {**array, 'terms': made}


IMPORTER = Importer(
    'stable_baselines3',
    'a zip of Stable-Baselines3 or sb3-contrib (model.save()), with its VecNormalize',
    _claims,
    _draft,
)
