"""
Observation terms by the names that Isaac Lab gives its functions, and its kin after it.

(``isaaclab/envs/mdp/observations.py``; mjlab, whole_body_tracking and unitree_rl_lab follow it.) A
name alone says the meaning only where every training of that name means the same; others are
asked for, and so is a known name with another number of values.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..policy.backend import ArraySpec
from .array_terms import free_terms, input_array
from .draft import Draft
from .foreign import Foreign
from .foreign_data import Tagged
from .questions import Expected, Question, by_joint

_PLANAR = ['linear_x', 'linear_y', 'angular_z']
_Joints = Sequence[str]
_TERMS: dict[str, Callable[[_Joints], dict[str, Any]]] = {
    'base_lin_vel': lambda joints: {'term': 'base_linear_velocity'},
    'base_ang_vel': lambda joints: {'term': 'base_angular_velocity'},
    'projected_gravity': lambda joints: {'term': 'projected_gravity'},
    'velocity_commands': lambda joints: {'term': 'velocity_command', 'axes': _PLANAR},
    'joint_pos_rel': lambda joints: {
        'term': 'joint_position',
        'joints': list(joints),
        'relative_to': 'default_pose',
    },
    'joint_vel_rel': lambda joints: {'term': 'joint_velocity', 'joints': list(joints)},
    'joint_vel': lambda joints: {'term': 'joint_velocity', 'joints': list(joints)},
    'last_action': lambda joints: {'term': 'last_action', 'of': 'raw'},
    'actions': lambda joints: {'term': 'last_action', 'of': 'raw'},
}
_SLICE = 'python/object/apply:builtins.slice'
_EXAMPLE = '[{term: value, name: height, size: 1}]'


def isaac_term(
    name: str, width: int | None, joints: _Joints, action_width: int
) -> dict[str, Any] | None:
    """
    Return the term that a name stands for; None where it has to be asked.

    :param name: of the function, or of the term where it is called as its function.
    :param width: how many values it has; None where the artifact leaves that to the name.
    :param joints: the joints that it observes, if it observes some, in their order.
    :param action_width: how many values an action has.
    """
    if name not in _TERMS:
        return None
    term = _TERMS[name](joints)
    sizes = {'velocity_command': 3, 'last_action': action_width}
    size = len(joints) if 'joints' in term else sizes.get(term['term'], 3)
    return term if width in (None, size) else None


def ask_term(
    draft: Draft, place: str, name: str, width: int | None, action_width: int
) -> list[dict[str, Any]] | None:
    """
    Ask what the values of a term are.

    :param place: key of the input that it is in.
    :param name: of the term in the artifact.
    :param width: how many values it has; None where the artifact does not say it.
    :param action_width: how many values an action has.
    """

    def read(value: Any) -> list[dict[str, Any]]:
        if width is not None:
            spec = ArraySpec(name, (1, width), 'float32')
            terms: list[dict[str, Any]] = input_array(value, spec, action_width)['terms']
            return terms
        return free_terms(value, action_width)

    values = 'values' if width is None else f'{width} values'
    found: list[dict[str, Any]] | None = draft.ask(
        Question(
            f'{place}.{name}',
            f'what the {"value" if width == 1 else values} of the observation term {name} '
            f'{"is" if width == 1 else "are"}',
            Expected('a list of observation terms', read, _EXAMPLE),
            'its name does not say it for certain; see the observation function in the training. '
            'term: value takes plain numbers from a topic',
        )
    )
    return found


def take_default_pose(
    draft: Draft,
    pose: Mapping[str, float],
    where: str,
    source: str = 'file',
    starts: bool = True,
) -> None:
    """
    Put the default pose of a robot into a draft; it is also where its episodes begin.

    :param pose: by joint, in rad or m.
    :param where: where the artifact says it.
    :param source: ``artifact`` or ``file``.
    :param starts: episodes begin there; those that track a motion begin with the motion.
    """
    expected = by_joint(list(pose), 'rad or m')
    draft.tree['default_pose'] = draft.known('default_pose', dict(pose), where, expected, source)
    if starts:
        begins = f'{where}, from which training begins its episodes'
        found = draft.known('start_pose', dict(pose), begins, expected, source)
        draft.tree['start_pose'] = found


def selected_joints(ids: Foreign | None, joints: Sequence[str]) -> list[str]:
    """
    Return the joints that ``joint_ids`` picks: a slice, a list of numbers, or all.

    :param ids: the value; None for all. PyYAML writes a slice with a tag of Python.
    :param joints: all joints, in the order in which they are counted.
    :raises ArtifactError: it is none of that, or counts further than there are joints.
    """
    if ids is None:
        return list(joints)
    if isinstance(ids.value, Tagged) and ids.value.tag.endswith(_SLICE):
        bounds = ids.value.value
        whole = isinstance(bounds, list) and len(bounds) == 3
        if not whole or not all(one is None or type(one) is int for one in bounds):
            raise ids.problem('a slice of three whole numbers')
        if bounds[2] == 0:
            raise ids.problem('a slice with a step that is not 0')
        return list(joints[slice(*bounds)])
    numbers = ids.wholes()
    if any(number >= len(joints) for number in numbers) or len(set(numbers)) != len(numbers):
        raise ids.problem(f'different joints from 0 to {len(joints) - 1}', f'{list(numbers)}')
    return [joints[number] for number in numbers]


def with_names(terms: Sequence[dict[str, Any]], upstream: Sequence[str]) -> list[dict[str, Any]]:
    """Return terms whose names differ: a kind that comes twice is called as upstream calls it."""
    kinds = [one.get('name', one['term']) for one in terms]
    return [
        one if kinds.count(kind) == 1 else {**one, 'name': name}
        for one, kind, name in zip(terms, kinds, upstream)
    ]
