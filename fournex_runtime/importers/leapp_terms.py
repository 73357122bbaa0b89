"""
The inputs and outputs of a LEAPP model as terms of a contract, by their ``kind``.

What each kind is on a robot is said by the converters of Isaac ROS Deploy and, where Isaac Lab
exported it, by ``isaaclab_connection``: ``root_ang_vel_b`` is seen from the body,
``root_ang_vel_w`` is not.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from ..policy.contract_types import Fact
from .draft import Draft
from .foreign import Foreign
from .terms import PlainTerm, ask_action, ask_observation

_JOINT_INPUTS = {
    'state/joint/position': 'joint_position',
    'state/joint/velocity': 'joint_velocity',
    'state/joint/effort': 'joint_effort',
}
_BODY_INPUTS = {
    'state/body/angular_velocity': ('base_angular_velocity', 'root_ang_vel_b'),
    'state/body/linear_velocity': ('base_linear_velocity', 'root_lin_vel_b'),
}
_JOINT_OUTPUTS = {
    'target/joint/position': 'joint_position_target',
    'joint_pos_targets': 'joint_position_target',
    'target/joint/velocity': 'joint_velocity_target',
    'joint_vel_targets': 'joint_velocity_target',
    'target/joint/effort': 'joint_effort_target',
    'target/joint/torques': 'joint_effort_target',
    'kp': 'joint_stiffness',
    'kd': 'joint_damping',
}
_ROTATIONS = {
    ('x', 'y', 'z', 'w'): 'quaternion_xyzw',
    ('w', 'x', 'y', 'z'): 'quaternion_wxyz',
}
_AXES = ('linear', 'angular')
_TEMPORAL = '__temporal_axis__'


@dataclasses.dataclass(frozen=True)
class LeappArray:
    """
    An input or output of the model.

    :param found: what the file says of it.
    :param name: its name in the model.
    :param kind: what it is on a robot; empty where the file does not say.
    :param shape: with its batch axis.
    """

    found: Foreign
    name: str
    kind: str
    shape: tuple[int, ...]

    @property
    def batch(self) -> bool:
        """Return whether an axis of length one stands in front."""
        return len(self.shape) > 1 and self.shape[0] == 1

    @property
    def row(self) -> tuple[int, ...]:
        """Return the shape without the batch axis."""
        return self.shape[1:] if self.batch else self.shape

    @property
    def elements(self) -> tuple[str, ...]:
        """Return the names of the values along the last axis; empty where there are none."""
        axes = self.found.get('element_names')
        if axes is None or not axes.items():
            return ()
        if any(axis.value == _TEMPORAL for axis in axes.items()):
            raise axes.problem('no temporal axis: chunks of actions are not read here')
        lists = [axis for axis in axes.items() if isinstance(axis.value, list) and axis.value]
        if not lists:
            return ()
        if len(lists) > 1:
            raise axes.problem('names along one axis')
        return lists[0].texts(self.row[-1])

    @property
    def connection(self) -> str:
        """Return the property of Isaac Lab behind it, such as ``root_ang_vel_b``; or nothing."""
        found = self.found.get('isaaclab_connection')
        return found.text().rpartition(':')[2] if found is not None else ''

    @property
    def said(self) -> str:
        """Return what the file says of it: place, kind, connection, first names."""
        words = [f'kind {self.kind}' if self.kind else 'no kind']
        if self.connection:
            words.append(f'isaaclab_connection {self.found["isaaclab_connection"].text()}')
        if self.elements:
            more = ', …' if len(self.elements) > 6 else ''
            words.append(f'element_names {", ".join(self.elements[:6])}{more}')
        return f'{self.found.where}: {", ".join(words)}'


def observed(draft: Draft, array: LeappArray, actions: int) -> dict[str, Any]:
    """
    Return an input of the contract.

    :param draft: takes facts and questions.
    :param array: the input of the model.
    :param actions: how many values an action has.
    :raises ArtifactError: it has a history that no contract can say.
    """
    frames, size = _frames(array), math.prod(array.row)
    if size % frames:
        raise array.found.problem(f'{size} values in {frames} frames of equal size')
    tree: dict[str, Any] = _layout(array)
    if frames > 1:  # Isaac ROS Deploy keeps it: oldest first, whole frames
        tree.update({'history': frames, 'history_layout': 'time', 'order': 'oldest_first'})
        draft.facts[f'inputs.{array.name}.history'] = Fact('file', array.found.where)
    tree['terms'] = _observation(draft, array, size // frames, actions)
    return tree


def _frames(array: LeappArray) -> int:
    """Return how many frames Isaac ROS Deploy gives to an input, the present one included."""
    length = array.found.get('history_length') or array.found.get('history')
    if length is None or length.whole() == 0:
        return 1
    for key in ('include_current_in_history', 'include_current_value_in_history'):
        present = array.found.get(key)
        if present is not None and not present.flag():
            raise present.problem('true: a history without the present value is no input here')
    return length.whole()


def commanded(draft: Draft, array: LeappArray) -> dict[str, Any]:
    """Return an output of the contract; see :func:`observed`."""
    size, elements = math.prod(array.row), array.elements
    kind = _JOINT_OUTPUTS.get(array.kind)
    terms: Sequence[PlainTerm] | None
    if kind is not None and len(elements) == size:
        terms = [{'term': kind, 'joints': list(elements)}]
        draft.facts[f'outputs.{array.name}'] = Fact('file', array.said)
    else:
        terms = ask_action(
            draft,
            f'outputs.{array.name}',
            f'what the {size} values of {array.name} command',
            size,
            f'{{term: value, size: {size}, name: {array.name}}}',
            array.said,
        )
    return {**_layout(array), 'terms': terms}


def _layout(array: LeappArray) -> dict[str, Any]:
    return {'shape': list(array.row), 'batch': array.batch}


def _observation(
    draft: Draft, array: LeappArray, size: int, actions: int
) -> list[PlainTerm] | None:
    term = _known_observation(array, size)
    if term is not None:
        draft.facts[f'inputs.{array.name}'] = Fact('file', array.said)
        return [term]
    return ask_observation(
        draft,
        f'inputs.{array.name}',
        f'what the {size} values of {array.name} are',
        size,
        actions,
        _example(array, size),
        array.said,
    )


def _example(array: LeappArray, size: int) -> str:
    if array.kind == 'state/body/rotation':
        return '{term: orientation, layout: quaternion_xyzw}'
    if 'image' in array.kind:
        height, width = (*array.row, 1, 1)[:2]
        return (
            f'{{term: image, height: {height}, width: {width}, channels: rgb, layout: hwc, '
            'range: 0-255, resize: area}'
        )
    return f'{{term: value, size: {size}, name: {array.name}}}'


def _known_observation(array: LeappArray, size: int) -> PlainTerm | None:
    """Return the term of a kind that says all there is to say; None where one must ask."""
    kind, elements = array.kind, array.elements
    if kind in _JOINT_INPUTS and len(elements) == size:
        return {'term': _JOINT_INPUTS[kind], 'joints': list(elements)}
    if kind in _BODY_INPUTS and elements in ((), ('x', 'y', 'z')) and size == 3:
        term, in_body = _BODY_INPUTS[kind]
        if array.connection in ('', in_body):  # root_ang_vel_w is in the world
            return {'term': term}
    if kind == 'state/body/rotation' and elements in _ROTATIONS:
        return {'term': 'orientation', 'layout': _ROTATIONS[elements]}
    if kind == 'state/vector3d' and array.connection == 'projected_gravity_b':
        return {'term': 'projected_gravity'}
    if kind == 'command/body/velocity':
        axes = [_twist_axis(one) for one in elements]
        if axes and None not in axes:
            return {'term': 'velocity_command', 'axes': axes}
    return None


def _twist_axis(element: str) -> str | None:
    """Return ``linear_x`` for ``lin_x``, ``lin_vel_x``, ``linear_x``; likewise for the others."""
    first, _, axis = element.replace('_vel_', '_').rpartition('_')
    for word in _AXES:
        if first in (word, word[:3]) and axis in ('x', 'y', 'z'):
            return f'{word}_{axis}'
    return None
