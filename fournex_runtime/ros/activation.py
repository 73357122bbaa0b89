"""
One activation of a runtime: subscriptions, publishers and the recording, from first to last.

An activation is all or nothing: it checks the live graph before it creates anything, and whatever
it has created goes again when a later step fails.
"""

from __future__ import annotations

import dataclasses
import itertools
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from ..configuration import FOREVER_NS
from ..doctor import commands
from ..doctor.topics import requested_qos
from ..errors import GraphError
from ..pipeline.messages import Messages
from ..record.channel import Channel, QosProfile
from ..record.manifest import Manifest, SessionManifest, environment, fallback_manifests
from ..record.snapshot import SNAPSHOT_TYPE, snapshot_topic
from ..record.tick_record import TICK_TYPE
from ..session.load import TickCost, overload
from ..session.tick import Mode, Received, TickRecord
from ..session.wiring import Wiring
from ..worker.succession import describe_isolation
from .checkup import Checkup
from .endpoints import qos_profile
from .events import EVENT_TYPE, encode_event
from .feed import Feed
from .graph import GraphWatch, message_class, wait_for_publishers
from .hosted import HostedSession, Outlets
from .polling import PolledTopic
from .recorded_diagnostics import DIAGNOSTICS, DIAGNOSTICS_TYPE
from .robot_description import RobotDescription
from .run_recording import RunRecording, Write, next_folder
from .snapshots import Snapshots

