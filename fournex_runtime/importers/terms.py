"""Terms of a contract as plain data: made of what an artifact says, or asked for."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from ..policy.backend import ArraySpec
from .array_terms import input_array, observation_terms, output_array
from .draft import Draft
from .foreign import Foreign
from .questions import Expected, Question, numbers

GREATEST = float(np.finfo(np.float32).max)
"""In the place of no bound: the clip of a float32 value at it changes nothing."""

Numbers = Sequence[float]
PlainTerm = dict[str, Any]


def named(terms: Sequence[PlainTerm]) -> list[PlainTerm]:
    """Return terms that have a name of their own each: the second of a kind is ``KIND_2``."""
    seen: dict[str, int] = {}
    made = []
    for term in terms:
        said = str(term.get('name', term['term']))
        name = next_name(said, seen)
        made.append(term if name == said else {**term, 'name': name})
    return made


def name_across(arrays: Mapping[str, dict[str, Any]]) -> None:
    """Give each term a name of its own among all inputs, or all outputs."""
    made = iter(named([term for one in arrays.values() for term in one['terms'] or ()]))
    for one in arrays.values():
        one['terms'] = [next(made) for _ in one['terms'] or ()]


def scaled(scale: Numbers) -> dict[str, Any]:
    """Return the key ``scale``; nothing where all are 1, one number where all are the same."""
    return {} if set(scale) <= {1.0} else {'scale': one_or_all(scale)}


def clipped(low: Numbers, high: Numbers) -> dict[str, Any]:
    """Return the key ``clip``; nothing where there is no bound."""
    if not any(map(math.isfinite, (*low, *high))):
        return {}
    bounds = {
        'low': [max(one, -GREATEST) for one in low],
        'high': [min(one, GREATEST) for one in high],
    }
    if len(set(low)) == len(set(high)) == 1:
        return {'clip': [bounds['low'][0], bounds['high'][0]]}
    return {'clip': bounds}


def clipped_after(
    low: Numbers, high: Numbers, scale: Numbers, offset: Numbers | None = None
) -> dict[str, Any]:
    """
    Return the clip before ``x * scale + offset`` that has the effect of one after it.

    :param low: least values after the arithmetic.
    :param high: greatest values after it.
    :param scale: factors; where one is 0 no bound is needed, and it stays as it is.
    :param offset: what is added; 0 when left out.
    """
    below, above = [], []
    for least, most, factor, constant in zip(low, high, scale, offset or [0.0] * len(scale)):
        if factor == 0.0:
            bounds = [least, most]
        else:
            bounds = sorted(((least - constant) / factor, (most - constant) / factor))
        below.append(bounds[0])
        above.append(bounds[1])
    return clipped(below, above)


def one_or_all(values: Numbers) -> float | list[float]:
    """Return one number where all are the same, else a list."""
    return values[0] if len(set(values)) == 1 else list(values)


def known_numbers(draft: Draft, key: str, found: Foreign, count: int) -> list[float]:
    """
    Return one number a value that the artifact says: one for all, a list, or what overrides them.

    :param draft: remembers where they stand.
    :param key: their place in the contract.
    :param found: their place in the artifact.
    :param count: how many values there are.
    """
    several = isinstance(found.value, list)
    value = found.numbers(count) if several else (found.number(),) * count
    return list(draft.known(key, value, found.where, numbers(count)))


def next_name(kind: str, seen: dict[str, int]) -> str:
    """Return how :func:`named` calls the next term of a kind; ``seen`` counts them."""
    seen[kind] = seen.get(kind, 0) + 1
    return kind if seen[kind] == 1 else f'{kind}_{seen[kind]}'


def by_run(kinds: Sequence[str]) -> list[tuple[str, slice]]:
    """Return the runs of equal words: each word with the slice that it holds for."""
    runs: list[tuple[str, slice]] = []
    for index, kind in enumerate(kinds):
        if runs and runs[-1][0] == kind:
            runs[-1] = (kind, slice(runs[-1][1].start, index + 1))
        else:
            runs.append((kind, slice(index, index + 1)))
    return runs


def ask_observation(
    draft: Draft,
    key: str,
    what: str,
    size: int,
    actions: int,
    example: str,
    why: str = '',
    refused: Sequence[str] = (),
    place: str = '',
) -> list[PlainTerm] | None:
    """
    Ask for the observation terms that a run of values is; None while there is no answer.

    :param draft: takes the question.
    :param key: of the question.
    :param what: what is asked for.
    :param size: how many values they are.
    :param actions: how many values ``last_action`` has.
    :param example: an answer.
    :param why: what to know about it.
    :param refused: keys that the terms cannot have, because the artifact says them.
    :param place: the input that they are a part of; where they are all of it, left out.
    """
    spec = ArraySpec(key, (1, size), 'float32')

    def read(value: Any) -> list[PlainTerm]:
        terms: list[PlainTerm] = input_array(_as_list(value, refused), spec, actions)['terms']
        return terms

    expected = Expected('a list of observation terms', read, example)
    return _asked(draft, Question(key, what, expected, why), place)


def ask_action(
    draft: Draft,
    key: str,
    what: str,
    size: int,
    example: str,
    why: str = '',
    refused: Sequence[str] = (),
    place: str = '',
) -> list[PlainTerm] | None:
    """Ask for the action terms that a run of values is; see :func:`ask_observation`."""
    spec = ArraySpec(key, (1, size), 'float32')

    def read(value: Any) -> list[PlainTerm]:
        terms: list[PlainTerm] = output_array(_as_list(value, refused), spec)['terms']
        return terms

    expected = Expected('a list of action terms', read, example)
    return _asked(draft, Question(key, what, expected, why), place)


def _asked(draft: Draft, question: Question, place: str) -> list[PlainTerm] | None:
    """Ask; what is answered about a part of an array is a fact about the terms that it names."""
    found: list[PlainTerm] | None = draft.ask(question)
    if found is not None and place:
        fact = draft.facts.pop(question.key)
        for term in found:
            draft.facts[f'{place}.{term.get("name", term["term"])}'] = fact
    return found


def _as_list(value: Any, refused: Sequence[str]) -> list[Any]:
    terms = value if isinstance(value, list) else [value]
    for term in terms:
        for key in refused:
            if isinstance(term, dict) and key in term:
                raise ValueError(f'{term.get("term")}: leave out {key}: the artifact says it')
    return terms


def refined(
    terms: Sequence[PlainTerm],
    actions: int,
    scale: Numbers,
    low: Numbers,
    high: Numbers,
) -> list[PlainTerm]:
    """
    Return observation terms whose values are also clipped and scaled, in this order.

    :param terms: they have no clip of their own.
    :param actions: how many values ``last_action`` has.
    :param scale: factors, one a value of all terms together.
    :param low: least values before them.
    :param high: greatest values before them.
    """
    made, at = [], 0
    for plain, term in zip(terms, observation_terms(terms, actions), strict=True):
        part = slice(at, at + term.size)
        at += term.size
        bounds = clipped_after(low[part], high[part], term.scale)
        factor = [one * two for one, two in zip(term.scale, scale[part], strict=True)]
        kept = {key: value for key, value in plain.items() if key != 'scale'}
        made.append({**kept, **bounds, **scaled(factor)})
    return made
