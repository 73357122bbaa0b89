"""
Deployment files of unitree_rl_gym: those of ``deploy_real/configs`` and ``deploy_mujoco/configs``.

The file has numbers only; the order of the observation and the gait clock are in the code that
reads it (github.com/unitreerobotics/unitree_rl_gym, commit 276801e, ``Controller.run`` of
``deploy/deploy_real/deploy_real.py``; ``deploy_mujoco.py`` does the same). So the order is asked
for; ``as_deployed`` says that it is the one of that code.
"""

from __future__ import annotations

import pathlib
from typing import Any

from ..policy.backend import ArraySpec
from ..policy.contract_types import Fact
from .array_terms import input_array
from .draft import Draft
from .foreign import Foreign
from .identity import ask_identity
from .network_file import NetworkFile, find_network
from .questions import Expected, Question, by_joint, names, numbers
from .recognise import Importer, Match
from .source_file import SourceFile
from .terms import PlainTerm, clipped, known_numbers, scaled

_CODE = 'deploy/deploy_real/deploy_real.py at 276801e'
_SHARED = ('policy_path', 'kps', 'kds', 'default_angles', 'cmd_scale', 'num_obs', 'num_actions')
_REAL = ('control_dt', 'leg_joint2motor_idx')
_MUJOCO = ('simulation_dt', 'control_decimation')
_COMMANDS = ['linear_x', 'linear_y', 'angular_z']
_GAIT_S = 0.8
_ROOT = '{LEGGED_GYM_ROOT_DIR}'


def _claims(file: SourceFile) -> str:
    found = file.yaml
    if found is None or not all(key in found for key in _SHARED):
        return ''
    for keys in (_REAL, _MUJOCO):
        if all(key in found for key in keys):
            return f'YAML with {", ".join((*keys, *_SHARED))}'
    return ''


def _draft(match: Match, draft: Draft) -> None:
    found = match.file.yaml
    assert found is not None
    ask_identity(draft, match)
    draft.tree['description'] = 'unitree_rl_gym'
    period_s = _period(draft, found)
    count = found['num_actions'].whole(1)
    joints = _joints(draft, found, count)
    network = _network(match, draft, found)
    size = found['num_obs'].whole(1)
    network.check_sizes(found.where, size, count)
    _pose_and_gains(draft, found, joints)
    action = _action(draft, found, joints, f'outputs.{network.action}')
    draft.tree['outputs'] = {network.action: [action]}
    place = f'inputs.{network.observation}'
    observation = _observation(draft, found, joints, period_s, size, place)
    draft.tree['inputs'] = {network.observation: observation}
    network.put_into(draft)
    _say_what_is_left_out(draft, found)


def _period(draft: Draft, found: Foreign) -> float:
    if 'control_dt' in found:
        period_s, where = found['control_dt'].number(), found['control_dt'].where
    else:
        steps = found['control_decimation'].whole(1)
        period_s = found['simulation_dt'].number() * steps
        where = f'{found["simulation_dt"].where} × control_decimation'
    if not period_s > 0.0:
        raise found[_REAL[0] if 'control_dt' in found else _MUJOCO[0]].problem('a time above 0 s')
    draft.tree['period'] = draft.known('period', f'{round(period_s * 1e9)} ns', where)
    return period_s


def _joints(draft: Draft, found: Foreign, count: int) -> list[str]:
    """Ask for the names of the joints, of which the file has the numbers of the motors at best."""
    found['kps'].numbers(count)  # before there is anything of that length
    stand_in = [f'joint_{index + 1}' for index in range(count)]
    motors = found.get('leg_joint2motor_idx')
    shown = f': motors {list(motors.wholes(count))}' if motors is not None else ''
    joints = draft.ask(
        Question(
            'joints',
            f'the names of the {count} joints of the policy in its order{shown}',
            names(count),
            'the order of dof_names in training, that of the URDF; the file has numbers of motors '
            'only, and a wrong order makes the robot fall',
        )
    )
    return stand_in if joints is None else list(joints)


def _network(match: Match, draft: Draft, found: Foreign) -> NetworkFile:
    """Find the network that ``policy_path`` names, in the checkout or beside the file."""
    path = found['policy_path'].text()
    named = pathlib.PurePosixPath(path.replace('\\', '/'))
    folders = ['.']
    inside = str(named.parent).removeprefix(_ROOT).lstrip('/')
    if str(named).startswith(_ROOT) and '..' not in named.parts:
        folders.insert(0, f'../../../{inside}')
    return find_network(match, draft, folders, named.name)


