"""
ONNX models of holosoma: metadata as JSON, ``dof_names``, ``kp`` and ``kd``, and, in newer files,
the whole configuration of the training (``experiment_config``).

Observations are those of the group ``actor_obs``, put together in the alphabetical order of their
names (``holosoma/managers/observation/manager.py``): scaled, then clipped. Actions are clipped,
scaled, and added to the default pose (``managers/action/terms/joint_control.py``).
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ArtifactError
from ..policy.backend import ArraySpec
from .array_questions import ask_arrays, ask_poses
from .array_terms import array_of, observation_sizes
from .draft import Draft
from .foreign import Foreign
from .foreign_data import read_json
from .identity import ask_identity, ask_period
from .isaac_terms import ask_term, isaac_term, take_default_pose
from .network_arrays import network_arrays
from .observation_entries import Entry, contract_terms
from .questions import by_joint, duration, numbers
from .recognise import Importer, Match
from .source_file import SourceFile

_KEYS = frozenset(('dof_names', 'kp', 'kd'))
_NAMES = {'dof_pos': 'joint_pos_rel', 'dof_vel': 'joint_vel_rel'}
_COMMANDS = {'command_lin_vel': ['linear_x', 'linear_y'], 'command_ang_vel': ['angular_z']}
_CONTROL = {
    'P': 'joint_position_target',
    'V': 'joint_velocity_target',
    'T': 'joint_effort_target',
}
_MOST_JSON = 16 << 20
_TIME_STEP = 'time_step'
_ACTIONS = (
    'joints: same stands for dof_names, also in observations; scale is action_scale of the '
    'training (0.25 in its presets for walking), offset default_pose'
)


def _claims(file: SourceFile) -> str:
    if file.onnx is None or not set(file.onnx.metadata) >= _KEYS:
        return ''
    return 'ONNX with metadata ' + ', '.join(sorted(_KEYS))


def _draft(match: Match, draft: Draft) -> None:
    network = network_arrays(match.file)
    metadata = network.header.metadata
    ask_identity(draft, match)
    draft.tree['description'] = 'holosoma'
    joints = _metadata(match.file, metadata, 'dof_names').texts()
    draft.known('joints', joints, f'{match.file.name}: metadata dof_names', None, 'artifact')
    _gains(match.file, draft, metadata, joints)
    output = network.actions('action', 'actions')
    inputs = [one for one in network.inputs if one.name != _TIME_STEP]
    if len(inputs) != 1 or output.shape[-1] != len(joints):
        raise ArtifactError(
            f'{match.file.path}: expected one observation and {len(joints)} actions, one for each '
            f'of dof_names, found {", ".join(one.name for one in inputs)} and {output.shape[-1]}'
        )
    config = _metadata(match.file, metadata, 'experiment_config')
    if config.value is None:
        _ask_all(draft, joints, inputs[0], output)
    else:
        tracks = len(network.inputs) > len(inputs)
        _take_config(draft, config, joints, inputs[0], output, tracks)
    for one in network.inputs:
        if one.name == _TIME_STEP:
            clock = draft.known('inputs.time_step', 'clock', match.file.name, None, 'artifact')
            terms = [{'term': clock, 'of': 'tick'}]
            draft.tree['inputs'][one.name] = {**array_of(one), 'terms': terms}
    others = [one.name for one in network.outputs if one.name != output.name]
    if others:
        draft.notes.append(f'outputs that are no actions, left out: {", ".join(others)}')
    draft.known(
        'normaliser', 'in the network', f'{match.file.name}: the exporter puts it there', None,
        'artifact',
    )  # fmt: skip
    draft.set_artifact('policy.onnx', match.file.data, 'onnx', match.file)


def _metadata(file: SourceFile, metadata: Mapping[str, str], key: str) -> Foreign:
    """Return a value of the metadata; null where there is none."""
    where = f'{file.name}: metadata {key}'
    value = read_json(metadata.get(key, 'null').encode(), where, _MOST_JSON)
    return Foreign(value, where)


def _gains(
    file: SourceFile, draft: Draft, metadata: Mapping[str, str], joints: Sequence[str]
) -> None:
    gains = {}
    for key, name in (('stiffness', 'kp'), ('damping', 'kd')):
        found = _metadata(file, metadata, name)
        values = dict(zip(joints, found.numbers(len(joints))))
        gains[key] = draft.known(
            f'gains.{key}', values, found.where, by_joint(joints, 'Nm/rad, Nms/rad'), 'artifact'
        )
    draft.tree['gains'] = gains


def _ask_all(draft: Draft, joints: Sequence[str], takes: ArraySpec, gives: ArraySpec) -> None:
    """Ask for what older files do not say: everything but joints and gains."""
    ask_period(draft, '1 / rl_rate')
    arrays = ask_arrays(draft, [takes], [gives], why=_ACTIONS, joints=joints)
    ask_poses(draft, arrays)
    draft.tree['inputs'] = dict(arrays.inputs)
    draft.tree['outputs'] = dict(arrays.outputs)


def _take_config(
    draft: Draft,
    config: Foreign,
    joints: Sequence[str],
    takes: ArraySpec,
    gives: ArraySpec,
    tracks: bool,
) -> None:
    """Read the configuration of the training."""
    simulator = config['simulator']
    sim = (simulator['config'] if 'config' in simulator else simulator)['sim']
    nanoseconds = round(1e9 * sim['control_decimation'].whole(1) / sim['fps'].whole(1))
    where = f'{sim.where}: control_decimation / fps'
    draft.tree['period'] = draft.known(
        'period', f'{nanoseconds} ns', where, duration(), 'artifact'
    )
    angles = config['robot']['init_state']['default_joint_angles']
    pose = {joint: angles[joint].number() for joint in joints}
    take_default_pose(draft, pose, angles.where, 'artifact', not tracks)
    action = _action(draft, config['robot'], joints, f'outputs.{gives.name}')
    draft.tree['outputs'] = {gives.name: {**array_of(gives), 'terms': [action]}}
    terms = _terms(draft, config['observation'], joints, takes, len(joints))
    draft.tree['inputs'] = {takes.name: {**array_of(takes), 'terms': terms}}


def _action(draft: Draft, robot: Foreign, joints: Sequence[str], place: str) -> dict[str, Any]:
    control = robot['control']
    kind = _CONTROL[control['control_type'].word(*_CONTROL)]
    scale = [control['action_scale'].number()] * len(joints)
    by_effort = control.get('action_scales_by_effort_limit_over_p_gain')
    if by_effort is not None and by_effort.flag():
        efforts = robot['dof_effort_limit_list'].numbers(len(joints))
        stiffness = draft.tree['gains']['stiffness']
        scale = [
            0.0 if stiffness[joint] == 0.0 else factor * effort / stiffness[joint]
            for joint, factor, effort in zip(joints, scale, efforts)
        ]
    where = control['action_scale'].where
    term: dict[str, Any] = {'term': kind, 'joints': list(joints)}
    expected = numbers(len(joints))
    term['scale'] = draft.known(f'{place}.scale', scale, where, expected, 'artifact')
    if kind == 'joint_position_target':
        term['offset'] = draft.known(
            f'{place}.offset', 'default_pose', control['control_type'].where, None, 'artifact'
        )
    if control['clip_actions'].flag():
        limit = control['action_clip_value']
        bounds = [-limit.number(), limit.number()]
        term['clip'] = draft.known(f'{place}.clip', bounds, limit.where, None, 'artifact')
    return term


def _terms(
    draft: Draft,
    observation: Foreign,
    joints: Sequence[str],
    takes: ArraySpec,
    action_width: int,
) -> list[dict[str, Any]]:
    """Return the terms of the group that the actor sees, by name from a to z."""
    group = observation['groups']['actor_obs']
    limit = observation.get('clip_observations')
    most = math.inf if limit is None else limit.number()
    history = group['history_length']
    place = f'inputs.{takes.name}'
    entries = []
    for name in sorted(group['terms'].keys()):
        given = group['terms'][name]
        entry = _entry(draft, name, given, joints, place, action_width)
        size = sum(observation_sizes(entry.terms, action_width))
        scale, clip = given['scale'], given.get('clip')
        listed = isinstance(scale.value, list)
        entry.scale = scale.numbers(size) if listed else [scale.number()] * size
        entry.scale_where = scale.where
        low, high = (-math.inf, math.inf) if clip is None else clip.numbers(2)
        if entry.terms[0]['term'] != 'last_action' or clip is not None:
            entry.clip = [(max(low, -most), min(high, most))] * size
        entry.clip_where = observation.where if clip is None else clip.where
        entry.clip_after_scale = True
        entry.history, entry.history_where = history.whole(1), history.where
        entries.append(entry)
    if history.whole(1) > 1:
        draft.notes.append(
            'holosoma begins an episode with a history of zeros; here it is filled with the first '
            'observation'
        )
    return contract_terms(draft, place, entries, action_width, 'artifact')


def _entry(
    draft: Draft,
    name: str,
    given: Foreign,
    joints: Sequence[str],
    place: str,
    action_width: int,
) -> Entry:
    """Return what a term stands for, by its function; a placeholder while it is asked."""
    function = given['func'].text().rpartition(':')[2]
    term = isaac_term(_NAMES.get(function, function), None, joints, action_width)
    if function in _COMMANDS:
        term = {'term': 'velocity_command', 'name': name, 'axes': _COMMANDS[function]}
    if term is not None:
        return Entry(name, [term], given['func'].where)
    asked = ask_term(draft, place, name, None, action_width)
    return Entry(name, asked or [{'term': 'value', 'name': name, 'size': 1}])


IMPORTER = Importer(
    'holosoma',
    'ONNX of holosoma, with dof_names, kp and kd in its metadata',
    _claims,
    _draft,
)
