"""What each file of a recording begins with, of what the runtime alone knows."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from ..pipeline.messages import Messages
from ..record.ring import RingRecord
from ..record.snapshot import SnapshotCodec, snapshot_topic
from .hosted import HostedSession

Entry = Callable[[str, bytes, int], RingRecord]
"""Makes of topic, bytes and number what a recording takes."""


class Snapshots:
    """
    Takes the snapshots of all sessions of an activation, none of which is being concluded.

    :param sessions: the sessions, bound to their feeds.
    :param tick_topics: fully qualified topic of the tick records of each.
    :param messages: the message types.
    :param ros_now_ns: reads the ROS clock.
    :param entry: of the recording.
    """

    def __init__(
        self,
        sessions: Sequence[HostedSession],
        tick_topics: Sequence[str],
        messages: Messages,
        ros_now_ns: Callable[[], int],
        entry: Entry,
    ) -> None:
        self._sessions = [
            (session, snapshot_topic(topic), SnapshotCodec(messages, session.name, session.topics))
            for session, topic in zip(sessions, tick_topics)
        ]
        self._ros_now_ns = ros_now_ns
        self._entry = entry
        self._taken = 0

    def take(self) -> list[RingRecord]:
        """
        Return a snapshot of each session, and before it the messages that they hold back.

        :raises MessageError: a session remembers something that a snapshot cannot hold.
        """
        found = [
            self._entry(topic, one.data, one.index)
            for session, _, _ in self._sessions
            for topic, one in session.held()
        ]
        ros_ns = self._ros_now_ns()
        self._taken += 1
        for session, topic, codec in self._sessions:
            found.append(self._entry(topic, codec.encode(session.state, ros_ns), self._taken))
        return found
