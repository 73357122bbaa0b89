"""Waiting for the live ROS graph, and the types that it speaks."""

from __future__ import annotations

import importlib
import math
import os
import time
from collections.abc import Callable, Sequence
from typing import Any

from rclpy.node import Node

from ..errors import GraphError

SETTLED_S = 0.2
"""
How long the graph must stay as it is before it is believed, in seconds.

Participants announce themselves every 0.1 s at the beginning, and answer a new one at once.
"""
LOOK_S = 0.02
_UNSEEN_S = 0.2
"""What came and went between two looks that lie further apart is not known."""


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


class GraphWatch:
    """
    Knows since when no participant has come or gone.

    Discovery takes a part of a second; what is asked of the graph before that is not there yet,
    also another commander of the same topic. Made together with the node and looked at now and
    then, it lets that time pass while the node has other things to do.

    :param node: the node.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._seen: list[tuple[str, str]] = []
        self._since = self._looked = -math.inf
        self.look()

    def look(self) -> None:
        """Take note of who is there."""
        now, seen = time.monotonic(), sorted(self._node.get_node_names_and_namespaces())
        if seen != self._seen or now - self._looked > _UNSEEN_S:
            self._seen, self._since = seen, now
        self._looked = now

    def wait_until_settled(self, timeout_s: float, interrupted: Callable[[], bool]) -> None:
        """
        Wait until no participant has come or gone for ``SETTLED_S``.

        :param timeout_s: how long at most, in seconds.
        :param interrupted: asked now and then; ends the wait.
        """
        deadline = time.monotonic() + timeout_s
        self.look()
        while time.monotonic() < min(deadline, self._since + SETTLED_S) and not interrupted():
            time.sleep(LOOK_S)
            self.look()


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
        time.sleep(LOOK_S)
