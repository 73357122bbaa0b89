"""What one session publishes, and what it says of itself while it does."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Mapping, Sequence

from rclpy.duration import Duration
from rclpy.event_handler import PublisherEventCallbacks
from rclpy.node import Node
from rclpy.publisher import Publisher
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from ..doctor import commands
from ..errors import GraphError
from ..pipeline.messages import Messages
from ..session.tick import Mode, TickRecord
from .endpoints import qos_profile
from .events import EVENT_TYPE, encode_event
from .graph import message_class
from .hosted import HostedSession
from .log_thread import LogThread
from .run_recording import RunRecording, Write
from .tick_stages import Outlets

COMMAND_QOS = qos_profile(commands.COMMAND_QOS)
EVENT_QOS = QoSProfile(
    depth=20, reliability=ReliabilityPolicy.RELIABLE, durability=DurabilityPolicy.TRANSIENT_LOCAL
)
ACK_TIMEOUT_S = 0.3
"""How long the stop command may take to be acknowledged before the publishers go."""


class SessionPublishers:
    """
    The publishers of a session: its commands and its events.

    :param node: the runtime's node.
    :param session: the session.
    :param messages: the message types.
    :param log: says what a tick brought.
    """

    def __init__(
        self, node: Node, session: HostedSession, messages: Messages, log: LogThread
    ) -> None:
        self._node = node
        self._log = log
        self._messages = messages
        self._name = session.name
        self._commands: list[Publisher] = [
            node.create_publisher(message_class(target.type), target.topic, COMMAND_QOS)
            for target in session.engine.wiring.targets
        ]
        self._events = node.create_publisher(
            message_class(EVENT_TYPE),
            f'~/{session.name}/event',
            EVENT_QOS,
            event_callbacks=PublisherEventCallbacks(use_default_callbacks=False),
        )

    @property
    def command_topics(self) -> list[str]:
        """Return the fully qualified topic of each target."""
        return [publisher.topic_name for publisher in self._commands]

    @property
    def event_topic(self) -> str:
        """Return the fully qualified topic of the events."""
        return str(self._events.topic_name)

    @property
    def tick_topic(self) -> str:
        """Return where the tick records are in a recording."""
        return str(self._node.resolve_topic_name(f'~/{self._name}/tick'))

    def await_listeners(self, deadline_s: float, interrupted: Callable[[], bool]) -> None:
        """
        Wait until every command reaches those who are known to listen.

        A command that is published before its publisher and a subscriber have found each other is
        lost, and in lockstep nobody would ever ask for it again.

        :param deadline_s: until when, on the steady clock.
        :param interrupted: asked while waiting; ends it with an error.
        :raises GraphError: one could not be connected.
        """
        for publisher in self._commands:
            while publisher.get_subscription_count() < len(
                self._node.get_subscriptions_info_by_topic(publisher.topic_name)
            ):
                if interrupted() or time.monotonic() >= deadline_s:
                    raise GraphError(
                        f'{publisher.topic_name}: not all of its subscribers could be connected '
                        'in time'
                    )
                time.sleep(0.005)

    def outlets(self, recording: RunRecording | None) -> Outlets:
        """Return where the session's results go."""
        return Outlets(
            commands=[_outlet(publisher, recording) for publisher in self._commands],
            record=None if recording is None else recording.writer(self.tick_topic),
            event=self._event_outlet(recording),
        )

    def _event_outlet(
        self, recording: RunRecording | None
    ) -> Callable[[str, TickRecord, Sequence[tuple[str, str]]], None]:
        publish, numbers = _outlet(self._events, recording), itertools.count(1)

        def tell(kind: str, record: TickRecord, values: Sequence[tuple[str, str]]) -> None:
            data = encode_event(self._messages, self._name, kind, record, values)
            publish(data, next(numbers))
            if kind == 'mode_changed':
                if recording is not None and record.mode in (Mode.FALLBACK, Mode.STOPPED):
                    mode = record.mode.name.lower()
                    recording.trigger(f'{self._name}: {mode}: {record.cause}')
                self._log.say(lambda: self._say_mode(record))
            elif kind == 'worker_replaced':
                self._log.say(lambda: self._say_worker(dict(values)))
            elif kind == 'policy_chosen':
                self._log.say(lambda: self._say_choice(dict(values)))

        return tell

    def _say_worker(self, said: Mapping[str, str]) -> None:
        words = f'worker {said["worker"]} (process {said["pid"]}) answers now'
        self._node.get_logger().warning(f'{self._name}: {words}: {said["why"]}')

    def _say_choice(self, said: Mapping[str, str]) -> None:
        words = f'{said["policy"]} is chosen in place of {said["before"]}'
        cause = f': {said["cause"]}' if said['cause'] else ''
        self._node.get_logger().info(f'{self._name}: {words}{cause}')

    def _say_mode(self, record: TickRecord) -> None:
        words = f'{self._name}: {record.mode.name.lower()}'
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

    def await_acknowledged(self) -> None:
        """Let the last commands arrive."""
        for publisher in self._commands:
            publisher.wait_for_all_acked(Duration(seconds=ACK_TIMEOUT_S))

    def destroy(self) -> None:
        """Take the publishers off the graph."""
        for publisher in (*self._commands, self._events):
            self._node.destroy_publisher(publisher)


def _outlet(publisher: Publisher, recording: RunRecording | None) -> Write:
    """Return what publishes the bytes of a message and records them."""
    handle = publisher.handle  # what ``Publisher.publish`` calls once it has looked at the type

    def publish(data: bytes, index: int) -> None:
        with handle:
            handle.publish_raw(data)

    if recording is None:
        return publish
    write = recording.writer(publisher.topic_name)

    def publish_and_write(data: bytes, index: int) -> None:
        publish(data, index)
        write(data, index)

    return publish_and_write
