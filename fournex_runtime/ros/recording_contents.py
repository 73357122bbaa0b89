"""What the recording of an activation holds: its topics, and the manifest that explains them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from rclpy.node import Node
from rclpy.qos import QoSProfile

from ..record.channel import Channel, QosProfile
from ..record.manifest import Manifest, SessionManifest, environment, fallback_manifests
from ..record.snapshot import SNAPSHOT_TYPE, snapshot_topic
from ..record.tick_record import TICK_TYPE
from ..session.wiring import Wiring
from ..worker.succession import describe_interpreter, describe_isolation
from .events import EVENT_TYPE
from .feed import Feed
from .hosted import HostedSession
from .middleware import middleware_facts
from .publishers import COMMAND_QOS, EVENT_QOS, SessionPublishers
from .recorded_diagnostics import DIAGNOSTICS, DIAGNOSTICS_TYPE


class RecordingContents:
    """
    What is recorded of an activation.

    :param node: the runtime's node.
    :param wiring: the wiring.
    :param sessions: the sessions that are activated.
    :param feeds: what they read, by the topic's name in the wiring.
    :param publishers: what each session publishes, by its name.
    """

    def __init__(
        self,
        node: Node,
        wiring: Wiring,
        sessions: Sequence[HostedSession],
        feeds: Mapping[str, Feed],
        publishers: Mapping[str, SessionPublishers],
    ) -> None:
        self._node = node
        self._wiring = wiring
        self._sessions = sessions
        self._feeds = feeds
        self._publishers = publishers

    def channels(self, qos: Mapping[str, QoSProfile]) -> list[Channel]:
        """
        Return the topics of the recording, but for the manifest.

        :param qos: with which each input is subscribed, by its name in the wiring.
        """
        channels = []
        for session in self._sessions:
            own = self._publishers[session.name]
            channels.append(Channel(own.tick_topic, TICK_TYPE))
            channels.append(Channel(snapshot_topic(own.tick_topic), SNAPSHOT_TYPE))
            events = _recorded_qos(EVENT_QOS)
            channels.append(Channel(own.event_topic, EVENT_TYPE, events, latched=True))
            for target, topic in zip(session.engine.wiring.targets, own.command_topics):
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

    def manifest(self, frame_prefix: str, facts: Mapping[str, str]) -> Manifest:
        """
        Return the manifest as of now.

        :param frame_prefix: put before the contract's and the wiring's frame names.
        :param facts: what else it is to say of this machine, by name.
        """
        sessions = self._sessions
        return Manifest(
            ros_ns=self._node.get_clock().now().nanoseconds,
            runtime=self._node.get_fully_qualified_name(),
            wiring_file=str(self._wiring.file.resolve()),
            wiring=self._wiring.text,
            sessions=tuple(self._session_manifest(one, frame_prefix) for one in sessions),
            environment={
                **environment(
                    [session.backend.description for session in sessions],
                    [session.engine.contract for session in sessions],
                ),
                **{
                    f'isolation.{session.name}': describe_isolation(session.backend)
                    for session in sessions
                },
                **{
                    f'worker.{session.name}': describe_interpreter(session.backend)
                    for session in sessions
                },
                **{f'seed.{one.name}': str(one.first_episode().seed) for one in sessions},
                **middleware_facts(),
                **facts,
            },
        )

    def _session_manifest(self, session: HostedSession, frame_prefix: str) -> SessionManifest:
        wiring, bundle = session.engine.wiring, session.engine.bundle
        own = self._publishers[session.name]
        return SessionManifest(
            name=session.name,
            policy=bundle.contract.reference,
            bundle=str(bundle.folder.resolve()),
            bundle_sha256=bundle.sha256,
            frame_prefix=frame_prefix,
            contract=bundle.contract.text,
            input_topics=tuple(self._feeds[s.topic].topic.name for s in wiring.sources),
            input_types=tuple(source.type for source in wiring.sources),
            command_topics=tuple(own.command_topics),
            command_types=tuple(target.type for target in wiring.targets),
            tick_topic=own.tick_topic,
            fallback_policies=fallback_manifests(wiring),
        )


def _recorded_qos(qos: QoSProfile) -> QosProfile:
    return QosProfile(
        qos.reliability.name.lower(), qos.durability.name.lower(), 'keep_last', qos.depth
    )
