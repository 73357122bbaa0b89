"""The recording of one activation: which topics its bag has, and what is written to them."""

from __future__ import annotations

import collections
import functools
import pathlib
import time
from collections.abc import Callable, Sequence
from typing import Any

from ..errors import MessageError, RecordingError
from ..pipeline.messages import Messages
from ..record.channel import Channel, QosProfile
from ..record.manifest import MANIFEST_TYPE, Manifest, encode_manifest
from ..record.recording import Recording
from ..record.recording_summary import Summary
from ..record.ring import RingRecord
from ..session.wiring_record import EVERYTHING, RecordWiring
from .log_thread import LogThread

Write = Callable[[bytes, int], None]
"""Takes the bytes of a message and its number on its topic, from 1."""

LATCHED = QosProfile('reliable', 'transient_local', 'keep_last', 1)


class RunRecording:
    """
    A bag that begins with a manifest.

    :param folder: the bag; it must not exist.
    :param manifest_topic: topic of the manifest.
    :param channels: the other topics.
    :param messages: the message types.
    :param logger: of the node; told how the recording ends.
    :param log: calls the logger for the control loop.
    :param options: how the recording is cut, packed and kept within bounds.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        manifest_topic: str,
        channels: Sequence[Channel],
        messages: Messages,
        logger: Any,
        log: LogThread,
        options: RecordWiring = EVERYTHING,
    ) -> None:
        every = [Channel(manifest_topic, MANIFEST_TYPE, LATCHED, latched=True), *channels]
        self._index = {channel.topic: index for index, channel in enumerate(every)}
        self._recording = Recording(folder, every, messages=messages, options=options)
        self.ring = options.ring
        """Whether only what a trigger asks for is written."""
        self.snapshots: Callable[[], Sequence[RingRecord]] = tuple
        """Returns what a file has to begin with, of what the runtime alone knows."""
        self._manifest_topic = manifest_topic
        self._messages = messages
        self._logger = logger
        self._log = log
        self._later: collections.deque[tuple[str, bytes]] = collections.deque()
        self._numbers: collections.Counter[str] = collections.Counter()
        self._failed = False
        self._marked_badly = False

    @property
    def folder(self) -> pathlib.Path:
        """Return the bag."""
        return self._recording.folder

    @property
    def dropped(self) -> int:
        """Return how many messages will not be in the bag, as far as known."""
        return sum(self._recording.dropped)

    def start(self, manifest: Manifest) -> None:
        """
        Start the recorder and write the manifest.

        :raises RecordingError: the bag or the recorder cannot be had; nothing is left behind.
        """
        self._recording.start()
        self.writer(self._manifest_topic)(encode_manifest(manifest, self._messages), 1)
        self._recording.commit()

    def writer(self, topic: str) -> Write:
        """Return what writes the messages of a topic."""
        return self._recording.writer(self._index[topic])

    def missed_teller(self, topic: str) -> Callable[[int], None]:
        """Return what notes how many messages of a topic never came to be recorded."""
        return functools.partial(self._recording.set_missed, self._index[topic])

    def later(self, topic: str, data: bytes) -> None:
        """
        Have a message recorded with the next tick, if its topic is; from any thread.

        :param topic: one whose messages all come in this way.
        :param data: its CDR bytes.
        """
        if topic in self._index:
            self._later.append((topic, data))

    def entry(self, topic: str, data: bytes, sequence: int) -> RingRecord:
        """Return a message as :attr:`snapshots` has to return it."""
        now_ns = time.time_ns()
        return RingRecord(self._index[topic], sequence, now_ns, now_ns, memoryview(data))

    def mark(self) -> None:
        """Let a file begin here: every tick that is concluded has been recorded."""
        begins_with: Sequence[RingRecord] = ()
        try:
            begins_with = self.snapshots()
        except MessageError as problem:  # a recording is no reason to stop a robot
            words = f'files of this recording cannot be replayed alone: {problem}'
            if not self._marked_badly:
                self._log.say(lambda: self._logger.error(words))
            self._marked_badly = True
        self._recording.mark(begins_with, time.time_ns())
        self._recording.commit()

    def trigger(self, cause: str) -> bool:
        """Have written what is kept in memory, if only that is kept; return whether it will be."""
        return self.ring and self._recording.trigger(cause, time.time_ns())

    def commit(self) -> None:
        """
        Make what a tick wrote visible to the recorder, and give it a mark if it asks for one.

        Says once when there is no recorder any more.
        """
        while self._later:
            topic, data = self._later.popleft()
            self._numbers[topic] += 1
            self.writer(topic)(data, self._numbers[topic])
        if not self._recording.commit():
            return
        if self._recording.wants_mark:
            self.mark()
        if not self._failed and not self._recording.alive():
            self._failed = True
            problem = self._recording.problem()
            words = f'the recorder has ended; the robot goes on without a recording: {problem}'
            self._log.say(lambda: self._logger.error(words))

    def close(self) -> None:
        """Let the recorder finish the bag, and say what became of it."""
        try:
            self._say(self._recording.close())
        except RecordingError as problem:
            self._logger.error(str(problem))

    def _say(self, summary: Summary) -> None:
        lost = sum(summary.dropped.values())
        words = f'recorded {sum(summary.written.values())} messages to {summary.folder}'
        if self.ring:
            made = len(list(summary.folder.glob('*/metadata.yaml')))
            words = f'{made} recordings of what happened are in {summary.folder}'
            if not made:
                words = f'nothing happened that was to be recorded in {summary.folder}'
        if summary.problem is not None or not summary.complete:
            self._logger.error(f'{words}; {lost} lost: {summary.problem}')
        elif lost:
            self._logger.warning(f'{words}; {lost} lost: the recorder could not keep up')
        else:
            self._logger.info(words)


def next_folder(parent: pathlib.Path, robot: str) -> pathlib.Path:
    """Return ``parent/robot-0001``, or the first number that is free."""
    taken = [
        int(path.name[len(robot) + 1 :])
        for path in parent.glob(f'{robot}-*')
        if path.name[len(robot) + 1 :].isdigit()
    ]
    return parent / f'{robot}-{max(taken, default=0) + 1:04d}'
