"""Numbers out of messages by field path: the readers that most terms are made of."""

from __future__ import annotations

import operator
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configuration import nearest
from ..errors import MessageError
from ..policy.contract import Term
from .ports import Port

Vector = NDArray[np.float64]
Reader = Callable[[Sequence[Any], Vector], None]
"""Takes the newest message of each port, and writes the term's values."""


def field_getter(path: str) -> Callable[[Any], Any]:
    """Return a function that reads a dotted field path of a message object."""
    return operator.attrgetter(path)


class JointReader:
    """Joint values by name from a ``JointState``, or by the wiring's joint list from an array."""

    def __init__(self, term: Term, port: Port, field: str) -> None:
        self._label = port.label
        self._joints = term.joints
        self._listed = port.joints
        self._field = field
        self._values = field_getter(field)
        self._names: list[str] | None = None
        self._index: NDArray[np.intp] = np.empty(0, np.intp)
        if port.joints:
            self._index = self._find(list(port.joints))

    def _find(self, names: list[str]) -> NDArray[np.intp]:
        if len(set(names)) != len(names):
            raise MessageError(f'{self._label}: a joint name occurs twice in {names}')
        missing = [joint for joint in self._joints if joint not in names]
        if missing:
            raise MessageError(
                f'{self._label}: the message has no joint {missing[0]!r}; it has '
                f'{", ".join(names) or "no names"}.{nearest(missing[0], names)}'
            )
        return np.array([names.index(joint) for joint in self._joints], np.intp)

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write one value a joint."""
        message = messages[0]
        values = self._values(message)
        names = self._listed or message.name
        if not self._listed and message.name != self._names:
            self._index = self._find(list(message.name))
            self._names = list(message.name)
        if len(values) != len(names):
            raise MessageError(
                f'{self._label}: field {self._field} has {len(values)} values for '
                f'{len(names)} joints'
            )
        out[:] = values[self._index]


class FieldReader:
    """Numbers by field path, one path a value."""

    def __init__(self, label: str, paths: Sequence[str]) -> None:
        self._label = label
        self._getters = [field_getter(path) for path in paths]

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write one value a path."""
        for index, getter in enumerate(self._getters):
            out[index] = getter(messages[0])


class ArrayReader:
    """A field that is a number or an array of numbers of the right size."""

    def __init__(self, label: str, field: str) -> None:
        self._label = label
        self._field = field
        self._get = field_getter(field)

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the array."""
        values = np.atleast_1d(np.asarray(self._get(messages[0]), dtype=np.float64)).ravel()
        if values.shape != out.shape:
            raise MessageError(
                f'{self._label}: field {self._field} has {values.size} values, expected {out.size}'
            )
        out[:] = values


class ChoiceReader:
    """A field that is an index, as a vector with a one at its place and zeros elsewhere."""

    def __init__(self, label: str, field: str) -> None:
        self._label = label
        self._field = field
        self._get = field_getter(field)

    def __call__(self, messages: Sequence[Any], out: Vector) -> None:
        """Write the one-hot vector."""
        found = np.asarray(self._get(messages[0]), dtype=np.float64).ravel()
        if found.size != 1:
            raise MessageError(
                f'{self._label}: field {self._field} has {found.size} values, expected 1'
            )
        value = float(found[0])
        if np.isfinite(value) and not (value.is_integer() and 0.0 <= value < out.size):
            raise MessageError(
                f'{self._label}: {value:g} is none of the choices 0 to {out.size - 1}'
            )
        out[:] = 0.0
        if np.isfinite(value):
            out[int(value)] = 1.0
        else:
            out[:] = value  # the finite check speaks about it
