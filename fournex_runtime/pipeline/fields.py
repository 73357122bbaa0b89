"""Numbers out of messages by field path: the readers that most terms are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configuration import nearest
from ..errors import MessageError
from ..policy.contract import Term
from .field_path import field_getter
from .ports import Port
from .transforms import Frames
from .units import Conversion

Vector = NDArray[np.float64]
Reader = Callable[[Sequence[Any], Vector, Frames], None]
"""Takes the newest message of each port and where frames are, and writes the term's values."""


class JointReader:
    """Joint values by name from a ``JointState``, or by the wiring's joint list from an array."""

    def __init__(self, term: Term, port: Port, field: str) -> None:
        self._label = port.label
        self._joints = term.joints
        self._names_of = port.names
        self._listed = port.joints
        self._field = field
        self._values = field_getter(field)
        self._names: list[str] | None = None
        self._index: NDArray[np.intp] = np.empty(0, np.intp)
        if port.joints:
            self._index = self._find(list(port.joints), 'the list')

    def _find(self, names: list[str], where: str = 'the message') -> NDArray[np.intp]:
        if len(set(names)) != len(names):
            raise MessageError(f'{self._label}: a joint name occurs twice in {names}')
        wanted = self._names_of.of(self._joints)
        for joint, name in zip(self._joints, wanted):
            if name not in names:
                raise MessageError(
                    f'{self._label}: {where} has no joint {self._names_of.both(joint)}; it has '
                    f'{", ".join(names) or "no names"}.{nearest(name, names, listed=False)}'
                )
        return np.array([names.index(name) for name in wanted], np.intp)

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
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

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write one value a path."""
        for index, getter in enumerate(self._getters):
            out[index] = getter(messages[0])


class ArrayReader:
    """A field that is a number or an array of numbers of the right size."""

    def __init__(self, label: str, field: str) -> None:
        self._label = label
        self._field = field
        self._get = field_getter(field)

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
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

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
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


class Converted:
    """What a reader gives, from the robot's unit in the contract's."""

    def __init__(self, reader: Reader, conversion: Conversion) -> None:
        self._reader = reader
        self._conversion = conversion

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the converted values."""
        self._reader(messages, out, frames)
        out[:] = self._conversion(out)


class Within:
    """What a reader gives, moved to the nearest value within bounds; NaN stays NaN."""

    def __init__(self, reader: Reader, low: float, high: float) -> None:
        self._reader = reader
        self._low, self._high = low, high

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values within the bounds."""
        self._reader(messages, out, frames)
        np.clip(out, self._low, self._high, out=out)


class Filled:
    """What a reader gives, with a number in the place of what is not finite."""

    def __init__(self, reader: Reader, fill: float) -> None:
        self._reader = reader
        self._fill = fill

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the filled values."""
        self._reader(messages, out, frames)
        out[~np.isfinite(out)] = self._fill
