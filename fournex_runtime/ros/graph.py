"""What the live ROS graph offers, compared with what a wiring wants."""

from __future__ import annotations

import importlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node, NodeNameNonExistentError
from rclpy.qos import (
    DurabilityPolicy,
    QoSProfile,
    ReliabilityPolicy,
)

from ..configuration import nearest
from ..errors import GraphError
from ..pipeline.ports import Qos, Source, Target

DEPTH = 50
"""
History depth of an input unless the wiring fixes it.

Twice a 500 Hz sensor's messages in a 50 ms period; only messages that wait take memory.
"""

SETTLED_S = 0.5
"""How long the graph must stay as it is before it is believed, in seconds."""


def message_class(name: str) -> type[Any]:
    """
    Return the class of a message type.

    :raises GraphError: its package is not in the sourced environment.
    """
    package, _, kind = name.split('/')
    try:
        return getattr(importlib.import_module(f'{package}.msg'), kind)  # type: ignore[no-any-return]
    except (ImportError, AttributeError) as problem:
        distro, words = os.environ.get('ROS_DISTRO', '<distro>'), package.replace('_', '-')
        raise GraphError(
            f'message type {name} is not in this ROS environment: source the workspace that has '
            f'{package}, or sudo apt install ros-{distro}-{words}'
        ) from problem


def wait_until_settled(node: Node, timeout_s: float, interrupted: Callable[[], bool]) -> None:
    """
    Wait until no participant has come or gone for ``SETTLED_S``.

    Discovery takes a part of a second; what is asked of the graph before that is not there yet,
    also another commander of the same topic.

    :param timeout_s: how long at most, in seconds.
    :param interrupted: asked now and then; ends the wait.
    """
    deadline = time.monotonic() + timeout_s
    seen, since = sorted(node.get_node_names_and_namespaces()), time.monotonic()
    while time.monotonic() < min(deadline, since + SETTLED_S) and not interrupted():
        time.sleep(0.02)
        now = sorted(node.get_node_names_and_namespaces())
        if now != seen:
            seen, since = now, time.monotonic()


def wait_for_publishers(
    node: Node, sources: Sequence[Source], timeout_s: float, interrupted: Callable[[], bool]
) -> None:
    """
    Wait until every source has a publisher.

    :param timeout_s: how long at most, in seconds.
    :param interrupted: asked now and then; ends the wait with an error.
    :raises GraphError: a topic has no publisher in time; names all of them and what is there.
    """
    deadline = time.monotonic() + timeout_s
    while True:
        missing = [
            source for source in sources if not node.get_publishers_info_by_topic(source.topic)
        ]
        if not missing:
            return
        if interrupted():
            raise GraphError('interrupted while waiting for publishers')
        if time.monotonic() >= deadline:
            break
        time.sleep(0.05)
    names = ', '.join(
        f'{node.resolve_topic_name(source.topic)} ({source.type})' for source in missing
    )
    there = _published_by_others(node)
    hints = ''.join(_hint(node.resolve_topic_name(one.topic), one.type, there) for one in missing)
    listed = ', '.join(f'{topic} ({", ".join(types)})' for topic, types in there.items())
    raise GraphError(
        f'nobody publishes {names}; waited {timeout_s:g} s.{hints} Published here: '
        f'{listed or "nothing"}. Start the robot, mend the topic in the wiring, or remap it'
    )


def _published_by_others(node: Node) -> dict[str, list[str]]:
    """
    Return the topics that other nodes publish, and their types; without ROS's own.

    Asked node by node: rclpy would remap a topic that it is asked about, though the graph has the
    names as they are.
    """
    own = (node.get_name(), node.get_namespace())
    found: dict[str, list[str]] = {}
    for name, namespace in node.get_node_names_and_namespaces():
        if (name, namespace) == own:
            continue
        try:
            topics = node.get_publisher_names_and_types_by_node(name, namespace)
        except NodeNameNonExistentError:  # it has gone in the meantime
            continue
        found.update(topics)
    for topic in ('/rosout', '/parameter_events'):
        found.pop(topic, None)
    return {
        topic: found[topic] for topic in sorted(found) if not topic.endswith('/transition_event')
    }


