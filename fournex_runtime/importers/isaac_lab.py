"""
IO descriptors of Isaac Lab (``export_IO_descriptors``), with the network that was exported.

The schema is that of ``get_IO_descriptors`` in the observation and action managers of Isaac Lab
2.2 to 3.0. Actions are ``raw * scale + offset``, and clipped after that.
"""

from __future__ import annotations

import math
from collections.abc import Mapping

from ..policy.contract_types import Fact
from .draft import Draft
from .foreign import Foreign
from .identity import ask_identity
from .isaac_lab_observations import OURS, bounds_of, observation_terms, per_value, width_of
from .network_file import find_network
from .questions import Expected, Question, by_joint, choice, numbers
from .recognise import Importer, Match
from .source_file import SourceFile
from .terms import (
    PlainTerm,
    ask_action,
    clipped_after,
    named,
    next_name,
    one_or_all,
    scaled,
)

_KEYS = ('actions', 'articulations', 'observations', 'scene')
_ACTIONS = {
    'JointPositionAction': 'joint_position_target',
    'JointVelocityAction': 'joint_velocity_target',
    'JointEffortAction': 'joint_effort_target',
}


def _claims(file: SourceFile) -> str:
    found = file.yaml
    if found is None or not all(key in found for key in _KEYS):
        return ''
    if not isinstance(found['actions'].value, list) or 'physics_dt' not in found['scene']:
        return ''
    return f'YAML with {", ".join(_KEYS)}, and scene.physics_dt'


def _draft(match: Match, draft: Draft) -> None:
    found = match.file.yaml
    assert found is not None
    ask_identity(draft, match)
    draft.tree['description'] = 'IO descriptors of Isaac Lab'
    _period(draft, found['scene'])
    robot = _robot(draft, found['articulations'])
    joints = list(robot['joint_names'].texts())
    pose = draft.known(
        'default_pose',
        dict(zip(joints, robot['default_joint_pos'].numbers(len(joints)))),
        robot['default_joint_pos'].where,
        by_joint(joints, 'rad or m'),
    )
    draft.tree['default_pose'] = dict(pose)
    _gains(draft, robot, joints)
    network = find_network(match, draft, ('.', '../exported', '..', '*', '../*'))
    actions = [one for one in found['actions'].items() if _exported(one)]
    width = sum(width_of(one) for one in actions)
    network.check_actions(found['actions'].where, width)
    place = f'outputs.{network.action}'
    seen: dict[str, int] = {}
    outputs = [_action(draft, one, index, place, pose, seen) for index, one in enumerate(actions)]
    group = _group(draft, found['observations'])
    inputs = observation_terms(draft, group, pose, width, network)
    if network.observations is None:
        draft.notes.append(
            'how many values the network takes is not known before it runs: see that no '
            f'observation is missing in {group.where}, such as height_scan'
        )
    if inputs is not None and None not in outputs:
        draft.tree['inputs'] = {network.observation: named(inputs)}
        terms = [term for one in outputs if one is not None for term in one]
        draft.tree['outputs'] = {network.action: named(terms)}
    _normaliser(draft)
    network.put_into(draft)


def _period(draft: Draft, scene: Foreign) -> None:
    """Read the control period: ``dt`` is that of the policy, ``physics_dt`` that of the solver."""
    step, physics = scene['dt'].number(), scene['physics_dt'].number()
    decimation = scene['decimation'].whole(1)
    if not math.isclose(step, physics * decimation, rel_tol=1e-6) or step <= 0.0:
        raise scene['dt'].problem(
            f'physics_dt × decimation = {physics * decimation:g} s, the step of the policy'
        )
    draft.tree['period'] = draft.known('period', f'{round(step * 1e9)} ns', scene['dt'].where)


