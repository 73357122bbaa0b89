"""
Observation terms as an artifact lists them, and what a contract makes of them.

An artifact says a scale and a clip for an entry as a whole, in one order or the other; contracts
have them term by term, the clip before the scale. Facts are kept under the names that the terms
have in the contract.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence
from typing import Any

from ..errors import ArtifactError
from ..policy.contract_types import Fact
from .array_terms import observation_sizes
from .draft import Draft
from .isaac_terms import with_names
from .questions import numbers
from .terms import clipped_after

Pair = tuple[float, float]


@dataclasses.dataclass
class Entry:
    """
    One entry of an artifact's list.

    :param name: as the artifact calls it.
    :param terms: what it stands for; usually one term.
    :param where: where the artifact says so; empty where the user does.
    :param scale: a factor for each value; empty for none.
    :param scale_where: where the artifact says it.
    :param clip: bounds for each value; empty for none.
    :param clip_where: where the artifact says them.
    :param clip_after_scale: they are those of the scaled values.
    :param history: how many frames, the oldest first.
    :param history_where: where the artifact says it.
    """

    name: str
    terms: list[dict[str, Any]]
    where: str = ''
    scale: Sequence[float] = ()
    scale_where: str = ''
    clip: Sequence[Pair] = ()
    clip_where: str = ''
    clip_after_scale: bool = False
    history: int = 1
    history_where: str = ''


def contract_terms(
    draft: Draft, place: str, entries: Sequence[Entry], action_width: int, source: str = 'file'
) -> list[dict[str, Any]]:
    """
    Return the terms of some entries as the contract has them.

    :param draft: takes the facts.
    :param place: key of the input.
    :param entries: in the order of the input.
    :param action_width: how many values an action has.
    :param source: what the artifact's facts count as, ``file`` or ``artifact``.
    :raises ArtifactError: what they say cannot be.
    """
    terms = [term for entry in entries for term in entry.terms]
    names = [entry.name for entry in entries for _ in entry.terms]
    named = iter(with_names(terms, names))
    made = []
    for entry in entries:
        answered = None if entry.where else draft.facts.pop(f'{place}.{entry.name}', None)
        sizes = observation_sizes(entry.terms, action_width)
        at = 0
        for size in sizes:
            term = dict(next(named))
            key = f'{place}.{term.get("name", term["term"])}'
            if entry.where:
                draft.known(key, term['term'], entry.where, None, source)
            elif answered is not None:
                draft.facts[key] = Fact('user', f'of {entry.name}')
            part = slice(at, at + size)
            at += size
            _add_arithmetic(draft, key, entry, term, part, source)
            if entry.history > 1:
                frames = draft.known(
                    f'{key}.history', entry.history, entry.history_where, None, source
                )
                term.update(history=frames, order='oldest_first')
            made.append(term)
    return made


def _add_arithmetic(
    draft: Draft, key: str, entry: Entry, term: dict[str, Any], part: slice, source: str
) -> None:
    """Add the scale and the clip of an entry to one of its terms."""
    factors, bounds = list(entry.scale[part]), list(entry.clip[part])
    limited = any(map(math.isfinite, (end for pair in bounds for end in pair)))
    if term['term'] == 'last_action':
        if set(factors) - {1.0} or limited:
            where = entry.scale_where if set(factors) - {1.0} else entry.clip_where
            raise ArtifactError(f'{where}: expected no scale and no clip for the last action')
        return
    if factors:
        expected = numbers(len(factors))
        factors = list(draft.known(f'{key}.scale', factors, entry.scale_where, expected, source))
        if set(factors) != {1.0}:
            term['scale'] = factors
    if limited:
        order = 'after scale' if entry.clip_after_scale else 'before scale'
        draft.known(f'{key}.clip', bounds, f'{entry.clip_where}, {order}', None, source)
        low, high = ([pair[side] for pair in bounds] for side in (0, 1))
        after = factors if entry.clip_after_scale and factors else [1.0] * len(bounds)
        term.update(clipped_after(low, high, after))
