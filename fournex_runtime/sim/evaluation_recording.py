"""The bag of an evaluation: what a live run would have recorded, in simulated time."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Sequence
from typing import Any

from ..errors import RecordingError
from ..pipeline.messages import Messages
from ..record.channel import Channel, QosProfile
from ..record.manifest import (
    MANIFEST_TYPE,
    Manifest,
    SessionManifest,
    encode_manifest,
    environment,
    fallback_manifests,
)
from ..record.recording import Recording
from ..record.ring import RingRecord
from ..record.snapshot import SNAPSHOT_TYPE, SnapshotCodec, snapshot_topic
from ..record.tick_record import TICK_TYPE, TickCodec
from ..session.engine import Engine
from ..session.tick import SessionState, TickInputs, TickRecord, Timing
from ..session.wiring import Wiring
from ..session.wiring_record import EVERYTHING
from .evaluation import START_NS

NODE = '/fournex'
_LATCHED = QosProfile('reliable', 'transient_local', 'keep_last', 1)
_MANIFEST = 0
_TRIES = 1000
_WAIT_S = 0.005


class EvaluationRecording:
    """
    Writes the ticks of sessions to a bag, with their inputs and commands.

    An evaluation runs many times faster than a robot. It waits for the recorder where a live run
    would drop and count.

    :param folder: the bag; it must not exist.
    :param wiring: the wiring.
    :param engines: the sessions; each has topics of its own.
    :param backends: descriptions of what runs their policies.
    :param messages: the message types.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        wiring: Wiring,
        engines: Sequence[Engine],
        backends: Sequence[str],
        messages: Messages,
    ) -> None:
        self._messages = messages
        options = EVERYTHING if wiring.record.ring else wiring.record
        channels = [Channel(f'{NODE}/manifest', MANIFEST_TYPE, _LATCHED, latched=True)]
        self._sessions = []
        for engine in engines:
            self._sessions.append(_RecordedSession(engine, messages, len(channels)))
            channels += self._sessions[-1].channels
        self._recording = Recording(folder, channels, messages=messages, options=options)
        self._marks = 0
        self._manifest = Manifest(
            ros_ns=START_NS,
            runtime=NODE,
            wiring_file=str(wiring.file.resolve()),
            wiring=wiring.text,
            sessions=tuple(one.manifest for one in self._sessions),
            environment={
                **environment(backends, [engine.contract for engine in engines]),
                'time': 'simulated, from 0',
            },
        )

    def start(self) -> None:
        """
        Open the bag.

        :raises RecordingError: it cannot be written.
        """
        self._recording.start()
        self._write(_MANIFEST, encode_manifest(self._manifest, self._messages), START_NS, 1)

    def on_tick(
        self,
        inputs: TickInputs,
        record: TickRecord,
        timing: Timing,
        state: SessionState,
        session: int = 0,
    ) -> None:
        """
        Write one tick.

        :param state: what the session remembers after it.
        :param session: which session's.
        :raises RecordingError: the recorder gave up.
        """
        one = self._sessions[session]
        one.state = state
        for channel, received in enumerate(inputs.messages, one.first_input):
            for taken in received:
                self._write(channel, taken.data, taken.arrival_ns, taken.index)
        for channel, (data, index) in enumerate(
            zip(record.commands, record.command_indices), one.first_command
        ):
            if data is not None:
                self._write(channel, data, record.ros_ns, index)
        data = one.codec.encode(record, timing)
        self._write(one.first_channel, data, record.ros_ns, record.tick + 1)
        self._recording.commit()
        if self._recording.wants_mark:
            self._marks += 1
            self._recording.mark(
                [each.snapshot(self._marks, record.ros_ns) for each in self._sessions],
                record.ros_ns,
            )

    def close(self) -> None:
        """
        Finish the bag.

        :raises RecordingError: something of the run is not in it.
        """
        summary = self._recording.close()
        lost = sum(summary.dropped.values())
        if summary.problem or lost:
            raise RecordingError(
                f'{summary.folder}: {lost} messages are not in the bag'
                + (f': {summary.problem}' if summary.problem else '')
            )

    def _write(self, channel: int, data: Any, time_ns: int, sequence: int) -> None:
        for _ in range(_TRIES):
            if self._recording.write(
                channel, data, log_time_ns=time_ns, publish_time_ns=time_ns, sequence=sequence
            ):
                return
            if self._recording.problem() is not None:
                break
            self._recording.commit()
            time.sleep(_WAIT_S)
        raise RecordingError(
            f'{self._recording.folder}: {self._recording.problem() or "the recorder is stuck"}'
        )


class _RecordedSession:
    """
    One of the sessions: its channels, one after the other, and what is written to them.

    :param engine: the session.
    :param messages: the message types.
    :param first_channel: index of its first channel.
    """

    def __init__(self, engine: Engine, messages: Messages, first_channel: int) -> None:
        session = engine.wiring
        inputs = [_absolute(source.topic) for source in session.sources]
        commands = [_absolute(target.topic) for target in session.targets]
        tick_topic = f'{NODE}/{session.name}/tick'
        self.state = engine.initial_state()
        """What the session remembers."""
        self.codec = TickCodec(messages, session.name, inputs, commands)
        self._snapshots = SnapshotCodec(messages, session.name, inputs)
        self.channels = [
            Channel(tick_topic, TICK_TYPE),
            Channel(snapshot_topic(tick_topic), SNAPSHOT_TYPE),
            *(
                Channel(topic, source.type, latched=True)
                for topic, source in zip(inputs, session.sources)
            ),
            *(Channel(topic, target.type) for topic, target in zip(commands, session.targets)),
        ]
        self.first_channel = first_channel
        self._snapshot_channel = first_channel + 1
        self.first_input = first_channel + 2
        self.first_command = self.first_input + len(inputs)
        self.manifest = SessionManifest(
            name=session.name,
            policy=engine.contract.reference,
            bundle=str(engine.bundle.folder.resolve()),
            bundle_sha256=engine.bundle.sha256,
            frame_prefix='',
            contract=engine.contract.text,
            input_topics=tuple(inputs),
            input_types=tuple(source.type for source in session.sources),
            command_topics=tuple(commands),
            command_types=tuple(target.type for target in session.targets),
            tick_topic=tick_topic,
            fallback_policies=fallback_manifests(session),
        )

    def snapshot(self, number: int, now_ns: int) -> RingRecord:
        """Return a snapshot of the session, to begin a file with."""
        data = memoryview(self._snapshots.encode(self.state, now_ns))
        return RingRecord(self._snapshot_channel, number, now_ns, now_ns, data)


def _absolute(topic: str) -> str:
    """Return a relative topic as it resolves without a namespace."""
    return topic if topic.startswith('/') else f'/{topic}'
