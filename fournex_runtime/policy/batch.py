"""Several requests in one run: along the axis that an artifact leaves open, or one by one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from .backend import Arrays, ArraySpec, Backend, Request, made_up

Array = NDArray[Any]
Axes = Sequence[int | str | None]
"""An array's axes as an artifact declares them: a length, or a name or None where it is open."""


def run_one_by_one(backend: Backend, requests: Sequence[Request]) -> list[Request]:
    """Return what a backend answers to each request; see :meth:`.Backend.run_batch`."""
    return [backend.run(inputs, state) for inputs, state in requests]


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

    @functools.cached_property
    def keeps_requests_apart(self) -> bool:
        """
        Return whether two requests have together the results that each has by itself.

        An open axis does not promise it: a network may mix what stands along it, or fail.
        """
        random = np.random.default_rng(0)
        feeds = [{one.name: made_up(one, random) for one, _ in self._takes} for _ in range(2)]
        try:
            together = self.run(feeds)
        except ArtifactError:
            return False
        return all(
            np.allclose(a, b, rtol=1e-5, atol=1e-6)
            for feed, found in zip(feeds, together)
            for a, b in zip(found, self._run(feed))
        )

    def run(self, feeds: Sequence[Arrays]) -> list[tuple[Array, ...]]:
        """
        Return what each request gets, in arrays of its own.

        :param feeds: of each request, its arrays by name.
        :raises ArtifactError: the artifact failed, or an array is not what the contract says.
        """
        feed = {one.name: self._stacked(feeds, one, axis) for one, axis in self._takes}
        try:
            found = self._run(feed)
        except Exception as problem:  # libraries' errors share no base but Exception
            raise ArtifactError(f'{self._file}: inference failed: {problem}') from problem
        parts = [
            self._taken_apart(array, one, axis, len(feeds))
            for array, (one, axis) in zip(found, self._gives)
        ]
        return list(zip(*parts))

    def _stacked(self, feeds: Sequence[Arrays], spec: ArraySpec, axis: int) -> Array:
        for feed in feeds:
            if problem := spec.missing_or_mismatch(feed):
                raise ArtifactError(f'{self._file}: input {problem}')
        return np.concatenate([feed[spec.name] for feed in feeds], axis=axis)

    def _taken_apart(self, array: Array, spec: ArraySpec, axis: int, count: int) -> list[Array]:
        expected = (*spec.shape[:axis], count, *spec.shape[axis + 1 :])
        if array.shape != expected:
            raise ArtifactError(
                f'{self._file}: output {spec.name} has shape {list(array.shape)} for {count} '
                f'requests, expected {list(expected)}'
            )
        return [part.copy() for part in np.split(array, count, axis)]
