"""
Large messages out of the middleware, written where they stay.

rclpy takes the bytes of a message into memory that it fetches for each one, copies them into a
``bytes`` object and gives the memory back. For an image of a megabyte that is a third of what a
take costs. Here the C library of ROS writes into the ``bytes`` object itself; for small messages
rclpy is as quick.
"""

from __future__ import annotations

import ctypes
import functools
from collections.abc import Mapping
from typing import Any

_OK, _TAKE_FAILED = 0, 401  # of rcl/types.h
_CHECKED_BYTES = 16

_Reallocate = ctypes.PYFUNCTYPE(ctypes.c_void_p, ctypes.c_void_p, ctypes.c_size_t, ctypes.c_void_p)
_Deallocate = ctypes.PYFUNCTYPE(None, ctypes.c_void_p, ctypes.c_void_p)


class _Allocator(ctypes.Structure):
    """``rcutils_allocator_t``."""

    _fields_ = (
        ('allocate', ctypes.c_void_p),
        ('deallocate', ctypes.c_void_p),
        ('reallocate', ctypes.c_void_p),
        ('zero_allocate', ctypes.c_void_p),
        ('state', ctypes.c_void_p),
    )


class _ByteArray(ctypes.Structure):
    """``rcutils_uint8_array_t``, which is ``rcl_serialized_message_t``."""

    _fields_ = (
        ('buffer', ctypes.c_void_p),
        ('length', ctypes.c_size_t),
        ('capacity', ctypes.c_size_t),
        ('allocator', _Allocator),
    )


class _Info(ctypes.Structure):
    """The beginning of ``rmw_message_info_t``, which is shorter than this."""

    _fields_ = (
        ('source_timestamp', ctypes.c_int64),
        ('received_timestamp', ctypes.c_int64),
        ('publication_sequence_number', ctypes.c_uint64),
        ('reception_sequence_number', ctypes.c_uint64),
        ('more', ctypes.c_uint8 * 480),
    )


_UNSUPPORTED = 2**64 - 1
"""``RMW_MESSAGE_INFO_SEQUENCE_NUMBER_UNSUPPORTED``"""


class _Library:
    """
    The functions that it takes, of the libraries that rclpy has loaded.

    :raises OSError: a library is not there.
    :raises AttributeError: a function is not there.
    """

    def __init__(self) -> None:
        # The interpreter is kept, as rclpy keeps it.
        rcl, rcutils = ctypes.PyDLL('librcl.so'), ctypes.PyDLL('librcutils.so')
        self.take = rcl.rcl_take_serialized_message
        self.reset_error = rcutils.rcutils_reset_error
        self.init = rcutils.rcutils_uint8_array_init
        self.resize = rcutils.rcutils_uint8_array_resize
        self.default_allocator = rcutils.rcutils_get_default_allocator
        self.default_allocator.restype = _Allocator
        c, python = ctypes.PyDLL(None), ctypes.pythonapi
        self.malloc, self.realloc, self.free = c.malloc, c.realloc, c.free
        self.malloc.restype = self.realloc.restype = ctypes.c_void_p
        self.malloc.argtypes = (ctypes.c_size_t,)
        self.realloc.argtypes = (ctypes.c_void_p, ctypes.c_size_t)
        self.free.argtypes = (ctypes.c_void_p,)
        self.free.restype = None
        self.new_bytes = python.PyBytes_FromStringAndSize
        self.new_bytes.restype = ctypes.py_object
        self.new_bytes.argtypes = (ctypes.c_void_p, ctypes.c_ssize_t)
        self.address = python.PyBytes_AsString
        self.address.restype = ctypes.c_void_p
        self.address.argtypes = (ctypes.py_object,)


class _Memory:
    """
    Memory for messages that are larger than the room for them; that room is an object's own.

    Apart from who takes: the C library's way back to that would be a cycle that nobody collects.
    """

    def __init__(self, library: _Library) -> None:
        self._library = library
        self.room: int | None = None

    def grown(self, place: int | None, size: int, state: int | None) -> int | None:
        """Give other memory for a message that is larger than the room for it."""
        if place == self.room:
            found: int | None = self._library.malloc(size)
            return found
        return self._library.realloc(place, size)  # type: ignore[no-any-return]

    def freed(self, place: int | None, state: int | None) -> None:
        """Free memory, but not that of an object."""
        if place != self.room:
            self._library.free(place)


