"""Reads how terms lie in the artifact's arrays: shape, dtype, batch axis, frames of history."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Sequence

from ..configuration import Section
from .contract_types import DTYPES, INTEGERS, OUTPUT_DTYPES, ArrayLayout, Chunk, Term
from .options import MOST_ELEMENTS, MOST_FRAMES
from .term_kinds import DISCRETE
from .term_reader import history_order


@dataclasses.dataclass(frozen=True)
class Declared:
    """What the long form of an input or output says beside its terms; the short form says less."""

    section: Section
    key: str
    shape: tuple[int, ...] | None = None
    dtype: str = 'float32'
    batch: bool = True
    history: int = 1
    newest_first: bool = False
    by_time: bool = False

    @property
    def place(self) -> str:
        """Return the key to name where nothing more precise is known."""
        return 'shape' if self.shape is not None else self.key


def declared(side: Section, key: str, observed: bool) -> tuple[Declared, list[Section]]:
    """Read an input or output: a list of terms, or a mapping with ``terms`` and its array."""
    if not side.is_mapping(key):
        return Declared(side, key), side.sections(key)
    section = side.section(key)
    shape = whole_numbers(section, 'shape', 1) if 'shape' in section else None
    known = DTYPES if observed else OUTPUT_DTYPES
    dtype = section.choice('dtype', known, 'float32')
    batch = section.flag('batch', True)
    history, newest_first, by_time = 1, False, False
    if observed:
        history = section.integer('history', 1, least=1, most=MOST_FRAMES)
        if history > 1:
            by_time = section.choice('history_layout', ('term', 'time')) == 'time'
            newest_first = history_order(section)
    terms = section.sections('terms')
    section.finish()
    found = Declared(section, key, shape, dtype, batch, history, newest_first, by_time)
    return found, terms


def with_history(term: Term, given: Declared) -> Term:
    """Return a term with the history that its input gives to every one of its terms."""
    if given.history == 1:
        return term
    if term.history > 1:
        raise given.section.problem(
            'history', f'{term.name} has a history of its own; say it in one place'
        )
    if given.by_time:
        return term
    if term.shape:
        raise given.section.problem(
            'history_layout', f'{term.name} fills a whole input, so its frames go by time'
        )
    return dataclasses.replace(term, history=given.history, newest_first=given.newest_first)


def input_layout(given: Declared, terms: Sequence[Term]) -> ArrayLayout:
    """Return the layout of an input's array; the terms must fill it to the last value."""
    whole = [term for term in terms if term.shape]
    frame: tuple[int, ...] = (sum(term.size * term.history for term in terms),)
    stack = 0
    if whole:
        image = whole[0]
        if len(terms) > 1:
            raise given.section.problem(
                given.place, f'{image.name} fills a whole input; put the other terms into another'
            )
        frame = image.shape
        stack = 0 if image.options['layout'] == 'chw' else len(frame) - 1
        _check_image(given, image)
    frames = given.history if given.by_time else 1
    joined = tuple(n * frames if axis == stack else n for axis, n in enumerate(frame))
    shape = joined if given.shape is None else given.shape
    axis: int | None = stack
    if frames > 1 and shape == (frames, *frame):
        axis = None
    elif shape != joined:
        fits = not whole and frames == 1 and math.prod(shape) == frame[0]
        if not fits:
            raise given.section.problem(
                given.place,
                f'is {list(shape)}, the terms make it {_made(joined, frames, frame)}'
                + _counts('takes', shape, joined),
            )
        frame = shape
    _check_elements(given, shape)
    return ArrayLayout(
        shape, given.dtype, given.batch, frames, given.newest_first and frames > 1, frame, axis
    )


def output_layout(given: Declared, terms: Sequence[Term], chunk: Chunk | None) -> ArrayLayout:
    """Return the layout of an output's array; the terms must use it to the last value."""
    width = sum(term.width for term in terms)
    made = (width,) if chunk is None else (chunk.size, width)
    shape = made if given.shape is None else given.shape
    if math.prod(shape) != math.prod(made) or (chunk is not None and shape[:1] != made[:1]):
        raise given.section.problem(
            given.place,
            f'is {list(shape)}, the terms make it {list(made)}{_counts("gives", shape, made)}',
        )
    for term in terms:
        if (term.kind == DISCRETE) != (given.dtype == 'int64'):
            expected = 'int64' if term.kind == DISCRETE else 'float32 or float64'
            raise given.section.problem(
                'dtype' if given.key not in given.section else given.key,
                f'{term.name} is a {term.kind}: expected dtype {expected}, found {given.dtype}',
            )
    _check_elements(given, shape)
    return ArrayLayout(shape, given.dtype, given.batch, frame=shape)


def whole_numbers(section: Section, key: str, least: int) -> tuple[int, ...]:
    """Read a list of whole numbers: the lengths of an array's axes."""
    found = section.numbers(key)
    if math.prod(found) > MOST_ELEMENTS:
        raise section.problem(key, f'expected at most {MOST_ELEMENTS} elements, found {found}')
    if any(length < least or length != int(length) for length in found):
        raise section.problem(key, f'expected whole numbers above 0, found {list(found)}')
    return tuple(int(length) for length in found)


def _check_image(given: Declared, image: Term) -> None:
    """Refuse an image of real numbers in an array of whole ones."""
    if given.dtype not in INTEGERS:
        return
    if image.options['range'] != '0-255' or {*image.scale} != {1.0} or {*image.offset} != {0.0}:
        raise given.section.problem(
            'dtype', f'{given.dtype} holds whole numbers: expected range 0-255 without scale and '
            f'relative_to in {image.name}, found range {image.options["range"]}'
        )  # fmt: skip


def _check_elements(given: Declared, shape: tuple[int, ...]) -> None:
    if math.prod(shape) > MOST_ELEMENTS:
        raise given.section.problem(
            given.place,
            f'expected at most {MOST_ELEMENTS} elements, the terms make it {list(shape)}',
        )


def _counts(verb: str, shape: tuple[int, ...], made: tuple[int, ...]) -> str:
    """Return how many values there are and should be, where that differs."""
    there, terms = math.prod(shape), math.prod(made)
    if there == terms:
        return ''
    values = 'value' if there == 1 else 'values'
    return f': the network {verb} {there} {values}, these terms make {terms}'


def _made(joined: tuple[int, ...], frames: int, frame: tuple[int, ...]) -> str:
    return f'{list(joined)}' + (f' or {[frames, *frame]}' if frames > 1 else '')
