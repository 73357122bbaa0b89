"""Several requests in one run: along the axis that an artifact leaves open, or one by one."""

from __future__ import annotations

import functools
import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from .backend import Arrays, ArraySpec, Backend, Request, made_up

Array = NDArray[Any]
Axes = Sequence[int | str | None]
"""An array's axes as an artifact declares them: a length, or a name or None where it is open."""
Outcomes = Sequence[Request | ArtifactError | None]
"""What came of each request: its answer, or what went wrong; None where nobody asked."""


_MULTIPLES = (1, 4, 8, 16)
"""
Sizes of a batch that are tried: libraries compute rows in blocks of so many, and those that are
left over in another way.
"""
MOST_ROWS = 4096
"""What a batch can have at most."""
_PROBES, _LARGE_PROBES = 64, 8
"""How many requests are tried in every row: rows that are not alike differ in some bits only."""
_LARGE_BYTES = 65536
"""What a large request has; to run many of them would take seconds."""


def greatest_size(rows: int) -> int:
    """Return how many rows a batch for some sessions can have at most."""
    return rows if rows < 2 else -(-rows // _MULTIPLES[-1]) * _MULTIPLES[-1]


def run_one_by_one(backend: Backend, requests: Sequence[Request | None]) -> list[Request | None]:
    """Return what a backend answers to each request; see :meth:`.Backend.run_batch`."""
    return [None if one is None else backend.run(*one) for one in requests]


def run_apart(backend: Backend, requests: Sequence[Request | None]) -> Outcomes:
    """
    Return what a backend answers to each request, though the artifact may fail at some of them.

    Where a batch fails, each request is run again, in its row and without the others: what a
    session gets does not depend on its company, nor on what the artifact makes of that.

    :param requests: as for :meth:`.Backend.run_batch`.
    :returns: what that returns, and of a request that fails by itself the error.
    :raises ArtifactError: all of them fail.
    """
    try:
        return backend.run_batch(requests)
    except Exception:  # whatever a library raises
        asked = [row for row, one in enumerate(requests) if one is not None]
        if len(asked) < 2:
            raise
    found: list[Request | ArtifactError | None] = [None] * len(requests)
    for row in asked:
        alone = [one if number == row else None for number, one in enumerate(requests)]
        try:
            found[row] = backend.run_batch(alone)[row]
        except ArtifactError as problem:
            found[row] = problem
        except Exception as problem:  # likewise
            found[row] = ArtifactError(f'{type(problem).__name__}: {problem}')
    problems = [found[row] for row in asked]
    if all(isinstance(one, ArtifactError) for one in problems):
        assert isinstance(problems[0], ArtifactError)
        raise problems[0]
    return found


def all_answered(outcomes: Outcomes) -> list[Request | None]:
    """
    Return what :func:`run_apart` found where nobody is to be answered if somebody is not.

    :raises ArtifactError: a request failed.
    """
    found: list[Request | None] = []
    for one in outcomes:
        if isinstance(one, ArtifactError):
            raise one
        found.append(one)
    return found


def batch_axes(
    takes: Sequence[Axes], gives: Sequence[Axes]
) -> tuple[tuple[int, ...], tuple[int, ...]] | None:
    """
    Return which axis of each array of an artifact is the batch; None where there is none.

    It is the open axis, wherever it is: ``(layers, batch, hidden)`` is usual for a state. Where an
    array has several, it is the one whose name all arrays have in common.

    :param takes: the axes of each array that goes in.
    :param gives: the axes of each array that comes out.
    """
    names = [{axis for axis in axes if isinstance(axis, str)} for axes in (*takes, *gives)]
    common = set.intersection(*names)
    found = []
    for axes in (*takes, *gives):
        candidates = [index for index, axis in enumerate(axes) if not isinstance(axis, int)]
        if len(candidates) > 1 and len(common) == 1:
            candidates = [index for index in candidates if axes[index] in common]
        if len(candidates) != 1:
            return None
        found.append(candidates[0])
    return tuple(found[: len(takes)]), tuple(found[len(takes) :])


class BatchedRun:
    """
    One run of an artifact for several requests.

    :param takes: what each request gives, and its batch axis.
    :param gives: what each request gets, and its batch axis.
    :param run: runs the artifact on arrays by name; returns what it gives, in that order.
    :param file: the artifact, for errors.
    """

    def __init__(
        self,
        takes: Sequence[tuple[ArraySpec, int]],
        gives: Sequence[tuple[ArraySpec, int]],
        run: Callable[[Arrays], Sequence[Array]],
        file: str,
    ) -> None:
        self._takes = takes
        self._gives = gives
        self._run = run
        self._file = file
        self._stacks: dict[int, list[_Stack]] = {}

    @functools.cached_property
    def keeps_requests_apart(self) -> bool:
        """
        Return whether two requests have together the results that each has by itself.

        An open axis does not promise it: a network may mix what stands along it, or fail.
        """
        feeds = self._made_up(2)
        try:
            together = self.run(feeds)
        except ArtifactError:
            return False
        return all(
            np.allclose(a, b, rtol=1e-5, atol=1e-6)
            for feed, found in zip(feeds, together)
            for a, b in zip(found or (), self._run(feed))
        )

    def size_for(self, rows: int, deterministic: bool) -> int:
        """
        Return how many rows a batch is to have for some sessions; 0 where they ask one by one.

        Libraries choose how they sum by the shape, so bits can depend on how many rows there are,
        and on which of them it is. Where they must not, all batches have one size, and one at
        which every row is computed alike. (What is in the other rows never mattered anywhere; and
        a session keeps its row.)

        :param rows: how many sessions ask.
        :param deterministic: what a session gets may not depend on the others.
        """
        if rows < 2 or not self.keeps_requests_apart:
            return 0
        if not deterministic:
            return rows
        sizes = (-(-rows // multiple) * multiple for multiple in _MULTIPLES)
        return next((size for size in sizes if self._rows_are_alike(size)), 0)

    def _rows_are_alike(self, size: int) -> bool:
        """Return whether a request has the same bits in every row and in any company."""
        count = _PROBES if sum(map(_bytes, self._takes)) < _LARGE_BYTES else _LARGE_PROBES
        requests = self._made_up(count)
        expected = []
        for request in requests:
            first, *others = _bits(self.run([request] * size))
            if {*others} - {first}:
                return False
            expected.append(first)
        rows, right = ([None, *requests] * size)[:size], ([b'', *expected] * size)[:size]
        return _bits(self.run(rows)) == right

    def _made_up(self, count: int) -> list[Arrays]:
        random = np.random.default_rng(0)
        return [{one.name: made_up(one, random) for one, _ in self._takes} for _ in range(count)]

    def run(self, feeds: Sequence[Arrays | None]) -> list[tuple[Array, ...] | None]:
        """
        Return what each request gets; later runs do not touch it.

        :param feeds: of each row its arrays by name; None for a row of zeros, of which nothing is
            handed out.
        :raises ArtifactError: the artifact failed, or an array is not what the contract says.
        """
        stacks = self._stacks.get(len(feeds))
        if stacks is None:
            stacks = [_Stack(*one, len(feeds)) for one in self._takes]
            self._stacks = {len(feeds): stacks}  # of one size in nearly every run
        for stack in stacks:
            stack.fill(feeds, self._file)
        try:
            found = self._run({stack.spec.name: stack.array for stack in stacks})
        except ArtifactError:
            raise
        except Exception as problem:  # libraries' errors share no base but Exception
            raise ArtifactError(f'{self._file}: inference failed: {problem}') from problem
        parts = [
            self._taken_apart(array, one, axis, feeds)
            for array, (one, axis) in zip(found, self._gives)
        ]
        return [None if feed is None else row for feed, row in zip(feeds, zip(*parts))]

    def _taken_apart(
        self, array: Array, spec: ArraySpec, axis: int, feeds: Sequence[Arrays | None]
    ) -> list[Array]:
        expected = _stacked(spec, axis, len(feeds))
        if array.shape != expected:
            raise ArtifactError(
                f'{self._file}: output {spec.name} has shape {list(array.shape)} for '
                f'{len(feeds)} requests, expected {list(expected)}'
            )
        rows = np.moveaxis(array, axis, 0).copy()
        return list(rows.reshape(len(feeds), *spec.shape))


class _Stack:
    """
    Memory for one array of a batch, used again at each run.

    :param spec: the array of one request.
    :param axis: its batch axis.
    :param size: rows of the batch.
    """

    def __init__(self, spec: ArraySpec, axis: int, size: int) -> None:
        self.spec = spec
        self.array = np.zeros(_stacked(spec, axis, size), spec.dtype)
        self._dtype = self.array.dtype
        self._rows = [
            self.array[(slice(None),) * axis + (slice(row, row + 1),)] for row in range(size)
        ]

    def fill(self, feeds: Sequence[Arrays | None], file: str) -> None:
        """
        Copy the array of each request in.

        :raises ArtifactError: one is not what the contract says.
        """
        name, shape, dtype = self.spec.name, self.spec.shape, self._dtype
        for row, feed in zip(self._rows, feeds):
            if feed is None:
                row[...] = 0
                continue
            given = feed.get(name)
            if given is None or given.shape != shape or given.dtype != dtype:
                raise ArtifactError(f'{file}: input {self.spec.missing_or_mismatch(feed)}')
            row[...] = given


def _stacked(spec: ArraySpec, axis: int, size: int) -> tuple[int, ...]:
    """Return the shape of a batch of an array."""
    return (*spec.shape[:axis], size, *spec.shape[axis + 1 :])


def _bytes(takes: tuple[ArraySpec, int]) -> int:
    return math.prod(takes[0].shape) * np.dtype(takes[0].dtype).itemsize


def _bits(rows: Sequence[tuple[Array, ...] | None]) -> list[bytes]:
    return [b'' if row is None else b''.join(one.tobytes() for one in row) for row in rows]