def _robot(draft: Draft, articulations: Foreign) -> Foreign:
    """Return the articulation that the policy moves; it is asked for where there are several."""
    names = articulations.keys()
    if not names:
        raise articulations.problem('an articulation')
    if 'robot' in names or len(names) == 1:
        return articulations['robot' if 'robot' in names else names[0]]
    chosen = draft.ask(
        Question('articulation', 'which articulation the policy moves', choice(*names))
    )
    return articulations[chosen or names[0]]


def _gains(draft: Draft, robot: Foreign, joints: list[str]) -> None:
    """Read the gains; both 0 is what the simulator has where a model of the actuator acts."""
    stiffness, damping = robot['default_joint_stiffness'], robot['default_joint_damping']
    kp, kd = stiffness.numbers(len(joints)), damping.numbers(len(joints))
    without = [joint for joint, p, d in zip(joints, kp, kd) if p == d == 0.0]
    if without:
        draft.unknown(
            'gains', f'{stiffness.where} and {damping.where} are 0: an actuator model has them'
        )
        draft.notes.append(
            f'gains: stiffness and damping of {", ".join(without[:4])}'
            f'{" and others" if len(without) > 4 else ""} are 0 in {robot.file}: the simulator '
            'leaves them to an actuator model. Look them up there, before the robot is wired'
        )
        return
    draft.tree['gains'] = draft.known(
        'gains',
        {'stiffness': dict(zip(joints, kp)), 'damping': dict(zip(joints, kd))},
        f'{stiffness.where}, {damping.where}',
    )


def _group(draft: Draft, observations: Foreign) -> Foreign:
    names = observations.keys()
    if 'policy' in names or not names:
        return observations['policy']
    chosen = draft.ask(
        Question('group', 'which group of observations the policy sees', choice(*names))
    )
    return observations[chosen or names[0]]


def _exported(action: Foreign) -> bool:
    return 'export' not in action or action['export'].flag()


def _action(
    draft: Draft,
    action: Foreign,
    index: int,
    place: str,
    pose: Mapping[str, float],
    seen: dict[str, int],
) -> list[PlainTerm] | None:
    path, width = action['full_path'].text(), width_of(action)
    kind = _ACTIONS.get(path.rpartition('.')[2]) if path.startswith(OURS) else None
    if kind is None:
        return ask_action(
            draft,
            f'{place}.{index}.{action["name"].text()}',
            f'what the {width} values of {path} command',
            width,
            f'{{term: value, size: {width}}}',
            f'{action.where}: its descriptor does not say what it does with them',
            place=place,
        )
    joints = list(action['joint_names'].texts(width))
    key = f'{place}.{next_name(kind, seen)}'
    draft.facts[key] = Fact('file', action.where)
    scale = _known(draft, f'{key}.scale', action['scale'], width)
    offset = _known(draft, f'{key}.offset', action['offset'], width)
    term: PlainTerm = {'term': kind, 'joints': joints, **scaled(scale)}
    bounds = action.get('clip')
    if bounds is not None:
        low, high = bounds_of(bounds, width)
        term.update(clipped_after(low, high, scale, offset))
        where = f'{bounds.where}, where it is after the offset'
        draft.facts[f'{key}.clip'] = Fact('file', where)
    if kind == 'joint_position_target' and offset == [pose.get(one) for one in joints]:
        term['offset'] = 'default_pose'
    elif any(offset):
        term['offset'] = one_or_all(offset)
    return [term]


def _known(draft: Draft, key: str, found: Foreign, width: int) -> list[float]:
    return list(draft.known(key, per_value(found, width), found.where, numbers(width)))


def _normaliser(draft: Draft) -> None:
    """Ask what no descriptor says: whether the exported network has its normaliser inside."""
    draft.ask(
        Question(
            'normaliser',
            'whether the network has the normaliser of its observations inside, or there is none',
            Expected('inside or none', choice('inside', 'none').read, 'inside'),
            'rsl_rl and skrl export it inside; where training had one that the export lacks, '
            'export it again with it',
        )
    )


IMPORTER = Importer(
    'isaac_lab',
    'IO_descriptors.yaml of Isaac Lab, with the exported network',
    _claims,
    _draft,
)
