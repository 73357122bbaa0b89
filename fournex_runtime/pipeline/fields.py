"""Numbers out of messages by field path: the readers that most terms are made of."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..clip import clip
from ..configuration import nearest
from ..errors import MessageError
from ..immutable import immutable
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
Write = Callable[[Sequence[Vector], Vector, Frames], None]
"""Takes the numbers of each message in the order of their places, and writes the term's values."""


@immutable
class Bound:
    """
    How a reader makes its values of messages whose texts and lengths stay as they are.

    :param places: of each message the numbers that it needs.
    :param write: makes the values of them; None where they are the values, of one message.
    :param finish: what is done to the values after that, in place; None for nothing.
    :param moves: the values depend on where frames are, too.
    """

    places: Sequence[Places]
    write: Write | None = None
    finish: Callable[[Vector], None] | None = None
    moves: bool = False


class Picker:
    """
    A reader that needs nothing but numbers of its messages, once it knows their texts and lengths.

    So messages that are laid out like the ones before need not become objects. What it makes of
    them is the same to the bit; what is wrong with a message is said by the reader itself.
    """

    def bound(self, messages: Sequence[Any]) -> Bound | None:
        """
        Return how the values are made of messages laid out like these; None: only by the reader.

        :param messages: the messages as objects.
        :raises MessageError: one lacks what the term needs.
        """
        raise NotImplementedError


def bound_to(reader: Reader, messages: Sequence[Any]) -> Bound | None:
    """Return how any reader makes its values of numbers; see :meth:`Picker.bound`."""
    return reader.bound(messages) if isinstance(reader, Picker) else None


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

    def bound(self, messages: Sequence[Any]) -> Bound:
        """Return an element of the field for each joint; see :class:`Picker`."""
        self._checked(messages[0])
        return Bound([[(self._field, int(index)) for index in self._index]])

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

    def bound(self, messages: Sequence[Any]) -> Bound:
        """Return the paths; see :class:`Picker`."""
        return Bound([[(path, None) for path in self._paths]])


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

    def bound(self, messages: Sequence[Any]) -> Bound:
        """Return every element of the array, if it is one; see :class:`Picker`."""
        values = self._get(messages[0])
        if isinstance(values, np.ndarray):
            return Bound([[(self._field, index) for index in range(values.size)]])
        return Bound([[(self._field, None)]])


class ChoiceReader(Picker):
    """A field that is an index, as a vector with a one at its place and zeros elsewhere."""

    def __init__(self, label: str, field: str) -> None:
        self._label = label
        self._field = field
        self._get = field_getter(field)

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the one-hot vector."""
        self._write(np.asarray(self._get(messages[0]), dtype=np.float64).ravel(), out)

    def bound(self, messages: Sequence[Any]) -> Bound | None:
        """Return the number, if it is a single one; see :class:`Picker`."""
        if isinstance(self._get(messages[0]), np.ndarray):
            return None
        return Bound([[(self._field, None)]], lambda numbers, out, _: self._write(numbers[0], out))

    def _write(self, found: Vector, out: Vector) -> None:
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


class Reworked(Picker):
    """What another reader gives, reworked in place."""

    def __init__(self, reader: Reader) -> None:
        self._reader = reader

    def __call__(self, messages: Sequence[Any], out: Vector, frames: Frames) -> None:
        """Write the values."""
        self._reader(messages, out, frames)
        self._rework(out)

    def bound(self, messages: Sequence[Any]) -> Bound | None:
        """Return what the reader does, and the rework after it; see :class:`Picker`."""
        found = bound_to(self._reader, messages)
        if found is None:
            return None
        before = found.finish

        def finish(out: Vector) -> None:
            if before is not None:
                before(out)
            self._rework(out)

        return Bound(found.places, found.write, finish, found.moves)

    def _rework(self, out: Vector) -> None:
        raise NotImplementedError


class Converted(Reworked):
    """What a reader gives, from the robot's unit in the contract's."""

    def __init__(self, reader: Reader, conversion: Conversion) -> None:
        super().__init__(reader)
        self._conversion = conversion

    def _rework(self, out: Vector) -> None:
        out[:] = self._conversion(out)


class Within(Reworked):
    """What a reader gives, moved to the nearest value within bounds; NaN stays NaN."""

    def __init__(self, reader: Reader, low: float, high: float) -> None:
        super().__init__(reader)
        self._low, self._high = low, high

    def _rework(self, out: Vector) -> None:
        clip(out, self._low, self._high, out)


class Filled(Reworked):
    """What a reader gives, with a number in the place of what is not finite."""

    def __init__(self, reader: Reader, fill: float) -> None:
        super().__init__(reader)
        self._fill = fill

    def _rework(self, out: Vector) -> None:
        out[~np.isfinite(out)] = self._fill
