"""
Observation terms out of any message, by the field paths that the wiring names.

``field`` is one number, or an array with the term's values in their order; ``fields`` has one path
for each value. Orientations and gravity are also read from the four numbers of a quaternion.
"""

from __future__ import annotations

from collections.abc import Sequence

from ..configuration import nearest
from ..errors import MessageError, WiringError
from ..policy.contract import Term
from .field_path import FieldPath, field_path
from .fields import (
    ArrayReader,
    ChoiceReader,
    Converted,
    FieldReader,
    Filled,
    JointReader,
    Reader,
    Within,
)
from .framed_readers import BodyFrame
from .messages import Messages
from .ports import Port, Source
from .pose_readers import GravityReader, OrientationReader, UnitVector
from .units import Conversion

JOINT_STATE = 'sensor_msgs/msg/JointState'
ARRAYS = ('std_msgs/msg/Float64MultiArray', 'std_msgs/msg/Float32MultiArray')
QUATERNION = 'geometry_msgs/msg/Quaternion'
COMPONENTS = ('qx', 'qy', 'qz', 'qw')
"""What ``fields`` calls the numbers of a quaternion."""


def build_field_reader(
    term: Term, port: Port, source: Source, messages: Messages, conversion: Conversion | None
) -> Reader:
    """
    Return the reader of a term whose fields the wiring names.

    :param term: the term, of a kind of one port.
    :param port: how it is read; of a nameless array the field may be left out.
    :param source: where from.
    :param messages: the message types.
    :param conversion: from the robot's unit to the contract's; None for none.
    :raises WiringError: the fields are not those of the term.
    :raises MessageError: the message type has no such field, or it is not made of numbers.
    """
    rotation = _rotation(term, port, source, messages)
    if rotation is not None:
        return rotation
    if port.fields:
        reader = _by_value(term, port, source, messages)
    else:
        reader = _by_array(term, port, source, messages)
    if conversion is not None:
        reader = Converted(reader, conversion)
    if term.kind in ('range', 'range_scan'):
        return Within(reader, 0.0, float(term.options['range_max']))
    if term.kind == 'height_scan':
        return Filled(reader, float(term.options['fill']))
    if term.kind == 'projected_gravity':
        return UnitVector(port.label, reader)
    return reader


def _by_value(term: Term, port: Port, source: Source, messages: Messages) -> Reader:
    if term.options.get('one_hot') is not None:
        raise WiringError('a choice is one number in a message: write field: and not fields:')
    if port.joints or source.type == JOINT_STATE and term.joints:
        raise WiringError(
            'fields: name the joints one by one; joints: is for an array, and a JointState names '
            'its joints itself'
        )
    paths = labelled_paths(term.labels, port)
    for path in paths:
        field_path(messages, source.type, path).numbers(many=False)
    return FieldReader(port.label, paths)


def labelled_paths(labels: Sequence[str], port: Port) -> list[str]:
    """
    Return the path of each value that ``fields`` has to have, in their order.

    :raises WiringError: one is missing, or another is there.
    """
    given = dict(port.fields)
    for label in given:
        if label not in labels:
            raise WiringError(
                f'fields: {label!r} is no value of the term; expected {", ".join(labels)}.'
                + nearest(label, list(labels), listed=False)
            )
    missing = [label for label in labels if label not in given]
    if missing:
        raise WiringError(f'fields: {", ".join(missing)} missing; expected one path a value')
    return [given[label] for label in labels]


def _by_array(term: Term, port: Port, source: Source, messages: Messages) -> Reader:
    field = _named_field(term, port, source)
    path = field_path(messages, source.type, field)
    if term.joints:
        return _joints(term, port, source, messages, field)
    path.numbers()
    if term.options.get('one_hot') is not None:
        return ChoiceReader(port.label, field)
    found = 1 if path.length is None else path.length
    if found not in (0, term.size):
        raise WiringError(
            f'field {field!r} of {source.type} is {path.words}, the term has {term.size} values'
        )
    return ArrayReader(port.label, field)


def _joints(term: Term, port: Port, source: Source, messages: Messages, field: str) -> Reader:
    field_path(messages, source.type, field).numbers(many=True)
    if source.type == JOINT_STATE:
        if port.joints:
            raise WiringError(
                'joints: is for nameless arrays; a JointState names its joints itself'
            )
        return JointReader(term, port, field)
    if not port.joints:
        raise WiringError(
            f'{source.type} names no joints: give joints: the names in the order of the array'
        )
    try:
        return JointReader(term, port, field)
    except MessageError as problem:
        raise WiringError(str(problem).removeprefix(f'{port.label}: ')) from problem


def _named_field(term: Term, port: Port, source: Source) -> str:
    """
    Return the path of the field with all values; that of the common arrays need not be said.

    :raises WiringError: it is not said.
    """
    if port.field:
        return port.field
    if source.type in ARRAYS:
        return 'data'
    if source.type == JOINT_STATE and term.joints:
        return term.kind.removeprefix('joint_')
    raise WiringError(f'say which field of {source.type}: field: …, or fields: …')


def _rotation(term: Term, port: Port, source: Source, messages: Messages) -> Reader | None:
    """Return the reader of an orientation or of gravity from a quaternion; None for any other."""
    if term.kind not in ('orientation', 'projected_gravity'):
        return None
    if port.fields and {label for label, _ in port.fields} & set(COMPONENTS):
        paths = labelled_paths(COMPONENTS, port)
        for path in paths:
            field_path(messages, source.type, path).numbers(many=False)
    elif port.field and _is_quaternion(field_path(messages, source.type, port.field)):
        paths = [f'{port.field}.{value}' for value in 'xyzw']
    elif term.options.get('layout', '').startswith('quaternion'):
        raise WiringError(
            f'say which number of {source.type} is which: fields: with a path for each of '
            f'{", ".join(COMPONENTS)}, or field: of a {QUATERNION}'
        )
    else:
        return None
    as_it_is = BodyFrame(port.label, '', '')
    if term.kind == 'projected_gravity':
        return GravityReader(port.label, paths, as_it_is)
    options = term.options
    return OrientationReader(port.label, paths, as_it_is, options['layout'], options['sign'])


def _is_quaternion(path: FieldPath) -> bool:
    return path.element == QUATERNION and not path.many
