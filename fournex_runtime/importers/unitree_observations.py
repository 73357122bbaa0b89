"""
The observations of unitree_rl_lab's ``deploy.yaml``.

Terms are called as their functions. Each is clipped, then scaled (``scale_first`` turns that
round), and then remembered; its frames stand together, the oldest first, unless
``use_gym_history`` puts whole frames one after the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from ..errors import ArtifactError
from .array_terms import array_of, observation_sizes
from .draft import Draft
from .foreign import Foreign
from .isaac_terms import ask_term, isaac_term, selected_joints, with_names
from .network_arrays import NetworkArrays

_SWITCHES = ('use_gym_history', 'scale_first')


def unitree_inputs(
    draft: Draft,
    deploy: Foreign,
    network: NetworkArrays,
    joints: Sequence[str],
    action_width: int,
) -> dict[str, Any]:
    """
    Return the inputs of a network as the contract has them.

    :param deploy: the whole file.
    :param network: the network; groups of terms are called as its inputs.
    :param joints: the joints in the policy's order.
    :param action_width: how many values an action has.
    :raises ArtifactError: what the file says cannot be.
    """
    return {
        name: {
            **array_of(network.input(name)),
            **_input(draft, deploy, group, name, joints, action_width),
        }
        for name, group in _groups(deploy['observations'], network).items()
    }


def _groups(observations: Foreign, network: NetworkArrays) -> dict[str, Foreign]:
    """Return the groups of terms by the input that they fill; one without a name is the only."""
    entries = {key: one for key, one in observations.entries() if key not in _SWITCHES}
    if not entries:
        raise observations.problem('observation terms')
    if any('scale' in one or 'params' in one for one in entries.values()):
        if len(network.inputs) != 1:
            names = ', '.join(one.name for one in network.inputs)
            raise ArtifactError(
                f'{network.file.path}: takes {names}; {observations.where} has the terms of one '
                'input'
            )
        return {network.inputs[0].name: observations}
    for name in entries:
        network.input(name)
    return entries


def _input(
    draft: Draft,
    deploy: Foreign,
    group: Foreign,
    name: str,
    joints: Sequence[str],
    action_width: int,
) -> dict[str, Any]:
    """Return an input as the contract has it."""
    scale_first, by_time = (_flag(group, key) for key in ('scale_first', 'use_gym_history'))
    terms: list[dict[str, Any]] = []
    upstream: list[str] = []
    histories = []
    for key, given in group.entries():
        if key in _SWITCHES:
            continue
        made = _term(draft, key, given, f'inputs.{name}', joints, action_width)
        _add_arithmetic(draft, made, given, f'inputs.{name}.{key}', action_width, scale_first)
        if key == 'velocity_commands' and given.get('clip') is None:
            _add_ranges(draft, made[0], deploy, f'inputs.{name}.{key}')
        history = given.get('history_length')
        histories.append(1 if history is None else max(1, history.whole()))
        if histories[-1] > 1:
            draft.known(
                f'inputs.{name}.{key}.history', histories[-1], given['history_length'].where
            )
            if not by_time:
                for one in made:
                    one.update(history=histories[-1], order='oldest_first')
        terms.extend(made)
        upstream.extend([key] * len(made))
    array: dict[str, Any] = {'terms': with_names(terms, upstream)}
    if by_time and max(histories) > 1:
        switch = group['use_gym_history']
        if len(set(histories)) > 1:
            raise switch.problem('one history_length for all terms', f'{histories}')
        draft.known(f'inputs.{name}.history_layout', 'time', switch.where)
        array.update(history=histories[0], history_layout='time', order='oldest_first')
    return array


def _flag(group: Foreign, key: str) -> bool:
    found = group.get(key)
    return found is not None and found.flag()


def _term(
    draft: Draft,
    key: str,
    given: Foreign,
    place: str,
    joints: Sequence[str],
    action_width: int,
) -> list[dict[str, Any]]:
    """Return the terms of one entry, without arithmetic; a placeholder while it is asked."""
    scale, params = given.get('scale'), given.get('params')
    width = None if scale is None else len(scale.items())
    if key == 'gait_phase' and width in (None, 2):
        period = given['params']['period']
        nanoseconds = draft.known(f'{place}.{key}.period', period.number() * 1e9, period.where)
        return [
            {
                'term': 'gait_phase',
                'period': f'{round(nanoseconds)} ns',
                'offsets': [0.0],
                'layout': 'interleaved',
            }
        ]
    asset = None if params is None else params.get('asset_cfg')
    own = selected_joints(None if asset is None else asset.get('joint_ids'), joints)
    term = isaac_term(key, width, own, action_width)
    if term is not None:
        draft.known(f'{place}.{key}', term['term'], given.where)
        return [term]
    if width is None:
        raise given.problem('scale with a number a value, for a term that is not known by name')
    asked = ask_term(draft, place, key, width, action_width)
    return asked or [{'term': 'value', 'name': key, 'size': width}]


def _add_arithmetic(
    draft: Draft,
    terms: list[dict[str, Any]],
    given: Foreign,
    place: str,
    action_width: int,
    scale_first: bool,
) -> None:
    """Add the clip and the scale of an entry to its terms; a clip comes first in contracts."""
    sizes = observation_sizes(terms, action_width)
    scale, clip = given.get('scale'), given.get('clip')
    factors = (1.0,) * sum(sizes) if scale is None else scale.numbers(sum(sizes))
    if scale is not None:
        factors = draft.known(f'{place}.scale', factors, scale.where)
    bounds = None if clip is None else clip.numbers(2)
    if clip is not None:
        order = 'after scale' if scale_first else 'before scale'
        draft.known(f'{place}.clip', bounds, f'{clip.where}, {order}')
    at = 0
    for term, size in zip(terms, sizes):
        part = factors[at : at + size]
        at += size
        if term['term'] == 'last_action':
            if bounds is not None or set(part) != {1.0}:
                raise given.problem('a last action without clip and with a scale of 1')
            continue
        if set(part) != {1.0}:
            term['scale'] = list(part)
        if bounds is not None:
            term['clip'] = _clip_of(bounds, part if scale_first else (1.0,) * size, given)


def _clip_of(
    bounds: Sequence[float], factors: Sequence[float], where: Foreign
) -> dict[str, list[float]]:
    if 0.0 in factors:
        raise where.problem('scales that are not 0')
    ends = [sorted(bound / factor for bound in bounds) for factor in factors]
    return {'low': [low for low, _ in ends], 'high': [high for _, high in ends]}


def _add_ranges(draft: Draft, term: dict[str, Any], deploy: Foreign, place: str) -> None:
    """Clip a velocity command to the ranges of training, as the controller upstream does."""
    commands = deploy.get('commands')
    if term['term'] != 'velocity_command' or commands is None or 'base_velocity' not in commands:
        return
    ranges = commands['base_velocity']['ranges']
    pairs = [ranges[key].numbers(2) for key in ('lin_vel_x', 'lin_vel_y', 'ang_vel_z')]
    draft.known(f'{place}.clip', pairs, ranges.where)
    term['clip'] = {'low': [low for low, _ in pairs], 'high': [high for _, high in pairs]}
