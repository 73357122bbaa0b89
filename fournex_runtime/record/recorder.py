"""
The recorder process: takes what the runtime committed to the ring and writes it to a bag.

Started by :class:`~fournex_runtime.record.recording.Recording` as
``python -m fournex_runtime.record.recorder CONTROL`` with its configuration as JSON on standard
input and ``CONTROL`` the number of a socket. It ends when it is told to, when the socket is closed
or when the runtime is dead, whichever comes first, and writes before that everything that was
committed. SIGINT and SIGTERM do not end it: whoever signals a whole group or cgroup wants the
recording closed, which the end of the runtime brings about.
"""

from __future__ import annotations

import contextlib
import json
import os
import pathlib
import select
import signal
import socket
import sys
import time
from collections.abc import Mapping, Sequence
from typing import Any, Protocol

from ..errors import RecordingError
from ..kernel import take_turns
from ..session.wiring_record import RecordWiring
from .channel import DescribedChannel
from .continuous import Continuous
from .last_seconds import LastSeconds
from .mark import MARK, TRIGGER, decode_mark
from .mcap_writer import MISSED
from .recorder_status import RecorderStatus
from .ring import RingHandles, RingReader, RingRecord

BATCH_NS = 15_000_000
FLUSH_NS = 50_000_000
_BATCH_BYTES = 1024 * 1024
_HURRY_BYTES = 8 * 1024 * 1024
_IDLE_BATCHES = 100
_DROPPED_NS = 1_000_000_000
_NICENESS = 5


class Keeper(Protocol):
    """What becomes of the records: see :class:`Continuous` and :class:`LastSeconds`."""

    @property
    def place(self) -> str:
        """Return where it is being written."""

    @property
    def busy(self) -> bool:
        """Return whether there is something to do, even when nothing comes."""

    @property
    def wants_mark(self) -> bool:
        """Return whether it is time for a mark."""

    @property
    def written(self) -> list[int]:
        """Return how many messages of each channel were taken care of."""

    def open(self) -> None:
        """Make the place where it is written."""

    def hurry(self, hurrying: bool) -> None:
        """Say whether more comes in than can be compressed well."""

    def take(self, record: RingRecord) -> None:
        """Take a message."""

    def mark(self, marked: Sequence[RingRecord], log_time_ns: int) -> None:
        """Take a mark."""

    def trigger(self, cause: str) -> None:
        """Take a trigger."""

    def flush(self, dropped: Mapping[str, int]) -> None:
        """Hand what was taken to the operating system."""

    def close(self) -> None:
        """Finish what was begun."""