class DirectTake:
    """
    Takes the messages of a subscription, like its ``take_message`` with ``raw``.

    A message that is as long as the one before is written into the object that is returned. Of
    another length, it is copied once more.

    :param subscription: address of the ``rcl_subscription_t``; whoever takes keeps it alive.
    :param size: length of the messages that are expected.
    :raises OSError: a library of ROS is not there.
    :raises AttributeError: a function is not there.
    """

    def __init__(self, subscription: int, size: int) -> None:
        self._library = library = _library()
        self._subscription = ctypes.c_void_p(subscription)
        self._size = self._before = size
        self._room: bytes | None = None
        self._memory = memory = _Memory(library)
        self._reallocate = _Reallocate(memory.grown)
        self._deallocate = _Deallocate(memory.freed)
        allocator = library.default_allocator()
        allocator.reallocate = ctypes.cast(self._reallocate, ctypes.c_void_p)
        allocator.deallocate = ctypes.cast(self._deallocate, ctypes.c_void_p)
        self._array = _ByteArray(allocator=allocator)
        self._info = _Info()
        self._array_at, self._info_at = ctypes.byref(self._array), ctypes.byref(self._info)

    def __call__(self) -> tuple[bytes, Mapping[str, int | None]] | None:
        """
        Return a message and what the middleware tells of it; None where there is none.

        :raises RuntimeError: the middleware failed.
        """
        library, memory, array = self._library, self._memory, self._array
        room = self._room
        if room is None:
            room = self._room = library.new_bytes(None, self._size)
            memory.room = library.address(room)
        place = memory.room
        array.buffer, array.length, array.capacity = place, 0, self._size
        result = library.take(self._subscription, self._array_at, self._info_at, None)
        if result != _OK:
            if result == _TAKE_FAILED:
                return None
            library.reset_error()
            raise RuntimeError(f'rcl_take_serialized_message: error {result}')
        info, length = self._info, array.length
        sequence = info.publication_sequence_number
        told = {
            'received_timestamp': info.received_timestamp,
            'publication_sequence_number': None if sequence == _UNSUPPORTED else sequence,
        }
        if length == self._size and array.buffer == place:
            self._room = None  # it is the message now, and never written again
            self._before = length
            return room, told
        data = ctypes.string_at(array.buffer, length)
        if array.buffer != place:
            library.free(array.buffer)
        if length == self._before:  # two of a new length: there will be more
            self._size, self._room = length, None
        self._before = length
        return data, told

    def problem(self) -> str:
        """
        Return what is not as it is known here, in words; empty for nothing.

        Two of the libraries' own functions say where the fields of their structures are.
        """
        library, array, size = self._library, self._array, self._size
        default, made = library.default_allocator(), _ByteArray()
        if library.init(ctypes.byref(made), ctypes.c_size_t(size), ctypes.byref(default)) != _OK:
            return 'rcutils_uint8_array_init fails'
        same = bytes(made.allocator) == bytes(default)
        if not made.buffer or (made.length, made.capacity, same) != (0, size, True):
            return 'rcutils_uint8_array_t is laid out differently'
        library.free(made.buffer)
        room = library.new_bytes(None, size)
        place = self._memory.room = array.buffer = library.address(room)
        array.length, array.capacity = 0, size
        grown = library.resize(self._array_at, ctypes.c_size_t(2 * size)) == _OK
        if not grown or array.buffer == place or array.capacity != 2 * size:
            return 'rcutils_uint8_array_resize does not ask the allocator for memory'
        library.free(array.buffer)
        return ''


@functools.cache
def _library() -> _Library:
    return _Library()


@functools.cache
def _problem() -> str:
    try:
        return DirectTake(0, _CHECKED_BYTES).problem()
    except (OSError, AttributeError) as problem:
        return str(problem)


def direct_take(handle: Any, size: int) -> DirectTake | str:
    """
    Return what takes the large messages of a subscription; or why that is left to rclpy, in words.

    :param handle: rclpy's handle of the subscription; whoever takes is to hold it.
    :param size: length of the messages that are expected.
    """
    return _problem() or DirectTake(handle.pointer, size)
