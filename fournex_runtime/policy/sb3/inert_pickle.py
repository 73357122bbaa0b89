"""
Pickles read as data: nothing that they name is imported, called or built.

A pickle is a program for a small stack machine (see :mod:`pickletools`). This module runs that
program on a machine of its own, where "look up a class" gives its name and "call" gives a record
of the call. So there is nothing that a pickle could execute. Names that the reader does not
expect are refused all the same: a file that needs them holds something else than it should.

The standard unpickler with a restricted ``find_class`` would not do: it still calls what it finds
and hashes what it builds, and it allocates memory by numbers that stand in the file.
"""

from __future__ import annotations

import dataclasses
import io
import pickletools
from collections.abc import Callable
from typing import Any

from ...errors import ArtifactError


@dataclasses.dataclass(frozen=True)
class Name:
    """A class or function that a pickle refers to, by name only."""

    module: str
    name: str

    def __str__(self) -> str:
        return f'{self.module}.{self.name}'


@dataclasses.dataclass
class Record:
    """
    An object that a pickle would build.

    :param made_by: the class or function that it would call.
    :param arguments: with these arguments.
    :param state: what it would then set (``__setstate__`` or attributes).
    :param items: what it would append.
    :param entries: what it would set by key.
    """

    made_by: Name
    arguments: tuple[Any, ...]
    state: Any = None
    items: list[Any] = dataclasses.field(default_factory=list)
    entries: dict[Any, Any] = dataclasses.field(default_factory=dict)


@dataclasses.dataclass(frozen=True)
class External:
    """An object that is stored beside the pickle, by its key."""

    key: Any


@dataclasses.dataclass(frozen=True)
class Vocabulary:
    """
    The names that a pickle may use, as ``module.name``; ``module.*`` stands for a whole module.

    :param types: what it may refer to.
    :param makers: what it may also build objects with.
    """

    types: frozenset[str] = frozenset()
    makers: frozenset[str] = frozenset()

    def knows(self, name: Name) -> bool:
        """Return whether a pickle may refer to a name."""
        names = {str(name), f'{name.module}.*'}
        return not names.isdisjoint(self.types | self.makers)

    def builds(self, name: Name) -> bool:
        """Return whether a pickle may build something with it."""
        return str(name) in self.makers

    def __or__(self, other: Vocabulary) -> Vocabulary:
        return Vocabulary(self.types | other.types, self.makers | other.makers)


_Values = list[Any]
_LISTS = ('collections.deque',)
_DICTIONARIES = ('collections.OrderedDict',)
_KEYS = (str, int, float, bytes, type(None))
_NOTHING = frozenset(('PROTO', 'FRAME'))
_CONSTANTS = {'NONE': None, 'NEWTRUE': True, 'NEWFALSE': False}
_VALUES = frozenset(
    ('BININT', 'BININT1', 'BININT2', 'LONG1', 'LONG4', 'BINFLOAT')
    + ('SHORT_BINUNICODE', 'BINUNICODE', 'BINUNICODE8')
    + ('SHORT_BINBYTES', 'BINBYTES', 'BINBYTES8', 'BYTEARRAY8')
)

_BY_CODE = {one.code: one for one in pickletools.opcodes}


def read_pickle(data: bytes, vocabulary: Vocabulary, where: str, hint: str = '') -> Any:
    """
    Return what a pickle describes: builtin values, :class:`Name`, :class:`Record`, `External`.

    :param data: the pickle, of protocol 2 or later.
    :param vocabulary: the names that it may use.
    :param where: file and member, for errors.
    :param hint: what to do when it uses another name.
    :raises ArtifactError: it uses a name or an operation that is not known, or is damaged.
    """
    return _Machine(vocabulary, where, hint).run(data)


def _line(stream: io.BytesIO) -> str:
    line = stream.readline()
    if not line.endswith(b'\n'):
        raise ValueError('it ends within a name')
    return line[:-1].decode()


