"""Looks at a live robot for a while, and publishes nothing."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from rclpy.node import Node

from ..configuration import FOREVER_NS
from ..doctor.survey import Clock, JointReading, Sample, Survey, Topic
from ..doctor.topics import requested_qos
from ..errors import GraphError
from ..pipeline.field_terms import JOINT_STATE
from ..pipeline.messages import Messages
from ..pipeline.ports import Qos
from ..session.wiring import SessionWiring
from .controllers import ask_controllers
from .endpoints import graph_topic, published_topics, qos_profile, subscribed_topics
from .graph import GraphWatch, message_class, wait_for_publishers
from .polling import PolledTopic
from .robot_description import RobotDescription

KEPT_BYTES = 64_000_000
"""How much of one topic is kept; what comes beyond it is counted and timed."""
_DEPTH = 500
_POLL_S = 0.003
PATIENCE_S = 5.0
"""How long publishers may take to be discovered, and first messages to come."""
_CLOCK_TYPE = 'rosgraph_msgs/msg/Clock'


class _Collected:
    """The messages of one topic as they come."""

    def __init__(self, topic: PolledTopic, kind: str, messages: Messages) -> None:
        self.topic = topic
        self.samples: list[Sample] = []
        self._kind = kind
        self._messages = messages
        self._bytes = 0

    def take(self, ros_now_ns: Callable[[], int], simulated: bool) -> None:
        """Take what has come."""
        for received in self.topic.take():
            ros_ns = ros_now_ns()
            if not simulated:
                ros_ns -= time.monotonic_ns() - received.arrival_ns
            self._bytes += len(received.data)
            kept = received.data if self._bytes <= KEPT_BYTES else None
            stamp_ns = self._messages.stamp_ns(received.data, self._kind)
            self.samples.append(Sample(received.arrival_ns, ros_ns, stamp_ns, kept))

    def newest(self) -> Any:
        """Return the newest message; None before the first."""
        kept = [one.data for one in self.samples if one.data is not None]
        return self._messages.decode(kept[-1], self._kind) if kept else None


class Surveyor:
    """
    Looks at what the sessions of a wiring would read and command.

    :param node: subscribes and asks; an executor must spin it, for ``/clock`` and for answers.
    :param sessions: the wirings of the sessions.
    :param messages: the message types.
    :param interrupted: asked while waiting; ends the survey with an error.
    :param patience_s: how long publishers may take to be discovered, and first messages to come.
    """

    def __init__(
        self,
        node: Node,
        sessions: Sequence[SessionWiring],
        messages: Messages,
        interrupted: Callable[[], bool] = lambda: False,
        patience_s: float = PATIENCE_S,
    ) -> None:
        self._node = node
        self._sessions = sessions
        self._messages = messages
        self._interrupted = interrupted
        self._patience_s = patience_s
        policies = [each for one in sessions for each in (one, *(f.wiring for f in one.fallbacks))]
        self._budgets = [
            (one.sources[port.source].topic, port.budget_ns)
            for one in policies
            for port in one.ports
        ]
        self._simulated = bool(node.get_parameter('use_sim_time').value)

    def look(self, seconds: float) -> Survey:
        """
        Wait for the graph, then collect what comes.

        :param seconds: for how long messages are collected.
        :raises GraphError: interrupted, or a message type is not in this environment.
        """
        sources = {one.topic: one for session in self._sessions for one in session.sources}
        targets = {one.topic: one for session in self._sessions for one in session.targets}
        self._discover()
        published = published_topics(self._node)
        topics = {name: graph_topic(self._node, name) for name in (*sources, *targets)}
        collected = {
            name: self._subscribe(name, source.type, topics[name])
            for name, source in sources.items()
            if any(one.type == source.type for one in topics[name].publishers)
        }
        extra = self._extra(published, topics)
        description = RobotDescription(self._node)
        try:
            self._collect(
                [*collected.values(), *extra.values()], self._awaited(collected), seconds
            )
            end_ns = time.monotonic_ns()
            # By now the names of all nodes are known, which come later than their publishers.
            topics = {name: graph_topic(self._node, name) for name in topics}
            published = published_topics(self._node)
            newest = {
                collected[name].topic.name: collected[name].newest()
                for name, source in sources.items()
                if name in collected and source.type == JOINT_STATE
            }
            newest.update((name, one.newest()) for name, one in extra.items())
            controllers, problem = ask_controllers(self._node, targets, timeouts=True)
            return Survey(
                duration_ns=round(seconds * 1e9),
                end_ns=end_ns,
                topics={
                    name: dataclasses.replace(
                        topic,
                        samples=tuple(collected[name].samples) if name in collected else (),
                    )
                    for name, topic in topics.items()
                },
                published=published,
                subscribed=subscribed_topics(self._node),
                clock=self._clock(newest.pop('/clock', None)),
                robot_description=description.text(),
                controllers=controllers,
                controllers_problem=problem,
                joint_states={
                    name: _by_name(message)
                    for name, message in newest.items()
                    if message is not None
                },
            )
        finally:
            description.close()
            for one in (*collected.values(), *extra.values()):
                one.topic.destroy()

    def _discover(self) -> None:
        """Wait until the graph is still, and a little for publishers that are not there yet."""
        GraphWatch(self._node).wait_until_settled(self._patience_s, self._interrupted)
        needed = {topic for topic, _ in self._budgets}
        wait_for_publishers(self._node, sorted(needed), self._patience_s, self._interrupted)

    def _subscribe(self, name: str, kind: str, topic: Topic) -> _Collected:
        """Subscribe with what is offered, whatever the wiring fixes: to see what there is."""
        offers = [one for one in topic.publishers if one.type == kind]
        qos = dataclasses.replace(requested_qos(Qos(), offers), depth=_DEPTH)
        polled = PolledTopic(self._node, name, message_class(kind), qos_profile(qos))
        return _Collected(polled, kind, self._messages)

    def _extra(
        self, published: dict[str, tuple[str, ...]], topics: dict[str, Topic]
    ) -> dict[str, _Collected]:
        """Subscribe to what is compared with: other joint states, and the clock."""
        wired = {topic.name for topic in topics.values()}
        found = {
            name: self._subscribe(name, JOINT_STATE, graph_topic(self._node, name))
            for name, types in published.items()
            if types == (JOINT_STATE,) and name not in wired
        }
        topic = graph_topic(self._node, '/clock')
        if topic.publishers:
            found['/clock'] = self._subscribe('/clock', _CLOCK_TYPE, topic)
        return found

    def _awaited(self, collected: Mapping[str, _Collected]) -> list[_Collected]:
        """Return the topics that keep coming."""
        names = {topic for topic, budget_ns in self._budgets if budget_ns < FOREVER_NS}
        return [one for name, one in collected.items() if name in names]

    def _collect(
        self, collected: Sequence[_Collected], awaited: Sequence[_Collected], seconds: float
    ) -> None:
        """Collect for so long, from when there is something of everything that keeps coming."""
        latest = time.monotonic() + self._patience_s
        deadline = math.inf
        while time.monotonic() < deadline:
            if self._interrupted():
                raise GraphError('interrupted while looking')
            for one in collected:
                one.take(self._ros_now_ns, self._simulated)
            come = all(one.samples for one in awaited)
            if deadline == math.inf and (come or time.monotonic() >= latest):
                deadline = time.monotonic() + seconds
            time.sleep(_POLL_S)

    def _ros_now_ns(self) -> int:
        return int(self._node.get_clock().now().nanoseconds)

    def _clock(self, newest: Any) -> Clock:
        stamp = None if newest is None else newest.clock
        return Clock(
            followed=self._simulated,
            published=bool(graph_topic(self._node, '/clock').publishers),
            published_ns=None if stamp is None else stamp.sec * 1_000_000_000 + stamp.nanosec,
            system_ns=time.time_ns(),
        )


def _by_name(message: Any) -> JointReading:
    return JointReading(
        position=dict(zip(message.name, map(float, message.position))),
        velocity=dict(zip(message.name, map(float, message.velocity))),
    )
