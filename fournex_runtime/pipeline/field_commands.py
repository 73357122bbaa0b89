"""
Commands of any message type, by the field paths that the wiring names.

One message can carry several terms, each in fields of its own: positions, stiffness and damping of
the same motors. What the wiring neither fills nor sets is zero, false or empty.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from ..configuration import nearest, parse_flag, parse_number
from ..errors import MessageError, WiringError
from .command_values import CommandPart, CommandValues, Vector
from .field_path import NUMBERS, FieldPath, field_path
from .header import header
from .joint_commands import Encoder
from .messages import Messages
from .ports import Target

Write = Callable[[Any], None]
"""Puts a value into its place in the message."""

_LONGEST = 4096
"""How many elements a sequence can be given by index: room for them is made before the check."""


def field_encoder(parts: Sequence[CommandPart], messages: Messages) -> Encoder:
    """
    Return the encoder of terms whose fields the wiring names.

    :param parts: the terms of one topic.
    :param messages: the message types.
    :raises WiringError: a field does not fit its term, or is filled twice.
    :raises MessageError: the message type has no such field, or it is not made of numbers.
    """
    target = parts[0].target
    template = Template(target.type, messages)
    fill = [_filled(part, template, alone=len(parts) == 1) for part in parts]
    for part in parts:
        for path, value in part.target.constants:
            template.place(path)(_constant(template.path(path), value))
    template.finish()
    stamped = messages.has_header(target.type)

    def encode(values: Sequence[Vector], ros_ns: int) -> bytes:
        for write, one in zip(fill, values):
            write(one)
        if stamped:
            template.message.header = header(messages, target.frame, ros_ns)
        return messages.encode(template.message, target.type)

    return encode


def _filled(part: CommandPart, template: Template, alone: bool) -> Write:
    """Return what puts the values of a term into their fields."""
    try:
        return _by_value(part, template) if part.target.fields else _by_array(part, template)
    except (WiringError, MessageError) as problem:
        if alone:
            raise
        raise WiringError(f'{part.term.name}: {problem}') from problem


def _by_value(part: CommandPart, template: Template) -> Write:
    term, target = part.term, part.target
    if target.joints:
        raise WiringError('joints: is for an array; fields: names the joints one by one')
    given = dict(target.fields)
    for label in given:
        if label not in term.labels:
            raise WiringError(
                f'fields: {label!r} is no value of the term; expected {", ".join(term.labels)}.'
                + nearest(label, list(term.labels), listed=False)
            )
    missing = [label for label in term.labels if label not in given]
    if missing:
        raise WiringError(f'fields: {", ".join(missing)} missing; expected one path a value')
    paths = [_numbers(template.path(given[label]), many=False) for label in term.labels]
    places = [template.place(path.path) for path in paths]
    groups = []
    for dtype in dict.fromkeys(path.dtype for path in paths):
        only = [index for index, path in enumerate(paths) if path.dtype == dtype]
        groups.append((CommandValues(part, dtype, only), [places[index] for index in only]))

    def write(values: Vector) -> None:
        for convert, puts in groups:
            for put, value in zip(puts, convert(values).tolist()):
                put(value)

    return write


def _by_array(part: CommandPart, template: Template) -> Write:
    term, target = part.term, part.target
    path = _numbers(template.path(target.field), many=None)
    put = template.place(path.path)
    convert = CommandValues(part, path.dtype)
    if not path.many:
        if term.size != 1:
            raise WiringError(
                f'field {path.path!r} of {target.type} is {path.words}, the term has {term.size} '
                'values: name an array, or one field a value in fields:'
            )
        return lambda values: put(convert(values)[0].item())
    if path.length not in (0, term.size) or (path.bound and path.bound < term.size):
        raise WiringError(
            f'field {path.path!r} of {target.type} is {path.words}, the term has {term.size} '
            'values'
        )
    order = array_order(part)
    return lambda values: put(convert(values)[order])


def array_order(part: CommandPart) -> list[int]:
    """
    Return the places of an array's values in the term: the robot's order of joints.

    :raises WiringError: the wiring does not say it, or lists other joints.
    """
    term, target = part.term, part.target
    if term.joints and not target.joints:
        raise WiringError(
            f'{target.type} names no joints: give joints: the names in the order of the array'
        )
    if not target.joints:
        return list(range(term.size))
    wanted = target.names.of(term.joints)
    if sorted(target.joints) != sorted(wanted):
        raise WiringError(
            f'joints: lists {", ".join(target.joints)}; the contract commands '
            f'{", ".join(term.joints) or "no joints"}'
            + (f', which joint_names calls {", ".join(wanted)}' if wanted != term.joints else '')
        )
    return [wanted.index(joint) for joint in target.joints]


def _numbers(path: FieldPath, many: bool | None) -> FieldPath:
    if path.numbers(many=many).dtype == 'bool':
        raise WiringError(
            f'field {path.path!r} of {path.type} is {path.words}, no number for an action; a '
            'constant goes into set:'
        )
    return path


class Template:
    """
    A message that is filled again and again: zeros at first, with room for every path.

    :param kind: its type.
    :param messages: the message types.
    """

    def __init__(self, kind: str, messages: Messages) -> None:
        self._kind = kind
        self._messages = messages
        self.message = messages.zero(kind)
        self._taken: list[str] = []
        self._given: dict[str, set[int]] = {}

    def path(self, path: str) -> FieldPath:
        """Return a checked path into the message."""
        return field_path(self._messages, self._kind, path)

    def place(self, path: str) -> Write:
        """
        Return what puts a value at a path, and make room for it in sequences.

        :raises WiringError: something is there already.
        """
        for other in self._taken:
            if f'{path}.'.startswith((f'{other}.', f'{other}[')) or f'{other}.'.startswith(
                (f'{path}.', f'{path}[')
            ):
                raise WiringError(f'{path} and {other} are one field, which is filled twice')
        if path.split('.')[0] == 'header' and self._messages.has_header(self._kind):
            raise WiringError(f'{path}: the header is filled by the runtime; frame: is its frame')
        self._taken.append(path)
        *before, last = self.path(path).steps
        parent, prefix = self.message, ''
        for step in before:
            prefix += step.name
            if step.index is None:
                parent = getattr(parent, step.name)
            else:
                parent = self._room(parent, step.name, step.index, step.length, prefix)[step.index]
                prefix += f'[{step.index}]'
            prefix += '.'
        if last.index is None:
            return lambda value: setattr(parent, last.name, value)
        index = last.index
        self._room(parent, last.name, index, last.length, prefix + last.name)

        def put(value: Any) -> None:
            getattr(parent, last.name)[index] = value

        return put

    def _room(self, parent: Any, name: str, index: int, length: int | None, path: str) -> Any:
        """Return an array or sequence that has an element at an index."""
        array = getattr(parent, name)
        if length:
            return array
        if index >= _LONGEST:
            raise WiringError(f'{path}[{index}]: a sequence is filled up to {_LONGEST} elements')
        self._given.setdefault(path, set()).add(index)
        more = index + 1 - len(array)
        if more > 0:
            element = self.path(f'{path}[0]').element
            if element in NUMBERS:
                array = np.concatenate([array, np.zeros(more, array.dtype)])
            elif element == 'string':
                array = [*array, *[''] * more]
            else:
                array = [*array, *(self._messages.zero(element) for _ in range(more))]
            setattr(parent, name, array)
        return array

    def finish(self) -> None:
        """
        Check that no element of a sequence was left out.

        :raises WiringError: one was; a sequence is as long as what it is given.
        """
        for path, given in self._given.items():
            for index in range(max(given)):
                if index not in given:
                    raise WiringError(
                        f'{path}[{index}] is given by nobody, {path}[{max(given)}] is: a sequence '
                        'is filled from 0 on; use set: for elements that no value goes to'
                    )


def _constant(path: FieldPath, value: str | tuple[str, ...]) -> Any:
    """Return a constant of the wiring as its field holds it."""
    if not path.many:
        if isinstance(value, tuple):
            raise WiringError(f'set: {path.path} is {path.words}, found a list')
        return _scalar(path, value)
    if not isinstance(value, tuple):
        raise WiringError(f'set: {path.path} is {path.words}, found {value!r}')
    most = path.length or path.bound
    if (path.length and len(value) != path.length) or (most and len(value) > most):
        raise WiringError(f'set: {path.path} is {path.words}, found {len(value)} values')
    values = [_scalar(path, one) for one in value]
    return np.array(values, path.dtype) if path.dtype else values


def _scalar(path: FieldPath, text: str) -> Any:
    if path.element == 'string':
        return text
    if not path.dtype:
        raise WiringError(
            f'set: {path.path} is {path.words}; expected a path to one of its fields'
        )
    try:
        if path.dtype == 'bool':
            return parse_flag(text)
        value = parse_number(text)
        if path.dtype.startswith('float'):
            limit = float(np.finfo(path.dtype).max)
            if abs(value) > limit:
                raise ValueError(f'{path.dtype} cannot hold {text}')
            return value
        info = np.iinfo(path.dtype)
        if not value.is_integer() or not info.min <= int(value) <= info.max:
            raise ValueError(
                f'expected a whole number from {info.min} to {info.max}, found {text!r}'
            )
        return int(value)
    except ValueError as problem:
        raise WiringError(f'set: {path.path}: {problem}') from problem


def fills_fields(target: Target) -> bool:
    """Return whether the wiring names the fields of a command."""
    return bool(target.field or target.fields)
