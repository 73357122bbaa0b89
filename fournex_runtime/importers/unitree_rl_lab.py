"""
``params/deploy.yaml`` of unitree_rl_lab (and its descendants), with its network.

As `export_deploy_cfg.py <https://github.com/unitreerobotics/unitree_rl_lab>`_ writes it and the
controller beside it reads it: stiffness and damping are in the order of the SDK's motors, all
else in the policy's order, and ``joint_ids_map[i]`` is the motor of the policy's joint i. Joint
names are not in the file. Numbers have three significant digits.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from .array_terms import array_of
from .draft import Draft
from .foreign import Foreign
from .identity import ask_identity
from .isaac_terms import selected_joints, take_default_pose, with_names
from .network_arrays import is_network, network_arrays
from .questions import Expected, Question, by_joint, duration, numbers
from .recognise import Importer, Match
from .source_file import SourceFile
from .terms import clipped_after
from .unitree_observations import unitree_inputs

_KEYS = frozenset(('joint_ids_map', 'step_dt', 'default_joint_pos', 'actions', 'observations'))
_ACTIONS = {
    'JointPositionAction': 'joint_position_target',
    'JointVelocityAction': 'joint_velocity_target',
    'JointEffortAction': 'joint_effort_target',
}
_NETWORKS = ('../exported', '.', 'exported', '..')


def _claims(file: SourceFile) -> str:
    deploy = file.yaml
    if deploy is None or not set(deploy.keys()) >= _KEYS:
        return ''
    return 'YAML with ' + ', '.join(sorted(_KEYS))


def _draft(match: Match, draft: Draft) -> None:
    deploy = match.file.yaml
    assert deploy is not None  # claimed
    network = network_arrays(match.needed(draft, 'network', is_network, _NETWORKS))
    ask_identity(draft, match)
    draft.tree['description'] = 'unitree_rl_lab'
    _period(draft, deploy['step_dt'])
    joints = _joints(draft, deploy)
    given = deploy['default_joint_pos']
    pose = dict(zip(joints, given.numbers(len(joints))))
    take_default_pose(draft, pose, given.where)
    _gains(draft, deploy, joints)
    output = network.actions('actions')
    terms = _action_terms(draft, deploy['actions'], joints, output.name)
    draft.tree['outputs'] = {output.name: {**array_of(output), 'terms': terms}}
    width = sum(len(one['joints']) for one in terms)
    draft.tree['inputs'] = unitree_inputs(draft, deploy, network, joints, width)
    if network.state:
        where = f'{network.file.name}: inputs and outputs'
        draft.tree['state'] = draft.known('state', network.state_tree(), where, None, 'artifact')
    draft.known(
        'normaliser', 'in the network', f'{network.file.name}: the exporter puts it there', None
    )
    draft.set_artifact('policy.onnx', network.file.data, 'onnx', network.file)


def _period(draft: Draft, step: Foreign) -> None:
    seconds = step.number()
    if seconds <= 0.0:
        raise step.problem('a time above 0 s')
    nanoseconds = round(seconds * 1e9)
    text = draft.known('period', f'{nanoseconds} ns', step.where, duration())
    draft.tree['period'] = text
    if nanoseconds % 1_000_000:
        draft.notes.append(
            f'{step.where} is {seconds:g} s, rounded to three digits by its exporter: if the true '
            'period is another, give it with --override period=…'
        )


def _joints(draft: Draft, deploy: Foreign) -> tuple[str, ...]:
    """Return the joints in the policy's order; made-up names as long as they are not known."""
    motors = len(deploy['stiffness'].items())
    order = deploy['joint_ids_map'].wholes()
    if len(set(order)) != len(order) or not order or max(order) >= motors:
        raise deploy['joint_ids_map'].problem(
            f'different motors from 0 to {motors - 1}', f'{list(order)}'
        )
    names = draft.ask(
        Question(
            'sdk_joints',
            f'the joint names of the {motors} motors, in the order of the SDK (motor 0 first)',
            Expected(
                f'a list of {motors} names',
                lambda value: _motor_names(value, motors, order),
                '[FR_hip_joint, FR_thigh_joint, FR_calf_joint, …]',
            ),
            'joint_sdk_names of the robot in unitree_rl_lab (assets/robots/unitree.py), as the '
            "URDF and the robot's joint states call them; the file has joint_ids_map instead of "
            'names',
        )
    )
    if names is None:
        return tuple(f'motor_{motor}' for motor in order)
    draft.facts['joints'] = draft.facts['sdk_joints']
    return tuple(names[motor] for motor in order)


def _motor_names(value: Any, motors: int, used: Sequence[int]) -> list[str]:
    if not isinstance(value, (list, tuple)) or len(value) != motors:
        found = len(value) if isinstance(value, (list, tuple)) else repr(value)
        raise ValueError(f'expected a list of {motors} names, found {found}')
    names = ['' if one is None else str(one) for one in value]
    needed = [names[motor] for motor in used]
    if not all(needed) or len(set(needed)) != len(needed):
        raise ValueError(f'expected a name of its own for each motor of joint_ids_map {used}')
    return names


def _gains(draft: Draft, deploy: Foreign, joints: Sequence[str]) -> None:
    order = deploy['joint_ids_map'].wholes()
    motors = len(deploy['stiffness'].items())
    found = {}
    for key in ('stiffness', 'damping'):
        by_motor = deploy[key].numbers(motors)
        where = f'{deploy[key].where}, in the order of the SDK'
        gains = {joint: by_motor[motor] for joint, motor in zip(joints, order)}
        found[key] = draft.known(f'gains.{key}', gains, where, by_joint(joints, 'Nm/rad, Nms/rad'))
    draft.tree['gains'] = found


def _action_terms(
    draft: Draft, actions: Foreign, joints: Sequence[str], output: str
) -> list[dict[str, Any]]:
    terms = []
    for name, given in actions.entries():
        if name not in _ACTIONS:
            raise actions[name].problem(f'an action of {", ".join(_ACTIONS)}', name)
        own = selected_joints(given.get('joint_ids'), joints)
        scale = given['scale'].numbers(len(own))
        offset = given.get('offset')
        term: dict[str, Any] = {'term': _ACTIONS[name], 'joints': own}
        place = f'outputs.{output}.{term["term"]}'
        term['scale'] = draft.known(
            f'{place}.scale', scale, given['scale'].where, numbers(len(own))
        )
        if offset is not None:
            constants = offset.numbers(len(own))
            term['offset'] = draft.known(
                f'{place}.offset', constants, offset.where, numbers(len(own))
            )
        clip = given.get('clip')
        if clip is not None:
            bounds = [pair.numbers(2) for pair in clip.items(len(own))]
            low, high = ([pair[side] for pair in bounds] for side in (0, 1))
            term.update(clipped_after(low, high, term['scale'], term.get('offset')))
            draft.known(f'{place}.clip', bounds, f'{clip.where}, which is after scale')
        terms.append(term)
    return with_names(terms, actions.keys())


IMPORTER = Importer(
    'unitree_rl_lab',
    'params/deploy.yaml of unitree_rl_lab, with exported/policy.onnx',
    _claims,
    _draft,
)