class _Machine:
    """The stack machine; one method an operation, named as in :mod:`pickletools`."""

    def __init__(self, vocabulary: Vocabulary, where: str, hint: str) -> None:
        self._vocabulary = vocabulary
        self._where = where
        self._hint = f'. {hint}' if hint else ''
        self._stack: _Values = []
        self._marked: list[_Values] = []
        self._memo: dict[int, Any] = {}
        self._operations: dict[str, Callable[[Any], None]] = {
            name[1:]: getattr(self, name) for name in dir(self) if name[1:].isupper()
        }
        self._known = {'STOP', *_NOTHING, *_CONSTANTS, *_VALUES, *self._operations}

    def run(self, data: bytes) -> Any:
        stream = io.BytesIO(data)
        at = 0
        try:
            while True:
                at = stream.tell()
                name, argument = self._next(stream)
                if name == 'STOP':
                    return self._stack.pop()
                self._step(name, argument)
        except ArtifactError as problem:
            raise ArtifactError(f'{self._where}: at byte {at}: {problem}') from None
        except (ValueError, IndexError, KeyError, OverflowError) as problem:
            raise ArtifactError(
                f'{self._where}: not a complete pickle, damaged at or after byte {at} of '
                f'{len(data)}: {problem}'
            ) from problem

    def _next(self, stream: io.BytesIO) -> tuple[str, Any]:
        """Return the next operation and its argument, which is read only if it is a known one."""
        code = stream.read(1)
        if not code:
            raise ValueError('it ends without its last operation')
        operation = _BY_CODE.get(code.decode('latin-1'))
        if operation is None:
            raise ValueError(f'{code!r} is no operation')
        if operation.name not in self._known:
            raise ArtifactError(
                f'uses the pickle operation {operation.name}, which no such file needs'
            )
        if operation.name == 'GLOBAL':  # pickletools would interpret backslashes in it
            return operation.name, (_line(stream), _line(stream))
        return operation.name, operation.arg.reader(stream) if operation.arg else None

    def _step(self, name: str, argument: Any) -> None:
        if name in _VALUES:
            self._stack.append(argument)
        elif name in _CONSTANTS:
            self._stack.append(_CONSTANTS[name])
        elif name not in _NOTHING:
            self._operations[name](argument)

    def _pop_mark(self) -> _Values:
        values = self._stack
        self._stack = self._marked.pop()
        return values

    def _name(self, module: Any, name: Any) -> None:
        if not isinstance(module, str) or not isinstance(name, str):
            raise ArtifactError('names something that is no text')
        found = Name(module, name)
        if not self._vocabulary.knows(found):
            raise ArtifactError(
                f'names {str(found)[:200]!r}, which is none of the types expected here; nothing '
                f'of it was run{self._hint}'
            )
        self._stack.append(found)

    def _record(self, made_by: Any, arguments: Any) -> None:
        if not isinstance(made_by, Name) or not self._vocabulary.builds(made_by):
            what = str(made_by)[:200] if isinstance(made_by, Name) else 'a value'
            raise ArtifactError(
                f'would call {what!r}, which is no constructor expected here; nothing was run'
                f'{self._hint}'
            )
        if not isinstance(arguments, tuple):
            raise ArtifactError(f'would call {str(made_by)!r} without a list of arguments')
        self._stack.append(Record(made_by, arguments))

    def _extend(self, values: _Values) -> None:
        target = self._stack[-1]
        if isinstance(target, Record) and str(target.made_by) in _LISTS:
            target = target.items
        if not isinstance(target, list):
            raise ArtifactError('appends to what is no list')
        target.extend(values)

    def _set(self, keys: _Values, values: _Values) -> None:
        target = self._stack[-1]
        if isinstance(target, Record) and str(target.made_by) in _DICTIONARIES:
            target = target.entries
        if not isinstance(target, dict):
            raise ArtifactError('sets a key of what is no dictionary')
        for key, value in zip(keys, values, strict=True):
            if not isinstance(key, _KEYS):
                raise ArtifactError('uses a key that is neither text nor number')
            target[key] = value

    # The operations. Their names are those of pickletools, their arguments too.

    def _MARK(self, _: None) -> None:  # noqa: N802
        self._marked.append(self._stack)
        self._stack = []

    def _POP(self, _: None) -> None:  # noqa: N802
        if self._stack:
            self._stack.pop()
        else:
            self._pop_mark()

    def _POP_MARK(self, _: None) -> None:  # noqa: N802
        self._pop_mark()

    def _EMPTY_LIST(self, _: None) -> None:  # noqa: N802
        self._stack.append([])

    def _EMPTY_DICT(self, _: None) -> None:  # noqa: N802
        self._stack.append({})

    def _EMPTY_TUPLE(self, _: None) -> None:  # noqa: N802
        self._stack.append(())

    def _TUPLE(self, _: None) -> None:  # noqa: N802
        values = self._pop_mark()
        self._stack.append(tuple(values))

    def _TUPLE1(self, _: None) -> None:  # noqa: N802
        self._stack[-1:] = [(self._stack[-1],)]

    def _TUPLE2(self, _: None) -> None:  # noqa: N802
        self._stack[-2:] = [(self._stack[-2], self._stack[-1])]

    def _TUPLE3(self, _: None) -> None:  # noqa: N802
        self._stack[-3:] = [(self._stack[-3], self._stack[-2], self._stack[-1])]

    def _APPEND(self, _: None) -> None:  # noqa: N802
        self._extend([self._stack.pop()])

    def _APPENDS(self, _: None) -> None:  # noqa: N802
        self._extend(self._pop_mark())

    def _SETITEM(self, _: None) -> None:  # noqa: N802
        value, key = self._stack.pop(), self._stack.pop()
        self._set([key], [value])

    def _SETITEMS(self, _: None) -> None:  # noqa: N802
        pairs = self._pop_mark()
        self._set(pairs[::2], pairs[1::2])

    def _MEMOIZE(self, _: None) -> None:  # noqa: N802
        self._memo[len(self._memo)] = self._stack[-1]

    def _BINPUT(self, index: int) -> None:  # noqa: N802
        self._memo[index] = self._stack[-1]

    _LONG_BINPUT = _BINPUT

    def _BINGET(self, index: int) -> None:  # noqa: N802
        self._stack.append(self._memo[index])

    _LONG_BINGET = _BINGET

    def _GLOBAL(self, names: tuple[str, str]) -> None:  # noqa: N802
        self._name(*names)

    def _STACK_GLOBAL(self, _: None) -> None:  # noqa: N802
        name, module = self._stack.pop(), self._stack.pop()
        self._name(module, name)

    def _REDUCE(self, _: None) -> None:  # noqa: N802
        arguments, made_by = self._stack.pop(), self._stack.pop()
        self._record(made_by, arguments)

    _NEWOBJ = _REDUCE

    def _NEWOBJ_EX(self, _: None) -> None:  # noqa: N802
        keywords = self._stack.pop()
        if keywords:
            raise ArtifactError('would build an object with keyword arguments')
        self._REDUCE(None)

    def _BUILD(self, _: None) -> None:  # noqa: N802
        state, target = self._stack.pop(), self._stack[-1]
        if not isinstance(target, Record):
            raise ArtifactError('sets the state of what has none')
        target.state = state

    def _BINPERSID(self, _: None) -> None:  # noqa: N802
        self._stack.append(External(self._stack.pop()))
