"""
ONNX models of holosoma: metadata as JSON, ``dof_names``, ``kp`` and ``kd``, and, in newer files,
the whole configuration of the training (``experiment_config``).

Observations are those of the group ``actor_obs``, put together in the alphabetical order of their
names (``holosoma/managers/observation/manager.py``): scaled, then clipped. Actions are clipped,
scaled, and added to the default pose (``managers/action/terms/joint_control.py``).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from ..errors import ArtifactError
from ..policy.backend import ArraySpec
from .array_questions import ask_arrays, ask_default_pose
from .array_terms import array_of, observation_sizes
from .draft import Draft
from .foreign import Foreign
from .foreign_data import read_json
from .identity import ask_identity, ask_period
from .isaac_terms import ask_term, isaac_term, with_names
from .network_arrays import network_arrays
from .questions import duration
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
        _take_config(draft, config, joints, inputs[0], output)
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
        by_joint = dict(zip(joints, found.numbers(len(joints))))
        gains[key] = draft.known(f'gains.{key}', by_joint, found.where, None, 'artifact')
    draft.tree['gains'] = gains


def _ask_all(draft: Draft, joints: Sequence[str], takes: ArraySpec, gives: ArraySpec) -> None:
    """Ask for what older files do not say: everything but joints and gains."""
    ask_period(draft, '1 / rl_rate')
    arrays = ask_arrays(draft, [takes], [gives], why=_ACTIONS, joints=joints)
    ask_default_pose(draft, arrays.joints)
    draft.tree['inputs'] = dict(arrays.inputs)
    draft.tree['outputs'] = dict(arrays.outputs)


def _take_config(
    draft: Draft, config: Foreign, joints: Sequence[str], takes: ArraySpec, gives: ArraySpec
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
    draft.tree['default_pose'] = draft.known('default_pose', pose, angles.where, None, 'artifact')
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
    term['scale'] = draft.known(f'{place}.scale', scale, where, None, 'artifact')
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
    history = group['history_length'].whole(1)
    place = f'inputs.{takes.name}'
    terms: list[dict[str, Any]] = []
    upstream: list[str] = []
    for name in sorted(group['terms'].keys()):
        given = group['terms'][name]
        function = given['func'].text().rpartition(':')[2]
        made = _term(draft, name, function, given, joints, place, action_width)
        scale = draft.known(
            f'{place}.{name}.scale', given['scale'].value, given['scale'].where, None, 'artifact'
        )
        sizes = observation_sizes(made, action_width)
        factors = given['scale'].numbers(sum(sizes)) if isinstance(scale, list) else None
        clip = given.get('clip')
        bounds = None if clip is None else clip.numbers(2)
        if limit is not None:
            most = limit.number()
            bounds = (-most, most) if bounds is None else (
                max(-most, bounds[0]), min(most, bounds[1])
            )  # fmt: skip
        at = 0
        for one, size in zip(made, sizes):
            part = list(factors[at : at + size]) if factors else [given['scale'].number()] * size
            at += size
            _add(one, part, bounds, given)
            if history > 1:
                one.update(history=history, order='oldest_first')
        terms.extend(made)
        upstream.extend([name] * len(made))
    if history > 1:
        draft.known(f'{place}.history', history, group['history_length'].where, None, 'artifact')
        draft.notes.append(
            'holosoma begins an episode with a history of zeros; here it is filled with the first '
            'observation'
        )
    return with_names(terms, upstream)


def _term(
    draft: Draft,
    name: str,
    function: str,
    given: Foreign,
    joints: Sequence[str],
    place: str,
    action_width: int,
) -> list[dict[str, Any]]:
    term = isaac_term(_NAMES.get(function, function), None, joints, action_width)
    if function in _COMMANDS:
        term = {'term': 'velocity_command', 'name': name, 'axes': _COMMANDS[function]}
    if term is None:
        asked = ask_term(draft, place, name, None, action_width)
        return asked or [{'term': 'value', 'name': name, 'size': 1}]
    draft.known(f'{place}.{name}', term['term'], given['func'].where, None, 'artifact')
    return [term]


def _add(
    term: dict[str, Any],
    factors: Sequence[float],
    bounds: Sequence[float] | None,
    where: Foreign,
) -> None:
    """Add a scale and, after it, a clip to a term, which clips before it scales."""
    if term['term'] == 'last_action':
        if set(factors) != {1.0}:
            raise where.problem('a scale of 1 for the last action')
        return
    if 0.0 in factors:
        raise where.problem('scales that are not 0')
    if set(factors) != {1.0}:
        term['scale'] = list(factors)
    if bounds is not None:
        ends = [sorted(bound / factor for bound in bounds) for factor in factors]
        term['clip'] = {'low': [low for low, _ in ends], 'high': [high for _, high in ends]}


IMPORTER = Importer(
    'holosoma',
    'ONNX of holosoma, with dof_names, kp and kd in its metadata',
    _claims,
    _draft,
)
