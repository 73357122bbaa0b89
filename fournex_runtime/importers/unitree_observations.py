"""
The observations of unitree_rl_lab's ``deploy.yaml``.

Terms are called as their functions. Each is clipped, then scaled (``scale_first`` turns that
round), and then remembered; its frames stand together, the oldest first, unless
``use_gym_history`` puts whole frames one after the other.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

from ..errors import ArtifactError
from .array_terms import array_of, observation_sizes
from .draft import Draft
from .foreign import Foreign
from .isaac_terms import ask_term, isaac_term, selected_joints
from .network_arrays import NetworkArrays
from .observation_entries import Entry, contract_terms

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
    place = f'inputs.{name}'
    entries = []
    for key, given in group.entries():
        if key in _SWITCHES:
            continue
        entry = _entry(draft, key, given, place, joints, action_width)
        size = sum(observation_sizes(entry.terms, action_width))
        scale, clip, history = (given.get(one) for one in ('scale', 'clip', 'history_length'))
        if scale is not None:
            entry.scale, entry.scale_where = scale.numbers(size), scale.where
        if clip is not None:
            low, high = clip.numbers(2)
            entry.clip, entry.clip_where = [(low, high)] * size, clip.where
            entry.clip_after_scale = scale_first
        elif key == 'velocity_commands':
            _add_ranges(entry, deploy)
        if history is not None:
            entry.history, entry.history_where = max(1, history.whole()), history.where
        entries.append(entry)
    array: dict[str, Any] = {}
    histories = [entry.history for entry in entries]
    if by_time and max(histories) > 1:
        switch = group['use_gym_history']
        if len(set(histories)) > 1:
            raise switch.problem('one history_length for all terms', f'{histories}')
        draft.known(f'{place}.history_layout', 'time', switch.where)
        array = {'history': histories[0], 'history_layout': 'time', 'order': 'oldest_first'}
        entries = [dataclasses.replace(entry, history=1) for entry in entries]
    return {**array, 'terms': contract_terms(draft, place, entries, action_width)}


def _flag(group: Foreign, key: str) -> bool:
    found = group.get(key)
    return found is not None and found.flag()


def _entry(
    draft: Draft,
    key: str,
    given: Foreign,
    place: str,
    joints: Sequence[str],
    action_width: int,
) -> Entry:
    """Return what an entry stands for, without arithmetic; a placeholder while it is asked."""
    scale, params = given.get('scale'), given.get('params')
    width = None if scale is None else len(scale.items())
    if key == 'gait_phase' and width in (None, 2):
        period = given['params']['period']
        nanoseconds = draft.known(
            f'{place}.gait_phase.period', f'{round(period.number() * 1e9)} ns', period.where
        )
        phase = {'term': 'gait_phase', 'offsets': [0.0], 'layout': 'interleaved'}
        return Entry(key, [{**phase, 'period': nanoseconds}], given.where)
    asset = None if params is None else params.get('asset_cfg')
    own = selected_joints(None if asset is None else asset.get('joint_ids'), joints)
    term = isaac_term(key, width, own, action_width)
    if term is not None:
        return Entry(key, [term], given.where)
    if width is None:
        raise given.problem('scale with a number a value, for a term that is not known by name')
    asked = ask_term(draft, place, key, width, action_width)
    return Entry(key, asked or [{'term': 'value', 'name': key, 'size': width}])


def _add_ranges(entry: Entry, deploy: Foreign) -> None:
    """Clip a velocity command to the ranges of training, as the controller upstream does."""
    commands = deploy.get('commands')
    if not entry.where or commands is None or 'base_velocity' not in commands:
        return
    ranges = commands['base_velocity']['ranges']
    pairs = [ranges[key].numbers(2) for key in ('lin_vel_x', 'lin_vel_y', 'ang_vel_z')]
    entry.clip, entry.clip_where = [(low, high) for low, high in pairs], ranges.where
