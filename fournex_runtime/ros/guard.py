"""
The executable ``guard``: takes over the command stream of a runtime that is there no more.

``ros2 run fournex_runtime guard --ros-args -p wiring:=wiring.yaml``

A consumer of commands with a timeout stops by itself when a runtime is killed. Others, such as
ros2_control's forward command controller, go on with the last command for ever: for these the
guard publishes the stop commands of the wiring at the rate of the policy, until somebody commands
the robot again.
"""

from __future__ import annotations

import pathlib
import signal
import sys
import time
from types import FrameType

import rclpy
from rclpy.node import Node
from rclpy.qos import QoSProfile, ReliabilityPolicy
from rclpy.signals import SignalHandlerOptions

from ..doctor.commands import GUARD_SUFFIX
from ..errors import ConfigurationError, FournexError, MessageError
from ..pipeline.messages import messages
from ..policy.bundle import Bundle
from ..safety.stream_watch import StreamWatch
from ..session.commands import SessionCommands
from ..session.pacing import Release
from ..session.tick import Mode
from ..session.wiring import SessionWiring, load_wiring
from .events import EVENT_TYPE
from .graph import message_class
from .polling import PolledTopic
from .publishers import COMMAND_QOS, EVENT_QOS

PERIODS, LEAST_AFTER_NS = 5, 100_000_000
"""A stream has ended after so many periods without a command, and after so long at the least."""
HEARD_QOS = QoSProfile(depth=50, reliability=ReliabilityPolicy.BEST_EFFORT)
"""What is lost is not waited for: Fast DDS asks for it again after up to 3 s, in order."""
REFUSED = 2


class GuardedSession:
    """
    One session whose command stream is watched.

    :param node: the guard's node.
    :param wiring: the wiring of the session.
    :param bundle: its policy.
    :param frame_prefix: put before the frame names of commands.
    :param runtime: name of the runtime's node.
    :param after_ns: how long after the last command its stream has ended; 0: as usual.
    """

    def __init__(
        self,
        node: Node,
        wiring: SessionWiring,
        bundle: Bundle,
        frame_prefix: str,
        runtime: str,
        after_ns: int,
    ) -> None:
        self._node = node
        self._name = wiring.name
        self._commands = SessionCommands(bundle.contract, wiring, messages(), frame_prefix)
        self.period_ns = bundle.contract.period_ns
        after_ns = after_ns or max(PERIODS * self.period_ns, LEAST_AFTER_NS)
        self._topics = [
            PolledTopic(node, target.topic, message_class(target.type), HEARD_QOS)
            for target in wiring.targets
        ]
        self._publishers = [
            node.create_publisher(message_class(target.type), target.topic, COMMAND_QOS)
            for target in wiring.targets
        ]
        self._watches = [StreamWatch(after_ns) for _ in wiring.targets]
        events = f'{runtime}/{wiring.name}/event'
        self._events = PolledTopic(node, events, message_class(EVENT_TYPE), EVENT_QOS)
        self._counts = (0,) * len(wiring.targets)
        self._speaking = False

    @property
    def topics(self) -> str:
        """Return the command topics, for people."""
        return ', '.join(topic.name for topic in self._topics)

    def look(self) -> None:
        """Hear what has been said, and speak where nobody else does."""
        for one in self._events.take():
            try:
                event = messages().decode(one.data, EVENT_TYPE)
            except (
                MessageError
            ) as problem:  # of a stranger, or of another version: no reason to go
                self._node.get_logger().warning(
                    f'{self._events.name}: an event cannot be read and is passed over: {problem}',
                    once=True,
                )
                continue
            for watch in self._watches:
                watch.told(event.mode == Mode.STOPPED)
        for watch, topic in zip(self._watches, self._topics):
            for heard in topic.take():
                watch.heard(heard.data, heard.arrival_ns)
        now_ns = time.monotonic_ns()
        speaking = any(watch.speaks(now_ns) for watch in self._watches)
        if speaking != self._speaking:
            self._tell(speaking)
        self._speaking = speaking
        if speaking:
            self._speak(now_ns)

    def _speak(self, now_ns: int) -> None:
        ros_ns = self._node.get_clock().now().nanoseconds
        held = self._commands.held([watch.last for watch in self._watches])
        stop = self._commands.stop(held)
        stops, _, self._counts = self._commands.encode(stop, ros_ns, self._counts)
        stops = stops or (None,) * len(self._watches)
        for watch, publisher, data in zip(self._watches, self._publishers, stops):
            if data is not None and watch.speaks(now_ns):
                watch.said(data)
                publisher.publish(data)

    def _tell(self, speaking: bool) -> None:
        if speaking:
            after_ms = self._watches[0].after_ns / 1e6
            self._node.get_logger().error(
                f'{self._name}: no command on {self.topics} for {after_ms:g} ms; the guard '
                'publishes the stop command until somebody commands the robot again'
            )
        else:
            self._node.get_logger().info(f'{self._name}: the guard gives {self.topics} back')


