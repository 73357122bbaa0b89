"""Waiting for the live ROS graph, and the types that it speaks."""

from __future__ import annotations

import dataclasses
import importlib
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node

from ..doctor.commands import commander
from ..errors import GraphError
from ..pipeline.ports import Target
from .endpoints import graph_topic

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
    node: Node, topics: Sequence[str], timeout_s: float, interrupted: Callable[[], bool]
) -> None:
    """
    Wait until every topic has a publisher, or the time is over.

    :param timeout_s: how long at most, in seconds.
    :param interrupted: asked now and then; ends the wait with an error.
    :raises GraphError: interrupted.
    """
    deadline = time.monotonic() + timeout_s
    names = [node.resolve_topic_name(topic) for topic in topics]  # counting does not remap
    while not all(node.count_publishers(name) for name in names):
        if interrupted():
            raise GraphError('interrupted while waiting for publishers')
        if time.monotonic() >= deadline:
            return
        time.sleep(0.05)


def other_commanders(node: Node, target: Target) -> str:
    """
    Return who else commands a topic that this node commands, in words; empty when nobody does.

    Counted and not told by name, since two nodes can have one name.
    """
    topic = graph_topic(node, target.topic)
    if len(topic.publishers) < 2:
        return ''
    own = node.get_fully_qualified_name()
    others = tuple(one for one in topic.publishers if one.node != own) or topic.publishers[1:]
    return commander(f'outputs.{target.term}', dataclasses.replace(topic, publishers=others)).text
