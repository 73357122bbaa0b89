"""
The options of a term kind, declared: each reads itself, writes itself and says its JSON Schema.

One declaration serves the reader of ``policy.yaml``, its canonical text and the schema that
editors use, so that the three cannot drift apart.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Sequence
from typing import Any

from ..configuration import FOREVER_NS, Section

Schema = dict[str, Any]
DURATION = r'^\s*[0-9.]+([eE][-+]?[0-9]+)?\s*(ns|us|ms|s|min)\s*$'
"""Pattern of a duration, for schemas."""
MOST_VALUES = 1_000_000
"""How many values a term may have, but for an image: a contract cannot ask for all memory."""
MOST_PIXELS = 65_536
"""Of a side of an image."""
MOST_FRAMES = 10_000
"""Of a history, or actions of a chunk."""
MOST_ELEMENTS = 1 << 26
"""Of an array."""


def _same(value: Any) -> Any:
    return list(value) if isinstance(value, tuple) else value


@dataclasses.dataclass(frozen=True)
class Option:
    """
    One key that a kind of term takes.

    :param key: as contracts write it.
    :param read: reads its value from the term's section.
    :param schema: JSON Schema of the value.
    :param required: it must be given.
    :param write: makes plain YAML of the value that ``read`` returned.
    """

    key: str
    read: Callable[[Section], Any]
    schema: Schema
    required: bool = True
    write: Callable[[Any], Any] = _same


def choice(key: str, words: Sequence[str], default: str | None = None) -> Option:
    """Return an option that is one of some words."""
    schema = {'enum': list(words)}
    return Option(key, lambda s: s.choice(key, words, default), schema, default is None)


def whole(key: str, least: int = 1, most: int = MOST_VALUES) -> Option:
    """Return an option that is a whole number from ``least`` to ``most``; required."""
    schema = {'type': 'integer', 'minimum': least, 'maximum': most}
    return Option(key, lambda s: s.integer(key, least=least, most=most), schema)


def number(key: str) -> Option:
    """Return an option that is a finite number; required."""
    return Option(key, lambda s: s.number(key), {'type': 'number'})


def positive(key: str, what: str) -> Option:
    """Return an option that is a number above 0; required. ``what`` is for messages."""

    def read(section: Section) -> float:
        value = section.number(key)
        if value <= 0.0:
            raise section.problem(key, f'expected {what}, found {value}')
        return value

    return Option(key, read, {'type': 'number', 'exclusiveMinimum': 0})


def duration(key: str) -> Option:
    """Return an option that is a duration, in nanoseconds; required."""
    return Option(
        key,
        lambda s: finite_duration_ns(s, key),
        {'type': 'string', 'pattern': DURATION},
        write=lambda value: f'{value} ns',
    )


def subset(key: str, known: tuple[str, ...], default: tuple[str, ...] | None = None) -> Option:
    """Return an option that lists some of some words, each only once."""

    def read(section: Section) -> tuple[str, ...]:
        found = section.texts(key, default)
        for item in found:
            if item not in known:
                raise section.problem(key, f'{item!r} is not one of {", ".join(known)}')
        if len(set(found)) != len(found) or not found:
            raise section.problem(key, 'expected at least one, each only once')
        return found

    schema = {'type': 'array', 'items': {'enum': list(known)}, 'minItems': 1, 'uniqueItems': True}
    return Option(key, read, schema, default is None)


def row(key: str, size: int, default: tuple[float, ...] | None = None) -> Option:
    """Return an option that is a list of numbers; of any length above 0 with a size of 0."""

    def read(section: Section) -> tuple[float, ...]:
        if default is not None and key not in section:
            return default
        found = section.numbers(key)
        if not found or (size and len(found) != size):
            raise section.problem(key, f'expected {size or "some"} numbers, found {len(found)}')
        return found

    schema: Schema = {'type': 'array', 'items': {'type': 'number'}, 'minItems': size or 1}
    if size:
        schema['maxItems'] = size
    return Option(key, read, schema, default is None)


def text(key: str) -> Option:
    """Return an option that is a text; required."""
    return Option(key, lambda s: s.text(key), {'type': 'string'})


def names(key: str) -> Option:
    """Return an option that lists names, each only once; required."""

    def read(section: Section) -> tuple[str, ...]:
        found = section.texts(key)
        if len(set(found)) != len(found) or not found:
            raise section.problem(key, 'expected at least one name, each only once')
        return found

    schema = {'type': 'array', 'items': {'type': 'string'}, 'minItems': 1, 'uniqueItems': True}
    return Option(key, read, schema)


def optional(option: Option) -> Option:
    """Return an option that may be left out, and is None then."""
    return dataclasses.replace(
        option,
        read=lambda section: option.read(section) if option.key in section else None,
        required=False,
    )


def finite_duration_ns(section: Section, key: str) -> int:
    """Return a duration in nanoseconds; ``forever`` is refused."""
    found = section.duration_ns(key)
    if found == FOREVER_NS:
        raise section.problem(key, 'expected a duration such as 20 ms')
    return found
