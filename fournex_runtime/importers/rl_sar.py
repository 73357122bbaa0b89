"""
Policies of rl_sar: ``config.yaml`` of a policy, ``base.yaml`` of its robot, and the network.

The arithmetic is that of ``RL::ComputeObservation``, ``RL::ComputeOutput`` and
``ObservationBuffer`` in rl_sar (github.com/fan-ziqi/rl_sar, commit e384912); a key of
``config.yaml`` goes before the same key of ``base.yaml``.
"""

from __future__ import annotations

import math
from typing import Any

from ..policy.contract_types import Fact
from .draft import Draft
from .foreign import Foreign
from .identity import ask_identity
from .network_file import NetworkFile, find_network
from .questions import positive
from .recognise import Importer, Match
from .rl_sar_settings import POLICY_KEYS, Robot, Settings, is_policy, read_robot, read_settings
from .source_file import SourceFile
from .terms import (
    PlainTerm,
    ask_observation,
    by_run,
    clipped,
    clipped_after,
    known_numbers,
    named,
    one_or_all,
    scaled,
)

_COMMANDS = ['linear_x', 'linear_y', 'angular_z']
_RELATIVE = {'relative_to': 'default_pose'}
_PLAIN = ('lin_vel', 'ang_vel', 'gravity_vec', 'commands', 'dof_pos', 'dof_vel', 'actions')
_OTHERS = {
    'whole_body_tracking/motion_command': 'joint positions, then velocities, of a motion file',
    'whole_body_tracking/motion_anchor_ori_b': 'the torso seen from that of the motion: 6 numbers',
    'RoboMimic_Deploy/phase': 'time of the episode over the length of the motion',
}
"""Observations that rl_sar makes of files and clocks of its own, and what they are."""


def _claims(file: SourceFile) -> str:
    if file.yaml is None or not is_policy(file):
        return ''
    return f'YAML: {file.yaml.keys()[0]} with {", ".join(POLICY_KEYS)}'


def _draft(match: Match, draft: Draft) -> None:
    settings = read_settings(match, draft)
    ask_identity(draft, match, settings.policy.path)
    draft.tree['description'] = f'rl_sar: {settings.policy.path}'
    dt, decimation = settings['dt'], settings['decimation']
    draft.tree['period'] = draft.known(
        'period',
        f'{round(dt.number() * 1e9) * decimation.whole(1)} ns',
        f'{dt.where} × decimation',
    )
    robot = read_robot(draft, settings)
    network = find_network(match, draft, ('.',), settings['model_name'].text())
    place = f'inputs.{network.observation}'
    terms = _observations(draft, settings, robot, place)
    draft.tree['inputs'] = {
        network.observation: {'terms': terms, **_history(draft, settings, place)}
    }
    actions = _actions(draft, settings, robot, f'outputs.{network.action}')
    draft.tree['outputs'] = {network.action: actions}
    _check(settings, robot, network)
    network.put_into(draft)
    limits = settings.find('torque_limits')
    if limits is not None:
        every = one_or_all(limits.numbers(len(robot.joints)))
        shown = str(every).strip('[]')
        draft.notes.append(f'torque_limits belong to the wiring and are left out: {shown} Nm')


def _observations(draft: Draft, settings: Settings, robot: Robot, place: str) -> list[PlainTerm]:
    """Return the terms of all observations, in their order."""
    clip = settings['clip_obs']
    if clip.number() <= 0.0:
        raise clip.problem('a number above 0')
    bound = draft.known(f'{place}.clip', clip.number(), f'{clip.where}, after scale', positive())
    listed = settings['observations']
    made: list[PlainTerm] = []
    for name in draft.known(place, listed.texts(), listed.where):
        if name in _OTHERS:
            made += _other(draft, listed, name, len(robot.joints), place) or []
        elif name in _PLAIN:
            made.append(_plain(draft, settings, robot, name, bound, place))
        else:
            raise listed.problem(
                f'some of {", ".join((*_PLAIN, *_OTHERS))}',
                f'{name}, which rl_sar would leave out without a word',
            )
    return named(made)


def _plain(
    draft: Draft, settings: Settings, robot: Robot, name: str, bound: float, place: str
) -> PlainTerm:
    """Return a term; rl_sar clips after the scale, a contract before it."""
    if name == 'gravity_vec':
        return {'term': 'projected_gravity', **clipped([-bound] * 3, [bound] * 3)}
    if name == 'actions':
        return {'term': 'last_action', 'of': 'clipped'}
    count = _size(name, len(robot.joints))
    kinds: dict[str, PlainTerm] = {
        'lin_vel': {'term': 'base_linear_velocity'},
        'ang_vel': {'term': 'base_angular_velocity'},
        'commands': {'term': 'velocity_command', 'axes': _COMMANDS},
        'dof_pos': {'term': 'joint_position', 'joints': robot.joints, **_RELATIVE},
        'dof_vel': {'term': 'joint_velocity', 'joints': robot.joints},
    }
    key = f'{place}.{kinds[name]["term"]}.scale'
    scale = known_numbers(draft, key, settings[f'{name}_scale'], count)
    if name == 'dof_pos':  # of a wheel, rl_sar shows the policy 0
        scale = [0.0 if i in robot.wheels else one for i, one in enumerate(scale)]
    bounds = clipped_after([-bound] * count, [bound] * count, scale)
    return {**kinds[name], **bounds, **scaled(scale)}


