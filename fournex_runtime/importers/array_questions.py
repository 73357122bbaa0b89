"""
What the numbers of a network's arrays mean, asked in the words of a contract.

Arrays have names, shapes and dtypes; what is in them, a plain network does not say. The answer is
a list of terms as ``policy.yaml`` has it, checked at once against the array.
"""

from __future__ import annotations

import dataclasses
import functools
import math
from collections.abc import Mapping, Sequence
from typing import Any

from ..policy.backend import ArraySpec
from .array_terms import Check, accept, input_array, latest_joints, output_array, posed_joints
from .draft import Draft
from .questions import Expected, Question, by_joint

_TERMS = (
    'the terms in the order of the array, as docs/contract.md has them. Order, joints, scale and '
    'what is relative to what are those of the training environment: look them up, a wrong one is '
    'not noticed before the robot moves. Joints turn and are in rad unless the term has a unit: '
    'unit: "m, rad" (velocities: "m/s, rad/s") is that of a joint that slides and one that turns'
)
_IN_EXAMPLE = '[{term: joint_position, joints: [hip, knee], relative_to: default_pose}, …]'
_OUT_EXAMPLE = '[{term: joint_position_target, joints: [hip, knee], scale: 0.25}]'


@dataclasses.dataclass(frozen=True)
class Arrays:
    """
    The arrays of a network that terms fill, as far as the answers go.

    :param inputs: for each input its array as the contract has it; None where it is asked for.
    :param outputs: likewise.
    """

    inputs: Mapping[str, Any]
    outputs: Mapping[str, Any]

    @property
    def joints(self) -> tuple[str, ...]:
        """Return every joint that a term refers to the default pose."""
        found: dict[str, None] = {}
        for one in (*self.inputs.values(), *self.outputs.values()):
            found.update(dict.fromkeys(posed_joints(one)))
        return tuple(found)

    @property
    def measured_joints(self) -> tuple[str, ...]:
        """Return every joint whose position is observed."""
        found: dict[str, None] = {}
        for array in self.inputs.values():
            latest: list[str] = []
            for term in (array or {}).get('terms', ()):
                latest = term['joints'] if isinstance(term.get('joints'), list) else latest
                if term.get('term') == 'joint_position':
                    found.update(dict.fromkeys(map(str, latest)))
        return tuple(found)


def ask_arrays(
    draft: Draft,
    inputs: Sequence[ArraySpec],
    outputs: Sequence[ArraySpec],
    check: Check = accept,
    why: str = '',
    joints: Sequence[str] = (),
) -> Arrays:
    """
    Ask for the terms of every input and output of a network.

    :param inputs: what the network takes, recurrent state not counted.
    :param outputs: what of its results is action.
    :param check: what else the terms of an output must be; its ``ValueError`` says what is wrong.
    :param why: what to know about the outputs' terms.
    :param joints: what ``joints: same`` means before a term lists some.
    """
    width = sum(_size(spec) for spec in outputs)
    latest = list(joints)
    asked: dict[str, Any] = {}
    for spec in inputs:
        read = functools.partial(input_array, spec=spec, action_width=width, joints=latest)
        asked[spec.name] = draft.ask(
            Question(
                f'inputs.{spec.name}',
                f'what the {_values(spec)} of {_array(spec)} mean',
                Expected('a list of observation terms', read, _IN_EXAMPLE),
                _TERMS,
            )
        )
        latest = latest_joints(asked[spec.name]) or latest
    given: dict[str, Any] = {}
    for spec in outputs:
        read = functools.partial(output_array, spec=spec, check=check, joints=latest)
        given[spec.name] = draft.ask(
            Question(
                f'outputs.{spec.name}',
                f'what the {_values(spec)} of {_array(spec)} command',
                Expected('a list of action terms', read, _OUT_EXAMPLE),
                why or _TERMS,
            )
        )
        latest = latest_joints(given[spec.name]) or latest
    return Arrays(asked, given)


def ask_poses(draft: Draft, arrays: Arrays) -> Mapping[str, float] | None:
    """
    Ask for the default pose, if terms refer to one, and for the start pose, if there are joints.

    :param draft: its tree takes both.
    :param arrays: the terms, as far as the answers go.
    :returns: the default pose; empty where none is needed, None while it is asked.
    """
    if None in (*arrays.inputs.values(), *arrays.outputs.values()):
        draft.more_follow = True  # the poses, of the joints that those terms name
    default = _ask_default_pose(draft, arrays.joints)
    measured = arrays.measured_joints
    if not measured:
        return default
    expected = by_joint(measured, 'rad or m')
    start = draft.ask(
        Question(
            'start_pose',
            'where each joint should be before the first action',
            Expected(
                f'{expected.words}, default_pose, or none',
                functools.partial(_start_pose, expected=expected, default=default),
                'default_pose' if arrays.joints else expected.example,
            ),
            'where training begins its episodes. It is compared with the robot before the first '
            'action; none leaves that out',
        )
    )
    if start == 'none':
        draft.unknown('start_pose', 'the user leaves it out')
    elif start is not None:
        draft.tree['start_pose'] = start
    return default


def _start_pose(
    value: Any, expected: Expected, default: Mapping[str, float] | None
) -> str | dict[str, float]:
    if value == 'none' or (value == 'default_pose' and default != {}):
        return str(value)
    found: dict[str, float] = expected.read(value)
    return found


def _ask_default_pose(draft: Draft, joints: Sequence[str]) -> Mapping[str, float] | None:
    if not joints:
        return {}
    pose: Mapping[str, float] | None = draft.ask(
        Question(
            'default_pose',
            'the default position of each joint, which the terms refer to',
            by_joint(joints, 'rad or m'),
            'the pose that training subtracts from positions and adds to targets '
            '(default_joint_pos, default_dof_pos, init_state.joint_pos)',
        )
    )
    if pose is not None:
        draft.tree['default_pose'] = dict(pose)
    return pose


def _size(spec: ArraySpec) -> int:
    return math.prod(spec.shape)


def _values(spec: ArraySpec) -> str:
    return 'value' if _size(spec) == 1 else f'{_size(spec)} values'


def _array(spec: ArraySpec) -> str:
    return f'{spec.name} ({spec.dtype} {list(spec.shape)})'
