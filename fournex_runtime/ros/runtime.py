"""
The executable ``runtime``: a process that hosts the sessions of one wiring.

``ros2 run fournex_runtime runtime --ros-args -p wiring:=wiring.yaml``

It ends on SIGINT and SIGTERM with the stop commands published. Exit status: 0 after a clean end, 2
when it refused to start, 1 when the control loop failed.
"""

from __future__ import annotations

import os
import signal
import sys
import threading
from types import FrameType
from typing import TYPE_CHECKING

import rclpy
from rclpy.executors import MultiThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from ..kernel import SHORTEST_TURN_NS, keep_freed_memory, take_turns
from .spinning import REST_S, Spinning
from .steady_timer import SteadyTimer

if TYPE_CHECKING:
    from .node import RuntimeNode

NAME = 'fournex'
PARENT_PERIOD_S = 0.25
START_PATIENCE_S = 10.0
"""How long a start that is under way may take to notice the end."""


def main(args: list[str] | None = None) -> int:
    """
    Run the runtime until it is told to end.

    :param args: command line, program name first; the process's own when left out.
    :returns: the exit status.
    """
    caught: list[int] = []
    nodes: list[RuntimeNode] = []
    watches: list[SteadyTimer] = []

    def end(number: int, frame: FrameType | None) -> None:
        caught.append(number)
        for one in nodes:
            one.loop.quit()

    keep_freed_memory()
    take_turns(SHORTEST_TURN_NS)  # the middleware's threads, too: the loop waits for their locks
    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = _first_node()
    nodes.append(node)
    if caught:  # before there was a loop to tell
        node.loop.quit()
    executor = MultiThreadedExecutor(num_threads=3)
    executor.add_node(node)
    refused, started = threading.Event(), threading.Event()
    if node.get_parameter('autostart').value:
        executor.create_task(_autostart, node, refused, started)
    else:
        started.set()
    if node.get_parameter('exit_with_parent').value:
        watches.append(_watch_parent(node))

    def failed(problem: Exception) -> None:
        node.get_logger().error(f'a service or timer failed: {problem!r}')

    spinning = Spinning(executor, failed, REST_S)
    try:
        node.loop.run()
        started.wait(START_PATIENCE_S)  # it sees that the loop has quit
        name = signal.Signals(caught[0]).name if caught else 'ended'
        node.end(name)
    finally:
        for watch in watches:
            watch.close()
        spinning.close(5.0)
        node.destroy_node()
        rclpy.try_shutdown()
        for number, handler in before.items():
            signal.signal(number, handler)
    if refused.is_set() and not caught:
        print('Nothing was started.', file=sys.stderr)
        return 2
    if node.gave_way:
        return 2
    return 1 if node.problem and not caught else 0


def _first_node() -> RuntimeNode:
    """
    Return the runtime's node.

    DDS begins to discover others with the first node of a process, which takes a fifth of a
    second; so there is one of the same name while everything else is imported.
    """
    early = rclpy.create_node(NAME, enable_rosout=False, start_parameter_services=False)
    try:
        from .node import RuntimeNode

        return RuntimeNode(NAME)
    finally:
        early.destroy_node()


def _autostart(node: RuntimeNode, refused: threading.Event, started: threading.Event) -> None:
    """Start the sessions, on an executor thread; end the process when they are refused."""
    if not node.loop.quitting and not node.autostart():
        refused.set()
        node.loop.quit()
    started.set()


def _watch_parent(node: RuntimeNode) -> SteadyTimer:
    """End the runtime when the process that started it is gone."""
    parent = os.getppid()

    def look() -> None:
        if os.getppid() != parent:
            node.get_logger().warning('the parent process is gone')
            node.loop.quit()

    return SteadyTimer(PARENT_PERIOD_S, look, node.get_logger())


if __name__ == '__main__':
    sys.exit(main())
