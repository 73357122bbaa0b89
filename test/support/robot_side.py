"""The robot's side of a test: publishes joint states, listens to commands, over real DDS."""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Sequence

import numpy as np
import rclpy
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import Float64MultiArray

from fournex_runtime.kernel import SHORTEST_TURN_NS, take_turns
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.ros.graph import message_class
from fournex_runtime.ros.spinning import Spinning

JOINT_STATE = 'sensor_msgs/msg/JointState'


@dataclasses.dataclass(frozen=True)
class Command:
    """A command as it arrived: steady time in nanoseconds, and its values."""

    steady_ns: int
    values: tuple[float, ...]


def joint_state(
    positions: Sequence[float],
    names: Sequence[str] = ('cart', 'pole'),
    stamp_ns: int | None = None,
) -> bytes:
    """Return the bytes of a JointState with positions only, stamped now unless said otherwise."""
    stamp_ns = time.time_ns() if stamp_ns is None else stamp_ns
    types = messages()
    message = types.type(JOINT_STATE)(
        header=types.type('std_msgs/msg/Header')(
            stamp=types.type('builtin_interfaces/msg/Time')(
                sec=stamp_ns // 10**9, nanosec=stamp_ns % 10**9
            ),
            frame_id='',
        ),
        name=list(names),
        position=np.array(positions, np.float64),
        velocity=np.empty(0),
        effort=np.empty(0),
    )
    return types.encode(message, JOINT_STATE)


class RobotSide:
    """
    Publishes ``joint_states`` at a rate and collects the efforts it is commanded.

    :param namespace: namespace of its topics.
    :param rate_hz: of the joint states; 0: it only listens.
    :param best_effort: offer best effort instead of reliable.
    :param command_topic: topic of the efforts.
    """

    def __init__(
        self,
        namespace: str = '',
        rate_hz: float = 100.0,
        best_effort: bool = False,
        command_topic: str = 'effort_controller/commands',
    ) -> None:
        take_turns(SHORTEST_TURN_NS)  # a robot is not kept waiting by what runs beside it
        self.context = rclpy.Context()
        rclpy.init(context=self.context, signal_handler_options=SignalHandlerOptions.NO)
        self.node = rclpy.create_node('robot', namespace=namespace, context=self.context)
        if rate_hz > 0:
            reliability = (
                ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE
            )
            self.publisher = self.node.create_publisher(
                message_class(JOINT_STATE),
                'joint_states',
                QoSProfile(
                    depth=10, reliability=reliability, durability=DurabilityPolicy.VOLATILE
                ),
            )
            self.node.create_timer(1.0 / rate_hz, self._publish)
        self.commands: list[Command] = []
        self.node.create_subscription(Float64MultiArray, command_topic, self._listen, 100)
        self.state: Callable[[], bytes | None] = lambda: joint_state((0.0, 0.01))
        """Gives the next joint state; None publishes nothing."""
        self._executor = rclpy.executors.SingleThreadedExecutor(context=self.context)
        self._executor.add_node(self.node)
        self._spinning = Spinning(self._executor)

    def _listen(self, message: Float64MultiArray) -> None:
        self.commands.append(Command(time.monotonic_ns(), tuple(message.data)))

    def _publish(self) -> None:
        data = self.state()
        if data is not None:
            self.publisher.publish(data)

    def call(self, kind: type, name: str, request: object, timeout_s: float = 10.0) -> object:
        """Call a service and return its answer."""
        client = self.node.create_client(kind, name)
        assert client.wait_for_service(timeout_s), f'no service {name}'
        future = client.call_async(request)
        deadline = time.monotonic() + timeout_s
        while not future.done():
            assert time.monotonic() < deadline, f'{name} did not answer in {timeout_s} s'
            time.sleep(0.005)
        self.node.destroy_client(client)
        return future.result()

    def wait(
        self,
        condition: Callable[[], bool],
        timeout_s: float = 15.0,
        what: str | Callable[[], str] = '',
    ) -> None:
        """Wait until a condition holds; ``what`` says what was waited for."""
        deadline = time.monotonic() + timeout_s
        while not condition():
            if time.monotonic() >= deadline:
                words = what if isinstance(what, str) else what()
                raise AssertionError(f'not within {timeout_s} s: {words}')
            time.sleep(0.005)

    def wait_for_commands(self, count: int, timeout_s: float = 20.0) -> None:
        """Wait until so many commands more have come."""
        enough = len(self.commands) + count
        self.wait(lambda: len(self.commands) >= enough, timeout_s, f'{count} commands')

    def close(self) -> None:
        """Leave the graph."""
        self._spinning.close(20.0)
        self.node.destroy_node()
        rclpy.shutdown(context=self.context)
