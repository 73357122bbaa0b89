"""The live ROS graph as plain data."""

from __future__ import annotations

import time
from typing import Any

from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy

from ..doctor.survey import Endpoint, Topic
from ..pipeline.ports import Qos

NAMES_S = 5.0
"""
How long a node that is there may be without a name.

A name that is lost on the way comes with the next heartbeat, which Fast DDS sends every 3 s.
"""
_OF_EVERY_NODE = ('/rosout', '/parameter_events')
DEPTH = 50
"""
History depth of an input unless the wiring fixes it.

Twice a 500 Hz sensor's messages in a 50 ms period; only messages that wait take memory.
"""


def graph_topic(node: Node, name: str) -> Topic:
    """
    Return who publishes and who subscribes to a topic; this node's own subscriptions left out.

    :param name: as the wiring writes it.
    """
    own = node.get_fully_qualified_name()
    publishers = [_endpoint(one) for one in node.get_publishers_info_by_topic(name)]
    subscribers = [_endpoint(one) for one in node.get_subscriptions_info_by_topic(name)]
    return Topic(
        name=node.resolve_topic_name(name),
        publishers=tuple(publishers),
        subscribers=tuple(one for one in subscribers if one.node != own),
    )


def named_topic(node: Node, name: str) -> Topic:
    """
    Return the same once the names of all nodes are known, which come last.

    :param name: as the wiring writes it.
    """
    deadline = time.monotonic() + NAMES_S
    while True:
        topic = graph_topic(node, name)
        unnamed = any('UNKNOWN' in one.node for one in (*topic.publishers, *topic.subscribers))
        if not unnamed or time.monotonic() >= deadline:
            return topic
        time.sleep(0.02)


def published_topics(node: Node) -> dict[str, tuple[str, ...]]:
    """
    Return the topics that other nodes publish, with their types; without ROS's own.

    Asked node by node: rclpy would remap a topic that it is asked about, though the graph has the
    names as they are.
    """
    return _topics_of_others(node, 'publisher')


def subscribed_topics(node: Node) -> dict[str, tuple[str, ...]]:
    """Return the topics that other nodes subscribe to, likewise."""
    return _topics_of_others(node, 'subscriber')


def _topics_of_others(node: Node, role: str) -> dict[str, tuple[str, ...]]:
    ask = getattr(node, f'get_{role}_names_and_types_by_node')
    own = (node.get_name(), node.get_namespace())
    found: dict[str, tuple[str, ...]] = {}
    for name, namespace in node.get_node_names_and_namespaces():
        if (name, namespace) == own:
            continue
        try:
            topics = ask(name, namespace)
        except NodeNameNonExistentError:  # it has gone in the meantime
            continue
        found.update((topic, tuple(types)) for topic, types in topics)
    return {
        topic: found[topic]
        for topic in sorted(found)
        if topic not in _OF_EVERY_NODE and not topic.endswith('/transition_event')
    }


def _endpoint(info: Any) -> Endpoint:
    return Endpoint(
        node=f'{info.node_namespace.rstrip("/")}/{info.node_name}',
        type=info.topic_type,
        reliability=info.qos_profile.reliability.name.lower(),
        durability=info.qos_profile.durability.name.lower(),
    )


def qos_profile(qos: Qos) -> QoSProfile:
    """Return rclpy's form of a quality of service that says reliability and durability."""
    return QoSProfile(
        depth=qos.depth or DEPTH,
        reliability=ReliabilityPolicy[qos.reliability.upper()],
        durability=DurabilityPolicy[qos.durability.upper()],
    )
