"""
The shared memory between sessions and their worker: requests and results, in fixed places.

There is one of each for every row of a batch, and one of each where sessions ask by themselves.
Both sides work out the same places from what the contract says that the artifact takes and gives,
in a memfd that is sealed against resizing, so that neither can pull it from under the other. Two
eventfds carry the generation numbers: ``request`` counts the requests made, ``answer`` counts the
requests answered or passed over. A count in the kernel orders memory on every architecture. A
result is read only when the count of answers has reached the count of requests, so a late result
of an earlier request is never taken for that of the present one.
"""

from __future__ import annotations

import dataclasses
import fcntl
import mmap
import os
import struct
from collections.abc import Iterable, Sequence

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..policy.backend import Arrays, ArraySpec, Request, Signature
from ..policy.batch import Outcomes
from ..policy.contract_types import RecurrentState

_ALIGNMENT = 64
_STATUS = struct.Struct('<II')
_ANSWERED, _FAILED, _ANSWERED_IN_PART = 0, 1, 2
_ASKED = struct.Struct('<I')
_ASKED_AT = 8
_TEXT_AT = 16
_TEXT_BYTES = 4080
_SEALS = fcntl.F_SEAL_SHRINK | fcntl.F_SEAL_GROW


@dataclasses.dataclass(frozen=True)
class ChannelHandles:
    """
    The file descriptors that make up a channel; passed to the worker as they are.

    :param memory: the sealed memfd.
    :param request: eventfd, how many requests were made.
    :param answer: eventfd, how many requests were answered or passed over.
    """

    memory: int
    request: int
    answer: int

    @classmethod
    def create(cls, size: int) -> ChannelHandles:
        """
        Create a channel with all its memory allocated.

        :param size: bytes, rounded up to whole pages.
        :raises OSError: the memory is not there.
        """
        opened: list[int] = []
        try:
            opened.append(sealed_memory('fournex-worker', size, _SEALS | fcntl.F_SEAL_SEAL))
            # Neither can hold up the loop, whatever the worker makes of the counts.
            for _ in range(2):
                opened.append(os.eventfd(0, os.EFD_CLOEXEC | os.EFD_NONBLOCK))
        except OSError:
            for descriptor in opened:
                os.close(descriptor)
            raise
        return cls(*opened)

    @property
    def descriptors(self) -> tuple[int, int, int]:
        """Return the three file descriptors."""
        return self.memory, self.request, self.answer


