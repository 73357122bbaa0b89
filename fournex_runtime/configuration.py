"""
Strict YAML: every value typed, every key known, every complaint with file, line and path.

Both files that a user writes (the contract and the wiring) are read through :class:`Section`. A
section hands out its values by key and type; :meth:`Section.finish` then refuses the keys that
nobody asked for and names the nearest one that would have been.
"""

from __future__ import annotations

import difflib
import math
import pathlib
import re
from collections.abc import Callable, Iterator, Sequence
from typing import TypeVar

import yaml

from .errors import ConfigurationError
from .regular_file import read_regular_file

Value = TypeVar('Value')

FOREVER_NS = 2**62
"""A duration that never ends, as an integer that still adds up without overflow in 64 bits."""

_MOST_TEXT_BYTES = 4 << 20
_UNITS_NS = {'ns': 1, 'us': 1_000, 'ms': 1_000_000, 's': 1_000_000_000, 'min': 60_000_000_000}
PLAIN_TAGS = frozenset(
    f'tag:yaml.org,2002:{kind}'
    for kind in (
        'null',
        'bool',
        'int',
        'float',
        'str',
        'timestamp',
        'seq',
        'map',
        'merge',
        'value',
    )
)
_NULL = 'tag:yaml.org,2002:null'
_QUANTITY = re.compile(r'([0-9.]+(?:[eE][-+]?[0-9]+)?)\s*([a-zA-Z]+)')


def parse_duration_ns(text: str) -> int:
    """
    Return a duration such as ``30 ms``, ``0.02 s`` or ``forever`` in nanoseconds.

    :raises ValueError: it is not a positive number with a unit.
    """
    if text.strip() == 'forever':
        return FOREVER_NS
    match = _QUANTITY.fullmatch(text.strip())
    if match is None or match[2] not in _UNITS_NS:
        raise ValueError(f'{text!r} is not a duration: write a number and a unit, such as 30 ms')
    try:
        duration = round(float(match[1]) * _UNITS_NS[match[2]])
    except (ValueError, OverflowError) as problem:
        raise ValueError(f'{text!r} is not a duration: write it like 30 ms') from problem
    if duration <= 0:
        raise ValueError(f'{text!r} is not a duration greater than zero')
    if duration >= FOREVER_NS:
        raise ValueError(f'{text!r} is longer than 146 years; write forever where that is meant')
    return duration


def nearest(name: str, known: Sequence[str], *, listed: bool = True) -> str:
    """
    Return `` Did you mean …?`` for the closest known name, or the list of what there is.

    :param listed: list what there is where nothing is close; not in a message that has done so.
    """
    close = _closest(name, known)
    if close:
        return f' Did you mean {close}?'
    return f' Known here: {", ".join(sorted(known))}.' if known and listed else ''


def _closest(name: str, known: Sequence[str]) -> str:
    close = difflib.get_close_matches(name, known, n=1, cutoff=0.6)
    return close[0] if close else ''


