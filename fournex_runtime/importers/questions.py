"""
What an artifact does not say: questions, and what counts as an answer.

An answer comes as plain data (YAML from ``--set``, from an answers file or typed in), is read by
the question's :class:`Expected`, and is refused with what was expected and what was found.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from ..configuration import nearest, parse_duration_ns


@dataclasses.dataclass(frozen=True)
class Expected:
    """
    What counts as an answer.

    :param words: what is expected, in words.
    :param read: turns plain data into the value; its ``ValueError`` says what is wrong.
    :param example: an answer as one would type it.
    """

    words: str
    read: Callable[[Any], Any]
    example: str


@dataclasses.dataclass(frozen=True)
class Question:
    """
    A fact that the artifact does not say.

    :param key: its name: the place in the contract, or a word such as ``normaliser``.
    :param what: what is asked for, without a question mark.
    :param expected: what counts as an answer.
    :param why: what goes wrong with a wrong answer, or where to look it up.
    """

    key: str
    what: str
    expected: Expected
    why: str = ''


def duration() -> Expected:
    """Expect a duration; the value is a text for the contract."""

    def read(value: Any) -> str:
        if not isinstance(value, str):
            raise ValueError(f'{value!r} is not a duration: write a number and a unit')
        parse_duration_ns(value)
        return value

    return Expected('a duration', read, '20 ms')


def number(example: str = '1.0') -> Expected:
    """Expect a finite number."""
    return Expected('a number', _number, example)


def positive(example: str = '1.0') -> Expected:
    """Expect a number above 0."""

    def read(value: Any) -> float:
        found = _number(value)
        if found <= 0.0:
            raise ValueError(f'expected a number above 0, found {value!r}')
        return found

    return Expected('a number above 0', read, example)


def whole(least: int = 1, example: str = '1') -> Expected:
    """Expect a whole number of at least ``least``."""

    def read(value: Any) -> int:
        found = _number(value)
        if found != int(found) or found < least:
            raise ValueError(f'expected a whole number of at least {least}, found {value!r}')
        return int(found)

    return Expected(f'a whole number of at least {least}', read, example)


def numbers(count: int) -> Expected:
    """Expect a list of so many numbers, or one number for all of them."""

    def read(value: Any) -> tuple[float, ...]:
        if not isinstance(value, (list, tuple)):
            return (_number(value),) * count
        if len(value) != count:
            raise ValueError(f'expected {count} numbers, found {len(value)}')
        return tuple(_number(one) for one in value)

    example = ', '.join(['0.25'] * min(count, 3)) + (', …' if count > 3 else '')
    return Expected(f'a number, or a list of {count}', read, f'[{example}]')


def names(count: int | None, prefix: str = 'joint') -> Expected:
    """Expect a list of different names; of so many, if that is known."""

    def read(value: Any) -> tuple[str, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f'expected a list of names such as [{prefix}_1, {prefix}_2]')
        found = tuple(str(one) for one in value)
        if count is not None and len(found) != count:
            raise ValueError(f'expected {count} names, found {len(found)}')
        if len(set(found)) != len(found):
            twice = next(one for one in found if found.count(one) > 1)
            raise ValueError(f'expected each name once, found {twice} twice')
        return found

    shown = ', '.join(f'{prefix}_{index + 1}' for index in range(min(count or 3, 3)))
    more = ', …' if count is None or count > 3 else ''
    several = 'a list of names' if count is None else f'a list of {count} names'
    words = 'a list of 1 name' if count == 1 else several
    return Expected(words, read, f'[{shown}{more}]')


def lengths() -> Expected:
    """Expect a shape: a list of whole numbers."""

    def read(value: Any) -> tuple[int, ...]:
        if not isinstance(value, (list, tuple)) or not value:
            raise ValueError(f'expected a list of whole numbers, found {value!r}')
        return tuple(whole().read(one) for one in value)

    return Expected('a list of whole numbers', read, '[1, 1, 64]')


def by_joint(joints: Sequence[str], unit: str) -> Expected:
    """Expect one number a joint: a mapping, a list in the order of the joints, or one for all."""

    def read(value: Any) -> dict[str, float]:
        if not isinstance(value, Mapping):
            return dict(zip(joints, numbers(len(joints)).read(value)))
        for joint in value:
            if joint not in joints:
                raise ValueError(f'{joint} is none of the joints.{nearest(joint, list(joints))}')
        missing = [joint for joint in joints if joint not in value]
        if missing:
            raise ValueError(f'lacks {", ".join(missing)}')
        return {joint: _number(value[joint]) for joint in joints}

    more = ', …' if len(joints) > 1 else ''
    return Expected(f'one number a joint ({unit})', read, f'{{{joints[0]}: 0.0{more}}}')


def choice(*words: str) -> Expected:
    """Expect one of some words."""

    def read(value: Any) -> str:
        text = {True: 'yes', False: 'no'}[value] if isinstance(value, bool) else str(value)
        if text not in words:
            raise ValueError(
                f'expected one of {", ".join(words)}, found {value!r}.{nearest(text, words)}'
            )
        return text

    return Expected(' or '.join(words), read, words[0])


def _number(value: Any) -> float:
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        raise ValueError(f'expected a number, found {value!r}')
    try:
        found = float(value)
    except OverflowError as problem:
        raise ValueError('expected a finite number, found a greater one') from problem
    if not math.isfinite(found):
        raise ValueError(f'expected a finite number, found {value!r}')
    return found
