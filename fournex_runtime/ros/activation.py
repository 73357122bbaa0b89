"""
One activation of a runtime: subscriptions, publishers and the recording, from first to last.

An activation is all or nothing: it checks the live graph before it creates anything, and whatever
it has created goes again when a later step fails.
"""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable, Mapping, Sequence

from rclpy.node import Node
from rclpy.qos import QoSProfile

from ..configuration import FOREVER_NS
from ..doctor.finding import Level
from ..doctor.load import check_load
from ..doctor.topics import requested_qos
from ..errors import GraphError
from ..pipeline.messages import Messages
from ..session.load import TickCost
from ..session.tick import Received
from ..session.wiring import Wiring
from .checkup import Checkup
from .endpoints import qos_profile
from .feed import Feed
from .graph import GraphWatch, message_class, wait_for_publishers
from .hosted import HostedSession
from .log_thread import LogThread
from .polling import PolledTopic
from .publishers import SessionPublishers
from .recording_contents import RecordingContents
from .robot_description import RobotDescription
from .run_recording import RunRecording, next_folder
from .snapshots import Snapshots


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
        self._publishers: dict[str, SessionPublishers] = {}
        self._recording: RunRecording | None = None
        self._log = LogThread()

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
                PolledTopic(self._node, topic, message_class(source.type), qos[topic], self._log)
            )
        first = self._first_messages()
        for session in self._sessions:
            wired = session.engine.wiring.sources
            session.bind([self._feeds[source.topic] for source in wired])
        for session in self._sessions:
            self._publishers[session.name] = SessionPublishers(
                self._node, session, self._messages, self._log
            )
        costs = [
            session.rehearse(
                [first[source.topic] for source in session.engine.wiring.sources],
                self._node.get_clock().now().nanoseconds,
                self._messages,
                self._publishers[session.name].command_topics,
            )
            for session in self._sessions
        ]
        self._checkup.inference(costs)
        self._check_load(costs)
        deadline_s = time.monotonic() + self._settings.graph_timeout_s
        for one in self._publishers.values():
            one.await_listeners(deadline_s, self._interrupted)
        if self._settings.record is not None:
            self._start_recording(self._settings.record, qos)
        for session in self._sessions:
            session.begin(self._publishers[session.name].outlets(self._recording))
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
        found = check_load(self._wiring, costs, self._follows_clock)
        if found.level is Level.FAILURE:
            raise GraphError(f'{self._wiring.file}: {found.text}')
        if found.level is Level.WARNING:
            self._node.get_logger().warning(found.text)

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

    # --- recording -------------------------------------------------------------------------------

    def _start_recording(self, parent: pathlib.Path, qos: dict[str, QoSProfile]) -> None:
        contents = RecordingContents(
            self._node, self._wiring, self._sessions, self._feeds, self._publishers
        )
        recording = RunRecording(
            next_folder(parent, self._wiring.robot),
            self._node.resolve_topic_name('~/manifest'),
            contents.channels(qos),
            self._messages,
            self._node.get_logger(),
            self._log,
            self._wiring.record,
        )
        recording.snapshots = Snapshots(
            self._sessions,
            [self._publishers[session.name].tick_topic for session in self._sessions],
            self._messages,
            lambda: self._node.get_clock().now().nanoseconds,
            recording.entry,
        ).take
        overridden = self._checkup.overridden
        facts = {f'overridden.{check}': words for check, words in overridden.items()}
        recording.start(
            contents.manifest(self._settings.frame_prefix, {**facts, **self._settings.environment})
        )
        self._recording = recording
        for feed in self._feeds.values():
            name = feed.topic.name
            feed.record(recording.writer(name), recording.missed_teller(name))

    def after_tick(self) -> None:
        """Hand what the tick wrote to the recorder."""
        if self._recording is not None:
            self._recording.commit()

    # --- the end ---------------------------------------------------------------------------------

    def close(self) -> None:
        """Let the last commands arrive, close the recording, unsubscribe. The loop has stopped."""
        for session in self._sessions:
            if session.name in self._publishers:
                self._publishers[session.name].await_acknowledged()
            session.end()
        if self._recording is not None:
            self._recording.close()
            self._recording = None
        for feed in self._feeds.values():
            feed.topic.destroy()
        for one in self._publishers.values():
            one.destroy()
        self._feeds, self._publishers = {}, {}
        self._log.close()
