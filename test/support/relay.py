"""Between a simulated robot and its session: passes its topics on, with a mistake if asked."""

from __future__ import annotations

import dataclasses
import math
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rclpy.qos import DurabilityPolicy, QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions
from std_msgs.msg import String

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.ros.graph import message_class
from fournex_runtime.ros.spinning import Spinning

Change = Callable[[Any], Any]
"""Takes a message as the robot sent it and returns it as the session gets it; None: drops it."""
LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)
LIVE = QoSProfile(depth=10)


@dataclasses.dataclass(frozen=True)
class Robot:
    """
    What a simulated robot has.

    :param sensors: its topics with their types.
    :param latched: those that are sent once.
    :param commands: its command topics with their types.
    """

    sensors: Mapping[str, str]
    latched: Sequence[str]
    commands: Mapping[str, str]


JOINT_STATE, POSE = 'sensor_msgs/msg/JointState', 'geometry_msgs/msg/PoseStamped'
ARRAY, FLOAT64 = 'std_msgs/msg/Float64MultiArray', 'std_msgs/msg/Float64'
ROBOTS = {
    'arm': Robot(
        {'joint_states': JOINT_STATE, 'target': POSE, 'reward': FLOAT64},
        ('target',),
        {'forward_position_controller/commands': ARRAY},
    ),
    'pendulum': Robot(
        {'joint_states': JOINT_STATE, 'reward': FLOAT64}, (), {'effort_controller/commands': ARRAY}
    ),
    'rover': Robot(
        {
            'scan': 'sensor_msgs/msg/LaserScan',
            'odom': 'nav_msgs/msg/Odometry',
            'goal': POSE,
            'reward': FLOAT64,
        },
        ('goal',),
        {'cmd_vel': 'geometry_msgs/msg/TwistStamped'},
    ),
}


class Relay:
    """
    One robot as its session sees it, in a namespace of its own.

    :param context: of rclpy.
    :param robot: name of the robot; its simulator is in the namespace of that name.
    :param namespace: where the session looks.
    :param best_effort: offer best effort instead of reliable.
    :param listens: the types that commands are taken as; none: nobody listens.
    :param description: a URDF to publish as ``robot_description``.
    :param controller: parameters of the node that listens to commands.
    """

    def __init__(
        self,
        context: rclpy.Context,
        robot: str,
        namespace: str,
        *,
        best_effort: bool = False,
        listens: str | None = 'as they are',
        description: str = '',
        controller: Mapping[str, Any] | None = None,
    ) -> None:
        kind = ROBOTS[robot]
        self.node = Node('relay', namespace=namespace, context=context)
        self.controller = Node(
            'controller',
            namespace=namespace,
            context=context,
            allow_undeclared_parameters=True,
            automatically_declare_parameters_from_overrides=True,
            parameter_overrides=[
                Parameter(name, value=value) for name, value in (controller or {}).items()
            ],
        )
        self._changes: Mapping[str, Change] = {}
        self._latched: dict[str, tuple[Callable[[bytes], None], bytes]] = {}
        self._awaited = self._sensors = set(kind.sensors)
        reliability = ReliabilityPolicy.BEST_EFFORT if best_effort else ReliabilityPolicy.RELIABLE
        live = QoSProfile(depth=10, reliability=reliability)
        for topic, name in kind.sensors.items():
            latched = topic in kind.latched
            publisher = self.node.create_publisher(
                message_class(name), topic, LATCHED if latched else live
            )
            self.node.create_subscription(
                message_class(name),
                f'/{robot}/{topic}',
                self._passer(topic, name, latched, publisher),
                LATCHED if latched else LIVE,
                raw=True,
            )
        for topic, name in kind.commands.items():
            if listens is not None:
                taken = name if listens == 'as they are' else listens
                self.controller.create_subscription(message_class(taken), topic, _ignore, LIVE)
        if description:
            publisher = self.node.create_publisher(String, 'robot_description', LATCHED)
            publisher.publish(String(data=description))
        self._executor = SingleThreadedExecutor(context=context)
        self._executor.add_node(self.node)
        self._executor.add_node(self.controller)
        self._spinning = Spinning(self._executor)

    def _passer(
        self, topic: str, name: str, latched: bool, publisher: Any
    ) -> Callable[[bytes], None]:
        types = messages()

        def forward(data: bytes) -> None:
            if latched:
                self._latched[topic] = forward, data
            change = self._changes.get(topic)
            self._awaited = self._awaited - {topic}
            if change is None:
                publisher.publish(data)
                return
            changed = change(_writable(types.decode(data, name)))
            if changed is not None:
                publisher.publish(types.encode(changed, name))

        return forward

    def publishes(self, topic: str, name: str, message: Callable[[], Any], rate_hz: float) -> None:
        """Publish one more topic."""
        publisher = self.node.create_publisher(message_class(name), topic, LIVE)
        self.node.create_timer(
            1.0 / rate_hz, lambda: publisher.publish(messages().encode(message(), name))
        )

    def change(self, changes: Mapping[str, Change], timeout_s: float = 20.0) -> None:
        """Change the messages of topics from now on; returns when each topic has had one."""
        self._changes = changes
        self._awaited = self._sensors - set(self._latched)
        for forward, data in self._latched.values():
            forward(data)
        deadline = time.monotonic() + timeout_s
        while self._awaited:
            assert time.monotonic() < deadline, f'the robot is silent on {sorted(self._awaited)}'
            time.sleep(0.01)

    def close(self) -> None:
        """Leave the graph."""
        self._spinning.close(20.0)
        self.node.destroy_node()
        self.controller.destroy_node()


def _ignore(message: Any) -> None:
    pass


def _writable(message: Any) -> Any:
    """Return a decoded message whose arrays can be written to."""
    for name in ('position', 'velocity', 'ranges', 'data'):
        if hasattr(message, name):
            setattr(message, name, getattr(message, name).copy())
    return message


def shift_stamp(seconds: float) -> Change:
    """Return what moves the stamps of messages."""

    def change(message: Any) -> Any:
        stamp = message.header.stamp
        moved = stamp.sec * 10**9 + stamp.nanosec + round(seconds * 1e9)
        stamp.sec, stamp.nanosec = divmod(moved, 10**9)
        return message

    return change


def set_stamp(stamp_ns: Callable[[], int]) -> Change:
    """Return what stamps messages anew."""

    def change(message: Any) -> Any:
        message.header.stamp.sec, message.header.stamp.nanosec = divmod(stamp_ns(), 10**9)
        return message

    return change


def every(count: int) -> Change:
    """Return what lets one message of several through."""
    seen = [0]

    def change(message: Any) -> Any:
        seen[0] += 1
        return message if seen[0] % count == 0 else None

    return change


def moving(velocity_factor: float = 1.0, position_factor: float = 1.0) -> Change:
    """Return what lets the joints swing about where they are, 0.2 rad twice a second."""

    def change(message: Any) -> Any:
        turn = 2.0 * 3.141592653589793 * 2.0
        phase = turn * time.monotonic()
        message.position = (message.position + 0.2 * math.sin(phase)) * position_factor
        message.velocity[:] = 0.2 * turn * math.cos(phase) * velocity_factor
        return message

    return change


def new_context() -> rclpy.Context:
    """Return a context of rclpy for the nodes of a test."""
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    return context
