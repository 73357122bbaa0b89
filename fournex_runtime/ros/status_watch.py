"""The status topics of every runtime on the ROS graph, as they come and go."""

from __future__ import annotations

import time
from typing import Any

from fournex_msgs.msg import SessionStatus

from .visitor import Visitor

STATUS_TYPE = 'fournex_msgs/msg/SessionStatus'


class StatusWatch(Visitor):
    """
    A node that listens to every status topic that there is; a context manager.

    :param arguments: for rclpy, program name first.
    """

    def __init__(self, arguments: list[str]) -> None:
        super().__init__('fournex_top', arguments)
        self._subscriptions: dict[str, Any] = {}
        self.newest: dict[str, tuple[float, Any]] = {}
        """By topic: when the newest status came, steady seconds, and the status."""

    def listen(self, seconds: float) -> None:
        """Take what comes for a while, from topics that appear meanwhile, too."""
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            for topic, types in self._node.get_topic_names_and_types():
                if STATUS_TYPE in types and topic not in self._subscriptions:
                    self._subscriptions[topic] = self._node.create_subscription(
                        SessionStatus, topic, self._keep(topic), 5
                    )
            self.spin_once()

    def _keep(self, topic: str) -> Any:
        def keep(status: Any) -> None:
            self.newest[topic] = (time.monotonic(), status)

        return keep

    def forget(self, older_than_s: float) -> None:
        """Forget the sessions that have not been heard of for so long."""
        now = time.monotonic()
        for topic, (came, _) in list(self.newest.items()):
            if now - came > older_than_s:
                del self.newest[topic]
