"""A node that looks at the ROS graph for a while, on the thread that asks."""

from __future__ import annotations

from collections.abc import Sequence
from types import TracebackType
from typing import Any, TypeVar

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

_SPIN_S = 0.05
Visiting = TypeVar('Visiting', bound='Visitor')


class Visitor:
    """
    A node of this process alone; a context manager.

    :param name: of the node.
    :param arguments: for rclpy, program name first.
    """

    def __init__(self, name: str, arguments: Sequence[str] = ()) -> None:
        self._name = name
        self._arguments = list(arguments)
        self._node: Any = None

    def __enter__(self: Visiting) -> Visiting:
        """Join the ROS graph."""
        rclpy.init(args=self._arguments, signal_handler_options=SignalHandlerOptions.NO)
        self._node = rclpy.create_node(self._name, start_parameter_services=False)
        self._executor = SingleThreadedExecutor()
        self._executor.add_node(self._node)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        value: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Leave the ROS graph."""
        self._executor.shutdown(timeout_sec=2.0)
        self._node.destroy_node()
        rclpy.try_shutdown()

    def spin_once(self) -> None:
        """Take one thing that has come, waiting a moment for it."""
        self._executor.spin_once(timeout_sec=_SPIN_S)
