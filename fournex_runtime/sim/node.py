"""
The executable ``sim``: a simulated robot as a ROS 2 node.

``ros2 run fournex_runtime sim --ros-args -p robot:=rover``

The robot's topics are relative, so that a namespace makes it one of several. Quality of service:

- sensors: reliable, volatile, depth 10; in lockstep transient local, so that who comes late gets
  the messages that the simulator is waiting with (subscribe transient local there);
- latched sensors and ``~/status``: reliable, transient local, depth 1;
- commands: reliable, depth 10, as the controllers of ros2_control take them, so that a stop
  command arrives.

``~/reset`` (fournex_msgs/srv/ResetEpisode) begins a new episode from a seed. Exit status: 0 after
SIGINT, SIGTERM or the end of the parent, 2 with one line on stderr when something is wrong.
"""

from __future__ import annotations

import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Any

import rclpy
from rcl_interfaces.msg import FloatingPointRange, IntegerRange, ParameterDescriptor
from rclpy.clock import Clock
from rclpy.clock_type import ClockType
from rclpy.exceptions import (
    InvalidParameterTypeException,
    InvalidParameterValueException,
    NameValidationException,
)
from rclpy.executors import SingleThreadedExecutor
from rclpy.impl.implementation_singleton import rclpy_implementation
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile
from rclpy.signals import SignalHandlerOptions
from rosgraph_msgs.msg import Clock as ClockMessage

from fournex_msgs.srv import ResetEpisode

from ..errors import ConfigurationError, FournexError
from ..pipeline.messages import messages
from ..ros.graph import message_class
from ..ros.polling import PolledTopic
from ..ros.spinning import Spinning
from .pacing import Lockstep, Pacing, RealTime
from .registry import has_goals, make_robot
from .render import Camera, choose_opengl
from .resets import Resets
from .robot import Robot
from .settings import SETTINGS, Setting, Settings
from .simulation import STATUS, Simulation

DEPTH = 10
RESET_TIMEOUT_S = 5.0
PARENT_PERIOD_S = 0.25
_REFUSED = (
    FournexError,
    NameValidationException,
    rclpy_implementation.RCLError,
    rclpy_implementation.UnknownROSArgsError,
)
_CLOCK = 'rosgraph_msgs/msg/Clock'
_LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


class SimulatorNode(Node):
    """
    The topics, parameters and services of one simulated robot; a link of ``pacing``.

    :param ended: set when the process is to end.
    """

    def __init__(self, ended: threading.Event) -> None:
        super().__init__('sim')
        self.ended = ended
        self.resets = Resets()

    def read_settings(self) -> Settings:
        """
        Declare the parameters and return their values.

        :raises ConfigurationError: one has the wrong type, is out of range, or does not go with
            another.
        """
        values = {}
        for setting in SETTINGS:
            try:
                parameter = self.declare_parameter(
                    setting.name, setting.default, _descriptor(setting)
                )
            except (InvalidParameterTypeException, InvalidParameterValueException) as problem:
                raise ConfigurationError(f'{setting.name}: {problem}') from problem
            values[setting.name] = parameter.value
        return Settings(**values)

    def open(self, robot: Robot, lockstep: bool, clock: bool) -> None:
        """Create the publishers and subscriptions of a robot, and the service."""
        live = QoSProfile(
            depth=DEPTH,
            durability=(
                DurabilityPolicy.TRANSIENT_LOCAL if lockstep else DurabilityPolicy.VOLATILE
            ),
        )
        self._sensors = {
            sensor.topic: self.create_publisher(
                message_class(sensor.type), sensor.topic, _LATCHED if sensor.latched else live
            )
            for sensor in robot.sensors
        }
        self._status = self.create_publisher(message_class(STATUS), '~/status', _LATCHED)
        self._clock_publisher = (
            self.create_publisher(ClockMessage, '/clock', DEPTH) if clock else None
        )
        self._commands = [
            (
                command.topic,
                PolledTopic(
                    self, command.topic, message_class(command.type), QoSProfile(depth=DEPTH)
                ),
            )
            for command in robot.commands
        ]
        self._wait_set = rclpy_implementation.WaitSet(
            len(self._commands), 0, 0, 0, 0, 0, self.context.handle
        )
        self.create_service(ResetEpisode, '~/reset', self._reset)

    def watch_parent(self, parent: int) -> None:
        """End when the process that started this one is gone."""

        def look() -> None:
            if os.getppid() != parent:
                self.ended.set()

        self.create_timer(PARENT_PERIOD_S, look, clock=Clock(clock_type=ClockType.STEADY_TIME))

    def _reset(
        self, request: ResetEpisode.Request, response: ResetEpisode.Response
    ) -> ResetEpisode.Response:
        """Hand a request to the loop and wait for it, on the executor's thread."""
        asked = self.resets.ask(request.seed)
        response.success = asked.wait(RESET_TIMEOUT_S)
        if response.success:
            response.episode = request.episode or f'episode-{asked.episode:04d}'
        else:
            response.message = f'the simulation did not answer in {RESET_TIMEOUT_S:g} s'
        return response

    # --- what the pacing asks for, on the loop's thread ------------------------------------------

    def publish(self, topic: str, data: bytes) -> None:
        """Publish a sensor's message."""
        self._sensors[topic].publish(data)

    def publish_clock(self, time_ns: int) -> None:
        """Tell the simulated time."""
        if self._clock_publisher is not None:
            seconds, nanoseconds = divmod(time_ns, 1_000_000_000)
            stamp = messages().type('builtin_interfaces/msg/Time')(
                sec=seconds, nanosec=nanoseconds
            )
            self._clock_publisher.publish(
                messages().encode(messages().type(_CLOCK)(clock=stamp), _CLOCK)
            )

    def publish_status(self, data: bytes) -> None:
        """Publish how the task stands."""
        self._status.publish(data)

    def take(self) -> list[tuple[str, bytes]]:
        """Return topic and bytes of the commands that came since the last call, oldest first."""
        found = [(received, name) for name, topic in self._commands for received in topic.take()]
        found.sort(key=lambda item: item[0].arrival_ns)
        return [(name, received.data) for received, name in found]

    def wait(self, timeout_ns: int) -> None:
        """Return when a command has come, or after the time."""
        with contextlib.ExitStack() as stack:
            self._wait_set.clear_entities()
            for _, topic in self._commands:
                stack.enter_context(topic.subscription.handle)
                self._wait_set.add_subscription(topic.subscription.handle)
            self._wait_set.wait(timeout_ns)

    def commanders(self) -> int:
        """Return how many publishers of commands there are."""
        return sum(self.count_publishers(topic.name) for _, topic in self._commands)

    def say(self, text: str) -> None:
        """Tell a person."""
        self.get_logger().warning(text)


