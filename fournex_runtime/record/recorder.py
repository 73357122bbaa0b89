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

import json
import os
import pathlib
import select
import signal
import socket
import sys
import time
from typing import Any

from ..errors import RecordingError
from .bag_writer import BagWriter
from .channel import DescribedChannel
from .recorder_status import RecorderStatus
from .ring import RingHandles, RingReader

BATCH_NS = 15_000_000
FLUSH_NS = 50_000_000
_BATCH_BYTES = 1024 * 1024
_IDLE_BATCHES = 100
_NICENESS = 5


class Recorder:
    """
    Moves records from a ring to a bag until the runtime ends.

    :param reader: the ring.
    :param writer: the bag, open.
    :param status: where counts and problems are told.
    :param ends: descriptors of which any one becomes readable when the runtime is done.
    :param committed: the descriptor that becomes readable when there are records.
    """

    def __init__(
        self,
        reader: RingReader,
        writer: BagWriter,
        status: RecorderStatus,
        ends: list[int],
        committed: int,
    ) -> None:
        self._reader = reader
        self._writer: BagWriter | None = writer
        self._status = status
        self._end = select.poll()
        for descriptor in ends:
            self._end.register(descriptor, select.POLLIN)
        self._anything = select.poll()
        for descriptor in (*ends, committed):
            self._anything.register(descriptor, select.POLLIN)
        self._flush_due_ns: int | None = None

    def run(self) -> str | None:
        """
        Record until the runtime ends, then finish the bag.

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
            idle = 0 if self._drain() else idle + 1
            self._flush_if_due()
        self.finish()
        return self._status.problem

    def _drain(self) -> bool:
        """Move what was committed to the bag; return whether there was anything."""
        found = False
        while self._reader.poll():
            found = True
            for record in self._reader.records(_BATCH_BYTES):
                if self._writer is None:
                    continue
                try:
                    self._writer.write(
                        record.channel,
                        record.data,
                        log_time_ns=record.log_time_ns,
                        publish_time_ns=record.publish_time_ns,
                        sequence=record.sequence,
                    )
                except OSError as problem:
                    self._give_up(problem)
            self._reader.release()
            if self._flush_due_ns is None:
                self._flush_due_ns = time.monotonic_ns() + FLUSH_NS
            self._flush_if_due()
        return found

    def _flush_if_due(self) -> None:
        if self._flush_due_ns is None or time.monotonic_ns() + BATCH_NS < self._flush_due_ns:
            return
        self._flush_due_ns = None
        if self._writer is None:
            return
        try:
            self._writer.flush()
        except OSError as problem:
            self._give_up(problem)
        else:
            self._status.set_written(self._writer.written)

    def _give_up(self, problem: OSError) -> None:
        """Finish the bag now, while the reserve can still pay for it; discard what follows."""
        path = '' if self._writer is None else self._writer.path
        self.finish()
        self._status.fail(f'{path}: {problem.strerror}; recording has stopped')

    def finish(self) -> None:
        """Close the bag, if it is open, as well as it can be closed."""
        writer, self._writer = self._writer, None
        if writer is None:
            return
        try:
            writer.close()
        except RecordingError as problem:
            self._status.set_written(writer.written)
            self._status.fail(str(problem))
        else:
            self._status.set_written(writer.written)
            self._status.set_closed()


def _leave_the_loop_alone(cpus: list[int] | None) -> None:
    """Drop what was inherited from a real-time runtime, and any claim to be as urgent."""
    if os.sched_getscheduler(0) != os.SCHED_OTHER:
        os.sched_setscheduler(0, os.SCHED_OTHER, os.sched_param(0))
    os.nice(_NICENESS)
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
    writer = BagWriter(
        pathlib.Path(configuration['folder']), channels, configuration['compression']
    )
    try:
        _leave_the_loop_alone(configuration['cpus'])
        reader = RingReader(handles)
        writer.open()
    except (RecordingError, OSError) as refusal:
        _tell(control, 'refused', str(refusal))
        return 2
    _tell(control, 'ready')
    ends = [control.fileno(), configuration['runtime']]
    recorder = Recorder(reader, writer, status, ends, handles.committed)
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
