"""
One activation of a runtime: subscriptions, publishers and the recording, from first to last.

An activation is all or nothing: it checks the live graph before it creates anything, and whatever
it has created goes again when a later step fails.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Sequence

from rclpy.duration import Duration
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from ..configuration import FOREVER_NS
from ..errors import GraphError, RecordingError
from ..pipeline.messages import Messages
from ..pipeline.ports import Source
from ..record.channel import Channel, QosProfile
from ..record.manifest import (
    MANIFEST_TYPE,
    Manifest,
    SessionManifest,
    encode_manifest,
    environment,
)
from ..record.recording import Recording, Summary
from ..record.tick_record import TICK_TYPE
from ..session.tick import Received, TickRecord
from ..session.wiring import Wiring
from .events import EVENT_TYPE, encode_event
from .feed import Feed
from .graph import check_target, input_qos, message_class, wait_for_publishers
from .hosted import HostedSession, Outlets
from .polling import PolledTopic

COMMAND_QOS = QoSProfile(
    depth=1, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.VOLATILE
)
EVENT_QOS = QoSProfile(
    depth=20, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
ACK_TIMEOUT_S = 0.3
"""How long the stop command may take to be acknowledged before the publishers go."""


@dataclasses.dataclass(frozen=True)
class Settings:
    """
    What the runtime's parameters say about activations.

    :param graph_timeout_s: how long to wait for publishers and for first messages.
    :param record: folder in which each activation makes a bag of its own; None: no recording.
    :param frame_prefix: put before the contract's and the wiring's frame names.
    """

    graph_timeout_s: float
    record: pathlib.Path | None
    frame_prefix: str


class Activation:
    """
    Everything that lives from activation to deactivation.

    :param node: the runtime's node.
    :param wiring: the wiring.
    :param sessions: the configured sessions.
    :param messages: the message types.
    :param settings: the runtime's parameters.
    :param interrupted: asked while waiting; ends the activation with an error.
    """

    def __init__(
        self,
        node: Node,
        wiring: Wiring,
        sessions: Sequence[HostedSession],
        messages: Messages,
        settings: Settings,
        interrupted: Callable[[], bool],
    ) -> None:
        self._node = node
        self._wiring = wiring
        self._sessions = sessions
        self._messages = messages
        self._settings = settings
        self._interrupted = interrupted
        self._feeds: dict[str, Feed] = {}
        self._publishers: list[Publisher] = []
        self._commands: dict[str, list[Publisher]] = {}
        self._recording: Recording | None = None
        self._recording_failed = False

    @property
    def recording(self) -> Recording | None:
        """Return the recording, if there is one."""
        return self._recording

    def open(self) -> None:
        """
        Check the graph, subscribe, look at the first messages, start recording.

        :raises GraphError: the live graph does not have what the wiring names.
        :raises RecordingError: the recording cannot be started.
        """
        try:
            self._open()
        except BaseException:
            self.close()
            raise

    def _open(self) -> None:
        sources = {
            source.topic: source
            for session in self._sessions
            for source in session.engine.wiring.sources
        }
        needed = {
            session.engine.wiring.sources[port.source].topic
            for session in self._sessions
            for port in session.engine.wiring.ports
        }
        wait_for_publishers(
            self._node,
            [source for topic, source in sources.items() if topic in needed],
            self._settings.graph_timeout_s,
            self._interrupted,
        )
        for topic, source in sources.items():
            if not self._node.get_publishers_info_by_topic(topic):
                self._node.get_logger().warning(
                    f'nobody publishes {self._node.resolve_topic_name(topic)} ({source.type}) '
                    'yet; the policy does not need it'
                )
        qos = {topic: input_qos(self._node, source) for topic, source in sources.items()}
        for session in self._sessions:
            for target in session.engine.wiring.targets:
                warning = check_target(self._node, target, COMMAND_QOS)
                if warning:
                    self._node.get_logger().warning(warning)
        for topic, source in sources.items():
            self._feeds[topic] = Feed(
                PolledTopic(self._node, topic, message_class(source.type), qos[topic])
            )
        newest = self._first_messages(sources)
        for session in self._sessions:
            wired = session.engine.wiring.sources
            session.bind([self._feeds[source.topic] for source in wired])
        self._create_publishers()
        for session in self._sessions:
            session.rehearse(
                [newest[source.topic] for source in session.engine.wiring.sources],
                self._node.get_clock().now().nanoseconds,
                self._messages,
                self._command_topics(session),
            )
        if self._settings.record is not None:
            self._start_recording(self._settings.record, qos)
        self._await_listeners()
        for session in self._sessions:
            session.begin(self._outlets(session))
        for topic, received in newest.items():
            if received is not None:
                self._feeds[topic].push(received)

    def _first_messages(self, sources: dict[str, Source]) -> dict[str, Received | None]:
        """Wait for one message on every topic that has to keep coming."""
        awaited = {
            session.engine.wiring.sources[port.source].topic
            for session in self._sessions
            for port in session.engine.wiring.ports
            if port.budget_ns < FOREVER_NS
        }
        deadline = time.monotonic() + self._settings.graph_timeout_s
        newest: dict[str, Received | None] = dict.fromkeys(sources)
        while True:
            for topic, feed in self._feeds.items():
                newest[topic] = feed.first() or newest[topic]
            silent = sorted(topic for topic in awaited if newest[topic] is None)
            if not silent:
                return newest
            if self._interrupted():
                raise GraphError('interrupted while waiting for first messages')
            if time.monotonic() >= deadline:
                names = ', '.join(self._feeds[topic].topic.name for topic in silent)
                raise GraphError(
                    f'no message on {names} in {self._settings.graph_timeout_s:g} s, though '
                    'somebody publishes there; is the sensor running?'
                )
            time.sleep(0.01)

    def _create_publishers(self) -> None:
        for session in self._sessions:
            publishers = []
            for target in session.engine.wiring.targets:
                publisher = self._node.create_publisher(
                    message_class(target.type), target.topic, COMMAND_QOS
                )
                self._publishers.append(publisher)
                publishers.append(publisher)
            self._commands[session.name] = publishers
            self._publishers.append(
                self._node.create_publisher(
                    message_class(EVENT_TYPE), f'~/{session.name}/event', EVENT_QOS
                )
            )
            self._commands[f'{session.name} event'] = [self._publishers[-1]]

    def _await_listeners(self) -> None:
        """
        Wait until every command reaches those who are known to listen.

        A command that is published before its publisher and a subscriber have found each other is
        lost, and in lockstep nobody would ever ask for it again.
        """
        deadline = time.monotonic() + self._settings.graph_timeout_s
        for session in self._sessions:
            for publisher in self._commands[session.name]:
                while publisher.get_subscription_count() < len(
                    self._node.get_subscriptions_info_by_topic(publisher.topic_name)
                ):
                    if self._interrupted() or time.monotonic() >= deadline:
                        raise GraphError(
                            f'{publisher.topic_name}: not all of its subscribers could be '
                            f'connected in {self._settings.graph_timeout_s:g} s'
                        )
                    time.sleep(0.005)

    def _command_topics(self, session: HostedSession) -> list[str]:
        return [publisher.topic_name for publisher in self._commands[session.name]]

    def _tick_topic(self, session: HostedSession) -> str:
        return self._node.resolve_topic_name(f'~/{session.name}/tick')

    # --- recording -------------------------------------------------------------------------------

    def _start_recording(self, parent: pathlib.Path, qos: dict[str, QoSProfile]) -> None:
        channels = [
            Channel(
                self._node.resolve_topic_name('~/manifest'),
                MANIFEST_TYPE,
                QosProfile('reliable', 'transient_local', 'keep_last', 1),
                latched=True,
            )
        ]
        for session in self._sessions:
            channels.append(Channel(self._tick_topic(session), TICK_TYPE))
            event = self._commands[f'{session.name} event'][0]
            channels.append(
                Channel(
                    event.topic_name,
                    EVENT_TYPE,
                    QosProfile('reliable', 'transient_local', 'keep_last', EVENT_QOS.depth),
                )
            )
            for target, topic in zip(session.engine.wiring.targets, self._command_topics(session)):
                channels.append(
                    Channel(topic, target.type, QosProfile('reliable', 'volatile', 'keep_last', 1))
                )
        for topic, feed in self._feeds.items():
            channels.append(
                Channel(
                    feed.topic.name,
                    self._type_of(topic),
                    _recorded_qos(qos[topic]),
                    latched=qos[topic].durability == DurabilityPolicy.TRANSIENT_LOCAL,
                )
            )
        folder = next_folder(parent, self._wiring.robot)
        recording = Recording(folder, channels, messages=self._messages)
        recording.start()
        self._recording = recording
        self._channel = {channel.topic: index for index, channel in enumerate(channels)}
        now_ns = time.time_ns()
        recording.write(
            0,
            encode_manifest(self._manifest(), self._messages),
            log_time_ns=now_ns,
            publish_time_ns=now_ns,
            sequence=1,
        )
        recording.commit()
        for feed in self._feeds.values():
            feed.record(self._input_recorder(recording, self._channel[feed.topic.name]))

    def _type_of(self, topic: str) -> str:
        return next(
            source.type
            for session in self._sessions
            for source in session.engine.wiring.sources
            if source.topic == topic
        )

    def _input_recorder(
        self, recording: Recording, channel: int
    ) -> Callable[[Received, int], None]:
        def record(received: Received, now_ns: int) -> None:
            recording.write(
                channel,
                received.data,
                log_time_ns=now_ns,
                publish_time_ns=now_ns,
                sequence=received.index,
            )

        return record

    def _manifest(self) -> Manifest:
        return Manifest(
            ros_ns=self._node.get_clock().now().nanoseconds,
            runtime=self._node.get_fully_qualified_name(),
            wiring_file=str(self._wiring.file.resolve()),
            wiring=self._wiring.text,
            sessions=tuple(
                SessionManifest(
                    name=session.name,
                    policy=session.engine.contract.reference,
                    bundle=str(session.engine.bundle.folder.resolve()),
                    bundle_sha256=session.engine.bundle.sha256,
                    frame_prefix=self._settings.frame_prefix,
                    contract=session.engine.contract.text,
                    input_topics=tuple(
                        self._feeds[source.topic].topic.name
                        for source in session.engine.wiring.sources
                    ),
                    input_types=tuple(s.type for s in session.engine.wiring.sources),
                    command_topics=tuple(self._command_topics(session)),
                    command_types=tuple(t.type for t in session.engine.wiring.targets),
                    tick_topic=self._tick_topic(session),
                )
                for session in self._sessions
            ),
            environment=environment([s.backend.description for s in self._sessions]),
        )

    def after_tick(self) -> None:
        """Make the tick's messages visible to the recorder; say once when it is gone."""
        recording = self._recording
        if recording is None or self._recording_failed:
            return
        recording.commit()
        if not recording.alive():
            self._recording_failed = True
            for feed in self._feeds.values():
                feed.record(None)
            self._node.get_logger().error(
                f'the recorder has ended; the robot goes on without a recording: '
                f'{recording.problem()}'
            )

    # --- outlets ---------------------------------------------------------------------------------

    def _outlets(self, session: HostedSession) -> Outlets:
        recording = self._recording
        record = None
        if recording is not None:
            record = self._tick_recorder(recording, self._channel[self._tick_topic(session)])
        return Outlets(
            commands=[
                self._command_outlet(publisher) for publisher in self._commands[session.name]
            ],
            record=record,
            event=self._event_outlet(session),
        )

    def _command_outlet(self, publisher: Publisher) -> Callable[[bytes, int], None]:
        recording = self._recording
        if recording is None:
            return lambda data, index: publisher.publish(data)
        channel = self._channel[publisher.topic_name]

        def publish(data: bytes, index: int) -> None:
            publisher.publish(data)
            now_ns = time.time_ns()
            recording.write(
                channel, data, log_time_ns=now_ns, publish_time_ns=now_ns, sequence=index
            )

        return publish

    def _tick_recorder(
        self, recording: Recording, channel: int
    ) -> Callable[[bytes, int, int], None]:
        def record(data: bytes, tick: int, now_ns: int) -> None:
            recording.write(
                channel, data, log_time_ns=now_ns, publish_time_ns=now_ns, sequence=tick + 1
            )

        return record

    def _event_outlet(
        self, session: HostedSession
    ) -> Callable[[str, TickRecord, Sequence[tuple[str, str]]], None]:
        publisher = self._commands[f'{session.name} event'][0]
        recording = self._recording
        count = 0

        def tell(kind: str, record: TickRecord, values: Sequence[tuple[str, str]]) -> None:
            nonlocal count
            count += 1
            data = encode_event(self._messages, session.name, kind, record, values)
            publisher.publish(data)
            if recording is not None:
                now_ns = time.time_ns()
                recording.write(
                    self._channel[publisher.topic_name],
                    data,
                    log_time_ns=now_ns,
                    publish_time_ns=now_ns,
                    sequence=count,
                )
            if kind == 'mode_changed':
                words = f'{session.name}: {record.mode.name.lower()}'
                self._node.get_logger().info(f'{words}: {record.cause}' if record.cause else words)

        return tell

    def _tell_summary(self, summary: Summary) -> None:
        logger = self._node.get_logger()
        lost = sum(summary.dropped.values())
        words = f'recorded {sum(summary.written.values())} messages to {summary.folder}'
        if summary.problem is not None or not summary.complete:
            logger.error(f'{words}; {lost} lost: {summary.problem}')
        elif lost:
            logger.warning(f'{words}; {lost} lost: the recorder could not keep up')
        else:
            logger.info(words)

    # --- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let the last commands arrive, close the recording, unsubscribe. The loop has stopped."""
        for session in self._sessions:
            for publisher in self._commands.get(session.name, []):
                publisher.wait_for_all_acked(Duration(seconds=ACK_TIMEOUT_S))
            session.end()
        if self._recording is not None:
            try:
                summary = self._recording.close()
                self._tell_summary(summary)
            except RecordingError as problem:
                self._node.get_logger().error(str(problem))
            self._recording = None
        for feed in self._feeds.values():
            feed.topic.destroy()
        for publisher in self._publishers:
            self._node.destroy_publisher(publisher)
        self._feeds, self._publishers, self._commands = {}, [], {}


def next_folder(parent: pathlib.Path, robot: str) -> pathlib.Path:
    """Return ``parent/robot-0001``, or the first number that is free."""
    taken = [
        int(path.name[len(robot) + 1 :])
        for path in parent.glob(f'{robot}-*')
        if path.name[len(robot) + 1 :].isdigit()
    ]
    return parent / f'{robot}-{max(taken, default=0) + 1:04d}'


def _recorded_qos(qos: QoSProfile) -> QosProfile:
    return QosProfile(
        qos.reliability.name.lower(), qos.durability.name.lower(), 'keep_last', qos.depth
    )