def _hint(topic: str, kind: str, there: dict[str, list[str]]) -> str:
    """Return what may have been meant by a topic: the nearest name, or those of its type."""
    close = nearest(topic, list(there), listed=False)
    if close:
        return close
    alike = [other for other, types in there.items() if kind in types]
    return f' Of the type {kind} there is {", ".join(alike)}.' if alike else ''


def input_qos(node: Node, source: Source) -> QoSProfile:
    """
    Return the QoS to subscribe to a source with: what is offered, unless the wiring fixes it.

    Reliable only where every publisher offers it, transient local likewise; without a publisher
    what matches every offer.

    :raises GraphError: a publisher has another type, or offers less than the wiring asks for.
    """
    topic = node.resolve_topic_name(source.topic)
    offers = node.get_publishers_info_by_topic(source.topic)
    for offer in offers:
        if offer.topic_type != source.type:
            raise GraphError(
                f'{topic} is published as {offer.topic_type} by {offer.node_name}, wired as '
                f'{source.type}'
            )
    qos = _wanted(source.qos, [offer.qos_profile for offer in offers])
    for offer in offers:
        mismatch = _mismatch(offered=offer.qos_profile, requested=qos)
        if mismatch:
            raise GraphError(
                f'{topic}: the wiring asks for {mismatch}, as {offer.node_name} publishes it. '
                'Leave qos: out to take what is offered'
            )
    return qos


def other_commanders(node: Node, target: Target, own: int) -> str:
    """
    Return who else commands a topic, in words; empty when nobody does.

    Counted and not told by name, since two nodes can have one name.

    :param own: how many publishers of the topic are this node's.
    """
    there = [one.node_name for one in node.get_publishers_info_by_topic(target.topic)]
    if len(there) <= own:
        return ''
    names = sorted({name for name in there if name != node.get_name() and 'UNKNOWN' not in name})
    return (
        f'{node.resolve_topic_name(target.topic)} is commanded by '
        f'{", ".join(names) or "another node"} already; two publishers on one command topic fight '
        'over the robot. End the other one, or wire another topic'
    )


def _mismatch(offered: QoSProfile, requested: QoSProfile) -> str:
    """Return what is asked for and not offered, as "this, not that"; empty when all is."""
    if (
        requested.reliability == ReliabilityPolicy.RELIABLE
        and offered.reliability == ReliabilityPolicy.BEST_EFFORT
    ):
        return 'reliable delivery, not best effort'
    if (
        requested.durability == DurabilityPolicy.TRANSIENT_LOCAL
        and offered.durability == DurabilityPolicy.VOLATILE
    ):
        return 'transient local durability, not volatile'
    return ''


def _wanted(fixed: Qos, offered: Sequence[QoSProfile]) -> QoSProfile:
    reliable, latched = bool(offered), bool(offered)
    for one in offered:
        reliable &= one.reliability == ReliabilityPolicy.RELIABLE
        latched &= one.durability == DurabilityPolicy.TRANSIENT_LOCAL
    if fixed.reliability:
        reliable = fixed.reliability == 'reliable'
    if fixed.durability:
        latched = fixed.durability == 'transient_local'
    return QoSProfile(
        depth=fixed.depth or DEPTH,
        reliability=ReliabilityPolicy.RELIABLE if reliable else ReliabilityPolicy.BEST_EFFORT,
        durability=DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE,
    )


def check_target(node: Node, target: Target, qos: QoSProfile) -> str:
    """
    Check who listens to a command topic.

    :returns: a warning in words, or an empty text.
    :raises GraphError: a subscriber has another type or asks for another QoS.
    """
    topic = node.resolve_topic_name(target.topic)
    listeners = node.get_subscriptions_info_by_topic(target.topic)
    for listener in listeners:
        if listener.topic_type != target.type:
            raise GraphError(
                f'{topic} is subscribed as {listener.topic_type} by {listener.node_name}, wired '
                f'as {target.type}'
            )
        mismatch = _mismatch(offered=qos, requested=listener.qos_profile)
        if mismatch:
            raise GraphError(f'{topic}: {listener.node_name} asks for {mismatch}, as commands are')
    fight = other_commanders(node, target, own=0)
    if fight:
        raise GraphError(fight)
    return '' if listeners else f'nobody subscribes to {topic} ({target.type}) yet'
