"""
The runtime's handle on a recording: starts the recorder process and feeds it, never waiting.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import time
from collections.abc import Callable, Sequence

from ..errors import RecordingError
from ..pipeline.messages import Messages
from ..session.wiring_record import EVERYTHING, RecordWiring
from .channel import Channel, DescribedChannel
from .definitions import describe
from .mark import MARK, TRIGGER, encode_mark
from .recorder_process import RecorderProcess
from .recorder_status import RecorderStatus
from .recording_summary import Summary
from .ring import RingHandles, RingRecord, RingWriter

RING_BYTES = 64 * 1024 * 1024
LIFE_CHECK_NS = 500_000_000
"""How often the loop asks the kernel whether the recorder lives: a system call."""
_MARK_AGAIN_NS = 100_000_000


class Recording:
    """
    One bag being written by a process of its own.

    Writing and committing cost a few microseconds and never block; what the ring has no room for
    is counted. A recorder that dies or finds the disk full stops nothing but itself. ``write`` and
    ``commit`` belong to one thread; the properties can be read from any.

    :param folder: the bag; it must not exist.
    :param channels: the topics; ``write`` names them by index.
    :param messages: the message types of the channels.
    :param ring_bytes: memory between the two processes; a message can have three eighths of it.
    :param options: how the recording is cut, packed and kept within bounds.
    :param cpus: processors that the recorder may use; those of the caller when left out.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        channels: Sequence[Channel],
        *,
        messages: Messages,
        ring_bytes: int = RING_BYTES,
        options: RecordWiring = EVERYTHING,
        cpus: Sequence[int] | None = None,
    ) -> None:
        self._folder = pathlib.Path(os.path.abspath(folder))
        self._channels = tuple(channels)
        self._messages = messages
        self._ring_bytes = ring_bytes
        self._options = options
        self._cpus = None if cpus is None else sorted(cpus)
        self._accepted = [0] * len(self._channels)
        self._refused = [0] * len(self._channels)
        self._answered = 0
        self._calm = 0
        self._signals: memoryview | None = None
        self._asked_again_ns = 0
        self._life_check_ns = 0
        self._open = False
        self._process = RecorderProcess()
        self._resources = contextlib.ExitStack()
        self._status: RecorderStatus | None = None
        self._ring: RingWriter | None = None
        self._summary: Summary | None = None

    @property
    def folder(self) -> pathlib.Path:
        """Return the bag's folder, absolute."""
        return self._folder

    @property
    def pid(self) -> int | None:
        """Return the recorder's process id, or None before it was started."""
        return self._process.pid

    def start(self, timeout_s: float = 10.0) -> None:
        """
        Start the recorder and wait until the bag is open.

        :param timeout_s: how long to wait.
        :raises RecordingError: the bag or the recorder cannot be had; nothing is left behind.
        """
        if self._process.pid is not None:
            raise RecordingError(f'the recording to {self._folder} was started before')
        described = describe(self._channels, self._messages)
        try:
            with contextlib.ExitStack() as resources:
                self._start(described, timeout_s, resources)
                self._resources = resources.pop_all()
        except OSError as problem:
            raise RecordingError(f'the recorder cannot be started: {problem}') from problem
        self._open = True

    def write(
        self,
        channel: int,
        data: bytes | memoryview,
        *,
        log_time_ns: int,
        publish_time_ns: int,
        sequence: int,
    ) -> bool:
        """
        Hand one message to the recorder; it goes with the next :meth:`commit`.

        :param channel: index of its channel.
        :param data: its CDR bytes; copied.
        :param log_time_ns: when it was received, nanoseconds since the Unix epoch.
        :param publish_time_ns: when it was published, nanoseconds since the Unix epoch.
        :param sequence: take index of an input, publish index of a command; 32 bits are kept.
        :return: False when it was dropped, and counted.
        :raises IndexError: there is no such channel.
        """
        ring = self._ring
        if ring is not None and ring.write(channel, data, log_time_ns, publish_time_ns, sequence):
            self._accepted[channel] += 1
            return True
        self._refuse(channel)
        return False

    def writer(self, channel: int) -> Callable[[bytes, int], None]:
        """
        Return what hands the messages of one channel to the recorder, at the time of the call.

        It takes the message and its number, and costs the control loop less than :meth:`write`.

        :param channel: index of the channel.
        :raises RecordingError: the recording was not started.
        """
        if self._ring is None:
            raise RecordingError(f'the recording to {self._folder} was not started')
        write_to_ring, now, accepted = self._ring.write, time.time_ns, self._accepted

        def write(data: bytes, sequence: int) -> None:
            now_ns = now()
            if write_to_ring(channel, data, now_ns, now_ns, sequence):
                accepted[channel] += 1
            else:
                self._refuse(channel)

        return write

    def _refuse(self, channel: int) -> None:
        """Count a message that is lost."""
        refused = self._refused[channel] + 1
        self._refused[channel] = refused
        if self._status is not None:
            self._status.set_refused(channel, refused)

    def set_missed(self, channel: int, count: int) -> None:
        """
        Have noted in the bag how many messages of a channel the middleware dropped.

        :param channel: index of the channel.
        :param count: since the recording began.
        """
        if self._status is not None:
            self._status.set_missed(channel, count)

    def commit(self) -> bool:
        """
        Make what was written visible to the recorder.

        :return: whether there is something to be heard: :attr:`wants_mark`, or :meth:`alive` says
            no.
        """
        ring, signals = self._ring, self._signals
        if ring is None or signals is None:
            return False
        ring.commit()
        now_ns = time.monotonic_ns()
        if now_ns > self._life_check_ns:
            self._life_check_ns = now_ns + LIFE_CHECK_NS
            if self._open and not self._process.alive():
                self._shut()
        if signals[0] == self._calm:
            return not self._open
        if self._status is not None and self._status.failed:
            self._shut()
        return True

    def _shut(self) -> None:
        """Take nothing more: nobody would write it."""
        self._open = False
        if self._ring is not None:
            self._ring.shut()

    @property
    def wants_mark(self) -> bool:
        """Return whether the recorder has asked for a mark, and the ring can have room for it."""
        return (
            self._status is not None
            and self._status.asked != self._answered
            and self._open
            and time.monotonic_ns() >= self._asked_again_ns
        )

    def mark(self, messages: Sequence[RingRecord], log_time_ns: int) -> bool:
        """
        Say that a file may begin here; it goes with the next :meth:`commit`.

        :param messages: what the runtime alone knows, and a file has to begin with.
        :param log_time_ns: now, nanoseconds since the Unix epoch.
        :return: False when there is no room for it in the ring; it is wanted again a little later.
        """
        if self._status is None or self._ring is None:
            return False
        asked, payload = self._status.asked, encode_mark(messages)
        if not self._ring.write(MARK, payload, log_time_ns, log_time_ns, 0):
            self._asked_again_ns = time.monotonic_ns() + _MARK_AGAIN_NS
            return False
        self._answered = asked
        self._calm = self._status.calm(asked)
        return True

    def trigger(self, cause: str, log_time_ns: int) -> bool:
        """
        Say that what is recorded around now is wanted; it goes with the next :meth:`commit`.

        :param cause: why, in words.
        :param log_time_ns: now, nanoseconds since the Unix epoch.
        :return: False when there is no room for it in the ring.
        """
        return self._ring is not None and self._ring.write(
            TRIGGER, cause.encode(), log_time_ns, log_time_ns, 0
        )

    def alive(self) -> bool:
        """
        Return whether what is written is being recorded, as the last commit found it.

        A full disk is known at once, a recorder that was killed within half a second.
        """
        return self._open

    def problem(self) -> str | None:
        """Return what stopped the recording, or None."""
        if self._summary is not None:
            return self._summary.problem
        if self._status is None:
            return None
        if self._status.failed:
            return self._status.problem
        return None if self._process.alive() else f'the recorder {self._process.ending()}'

    @property
    def written(self) -> tuple[int, ...]:
        """Return how many messages of each channel are in the file so far."""
        if self._summary is not None:
            return tuple(self._summary.written.values())
        return tuple(self._written())

    @property
    def dropped(self) -> tuple[int, ...]:
        """Return how many messages of each channel will not be in the bag, as known now."""
        if self._summary is not None:
            return tuple(self._summary.dropped.values())
        return tuple(self._refused if self.problem() is None else self._lost())

    def close(self, timeout_s: float = 10.0) -> Summary:
        """
        Let the recorder write what is left and finish the bag, and end it.

        :param timeout_s: after that the recorder is killed; what it had flushed stays readable.
        :return: what became of the recording; the same when called again.
        :raises RecordingError: the recording was not started.
        """
        if self._summary is not None:
            return self._summary
        if self._status is None:
            raise RecordingError(f'the recording to {self._folder} was not started')
        self.commit()
        self._shut()
        problem = self.problem()
        if not self._process.finish(timeout_s) and problem is None:
            problem = f'the recorder {self._process.ending()} before it finished the bag'
        complete = self._status.closed
        if not complete and problem is None:
            problem = f'the recorder {self._process.ending()} and left the bag unfinished'
        self._summary = Summary(
            folder=self._folder,
            complete=complete,
            problem=self._status.problem or problem,
            written=self._by_topic(self._written()),
            dropped=self._by_topic(self._lost()),
        )
        self._ring = self._status = self._signals = None
        self._resources.close()
        return self._summary

    def _start(
        self,
        described: Sequence[DescribedChannel],
        timeout_s: float,
        resources: contextlib.ExitStack,
    ) -> None:
        handles = RingHandles.create(self._ring_bytes)
        resources.callback(handles.close)
        ring = RingWriter(handles)
        resources.callback(ring.close)
        status_memory, status = RecorderStatus.create(len(described))
        resources.callback(os.close, status_memory)
        resources.callback(status.close)
        self._process.start(
            {
                'folder': str(self._folder),
                'options': dataclasses.asdict(self._options),
                'channels': [channel.to_plain() for channel in described],
                'ring': dataclasses.asdict(handles),
                'status': status_memory,
                'cpus': self._cpus,
            },
            [*handles.descriptors, status_memory],
            timeout_s,
        )
        self._ring, self._status, self._signals = ring, status, status.signals

    def _written(self) -> list[int]:
        return [0] * len(self._channels) if self._status is None else self._status.written

    def _lost(self) -> list[int]:
        return [
            accepted + refused - written
            for accepted, refused, written in zip(self._accepted, self._refused, self._written())
        ]

    def _by_topic(self, counts: Sequence[int]) -> dict[str, int]:
        return {channel.topic: count for channel, count in zip(self._channels, counts)}