def _pose_and_gains(draft: Draft, found: Foreign, joints: list[str]) -> None:
    angles, kps, kds = found['default_angles'], found['kps'], found['kds']
    pose = draft.known(
        'default_pose',
        dict(zip(joints, angles.numbers(len(joints)))),
        angles.where,
        by_joint(joints, 'rad'),
    )
    draft.tree['default_pose'] = dict(pose)
    if 'control_dt' in found:
        draft.tree['start_pose'] = draft.known(
            'start_pose', 'default_pose', f'{_CODE}: move_to_default_pos'
        )
    draft.tree['gains'] = draft.known(
        'gains',
        {
            'stiffness': dict(zip(joints, kps.numbers(len(joints)))),
            'damping': dict(zip(joints, kds.numbers(len(joints)))),
        },
        f'{kps.where}, {kds.where}',
    )


def _action(draft: Draft, found: Foreign, joints: list[str], place: str) -> PlainTerm:
    draft.facts[place] = Fact('file', _CODE)
    scale = known_numbers(draft, f'{place}.scale', found['action_scale'], len(joints))
    return {
        'term': 'joint_position_target',
        'joints': joints,
        'offset': 'default_pose',
        **scaled(scale),
    }


def _observation(
    draft: Draft, found: Foreign, joints: list[str], period_s: float, size: int, place: str
) -> Any:
    """Return the terms; those of the deployment code once the user says that it is this order."""
    fits = size == 3 * len(joints) + 11
    spec = ArraySpec('obs', (1, size), 'float32')

    def read(value: Any) -> Any:
        if value != 'as_deployed':
            array = input_array(value, spec, len(joints))
            return {key: array[key] for key in array if key not in ('shape', 'dtype', 'batch')}
        if not fits:
            raise ValueError(f'as_deployed has {3 * len(joints) + 11} values, not {size}')
        return value

    order = 'angular velocity, gravity, command, positions, velocities, last action, sine, cosine'
    listed = '[{term: base_angular_velocity, scale: 0.25}, …]'
    answer = draft.ask(
        Question(
            place,
            f'the order of the {size} values of the observation, which is only in the code',
            Expected(
                'as_deployed, or a list of observation terms' if fits else 'a list of terms',
                read,
                'as_deployed' if fits else listed,
            ),
            f'as_deployed is that of {_CODE}: {order} of the gait (0.8 s); it would have '
            f'{3 * len(joints) + 11} values',
        )
    )
    if answer != 'as_deployed':
        return answer
    return _as_deployed(draft, found, joints, period_s, place)


def _as_deployed(
    draft: Draft, found: Foreign, joints: list[str], period_s: float, place: str
) -> list[PlainTerm]:
    count = len(joints)
    limit = found.get('max_cmd')
    command: PlainTerm = {'term': 'velocity_command', 'axes': _COMMANDS}
    if limit is not None:  # the stick, -1 to 1, times max_cmd
        bounds = draft.known(
            f'{place}.velocity_command.clip',
            limit.numbers(3),
            f'{limit.where}, as {_CODE} uses it',
            numbers(3),
        )
        command.update(clipped([-one for one in bounds], list(bounds)))
    scales = {
        term: known_numbers(draft, f'{place}.{term}.scale', found[key], size)
        for term, key, size in (
            ('base_angular_velocity', 'ang_vel_scale', 3),
            ('velocity_command', 'cmd_scale', 3),
            ('joint_position', 'dof_pos_scale', count),
            ('joint_velocity', 'dof_vel_scale', count),
        )
    }
    command.update(scaled(scales['velocity_command']))
    pelvis = {'frame': 'pelvis'} if _imu(found) == 'torso' else {}
    return [
        {'term': 'base_angular_velocity', **pelvis, **scaled(scales['base_angular_velocity'])},
        {'term': 'projected_gravity', **pelvis},
        command,
        {'term': 'joint_position', 'joints': joints, 'relative_to': 'default_pose',
         **scaled(scales['joint_position'])},
        {'term': 'joint_velocity', 'joints': joints, **scaled(scales['joint_velocity'])},
        {'term': 'last_action', 'of': 'raw'},
        # the counter is 1 at the first observation
        {'term': 'gait_phase', 'period': '800 ms', 'offsets': [period_s / _GAIT_S],
         'layout': 'interleaved'},
    ]  # fmt: skip


def _imu(found: Foreign) -> str:
    return found['imu_type'].word('torso', 'pelvis') if 'imu_type' in found else ''


def _say_what_is_left_out(draft: Draft, found: Foreign) -> None:
    held = found.get('arm_waist_joint2motor_idx')
    if held is not None and held.items():
        motors = ', '.join(str(motor) for motor in held.wholes())
        draft.notes.append(
            f'motors {motors} are no part of the policy: unitree_rl_gym holds them at '
            'arm_waist_target with arm_waist_kps and arm_waist_kds; have another controller do so'
        )
    if _imu(found) == 'torso':
        draft.notes.append(
            'imu_type torso: the policy wants angular velocity and gravity in the pelvis, the IMU '
            'is above the waist; unitree_rl_gym turns them by the angle of the waist'
        )


IMPORTER = Importer(
    'unitree_rl_gym',
    'a deployment YAML of unitree_rl_gym (deploy_real or deploy_mujoco), with its network',
    _claims,
    _draft,
)