def _descriptor(setting: Setting) -> ParameterDescriptor:
    descriptor = ParameterDescriptor(description=setting.description, read_only=True)
    if setting.most and isinstance(setting.default, int):
        descriptor.integer_range = [
            IntegerRange(from_value=int(setting.least), to_value=int(setting.most))
        ]
    elif setting.most:
        descriptor.floating_point_range = [
            FloatingPointRange(from_value=setting.least, to_value=setting.most)
        ]
    return descriptor


def main(args: list[str] | None = None) -> int:
    """
    Run a simulated robot until it is told to end.

    :param args: command line, program name first; the process's own when left out.
    :returns: the exit status.
    """
    parent = os.getppid()
    ended = threading.Event()

    def end(number: int, frame: FrameType | None) -> None:
        ended.set()

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
        node = SimulatorNode(ended)
        try:
            _simulate(node, parent)
        finally:
            node.destroy_node()
    except _REFUSED as problem:
        unknown = isinstance(problem, rclpy_implementation.UnknownROSArgsError)
        text = f'unknown ROS arguments {problem}' if unknown else ' '.join(str(problem).split())
        print(f'sim: {text}', file=sys.stderr)
        return 2
    finally:
        rclpy.try_shutdown()
        for number, handler in before.items():
            signal.signal(number, handler)
    return 0


def _simulate(node: SimulatorNode, parent: int) -> None:
    """Read the settings, make the robot and run it, with an executor in another thread."""
    settings = node.read_settings()
    if settings.render_folder is not None:
        choose_opengl()
    robot = make_robot(settings.robot, settings.goals)
    if settings.goals and not has_goals(settings.robot):
        node.get_logger().info(
            f'{settings.robot} has no goals: goals:={settings.goals} is ignored'
        )
    simulation = Simulation(robot, settings.seed, settings.frame_prefix, settings.hold_start)
    with contextlib.ExitStack() as stack:
        watch = None
        if settings.render_folder is not None:
            camera: Any = Camera(robot, settings.render_folder, robot.name)  # type: ignore[arg-type]
            stack.callback(camera.close)
            watch = camera.watch
        node.open(robot, settings.lockstep, settings.simulated_time)
        if settings.exit_with_parent:
            node.watch_parent(parent)
        pacing: Pacing
        if settings.lockstep:
            pacing = Lockstep(
                simulation, node, node.resets, node.ended.is_set, watch,
                timeout_ns=round(settings.lockstep_timeout * 1e9),
            )  # fmt: skip
        else:
            pacing = RealTime(
                simulation, node, node.resets, node.ended.is_set, watch,
                clock=settings.clock, speed=settings.speed,
            )  # fmt: skip
        executor = SingleThreadedExecutor()
        executor.add_node(node)
        stack.callback(Spinning(executor).close, 2.0)
        pacing.run()


if __name__ == '__main__':
    sys.exit(main())