def _size(name: str, joints: int) -> int:
    """Return how many values an observation has."""
    sizes = {'dof_pos': joints, 'dof_vel': joints, 'actions': joints}
    sizes['whole_body_tracking/motion_command'] = 2 * joints
    sizes['whole_body_tracking/motion_anchor_ori_b'] = 6
    sizes['RoboMimic_Deploy/phase'] = 1
    return sizes.get(name, 3)


def _other(
    draft: Draft, listed: Foreign, name: str, joints: int, place: str
) -> list[PlainTerm] | None:
    size = _size(name, joints)
    return ask_observation(
        draft,
        f'{place}.{name}',
        f'what {name} is on this robot: {_OTHERS[name]}',
        size,
        joints,
        f'{{term: value, size: {size}, name: {name.split("/")[1]}}}',
        f'{listed.where}: rl_sar makes it of a motion file that is not part of the policy; '
        'publish it on a topic',
        place=place,
    )


def _history(draft: Draft, settings: Settings, place: str) -> dict[str, Any]:
    """Return how frames are stacked: 0 is the newest one."""
    found = settings.find('observations_history')
    steps = list(found.wholes()) if found is not None else []
    if found is None or steps in ([], [0]):
        return {}
    ages = list(range(len(steps)))
    if steps not in (ages, ages[::-1]):
        raise found.problem('0, 1, 2 … or the same backwards', f'{steps}')
    priority = settings['observations_history_priority']
    draft.notes.append(
        'rl_sar begins with a history of zeros, a session with one of the first observation: the '
        f'first {len(steps) - 1} ticks differ'
    )
    return dict(
        draft.known(
            f'{place}.history',
            {
                'history': len(steps),
                'history_layout': priority.word('time', 'term'),
                'order': 'newest_first' if steps == ages else 'oldest_first',
            },
            f'{found.where} (0 is the newest), {priority.where}',
        )
    )


def _actions(draft: Draft, settings: Settings, robot: Robot, place: str) -> list[PlainTerm]:
    """Return positions for legs and velocities for wheels, in the order of the policy."""
    count = len(robot.joints)
    draft.facts[place] = Fact('file', settings['wheel_indices'].where)
    scale = known_numbers(draft, f'{place}.scale', settings['action_scale'], count)
    low, high = _action_clip(draft, settings, count, place)
    made = []
    words = ['velocity' if i in robot.wheels else 'position' for i in range(count)]
    for kind, part in by_run(words):
        term: PlainTerm = {'term': f'joint_{kind}_target', 'joints': robot.joints[part]}
        term.update({**clipped(low[part], high[part]), **scaled(scale[part])})
        if kind == 'position':
            term['offset'] = 'default_pose'
        made.append(term)
    return named(made)


def _action_clip(
    draft: Draft, settings: Settings, count: int, place: str
) -> tuple[list[float], list[float]]:
    """Return the bounds; rl_sar uses them only where both lists have numbers."""
    lists = [settings.find(f'clip_actions_{side}') for side in ('lower', 'upper')]
    given = [one for one in lists if one is not None and one.value != []]
    bound = settings['clip_obs'].number()
    if not given:
        draft.notes.append(f'rl_sar shows the policy its last action clipped at ±{bound:g}')
        return [-math.inf] * count, [math.inf] * count
    if len(given) == 1:
        raise given[0].problem('clip_actions_lower and clip_actions_upper, both or none')
    low, high = draft.known(
        f'{place}.clip',
        [list(one.numbers(count)) for one in given],
        f'{given[0].where}, {given[1].where}',
    )
    if max(-min(low), max(high)) > bound:
        draft.notes.append(f'rl_sar shows the policy its last action clipped at ±{bound:g}')
    return list(low), list(high)


def _check(settings: Settings, robot: Robot, network: NetworkFile) -> None:
    """Compare the values that the observations make with what config and network say."""
    count = len(robot.joints)
    frame = sum(_size(name, count) for name in settings['observations'].texts())
    told = settings.find('num_observations')
    if told is not None and told.whole() != frame:
        raise told.problem(f'{frame}, as many as observations have', f'{told.whole()}')
    history = settings.find('observations_history')
    frames = max(1, len(history.items())) if history is not None else 1
    network.check_sizes(settings.policy.where, frame * frames, count)


IMPORTER = Importer(
    'rl_sar',
    'config.yaml of rl_sar, with base.yaml of the robot and the network',
    _claims,
    _draft,
)