class Section:
    """
    One mapping of a YAML file.

    :param node: the parsed mapping.
    :param file: the file's name for messages.
    :param path: dotted path of this mapping in the file; empty for the whole file.
    :param error: the class of error to raise.
    """

    def __init__(
        self,
        node: yaml.MappingNode,
        file: str,
        path: str,
        error: type[ConfigurationError],
    ) -> None:
        self.file = file
        self.path = path
        self.error = error
        self._line = node.start_mark.line + 1
        self._values: dict[str, yaml.Node] = {}
        self._lines: dict[str, int] = {}
        self._asked: set[str] = set()
        for key_node, value_node in node.value:
            line = key_node.start_mark.line + 1
            if not isinstance(key_node, yaml.ScalarNode):
                raise error(f'{file}:{line}: {_kind(key_node)} cannot be a key')
            key = str(key_node.value)
            if key in self._values:
                first = self._lines[key]
                self._lines[key] = line
                raise self.problem(key, f'is given twice; the first is in line {first}')
            self._lines[key] = line
            self._values[key] = value_node

    def place(self, key: str = '') -> str:
        """Return ``FILE:LINE: PATH`` of a key of this section, or of the section itself."""
        line = self._lines.get(key, self._lines.get(key.split('[', 1)[0], self._line))
        where = '.'.join(part for part in (self.path, key) if part)
        return f'{self.file}:{line}: {where}' if where else f'{self.file}:{line}'

    def problem(self, key: str, message: str) -> ConfigurationError:
        """Return the error to raise about a key of this section (the section itself if empty)."""
        return self.error(f'{self.place(key)}: {message}')

    def span(self, key: str) -> tuple[int, int]:
        """Return where the value of a key begins and ends in the text, in characters."""
        node = self._required(key, 'a value')
        return node.start_mark.index, node.end_mark.index

    def __contains__(self, key: str) -> bool:
        """Return whether the key is given."""
        self._asked.add(key)
        return key in self._values

    def keys(self) -> Iterator[str]:
        """Return the keys that are given, in the order of the file."""
        return iter(self._values)

    def finish(self) -> None:
        """Refuse every key that nobody asked for."""
        for key in self._values:
            if key not in self._asked:
                known = sorted(self._asked - set(self._values)) or sorted(self._asked)
                raise self.problem(key, f'unknown key.{nearest(key, known)}')

    def _node(self, key: str) -> yaml.Node | None:
        self._asked.add(key)
        return self._values.get(key)

    def _required(self, key: str, expected: str) -> yaml.Node:
        node = self._node(key)
        if node is None:
            close = _closest(key, [given for given in self._values if given not in self._asked])
            hint = (
                f'; the nearest key given is {close}, line {self._lines[close]}' if close else ''
            )
            raise self.problem('', f'{key} is missing: expected {expected}{hint}')
        return node

    def _scalar(self, key: str, node: yaml.Node, expected: str) -> str:
        if not isinstance(node, yaml.ScalarNode) or node.tag == _NULL:
            raise self.problem(key, f'expected {expected}, found {_kind(node)}')
        return str(node.value)

    def is_mapping(self, key: str) -> bool:
        """Return whether the key holds a mapping."""
        return isinstance(self._node(key), yaml.MappingNode)

    def is_list(self, key: str) -> bool:
        """Return whether the key holds a list."""
        return isinstance(self._node(key), yaml.SequenceNode)

    def text(self, key: str, default: str | None = None, *, expected: str = 'a text') -> str:
        """Return a text; ``default`` when the key is not given, an error when that is None."""
        if default is not None and self._node(key) is None:
            return default
        value = self._scalar(key, self._required(key, expected), expected)
        if default is None and not value.strip():
            raise self.problem(key, f'expected {expected}, found an empty text')
        return value

    def choice(self, key: str, choices: Sequence[str], default: str | None = None) -> str:
        """Return one of some words; ``default``, which need not be one, when none is given."""
        if default is not None and self._node(key) is None:
            return default
        expected = f'one of {", ".join(choices)}' if len(choices) > 1 else choices[0]
        value = self.text(key, expected=expected)
        if value not in choices:
            close = _closest(value, choices)
            hint = f' Did you mean {close}?' if close else ''
            raise self.problem(key, f'expected {expected}, found {value!r}.{hint}')
        return value

    def parsed(
        self, key: str, parse: Callable[[str], Value], expected: str, default: Value | None = None
    ) -> Value:
        """Return a text as ``parse`` reads it; its ``ValueError`` becomes the message."""
        if default is not None and self._node(key) is None:
            return default
        text = self._scalar(key, self._required(key, expected), expected)
        try:
            return parse(text)
        except ValueError as problem:
            raise self.problem(key, str(problem)) from problem

    def duration_ns(self, key: str, default: int | None = None) -> int:
        """Return a duration in nanoseconds."""
        return self.parsed(key, parse_duration_ns, 'a duration such as 30 ms', default)

    def integer(
        self, key: str, default: int | None = None, *, least: int = 0, most: int | None = None
    ) -> int:
        """Return a whole number from ``least`` to ``most``, if that is given."""
        expected = f'a whole number of at least {least}'
        value = self.parsed(key, _parse_integer, expected, default)
        if most is not None and value > most:
            raise self.problem(key, f'expected a whole number of at most {most}, found {value}')
        if value < least:
            raise self.problem(key, f'expected {expected}, found {value}')
        return value

    def number(self, key: str, default: float | None = None) -> float:
        """Return a finite number."""
        return self.parsed(key, parse_number, 'a number', default)

    def flag(self, key: str, default: bool | None = None) -> bool:
        """Return true or false."""
        return self.parsed(key, parse_flag, 'true or false', default)

    def texts(self, key: str, default: tuple[str, ...] | None = None) -> tuple[str, ...]:
        """Return a list of texts."""
        if default is not None and self._node(key) is None:
            return default
        return tuple(self._items(key, 'a list of names'))

    def numbers(self, key: str) -> tuple[float, ...]:
        """Return one number or a list of numbers as a tuple."""
        expected = 'a number or a list of numbers'
        node = self._required(key, expected)
        single = isinstance(node, yaml.ScalarNode)
        texts = [self._scalar(key, node, expected)] if single else self._items(key, expected)
        try:
            return tuple(parse_number(text) for text in texts)
        except ValueError as problem:
            raise self.problem(key, str(problem)) from problem

    def cores(self, key: str) -> tuple[int, ...]:
        """Return the numbers of at least one processor core."""
        found = self.numbers(key)
        if not found or any(number < 0 or number != int(number) for number in found):
            raise self.problem(key, 'expected numbers of processor cores, such as [1]')
        return tuple(int(number) for number in found)

    def rows(self, key: str) -> tuple[tuple[float, ...], ...]:
        """Return a list of lists of numbers; a row of one number may stand without brackets."""
        expected = 'a list of lists of numbers'
        node = self._required(key, expected)
        if not isinstance(node, yaml.SequenceNode):
            raise self.problem(key, f'expected {expected}, found {_kind(node)}')
        found = []
        for index, item in enumerate(node.value):
            place = f'{key}[{index}]'
            parts = item.value if isinstance(item, yaml.SequenceNode) else [item]
            texts = [self._scalar(place, part, 'a number') for part in parts]
            try:
                found.append(tuple(parse_number(text) for text in texts))
            except ValueError as problem:
                raise self.problem(place, str(problem)) from problem
        return tuple(found)

    def _items(self, key: str, expected: str) -> list[str]:
        node = self._required(key, expected)
        if not isinstance(node, yaml.SequenceNode):
            raise self.problem(key, f'expected {expected}, found {_kind(node)}')
        return [self._scalar(f'{key}[{i}]', item, 'a value') for i, item in enumerate(node.value)]

    def section(self, key: str, *, expected: str = 'a mapping') -> Section:
        """Return a nested mapping."""
        node = self._required(key, expected)
        if not isinstance(node, yaml.MappingNode):
            raise self.problem(key, f'expected {expected}, found {_kind(node)}')
        return Section(node, self.file, self._child(key), self.error)

    def optional_section(self, key: str) -> Section | None:
        """Return a nested mapping, or None when the key is not given."""
        return None if self._node(key) is None else self.section(key)

    def sections(self, key: str) -> list[Section]:
        """Return a list of mappings."""
        node = self._required(key, 'a list of mappings')
        if not isinstance(node, yaml.SequenceNode):
            raise self.problem(key, f'expected a list of mappings, found {_kind(node)}')
        found = []
        for index, item in enumerate(node.value):
            if not isinstance(item, yaml.MappingNode):
                raise self.problem(key, f'item {index} is {_kind(item)}, expected a mapping')
            path = self._child(f'{key}[{index}]')
            found.append(Section(item, self.file, path, self.error))
        return found

    def mappings(self) -> Iterator[Section]:
        """Return this mapping and, in the order of the file, every one within it."""
        yield self
        for key, node in self._values.items():
            items = node.value if isinstance(node, yaml.SequenceNode) else [node]
            for item in items:
                if isinstance(item, yaml.MappingNode):
                    yield from Section(item, self.file, self._child(key), self.error).mappings()

    def _child(self, key: str) -> str:
        return f'{self.path}.{key}' if self.path else key