def sealed_memory(name: str, content: int | bytes, seals: int) -> int:
    """
    Return a memfd that is allocated, filled and sealed.

    :param name: shown in ``/proc``.
    :param content: what it holds, or how many bytes of zeros, rounded up to whole pages.
    :param seals: flags of ``F_ADD_SEALS``.
    :raises OSError: the memory is not there.
    """
    descriptor = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    try:
        if isinstance(content, int):
            os.posix_fallocate(descriptor, 0, -(-content // mmap.PAGESIZE) * mmap.PAGESIZE)
        else:
            view, written = memoryview(content), 0
            while written < len(content):
                written += os.pwrite(descriptor, view[written:], written)
        fcntl.fcntl(descriptor, fcntl.F_ADD_SEALS, seals)
    except OSError:
        os.close(descriptor)
        raise
    return descriptor


class _Place:
    """
    Where one array of each row lies.

    :param spec: its name, shape and dtype.
    :param offset: where that of the first row begins; the others follow.
    """

    def __init__(self, spec: ArraySpec, offset: int) -> None:
        self.spec = spec
        self.name = spec.name
        self.offset = offset
        self.dtype = np.dtype(spec.dtype)
        self.bytes = int(np.prod(spec.shape)) * self.dtype.itemsize


class ChannelLayout:
    """
    Where everything of a channel lies: status, rows asked, text of an error, then the arrays.

    :param spec: what the artifact takes and gives.
    :param state: its recurrent state.
    :param rows: how many requests can be made at once.
    """

    def __init__(self, spec: Signature, state: tuple[RecurrentState, ...], rows: int = 1) -> None:
        remembered = tuple(ArraySpec(one.name, one.shape, 'float32') for one in state)
        self.rows = rows
        self.size = _TEXT_AT + _TEXT_BYTES
        self.present = self._place(ArraySpec('', (1,), 'bool'))
        self.failed = self._place(ArraySpec('', (1,), 'bool'))
        self.inputs = self._places(spec.inputs)
        self.state = self._places(remembered)
        self.outputs = self._places(spec.outputs)
        self.following = self._places(remembered)

    def _places(self, specs: Iterable[ArraySpec]) -> tuple[_Place, ...]:
        return tuple(self._place(spec) for spec in specs)

    def _place(self, spec: ArraySpec) -> _Place:
        place = _Place(spec, -(-self.size // _ALIGNMENT) * _ALIGNMENT)
        self.size = place.offset + place.bytes * self.rows
        return place


class _Side:
    """
    One side of a row: what goes in, or comes out, of one kind.

    :param arrays: where they lie.
    :param specs: what they are to be, in their order.
    """

    def __init__(self, arrays: Arrays, specs: Iterable[ArraySpec]) -> None:
        self.arrays = arrays
        self._places = [
            (name, place, place.shape, place.dtype, spec)
            for (name, place), spec in zip(arrays.items(), specs)
        ]
        self._copies = [(name, place.copy) for name, place in arrays.items()]

    def put(self, given: Arrays, file: str, what: str) -> None:
        """Copy arrays in."""
        for name, place, shape, dtype, spec in self._places:
            value = given.get(name)
            if value is None:
                raise ArtifactError(f'{file}: {what} {name} is missing')
            if value.shape != shape or value.dtype != dtype:
                raise ArtifactError(f'{file}: {what} {spec.mismatch(value)}')
            place[...] = value

    def copied(self) -> Arrays:
        """Copy arrays out."""
        found = {}
        for name, copy in self._copies:
            found[name] = copy()
        return found


@dataclasses.dataclass(frozen=True)
class _Row:
    """What goes in and comes out of one row."""

    inputs: _Side
    state: _Side
    outputs: _Side
    following: _Side


class _Mapped:
    """
    The memory of a channel as arrays.

    :param layout: where they lie.
    :param handles: the channel; not closed here.
    """

    def __init__(self, layout: ChannelLayout, handles: ChannelHandles) -> None:
        self._layout = layout
        # Populated now, so that the control loop takes no page fault later.
        self._memory = mmap.mmap(
            handles.memory, layout.size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE
        )
        self._present = self._flags(layout.present)
        self._failed = self._flags(layout.failed)
        sides = (layout.inputs, layout.state, layout.outputs, layout.following)
        self._rows = [
            _Row(*(self._side(side, row) for side in sides)) for row in range(layout.rows)
        ]

    def _flags(self, place: _Place) -> NDArray[np.bool_]:
        rows = (self._layout.rows,)
        return np.ndarray(rows, np.bool_, self._memory, place.offset)

    def _side(self, places: Iterable[_Place], row: int) -> _Side:
        arrays: Arrays = {
            place.name: np.ndarray(
                place.spec.shape, place.dtype, self._memory, place.offset + row * place.bytes
            )
            for place in places
        }
        return _Side(arrays, [place.spec for place in places])


class SessionSide(_Mapped):
    """The side that asks."""

    def put(self, requests: Sequence[Request | None], file: str, batch: bool = False) -> None:
        """
        Copy requests in.

        :param requests: one a row; None for a row that nobody asks with.
        :param file: the artifact, for errors.
        :param batch: whether they are to be run as a batch, or the only one by itself.
        :raises ArtifactError: an array is missing or not what the contract says, or there are
            more of them than rows.
        """
        if len(requests) > len(self._rows):
            raise ArtifactError(
                f'{file}: {len(requests)} requests at once to a worker for {len(self._rows)}'
            )
        for number, request in enumerate(requests):
            if batch:
                self._present[number] = request is not None
            if request is not None:
                row = self._rows[number]
                row.inputs.put(request[0], file, 'input')
                row.state.put(request[1], file, 'state')
        _ASKED.pack_into(self._memory, _ASKED_AT, len(requests) if batch else 0)

    def take(self, requests: Sequence[Request | None]) -> Outcomes:
        """
        Copy results out.

        :param requests: what was put in.
        :returns: outputs and next state of each, or what went wrong with it.
        :raises ArtifactError: all of it went wrong.
        """
        status, length = _STATUS.unpack_from(self._memory)
        if status == _ANSWERED:
            return [
                None if request is None else (row.outputs.copied(), row.following.copied())
                for request, row in zip(requests, self._rows)
            ]
        text = self._memory[_TEXT_AT : _TEXT_AT + min(length, _TEXT_BYTES)]
        problem = ArtifactError(text.decode('utf-8', 'replace') or 'failed without a word')
        if status != _ANSWERED_IN_PART:
            raise problem
        found: list[Request | ArtifactError | None] = []
        for request, row, failed in zip(requests, self._rows, self._failed.tolist()):
            whole = None if request is None else (row.outputs.copied(), row.following.copied())
            found.append(problem if failed and whole is not None else whole)
        return found

    def close(self) -> None:
        """Unmap the memory."""
        self._rows = []
        del self._present, self._failed
        self._memory.close()


class WorkerSide(_Mapped):
    """The side that answers."""

    def __init__(self, layout: ChannelLayout, handles: ChannelHandles) -> None:
        super().__init__(layout, handles)
        self.places: list[Request] = [(row.inputs.arrays, row.state.arrays) for row in self._rows]
        """Inputs and state of each row, where they lie."""
        self.results: list[Request] = [
            (row.outputs.arrays, row.following.arrays) for row in self._rows
        ]
        """Where outputs and next state of each row go."""

    def batch(self) -> list[Request | None] | None:
        """Return what was asked as a batch, where it lies; None: the first row by itself."""
        (asked,) = _ASKED.unpack_from(self._memory, _ASKED_AT)
        if not asked:
            return None
        present = self._present[:asked].tolist()
        return [one if there else None for one, there in zip(self.places, present)]

    def answer(self, results: Outcomes, file: str) -> None:
        """
        Copy results in.

        :param results: outputs and next state of each row, or what went wrong with it: the first
            such words stand for all.
        :param file: the artifact, for errors.
        :raises ArtifactError: an array is missing or not what the contract says.
        """
        problem = None
        for row, result in zip(self._rows, results):
            if isinstance(result, ArtifactError):
                problem = problem or result
            elif result is not None:
                row.outputs.put(result[0], file, 'output')
                row.following.put(result[1], file, 'state output')
        if problem is None:
            self.answered()
        else:
            self._failed[: len(results)] = [isinstance(one, ArtifactError) for one in results]
            self._say(_ANSWERED_IN_PART, str(problem))

    def answered(self) -> None:
        """Say that the results are where they go."""
        _STATUS.pack_into(self._memory, 0, _ANSWERED, 0)

    def fail(self, problem: str) -> None:
        """Say what went wrong instead of a result, in as many words as there is room for."""
        self._say(_FAILED, problem)

    def _say(self, status: int, problem: str) -> None:
        text = problem.encode('utf-8', 'replace')[:_TEXT_BYTES]
        self._memory[_TEXT_AT : _TEXT_AT + len(text)] = text
        _STATUS.pack_into(self._memory, 0, status, len(text))
