"""What differs between a recorded tick and the same tick run again, bit for bit and in words."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..session.tick import Arrays, TickRecord


def decision_difference(record: TickRecord, made: TickRecord, sure: bool) -> str:
    """
    Return what of a decision differs, in words; empty when nothing does.

    :param sure: every message and the tick before are there, so that what is computed from the
        messages themselves can be compared too.
    """
    pairs: list[tuple[str, Any, Any]] = [
        ('policy', record.policy, made.policy),
        ('mode', record.mode.name.lower(), made.mode.name.lower()),
        ('cause', record.cause, made.cause),
        ('answer', record.answer.name.lower(), made.answer.name.lower()),
        ('limits touched', list(record.limited), list(made.limited)),
    ]
    if sure:
        pairs += [
            ('episode', record.episode, made.episode),
            ('reward', record.reward, made.reward),
            ('inputs', record.inputs, made.inputs),
        ]
    for name, recorded, found in pairs:
        if recorded != found:
            return f'{name}: recorded {recorded!r}, re-run {found!r}'
    return array_difference('state', record.state, made.state) or array_difference(
        'safe action', record.safe_action, made.safe_action
    )


def array_difference(
    what: str, recorded: Arrays, made: Arrays, names: tuple[str, str] = ('recorded', 're-run')
) -> str:
    """
    Return the first element whose bits differ, in words; empty when none does.

    :param what: the arrays, in words.
    :param recorded: the one version.
    :param made: the other.
    :param names: of the versions.
    """
    one, two = names
    if list(recorded) != list(made):
        return f'{what}: {one} {", ".join(recorded) or "none"}, {two} {", ".join(made) or "none"}'
    for name, array in recorded.items():
        other = made[name]
        if array.shape != other.shape or array.dtype != other.dtype:
            return (
                f'{what} {name}: {one} {array.dtype} {list(array.shape)}, {two} '
                f'{other.dtype} {list(other.shape)}'
            )
        index = _first_unequal(array, other)
        if index is not None:
            return f'{what} {name}[{index}]: {one} {array.flat[index]}, {two} {other.flat[index]}'
    return ''


def _first_unequal(array: NDArray[Any], other: NDArray[Any]) -> int | None:
    """Return the flat index of the first element with other bits; None when all are equal."""
    if array.tobytes() == other.tobytes():
        return None
    width = array.dtype.itemsize
    left = np.frombuffer(array.tobytes(), np.uint8).reshape(-1, width)
    right = np.frombuffer(other.tobytes(), np.uint8).reshape(-1, width)
    return int(np.flatnonzero((left != right).any(axis=1))[0])