def main(args: list[str] | None = None) -> int:
    """
    Guard the sessions of a wiring until told to end.

    :param args: command line, program name first; the process's own when left out.
    :returns: the exit status: 0 after a clean end, 2 when the wiring was refused.
    """
    caught: list[int] = []

    def end(number: int, frame: FrameType | None) -> None:
        caught.append(number)

    before = {number: signal.signal(number, end) for number in (signal.SIGINT, signal.SIGTERM)}
    rclpy.init(args=args, signal_handler_options=SignalHandlerOptions.NO)
    node = Node('fournex' + GUARD_SUFFIX, start_parameter_services=False)
    try:
        sessions = _sessions(node)
        names = ', '.join(one.topics for one in sessions)
        node.get_logger().info(f'guarding {names}; silent as long as somebody else commands')
        releases = [(Release(one.period_ns), one) for one in sessions]
        for release, _ in releases:
            release.begin(time.monotonic_ns())
        while not caught:
            release, session = min(releases, key=lambda one: one[0].due_ns)
            time.sleep(max(0, release.due_ns - time.monotonic_ns()) * 1e-9)
            session.look()
            release.advance(time.monotonic_ns())
        return 0
    except FournexError as problem:
        print(f'{problem}\nNothing is guarded.', file=sys.stderr)
        return REFUSED
    finally:
        node.destroy_node()
        rclpy.try_shutdown()
        for number, handler in before.items():
            signal.signal(number, handler)


def _sessions(node: Node) -> list[GuardedSession]:
    """Return the sessions of the wiring that the node's parameters name."""
    path = str(node.declare_parameter('wiring', '').value)
    bundle = str(node.declare_parameter('bundle', '').value)
    prefix = str(node.declare_parameter('frame_prefix', '').value)
    after_ns = round(float(node.declare_parameter('after', 0.0).value) * 1e9)
    runtime = node.get_name().removesuffix(GUARD_SUFFIX)
    if runtime == node.get_name():
        raise ConfigurationError(
            f'the node is called {runtime}; a guard is called as the node that it guards, with '
            f'{GUARD_SUFFIX} at the end, by which that node knows it'
        )
    if not path:
        raise ConfigurationError('parameter wiring is empty: give the path of a wiring file')
    if after_ns < 0:
        raise ConfigurationError(f'parameter after: {after_ns * 1e-9:g} s is below 0')
    wiring = load_wiring(
        pathlib.Path(path).expanduser(), pathlib.Path(bundle).expanduser() if bundle else None
    )
    for one in wiring.sessions:
        if one.lockstep:
            raise ConfigurationError(
                f'{wiring.file}: sessions.{one.name}.pacing: lockstep has no rate, so nobody can '
                'tell when its commands have ended'
            )
    return [
        GuardedSession(node, one, wiring.bundles[one.name], prefix, runtime, after_ns)
        for one in wiring.sessions
    ]


if __name__ == '__main__':
    sys.exit(main())
