"""
Field paths into messages: ``pose.position.x``, ``data``, ``motor_state[3].q``.

A path is checked against the message's definition when the wiring is read, so that what is left to
go wrong on the robot is a sequence that is too short.
"""

from __future__ import annotations

import dataclasses
import operator
import re
from collections.abc import Callable
from typing import Any

from ..configuration import nearest
from ..errors import MessageError
from .messages import Messages

_STEP = re.compile(r'([A-Za-z][A-Za-z0-9_]*)(?:\[([0-9]+)\])?')
_BASE, _MESSAGE, _ARRAY, _SEQUENCE = 1, 2, 3, 4  # rosbags' Nodetype
NUMBERS = {
    'bool': 'bool',
    'byte': 'uint8',
    'char': 'uint8',
    **{
        name: name
        for name in (
            'int8', 'uint8', 'int16', 'uint16', 'int32', 'uint32', 'int64', 'uint64',
            'float32', 'float64',
        )
    },
}  # fmt: skip
"""The types of fields that are numbers, and numpy's names of them."""


@dataclasses.dataclass(frozen=True)
class Step:
    """
    One step of a path.

    :param name: of the field.
    :param index: of the element in it; None for the field as it is.
    :param length: of an array; 0 for a sequence, None where the field is neither.
    """

    name: str
    index: int | None
    length: int | None


@dataclasses.dataclass(frozen=True)
class FieldPath:
    """
    A checked path into a message type.

    :param type: the message type.
    :param path: the path as the wiring has it.
    :param steps: the path, taken apart.
    :param element: type of what it leads to: ``float64``, ``string``, ``std_msgs/msg/Header``; of
        an array or a sequence that of its elements.
    :param length: of the array that it leads to; 0 for a sequence, None for a single value.
    :param bound: greatest length of the sequence that it leads to; 0 where there is none.
    """

    type: str
    path: str
    steps: tuple[Step, ...]
    element: str
    length: int | None
    bound: int = 0

    @property
    def dtype(self) -> str:
        """Return numpy's name of the numbers; empty where it leads to none."""
        return NUMBERS.get(self.element, '')

    @property
    def many(self) -> bool:
        """Return whether it leads to an array or a sequence."""
        return self.length is not None

    @property
    def words(self) -> str:
        """Return what it leads to, for messages."""
        if self.length is None:
            return f'a single {self.element}'
        return f'an array of {f"{self.length} " if self.length else ""}{self.element}'

    def getter(self) -> Callable[[Any], Any]:
        """Return the function that reads it from a message object."""
        return field_getter(self.path)

    def numbers(self, *, many: bool | None = None) -> FieldPath:
        """
        Return the path, if it leads to numbers.

        :param many: True asks for an array, False for a single number.
        :raises MessageError: it leads to something else.
        """
        if not self.dtype:
            hint = ''
            if self.length is not None and '/' in self.element:
                hint = f': say which one and which field of it, as in {self.path}[0].…'
            raise MessageError(
                f'field {self.path!r} of {self.type} is {self.words}, not made of numbers{hint}'
            )
        if many is not None and many is not self.many:
            wanted = 'an array of numbers' if many else 'a single number'
            raise MessageError(
                f'field {self.path!r} of {self.type} is {self.words}, expected {wanted}'
            )
        return self


def field_path(messages: Messages, kind: str, path: str) -> FieldPath:
    """
    Return a path into a message type.

    :param messages: the message types.
    :param kind: the message type.
    :param path: the path.
    :raises MessageError: the type is unknown, or it has no such field; names those that it has.
    """
    steps: list[Step] = []
    current, element, length, bound = kind, kind, None, 0
    for part in path.split('.'):
        match = _STEP.fullmatch(part)
        if match is None:
            raise MessageError(
                f'{path!r} is no field path: write field names with dots between them, and an '
                'index in brackets, as in pose.position.x or positions[3]'
            )
        if steps and (length is not None or '/' not in element):
            raise MessageError(f'{kind} has no field {path!r}: {_no_fields(steps[-1], element)}')
        name, index = match[1], None if match[2] is None else int(match[2])
        messages.ensure(current)
        fields = dict(messages.typestore.fielddefs[current][1])
        if name not in fields:
            raise MessageError(
                f'{kind} has no field {path!r}: {current} has {", ".join(fields) or "no fields"}.'
                + nearest(name, list(fields), listed=False)
            )
        element, length, bound = _described(fields[name])
        steps.append(Step(name, index, length))
        if index is not None:
            _check_index(kind, path, steps[-1], bound)
            length, bound = None, 0
        current = element
    return FieldPath(kind, path, tuple(steps), element, length, bound)


def _described(field: Any) -> tuple[str, int | None, int]:
    """Return element type, length and bound of a field; see :class:`FieldPath`."""
    node, detail = field
    if int(node) == _MESSAGE:
        return str(detail), None, 0
    if int(node) == _BASE:
        return str(detail[0]), None, 0
    (inner, name), size = detail
    element = str(name if int(inner) == _MESSAGE else name[0])
    return (element, size, 0) if int(node) == _ARRAY else (element, 0, size)


def _no_fields(step: Step, element: str) -> str:
    if step.length is not None and step.index is None and '/' in element:
        return f'{step.name} is an array of {element}: say which one, as in {step.name}[0]'
    return f'{step.name} has no fields of its own'


def _check_index(kind: str, path: str, step: Step, bound: int) -> None:
    assert step.index is not None
    if step.length is None:
        raise MessageError(f'{kind} has no field {path!r}: {step.name} is no array')
    most = step.length or bound
    if most and step.index >= most:
        raise MessageError(
            f'{kind} has no field {path!r}: {step.name} has at most {most} elements, counted '
            'from 0'
        )


def field_getter(path: str) -> Callable[[Any], Any]:
    """Return a function that reads a field path of a message object."""
    if '[' not in path:
        return operator.attrgetter(path)
    parts: list[tuple[Callable[[Any], Any], int | None]] = []
    names: list[str] = []
    for part in path.split('.'):
        name, _, index = part.partition('[')
        names.append(name)
        if index:
            parts.append((operator.attrgetter('.'.join(names)), int(index.rstrip(']'))))
            names = []
    if names:
        parts.append((operator.attrgetter('.'.join(names)), None))

    def get(message: Any) -> Any:
        for attribute, index in parts:
            message = attribute(message)
            if index is not None:
                if index >= len(message):
                    raise MessageError(f'{path}: has only {len(message)} elements')
                message = message[index]
        return message

    return get
