"""The bag of an evaluation: what a live run would have recorded, in simulated time."""

from __future__ import annotations

import pathlib
import time
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
_SNAPSHOT = 2
"""Channel of the snapshots, behind those of the manifest and the tick records."""
_TRIES = 1000
_WAIT_S = 0.005


class EvaluationRecording:
    """
    Writes the ticks of one session to a bag, with their inputs and commands.

    An evaluation runs many times faster than a robot. It waits for the recorder where a live run
    would drop and count.

    :param folder: the bag; it must not exist.
    :param wiring: the wiring.
    :param engine: the session.
    :param backend: description of what runs the policy.
    :param messages: the message types.
    """

    def __init__(
        self,
        folder: pathlib.Path,
        wiring: Wiring,
        engine: Engine,
        backend: str,
        messages: Messages,
    ) -> None:
        session = engine.wiring
        self._messages = messages
        options = EVERYTHING if wiring.record.ring else wiring.record
        self._inputs = [_absolute(source.topic) for source in session.sources]
        self._commands = [_absolute(target.topic) for target in session.targets]
        self._codec = TickCodec(messages, session.name, self._inputs, self._commands)
        tick_topic = f'{NODE}/{session.name}/tick'
        self._recording = Recording(
            folder,
            [
                Channel(f'{NODE}/manifest', MANIFEST_TYPE, _LATCHED, latched=True),
                Channel(tick_topic, TICK_TYPE),
                Channel(snapshot_topic(tick_topic), SNAPSHOT_TYPE),
                *(
                    Channel(topic, source.type, latched=True)
                    for topic, source in zip(self._inputs, session.sources)
                ),
                *(
                    Channel(topic, target.type)
                    for topic, target in zip(self._commands, session.targets)
                ),
            ],
            messages=messages,
            options=options,
        )
        self._marks = 0
        self._snapshots = SnapshotCodec(messages, session.name, self._inputs)
        self._manifest = Manifest(
            ros_ns=START_NS,
            runtime=NODE,
            wiring_file=str(wiring.file.resolve()),
            wiring=wiring.text,
            sessions=(
                SessionManifest(
                    name=session.name,
                    policy=engine.contract.reference,
                    bundle=str(engine.bundle.folder.resolve()),
                    bundle_sha256=engine.bundle.sha256,
                    frame_prefix='',
                    contract=engine.contract.text,
                    input_topics=tuple(self._inputs),
                    input_types=tuple(source.type for source in session.sources),
                    command_topics=tuple(self._commands),
                    command_types=tuple(target.type for target in session.targets),
                    tick_topic=tick_topic,
                    fallback_policies=fallback_manifests(session),
                ),
            ),
            environment={**environment([backend], [engine.contract]), 'time': 'simulated, from 0'},
        )

    def start(self) -> None:
        """
        Open the bag.

        :raises RecordingError: it cannot be written.
        """
        self._recording.start()
        self._write(0, encode_manifest(self._manifest, self._messages), START_NS, 1)

    def on_tick(
        self, inputs: TickInputs, record: TickRecord, timing: Timing, state: SessionState
    ) -> None:
        """
        Write one tick.

        :param state: what the session remembers after it.
        :raises RecordingError: the recorder gave up.
        """
        first_input = _SNAPSHOT + 1
        first_command = first_input + len(self._inputs)
        for source, received in enumerate(inputs.messages):
            for one in received:
                self._write(first_input + source, one.data, one.arrival_ns, one.index)
        for target, (data, index) in enumerate(zip(record.commands, record.command_indices)):
            if data is not None:
                self._write(first_command + target, data, record.ros_ns, index)
        self._write(1, self._codec.encode(record, timing), record.ros_ns, record.tick + 1)
        self._recording.commit()
        if self._recording.wants_mark:
            taken = memoryview(self._snapshots.encode(state, record.ros_ns))
            now_ns = record.ros_ns
            self._marks += 1
            snapshot = RingRecord(_SNAPSHOT, self._marks, now_ns, now_ns, taken)
            self._recording.mark([snapshot], now_ns)

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


def _absolute(topic: str) -> str:
    """Return a relative topic as it resolves without a namespace."""
    return topic if topic.startswith('/') else f'/{topic}'