class Recorder:
    """
    Moves records from a ring to where they are kept until the runtime ends.

    :param reader: the ring.
    :param keeper: what becomes of the records; open.
    :param topics: of the channels.
    :param status: where counts and problems are told.
    :param control: becomes readable when the runtime wants the end.
    :param runtime: becomes readable when the runtime is dead.
    :param committed: becomes readable when there are records.
    """

    def __init__(
        self,
        reader: RingReader,
        keeper: Keeper,
        topics: Sequence[str],
        status: RecorderStatus,
        control: socket.socket,
        runtime: int,
        committed: int,
    ) -> None:
        self._reader = reader
        self._keeper: Keeper | None = keeper
        self._topics = topics
        self._status = status
        self._control = control
        self._end = select.poll()
        self._anything = select.poll()
        for descriptor in (control.fileno(), runtime):
            self._end.register(descriptor, select.POLLIN)
            self._anything.register(descriptor, select.POLLIN)
        self._anything.register(committed, select.POLLIN)
        self._flush_due_ns: int | None = None
        self._dropped: dict[str, int] = {}
        self._dropped_due_ns = 0
        self._asked = False

    def run(self) -> str | None:
        """
        Record until the runtime ends, then finish.

        :return: what stopped the recording before that, or None.
        """
        ended = False
        idle = 0
        while not ended:
            # While records come the recorder looks for them by its own clock: being waited for
            # would make each commit wake a process, and let that take the loop's processor.
            if idle > _IDLE_BATCHES:
                self._anything.poll()
            ended = bool(self._end.poll(BATCH_NS // 1_000_000))
            idle = 0 if self._drain() or self._busy else idle + 1
            self._flush_if_due()
            self._ask_if_due()
        if self._keeper is not None and not self._told_to_end():
            self._trigger(self._keeper, 'the runtime has ended')
        self.finish()
        return self._status.problem

    def _trigger(self, keeper: Keeper, cause: str) -> None:
        try:
            keeper.trigger(cause)
        except RecordingError as problem:
            self._give_up(keeper, problem)

    @property
    def _busy(self) -> bool:
        return self._keeper is not None and self._keeper.busy

    def _told_to_end(self) -> bool:
        """Return whether the runtime wanted the end, and is not just dead."""
        try:
            return bool(self._control.recv(16, socket.MSG_DONTWAIT))
        except OSError:
            return False

    def _drain(self) -> bool:
        """Move what was committed; return whether there was anything."""
        found = False
        while available := self._reader.poll():
            found = True
            if self._keeper is not None:
                self._keeper.hurry(available > _HURRY_BYTES)
            for record in self._reader.records(_BATCH_BYTES):
                self._move(record)
            self._reader.release()
            self._flush_if_due()
        return found

    def _move(self, record: RingRecord) -> None:
        keeper = self._keeper
        if keeper is None:
            return
        try:
            if record.channel == MARK:
                self._asked = False
                keeper.mark(list(decode_mark(record.data)), record.log_time_ns)
            elif record.channel == TRIGGER:
                self._trigger(keeper, bytes(record.data).decode())
            else:
                keeper.take(record)
        except (OSError, RecordingError) as problem:
            self._give_up(keeper, problem)

    def _flush_if_due(self) -> None:
        now_ns = time.monotonic_ns()
        if self._flush_due_ns is None:
            self._flush_due_ns = now_ns + FLUSH_NS
        elif now_ns + BATCH_NS >= self._flush_due_ns:
            self._flush_due_ns = None
            if now_ns >= self._dropped_due_ns:
                self._dropped_due_ns = now_ns + _DROPPED_NS
                self._count_dropped()
            self._flush()

    def _flush(self) -> None:
        keeper = self._keeper
        if keeper is None:
            return
        try:
            keeper.flush(self._dropped)
        except (OSError, RecordingError) as problem:
            self._give_up(keeper, problem)
        else:
            self._status.set_written(keeper.written)

    def _count_dropped(self) -> None:
        refused = zip(self._topics, self._status.refused)
        missed = ((MISSED + topic, n) for topic, n in zip(self._topics, self._status.missed))
        self._dropped = {topic: count for topic, count in (*refused, *missed) if count}

    def _ask_if_due(self) -> None:
        if not self._asked and self._keeper is not None and self._keeper.wants_mark:
            self._asked = True
            self._status.ask()

    def _give_up(self, keeper: Keeper, problem: OSError | RecordingError) -> None:
        """Finish now, while the reserve can still pay for it; discard what follows."""
        words = (
            f'{keeper.place}: {problem.strerror}' if isinstance(problem, OSError) else str(problem)
        )
        self.finish()
        self._status.fail(f'{words}; recording has stopped')

    def finish(self) -> None:
        """Close what is open as well as it can be closed."""
        self._count_dropped()
        keeper, self._keeper = self._keeper, None
        if keeper is None:
            return
        with contextlib.suppress(OSError, RecordingError):  # closing says so, too
            keeper.flush(self._dropped)
        try:
            keeper.close()
        except RecordingError as problem:
            self._status.set_written(keeper.written)
            self._status.fail(str(problem))
        else:
            self._status.set_written(keeper.written)
            self._status.set_closed()


def _leave_the_loop_alone(cpus: list[int] | None) -> None:
    """Drop what was inherited from a real-time runtime, and any claim to be as urgent."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    take_turns(0)
    os.nice(_NICENESS)
    with contextlib.suppress(OSError):  # of its session, where the kernel shares cores by these
        pathlib.Path('/proc/self/autogroup').write_text(str(_NICENESS))
    if cpus is not None:
        os.sched_setaffinity(0, cpus)


def _tell(control: socket.socket, state: str, problem: str | None = None) -> None:
    try:
        control.send(json.dumps({'state': state, 'problem': problem}).encode())
    except OSError:
        pass  # the runtime is gone, which the loop finds out at once


def _record(control: socket.socket, configuration: dict[str, Any]) -> int:
    channels = [DescribedChannel.from_plain(plain) for plain in configuration['channels']]
    handles = RingHandles(**configuration['ring'])
    status = RecorderStatus(configuration['status'], len(channels))
    options = RecordWiring(**configuration['options'])
    kind = LastSeconds if options.ring else Continuous
    keeper: Keeper = kind(pathlib.Path(configuration['folder']), channels, options)
    try:
        _leave_the_loop_alone(configuration['cpus'])
        reader = RingReader(handles)
        keeper.open()
    except (RecordingError, OSError) as refusal:
        _tell(control, 'refused', str(refusal))
        return 2
    _tell(control, 'ready')
    topics = [one.channel.topic for one in channels]
    recorder = Recorder(
        reader, keeper, topics, status, control, configuration['runtime'], handles.committed
    )
    try:
        problem = recorder.run()
    except Exception as unexpected:
        # Not foreseen: say it to the runtime and on standard error, and save what there is.
        status.fail(f'the recorder failed: {type(unexpected).__name__}: {unexpected}')
        recorder.finish()
        raise
    return 0 if problem is None else 1


def main() -> int:
    """Run the recorder; the exit status is 0 when nothing went wrong."""
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        signal.signal(number, signal.SIG_IGN)
    with socket.socket(fileno=int(sys.argv[1])) as control:
        return _record(control, json.load(sys.stdin))


if __name__ == '__main__':
    sys.exit(main())
