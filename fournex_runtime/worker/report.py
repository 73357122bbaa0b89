"""What a worker says once, when it is ready or cannot be; read as what anybody may have said."""

from __future__ import annotations

import dataclasses
import json
from typing import Any

from ..kernel import Grant
from .caps import Cap

_TYPES = {
    'description': str,
    'provider': str,
    'batch_size': int,
    'threads': int,
    'python': str,
    'numpy': str,
    'load_ns': int,
    'warm_up_ns': int,
}
_OUTCOMES = ('caps', 'lock')
_REFUSALS = ('version', 'missing', 'cores', 'error')


@dataclasses.dataclass(frozen=True)
class WorkerReport:
    """
    What a worker says when it is ready.

    :param description: library, version and provider.
    :param provider: what computes it.
    :param batch_size: how many rows a batch is to have; 0: none.
    :param threads: how many processor threads its library uses.
    :param python: its interpreter's version.
    :param numpy: its numpy's version.
    :param load_ns: how long loading the artifact took, imports counted.
    :param warm_up_ns: how long the runs on zeros took.
    :param caps: what came of each.
    :param lock: what came of locking its memory; None where that was not asked for.
    """

    description: str
    provider: str
    batch_size: int
    threads: int
    python: str
    numpy: str
    load_ns: int
    warm_up_ns: int
    caps: tuple[Cap, ...]
    lock: Grant | None


@dataclasses.dataclass(frozen=True)
class Refusal:
    """
    Why a worker cannot run its artifact.

    :param kind: ``version`` of its interpreter, ``missing`` packages, ``cores``, or any other
        ``error``.
    :param words: the version, the packages, or the error.
    """

    kind: str
    words: str


def read_report(said: bytes) -> WorkerReport | Refusal:
    """
    Read what a worker says.

    :param said: the bytes.
    :raises ValueError: no worker says so; with what was expected.
    """
    try:
        report = json.loads(said)
    except RecursionError as problem:
        raise ValueError('nested too deeply') from problem
    if not isinstance(report, dict):
        raise ValueError('expected a JSON object')
    for kind in _REFUSALS:
        if kind in report:
            words = report[kind]
            if kind == 'missing' and _are_texts(words):
                words = ', '.join(words)
            if set(report) != {kind} or not isinstance(words, str):
                raise ValueError(f'expected nothing but {kind}, and that in words')
            return Refusal(kind, words)
    if report.keys() != {*_TYPES, *_OUTCOMES}:
        raise ValueError(f'expected {", ".join((*_TYPES, *_OUTCOMES))}')
    for name, kind_of in _TYPES.items():
        if type(report[name]) is not kind_of:  # true is an integer, too
            raise ValueError(f'{name}: expected {kind_of.__name__}, found {report[name]!r}')
    caps, lock = report.pop('caps'), report.pop('lock')
    if not isinstance(caps, list):
        raise ValueError(f'caps: expected a list, found {caps!r}')
    return WorkerReport(
        **report,
        caps=tuple(Cap(*_outcome('caps', one)) for one in caps),
        lock=None if lock is None else Grant(*_outcome('lock', lock)),
    )


def _are_texts(values: Any) -> bool:
    return isinstance(values, list) and all(isinstance(one, str) for one in values)


def _outcome(name: str, said: Any) -> list[Any]:
    """Return what a worker says of a cap or a grant: name, whether it holds, words."""
    if not isinstance(said, list) or [type(one) for one in said] != [str, bool, str]:
        raise ValueError(f'{name}: expected name, true or false, and words; found {said!r}')
    return said
