"""
From a message that commands the robot back to the values of its action terms.

The other way round of ``command_terms.py``: what an operator's node sends instead of the runtime
is read by the same wiring, in the contract's order and unit, and so passes the same limits.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import MessageError, WiringError
from .command_terms import TWIST
from .command_values import CommandPart
from .field_commands import array_order, fills_fields
from .field_path import field_getter
from .joint_commands import JOINT_STATE, JOINT_STATE_FIELDS, JOINT_TRAJECTORY, TRAJECTORY_FIELDS
from .units import conversion

Vector = NDArray[np.float64]
CommandReader = Callable[[Any], Vector]
"""
Takes a message object; returns a term's values in the contract's order and unit.

It raises ``MessageError`` where the message lacks some of them.
"""


def command_reader(part: CommandPart) -> CommandReader:
    """
    Return what reads the values of an action term from a message of its command topic.

    :param part: the term and its target; :func:`~.command_terms.build_encoder` has taken it.
    :raises WiringError: its unit cannot be converted.
    """
    term, target = part.term, part.target
    read = _reader(part)
    try:
        convert = conversion(target.unit, term.unit, term.labels)
    except ValueError as problem:
        raise WiringError(f'unit: {problem}') from problem

    def values(message: Any) -> Vector:
        found = np.array(read(message), np.float64).reshape(-1)
        if found.size != term.size:
            raise MessageError(f'{term.name}: has {found.size} values, expected {term.size}')
        return found if convert is None else convert(found)

    return values


def _reader(part: CommandPart) -> Callable[[Any], Any]:
    """Return what reads the values in the contract's order and the robot's unit."""
    term, target = part.term, part.target
    if target.fields:
        fields = dict(target.fields)
        getters = [field_getter(fields[label]) for label in term.labels]
        return lambda message: [get(message) for get in getters]
    if target.type == JOINT_STATE:
        return _by_name(part, 'name', JOINT_STATE_FIELDS[term.command])
    if target.type == JOINT_TRAJECTORY:
        return _by_name(part, 'joint_names', TRAJECTORY_FIELDS[term.command])
    if target.type.startswith('geometry_msgs/') and not fills_fields(target):
        return _twist(term.labels) if term.command == 'twist' else _pose(part)
    path = target.field or 'data'
    get = field_getter(path)
    at = np.argsort(array_order(part) if term.size > 1 else [0])
    return lambda message: _ordered(get(message), at, term.name)


def _ordered(values: Any, at: NDArray[np.intp], term: str) -> Vector:
    """Return the values of a robot's array, or its one number, in the contract's order."""
    found = np.array(values, np.float64).reshape(-1)
    if found.size != at.size:
        raise MessageError(f'{term}: has {found.size} values, expected {at.size}')
    ordered: Vector = found[at]
    return ordered


def _by_name(part: CommandPart, names: str, field: str) -> Callable[[Any], Any]:
    wanted = part.target.names.of(part.term.joints)

    def read(message: Any) -> Vector:
        where = {name: index for index, name in enumerate(getattr(message, names))}
        if hasattr(message, 'points'):
            if len(message.points) != 1:
                raise MessageError(
                    f'a trajectory of {len(message.points)} points, expected one to go to now'
                )
            message = message.points[0]
        values = getattr(message, field)
        if len(values) != len(where):
            raise MessageError(f'field {field} has {len(values)} values for {len(where)} joints')
        missing = [name for name in wanted if name not in where]
        if missing:
            raise MessageError(f'commands no joint {", ".join(missing)}')
        return np.array([values[where[name]] for name in wanted], np.float64)

    return read


def _twist(labels: Sequence[str]) -> Callable[[Any], Any]:
    getters = [field_getter(label.replace('_', '.')) for label in labels]
    assert set(labels) <= set(TWIST)

    def read(message: Any) -> list[float]:
        twist = getattr(message, 'twist', message)
        return [get(twist) for get in getters]

    return read


def _pose(part: CommandPart) -> Callable[[Any], Any]:
    frame, whole = part.target.frame, part.term.size == 7

    def read(message: Any) -> list[float]:
        header = getattr(message, 'header', None)
        if header is not None and header.frame_id != frame:
            raise MessageError(f'is in the frame {header.frame_id!r}, expected {frame!r}')
        pose = getattr(message, 'point' if not whole else 'pose', message)
        place = pose.position if whole else pose
        found = [place.x, place.y, place.z]
        if whole:
            turn = pose.orientation
            found += [turn.x, turn.y, turn.z, turn.w]
        return found

    return read