COMMAND_QOS = qos_profile(commands.COMMAND_QOS)
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
    :param overrides: names of checks whose failure is no reason to refuse.
    :param environment: what else the manifest is to say of this machine, by name.
    """

    graph_timeout_s: float
    record: pathlib.Path | None
    frame_prefix: str
    overrides: frozenset[str] = frozenset()
    environment: Mapping[str, str] = dataclasses.field(default_factory=dict)


class Activation:
    """
    Everything that lives from activation to deactivation.

    :param node: the runtime's node.
    :param graph: who has come and gone so far.
    :param wiring: the wiring.
    :param sessions: the configured sessions.
    :param messages: the message types.
    :param settings: the runtime's parameters.
    :param interrupted: asked while waiting; ends the activation with an error.
    """

    def __init__(
        self,
        node: Node,
        graph: GraphWatch,
        wiring: Wiring,
        sessions: Sequence[HostedSession],
        messages: Messages,
        settings: Settings,
        interrupted: Callable[[], bool],
    ) -> None:
        self._node = node
        self._graph = graph
        self._wiring = wiring
        self._sessions = sessions
        self._messages = messages
        self._settings = settings
        self._interrupted = interrupted
        self._checkup = Checkup(
            node, sessions, messages, settings.frame_prefix, settings.overrides
        )
        self._feeds: dict[str, Feed] = {}
        self._commands: dict[str, list[Publisher]] = {}
        self._events: dict[str, Publisher] = {}
        self._recording: RunRecording | None = None

    @property
    def recording(self) -> RunRecording | None:
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
        self._await_graph()
        self._checkup.graph()
        offers = {name: self._checkup.topics[name].publishers for name in sources}
        qos = {
            name: qos_profile(requested_qos(source.qos, offers[name]))
            for name, source in sources.items()
        }
        for topic, source in sources.items():
            self._feeds[topic] = Feed(
                PolledTopic(self._node, topic, message_class(source.type), qos[topic])
            )
        first = self._first_messages()
        for session in self._sessions:
            wired = session.engine.wiring.sources
            session.bind([self._feeds[source.topic] for source in wired])
        self._create_publishers()
        costs = [
            session.rehearse(
                [first[source.topic] for source in session.engine.wiring.sources],
                self._node.get_clock().now().nanoseconds,
                self._messages,
                self._command_topics(session),
            )
            for session in self._sessions
        ]
        self._checkup.inference({one.session: one.answer_ns for one in costs})
        self._check_load(costs)
        self._await_listeners()
        if self._settings.record is not None:
            self._start_recording(self._settings.record, qos)
        for session in self._sessions:
            session.begin(self._outlets(session))
        if self._recording is not None:
            self._recording.mark()
        for topic, messages in first.items():
            for received in messages:
                self._feeds[topic].push(received)

    def _check_load(self, costs: Sequence[TickCost]) -> None:
        """
        Judge whether the loop has the time for all sessions.

        :raises GraphError: it has not, and the wiring does not have that reported only.
        """
        words = overload(costs)
        if not words or all(session.engine.wiring.lockstep for session in self._sessions):
            return
        # How fast simulated time goes is not known.
        if self._wiring.realtime.fits and not self._follows_clock:
            raise GraphError(f'{self._wiring.file}: {words}')
        self._node.get_logger().warning(words)

    def _await_graph(self) -> None:
        """Wait for the publishers that the policies need, and until the graph is still."""
        needed = {
            session.engine.wiring.sources[source].topic
            for session in self._sessions
            for source in session.engine.wiring.needed
        }
        if self._follows_clock:
            needed.add('/clock')
        timeout_s = self._settings.graph_timeout_s
        wait_for_publishers(self._node, sorted(needed), timeout_s, self._interrupted)
        self._graph.wait_until_settled(timeout_s, self._interrupted)

    @property
    def _follows_clock(self) -> bool:
        """Return whether ROS time is that of ``/clock``, and matters."""
        lockstep = all(session.engine.wiring.lockstep for session in self._sessions)
        return bool(self._node.get_parameter('use_sim_time').value) and not lockstep

    def _first_messages(self) -> dict[str, list[Received]]:
        """
        Wait for one message on every topic that has to keep coming, and for frames; examine them.

        :returns: the newest message of each topic, and everything that has come of tf.
        :raises GraphError: a session could not begin with what has come.
        """
        awaited = {
            session.engine.wiring.sources[port.source].topic
            for session in self._sessions
            for port in session.engine.wiring.ports
            if port.budget_ns < FOREVER_NS
        }
        # In lockstep a tick that waits for a message publishes nothing, and no tick follows.
        triggering = {
            session.engine.wiring.sources[source].topic
            for session in self._sessions
            if session.engine.wiring.lockstep
            for source in session.engine.wiring.needed
        }
        deadline = time.monotonic() + self._settings.graph_timeout_s
        of_tf = {
            session.engine.wiring.sources[source].topic
            for session in self._sessions
            for source in session.engine.wiring.tf_sources
        }
        first: dict[str, list[Received]] = {topic: [] for topic in self._feeds}
        description = RobotDescription(self._node)
        try:
            while True:
                for topic, feed in self._feeds.items():
                    if topic in of_tf:
                        first[topic].extend(feed.all_so_far())
                    elif (newest := feed.first()) is not None:
                        first[topic] = [newest]
                silent = [topic for topic in awaited | triggering if not first[topic]]
                waiting = silent or description.awaited
                timeless = self._follows_clock and not self._node.get_clock().now().nanoseconds
                if time.monotonic() >= deadline or not (
                    waiting or timeless or self._unresolved(first)
                ):
                    break
                if self._interrupted():
                    raise GraphError('interrupted while waiting for first messages')
                time.sleep(0.01)
            self._checkup.first_messages(first, description.text())
            if unheard := sorted(triggering.intersection(silent)):
                self._node.get_logger().warning(
                    f'lockstep: no message on {", ".join(unheard)} yet. Nothing is commanded '
                    'before it, so a simulator that waits for commands waits for ever'
                )
            lacking = self._unresolved(first)
            if lacking:  # what is known of them is too old
                raise GraphError('\n'.join(lacking))
        finally:
            description.close()
        return first

    def _unresolved(self, first: dict[str, list[Received]]) -> list[str]:
        """Return which frames the sessions lack, in words."""
        ros_ns = self._node.get_clock().now().nanoseconds
        return [
            f'sessions.{session.name}: {words}'
            for session in self._sessions
            for words in session.unresolved(
                [first[source.topic] for source in session.engine.wiring.sources], ros_ns
            )
        ]

    def _create_publishers(self) -> None:
        for session in self._sessions:
            self._commands[session.name] = [
                self._node.create_publisher(message_class(target.type), target.topic, COMMAND_QOS)
                for target in session.engine.wiring.targets
            ]
            self._events[session.name] = self._node.create_publisher(
                message_class(EVENT_TYPE),
                f'~/{session.name}/event',
                EVENT_QOS,
                event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
            )

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
        return str(self._node.resolve_topic_name(f'~/{session.name}/tick'))

    # --- recording -------------------------------------------------------------------------------

    def _start_recording(self, parent: pathlib.Path, qos: dict[str, QoSProfile]) -> None:
        recording = RunRecording(
            next_folder(parent, self._wiring.robot),
            self._node.resolve_topic_name('~/manifest'),
            self._channels(qos),
            self._messages,
            self._node.get_logger(),
            self._wiring.record,
        )
        recording.snapshots = Snapshots(
            self._sessions,
            [self._tick_topic(session) for session in self._sessions],
            self._messages,
            lambda: self._node.get_clock().now().nanoseconds,
            recording.entry,
        ).take
        recording.start(self._manifest())
        self._recording = recording
        for feed in self._feeds.values():
            feed.record(recording.writer(feed.topic.name))

    def _channels(self, qos: dict[str, QoSProfile]) -> list[Channel]:
        channels = []
        for session in self._sessions:
            tick_topic = self._tick_topic(session)
            channels.append(Channel(tick_topic, TICK_TYPE))
            channels.append(Channel(snapshot_topic(tick_topic), SNAPSHOT_TYPE))
            events = self._events[session.name].topic_name
            channels.append(Channel(events, EVENT_TYPE, _recorded_qos(EVENT_QOS), latched=True))
            for target, topic in zip(session.engine.wiring.targets, self._command_topics(session)):
                channels.append(Channel(topic, target.type, _recorded_qos(COMMAND_QOS)))
        types = {
            source.topic: source.type
            for session in self._sessions
            for source in session.engine.wiring.sources
        }
        for topic, feed in self._feeds.items():
            recorded = _recorded_qos(qos[topic])
            # To a session the newest message holds until the next one, whatever its durability.
            channels.append(Channel(feed.topic.name, types[topic], recorded, latched=True))
        diagnostics = self._node.resolve_topic_name(DIAGNOSTICS)
        if diagnostics not in [channel.topic for channel in channels]:
            channels.append(Channel(diagnostics, DIAGNOSTICS_TYPE))
        return channels

    def _manifest(self) -> Manifest:
        overridden = self._checkup.overridden
        return Manifest(
            ros_ns=self._node.get_clock().now().nanoseconds,
            runtime=self._node.get_fully_qualified_name(),
            wiring_file=str(self._wiring.file.resolve()),
            wiring=self._wiring.text,
            sessions=tuple(self._session_manifest(session) for session in self._sessions),
            environment={
                **environment(
                    [session.backend.description for session in self._sessions],
                    [session.engine.contract for session in self._sessions],
                ),
                **{
                    f'isolation.{session.name}': describe_isolation(session.backend)
                    for session in self._sessions
                },
                **{f'overridden.{check}': words for check, words in overridden.items()},
                **self._settings.environment,
            },
        )

    def _session_manifest(self, session: HostedSession) -> SessionManifest:
        wiring, bundle = session.engine.wiring, session.engine.bundle
        return SessionManifest(
            name=session.name,
            policy=bundle.contract.reference,
            bundle=str(bundle.folder.resolve()),
            bundle_sha256=bundle.sha256,
            frame_prefix=self._settings.frame_prefix,
            contract=bundle.contract.text,
            input_topics=tuple(self._feeds[s.topic].topic.name for s in wiring.sources),
            input_types=tuple(source.type for source in wiring.sources),
            command_topics=tuple(self._command_topics(session)),
            command_types=tuple(target.type for target in wiring.targets),
            tick_topic=self._tick_topic(session),
            fallback_policies=fallback_manifests(wiring),
        )

    def after_tick(self) -> None:
        """Hand what the tick wrote to the recorder."""
        if self._recording is not None:
            self._recording.commit()

    # --- outlets ---------------------------------------------------------------------------------

    def _outlets(self, session: HostedSession) -> Outlets:
        recording = self._recording
        return Outlets(
            commands=[self._outlet(publisher) for publisher in self._commands[session.name]],
            record=None if recording is None else recording.writer(self._tick_topic(session)),
            event=self._event_outlet(session),
        )

    def _outlet(self, publisher: Publisher) -> Write:
        """Return what publishes the bytes of a message and records them."""
        if self._recording is None:
            return lambda data, index: publisher.publish(data)
        write = self._recording.writer(publisher.topic_name)

        def publish(data: bytes, index: int) -> None:
            publisher.publish(data)
            write(data, index)

        return publish

    def _event_outlet(
        self, session: HostedSession
    ) -> Callable[[str, TickRecord, Sequence[tuple[str, str]]], None]:
        publish, numbers = self._outlet(self._events[session.name]), itertools.count(1)

        def tell(kind: str, record: TickRecord, values: Sequence[tuple[str, str]]) -> None:
            data = encode_event(self._messages, session.name, kind, record, values)
            publish(data, next(numbers))
            if kind == 'mode_changed':
                self._trigger_on_fault(session.name, record)
                self._say_mode(session.name, record)
            elif kind == 'worker_replaced':
                said = dict(values)
                words = f'worker {said["worker"]} (process {said["pid"]}) answers now'
                self._node.get_logger().warning(f'{session.name}: {words}: {said["why"]}')

        return tell

    def _trigger_on_fault(self, session: str, record: TickRecord) -> None:
        if self._recording is not None and record.mode in (Mode.FALLBACK, Mode.STOPPED):
            self._recording.trigger(f'{session}: {record.mode.name.lower()}: {record.cause}')

    def _say_mode(self, session: str, record: TickRecord) -> None:
        words = f'{session}: {record.mode.name.lower()}'
        words = f'{words}: {record.cause}' if record.cause else words
        logger = self._node.get_logger()
        if record.mode is Mode.STOPPED and not record.stop_requested:
            service = self._node.resolve_service_name('~/reset_episode')
            end = '' if words.endswith(('.', '?')) else '.'
            logger.error(f'{words}{end} To go on, begin an episode: {service}')
        elif record.mode is Mode.FALLBACK:
            logger.warning(words)
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
            self._recording.close()
            self._recording = None
        for feed in self._feeds.values():
            feed.topic.destroy()
        for publisher in (*itertools.chain(*self._commands.values()), *self._events.values()):
            self._node.destroy_publisher(publisher)
        self._feeds, self._commands, self._events = {}, {}, {}


def _recorded_qos(qos: QoSProfile) -> QosProfile:
    return QosProfile(
        qos.reliability.name.lower(), qos.durability.name.lower(), 'keep_last', qos.depth
    )