def _kind(node: yaml.Node) -> str:
    if isinstance(node, yaml.MappingNode):
        return 'a mapping'
    if isinstance(node, yaml.SequenceNode):
        return 'a list'
    return 'nothing' if node.tag == _NULL else repr(node.value)


def _parse_integer(text: str) -> int:
    try:
        return int(text)
    except ValueError as problem:
        raise ValueError(f'expected a whole number, found {text!r}') from problem


def parse_number(text: str) -> float:
    """
    Return a finite number.

    :raises ValueError: it is not one.
    """
    try:
        value = float(text)
    except ValueError as problem:
        raise ValueError(f'expected a number, found {text!r}') from problem
    if not math.isfinite(value):
        raise ValueError(f'expected a finite number, found {text!r}')
    return value


def parse_flag(text: str) -> bool:
    """
    Return true or false.

    :raises ValueError: it is neither.
    """
    if text not in ('true', 'false'):
        raise ValueError(f'expected true or false, found {text!r}')
    return text == 'true'


def parse(text: str, file: str, error: type[ConfigurationError]) -> Section:
    """
    Read YAML text into its outermost section. Tags are refused; nothing is ever constructed.

    :param text: the YAML.
    :param file: its name for messages.
    :param error: the class of error to raise.
    """
    try:
        node = yaml.compose(text, Loader=yaml.SafeLoader)
    except yaml.MarkedYAMLError as problem:
        line = problem.problem_mark.line + 1 if problem.problem_mark else 1
        raise error(f'{file}:{line}: not valid YAML: {problem.problem}') from problem
    except yaml.YAMLError as problem:
        raise error(f'{file}: not valid YAML: {problem}') from problem
    except RecursionError as problem:
        raise error(f'{file}: is nested too deeply') from problem
    if not isinstance(node, yaml.MappingNode):
        found = 'nothing' if node is None else _kind(node)
        raise error(f'{file}:1: expected a mapping, found {found}')
    _refuse_tags(node, file, error)
    return Section(node, file, '', error)


def _refuse_tags(node: yaml.Node, file: str, error: type[ConfigurationError]) -> None:
    """Refuse every tag beyond the plain ones; aliases make the tree a graph, even a cyclic one."""
    waiting, seen = [node], {id(node)}
    while waiting:
        node = waiting.pop()
        if node.tag not in PLAIN_TAGS:
            line = node.start_mark.line + 1
            raise error(f'{file}:{line}: the tag {node.tag} is not allowed; write plain values')
        parts: list[yaml.Node] = []
        if isinstance(node, yaml.SequenceNode):
            parts = node.value
        elif isinstance(node, yaml.MappingNode):
            parts = [part for pair in node.value for part in pair]
        waiting.extend(part for part in parts if id(part) not in seen)
        seen.update(id(part) for part in parts)


def read_text(file: pathlib.Path, error: type[ConfigurationError]) -> str:
    """
    Return the text of a configuration file, to the byte: encoded again it is the file.

    :param file: the file.
    :param error: the class of error to raise when it cannot be read.
    """
    try:
        return read_regular_file(file, error, _MOST_TEXT_BYTES).decode('utf-8')
    except UnicodeDecodeError as problem:
        raise error(f'{file}: is not UTF-8 text') from problem
