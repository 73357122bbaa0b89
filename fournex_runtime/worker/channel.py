"""
The shared memory between a session and its worker: one request and one result, in fixed places.

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
from collections.abc import Iterable
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..errors import ArtifactError
from ..policy.backend import Arrays, ArraySpec, Signature
from ..policy.contract import RecurrentState

_ALIGNMENT = 64
_STATUS = struct.Struct('<II')
_TEXT_AT = 8
_TEXT_BYTES = 4088
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
            opened.append(os.eventfd(0, os.EFD_CLOEXEC))
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
    Where one array lies.

    :param spec: its name, shape and dtype.
    :param offset: where it begins.
    """

    def __init__(self, spec: ArraySpec, offset: int) -> None:
        self.spec = spec
        self.name = spec.name
        self.offset = offset
        self.dtype = np.dtype(spec.dtype)
        self.bytes = int(np.prod(spec.shape)) * self.dtype.itemsize


class ChannelLayout:
    """
    Where everything of a channel lies: status and text of an error, then the arrays.

    :param spec: what the artifact takes and gives.
    :param state: its recurrent state.
    """

    def __init__(self, spec: Signature, state: tuple[RecurrentState, ...]) -> None:
        remembered = tuple(ArraySpec(one.name, one.shape, 'float32') for one in state)
        self.size = _TEXT_AT + _TEXT_BYTES
        self.inputs = self._places(spec.inputs)
        self.state = self._places(remembered)
        self.outputs = self._places(spec.outputs)
        self.following = self._places(remembered)

    def _places(self, specs: Iterable[ArraySpec]) -> tuple[_Place, ...]:
        places = []
        for spec in specs:
            place = _Place(spec, -(-self.size // _ALIGNMENT) * _ALIGNMENT)
            self.size = place.offset + place.bytes
            places.append(place)
        return tuple(places)


class _Mapped:
    """
    The memory of a channel as arrays.

    :param layout: where they lie.
    :param handles: the channel; not closed here.
    """

    def __init__(self, layout: ChannelLayout, handles: ChannelHandles) -> None:
        # Populated now, so that the control loop takes no page fault later.
        self._memory = mmap.mmap(
            handles.memory, layout.size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE
        )
        self._inputs = self._arrays(layout.inputs)
        self._state = self._arrays(layout.state)
        self._outputs = self._arrays(layout.outputs)
        self._following = self._arrays(layout.following)

    def _arrays(self, places: Iterable[_Place]) -> tuple[tuple[_Place, NDArray[Any]], ...]:
        return tuple(
            (place, np.ndarray(place.spec.shape, place.dtype, self._memory, place.offset))
            for place in places
        )


class SessionSide(_Mapped):
    """The side that asks."""

    def put(self, inputs: Arrays, state: Arrays, file: str) -> None:
        """
        Copy a request in.

        :param file: the artifact, for errors.
        :raises ArtifactError: an array is missing or not what the contract says.
        """
        _copy(inputs, self._inputs, file, 'input')
        _copy(state, self._state, file, 'state')

    def take(self) -> tuple[Arrays, Arrays, str]:
        """Copy a result out: outputs, next state, and what went wrong; empty if nothing did."""
        failed, length = _STATUS.unpack_from(self._memory)
        if failed:
            text = self._memory[_TEXT_AT : _TEXT_AT + min(length, _TEXT_BYTES)]
            return {}, {}, text.decode('utf-8', 'replace') or 'failed without a word'
        outputs = {place.name: array.copy() for place, array in self._outputs}
        following = {place.name: array.copy() for place, array in self._following}
        return outputs, following, ''

    def close(self) -> None:
        """Unmap the memory."""
        self._inputs = self._state = self._outputs = self._following = ()
        self._memory.close()


class WorkerSide(_Mapped):
    """The side that answers."""

    def __init__(self, layout: ChannelLayout, handles: ChannelHandles) -> None:
        super().__init__(layout, handles)
        self.inputs: Arrays = {place.name: array for place, array in self._inputs}
        """The inputs where they lie."""
        self.state: Arrays = {place.name: array for place, array in self._state}
        """The state where it lies."""

    def answer(self, outputs: Arrays, following: Arrays, file: str) -> None:
        """
        Copy a result in.

        :param file: the artifact, for errors.
        :raises ArtifactError: an array is missing or not what the contract says.
        """
        _copy(outputs, self._outputs, file, 'output')
        _copy(following, self._following, file, 'state output')
        _STATUS.pack_into(self._memory, 0, 0, 0)

    def fail(self, problem: str) -> None:
        """Say what went wrong instead of a result, in as many words as there is room for."""
        text = problem.encode('utf-8', 'replace')[:_TEXT_BYTES]
        self._memory[_TEXT_AT : _TEXT_AT + len(text)] = text
        _STATUS.pack_into(self._memory, 0, 1, len(text))


def _copy(
    given: Arrays, places: tuple[tuple[_Place, NDArray[Any]], ...], file: str, what: str
) -> None:
    for place, array in places:
        value = given.get(place.name)
        if value is None:
            raise ArtifactError(f'{file}: {what} {place.name} is missing')
        if value.shape != array.shape or value.dtype != place.dtype:
            raise ArtifactError(f'{file}: {what} {place.spec.mismatch(value)}')
        array[...] = value
