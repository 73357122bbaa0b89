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


Places = Sequence[tuple[str, int | None]]
"""Numbers of a message: the path of the field, and which element of it where it is an array."""


class Picker:
    """
    A reader whose values are numbers of one message, and which of them, its texts and lengths say.

    So they need not be looked for in a message that is laid out like the one before.
    """

    def places(self, message: Any) -> Places | None:
        """
        Return where the values stand in a message; None where they do not stand in it.

        :param message: the message as an object.
        :raises MessageError: it lacks what the term needs.
        """
        raise NotImplementedError

    def finish(self, out: Vector) -> None:
        """Make the term's values of the numbers, in place; by default they are those."""

    @property
    def finishes(self) -> bool:
        """Return whether :meth:`finish` does anything."""
        return type(self).finish is not Picker.finish


class JointReader(Picker):
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
        values = self._checked(messages[0])
        out[:] = values[self._index]

    def places(self, message: Any) -> Places:
        """Return an element of the field for each joint; see :class:`Picker`."""
        self._checked(message)
        return [(self._field, int(index)) for index in self._index]

    def _checked(self, message: Any) -> NDArray[Any]:
        """Return the values of all joints of a message, and know the order of them."""
        values: NDArray[Any] = self._values(message)
        names = self._listed or message.name
        if not self._listed and message.name != self._names:
            self._index = self._find(list(message.name))
            self._names = list(message.name)
        if len(values) != len(names):
            raise MessageError(
                f'{self._label}: field {self._field} has {len(values)} values for '
                f'{len(names)} joints'
            )
        return values


class FieldReader(Picker):
    """Numbers by field path, one path a value."""

    def __init__(self, label: str, paths: Sequence[str]) -> None:
        self._label = label
        self._paths = paths
        self._getters = [field_getter(path) for path in paths]

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write one value a path."""
        for index, getter in enumerate(self._getters):
            out[index] = getter(messages[0])

    def places(self, message: Any) -> Places:
        """Return the paths; see :class:`Picker`."""
        return [(path, None) for path in self._paths]


class ArrayReader(Picker):
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

    def places(self, message: Any) -> Places | None:
        """Return every element of the array, if it is one; see :class:`Picker`."""
        values = self._get(message)
        if isinstance(values, np.ndarray):
            return [(self._field, index) for index in range(values.size)]
        return [(self._field, None)]


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


class _Reworked(Picker):
    """What another reader gives, reworked in place."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values."""
        self._reader(messages, out, frames)
        self._rework(out)

    def places(self, message: Any) -> Places | None:
        """Return those of the reader; see :class:`Picker`."""
        return self._reader.places(message) if isinstance(self._reader, Picker) else None

    def finish(self, out: Vector) -> None:
        """Rework the values after the reader has; see :class:`Picker`."""
        assert isinstance(self._reader, Picker)
        self._reader.finish(out)
        self._rework(out)

    def _rework(self, out: Vector) -> None:
        raise NotImplementedError


class Converted(_Reworked):
    """What a reader gives, from the robot's unit in the contract's."""

    def __init__(self, reader: Reader, conversion: Conversion) -> None:
        super().__init__(reader)
        self._conversion = conversion

    def _rework(self, out: Vector) -> None:
        out[:] = self._conversion(out)


class Within(_Reworked):
    """What a reader gives, moved to the nearest value within bounds; NaN stays NaN."""

    def __init__(self, reader: Reader, low: float, high: float) -> None:
        super().__init__(reader)
        self._low, self._high = low, high

    def _rework(self, out: Vector) -> None:
        np.clip(out, self._low, self._high, out=out)


class Filled(_Reworked):
    """What a reader gives, with a number in the place of what is not finite."""

    def __init__(self, reader: Reader, fill: float) -> None:
        super().__init__(reader)
        self._fill = fill

    def _rework(self, out: Vector) -> None:
        out[~np.isfinite(out)] = self._fill
