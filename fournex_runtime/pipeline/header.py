"""The header of a command: its stamp and its frame."""

from __future__ import annotations

from typing import Any

from .messages import Messages


def header(messages: Messages, frame: str, ros_ns: int) -> Any:
    """
    Return a ``std_msgs/Header``.

    :param messages: the message types.
    :param frame: its frame; may be empty.
    :param ros_ns: its stamp, ROS time.
    """
    stamp = messages.type('builtin_interfaces/msg/Time')(
        sec=ros_ns // 1_000_000_000, nanosec=ros_ns % 1_000_000_000
    )
    return messages.type('std_msgs/msg/Header')(stamp=stamp, frame_id=frame)
