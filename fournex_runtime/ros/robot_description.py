"""The robot's URDF, from the topic of ``robot_state_publisher`` or from its parameter."""

from __future__ import annotations

import time

from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from std_msgs.msg import String

from .endpoints import graph_topic
from .parameters import ask_parameters
from .polling import PolledTopic

_TYPE = 'std_msgs/msg/String'
_PUBLISHER = 'robot_state_publisher'
_PATIENCE_S = 1.0
"""How long a description that is published may take to come."""


class RobotDescription:
    """
    A subscription of the description, from when the survey begins.

    :param node: subscribes.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._topic: PolledTopic | None = None
        self._text = ''
        self.take()

    def _subscribe(self) -> PolledTopic | None:
        """Subscribe as soon as somebody publishes it."""
        for name in ('robot_description', '/robot_description'):
            if any(one.type == _TYPE for one in graph_topic(self._node, name).publishers):
                qos = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
                return PolledTopic(self._node, name, String, qos)
        return None

    @property
    def awaited(self) -> bool:
        """Return whether somebody publishes a description that has not come yet."""
        return not self.take() and self._topic is not None

    def take(self) -> str:
        """Return the description that has come on the topic; empty before."""
        self._topic = self._topic or self._subscribe()
        if self._topic is not None:
            for received in self._topic.take():
                length = int.from_bytes(received.data[4:8], 'little')
                self._text = received.data[8 : 7 + length].decode('utf-8', 'replace')
        return self._text

    def text(self) -> str:
        """Return the description, asking the node for its parameter where no topic gave it."""
        deadline = time.monotonic() + _PATIENCE_S
        while self.awaited and time.monotonic() < deadline:
            time.sleep(0.01)
        if self._text:
            return self._text
        for name, namespace in self._node.get_node_names_and_namespaces():
            if name == _PUBLISHER and namespace in (self._node.get_namespace(), '/'):
                full = f'{namespace.rstrip("/")}/{name}'
                found = ask_parameters(self._node, full, ['robot_description'])
                value = (found or {}).get('robot_description')
                if isinstance(value, str):
                    return value
        return ''

    def close(self) -> None:
        """Unsubscribe."""
        if self._topic is not None:
            self._topic.destroy()
