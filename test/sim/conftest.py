"""Simulators as processes, and a node that drives and watches them."""

from __future__ import annotations

import collections
import sys
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.qos import DurabilityPolicy, QoSProfile

from fournex_msgs.srv import ResetEpisode
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.ros.graph import message_class
from fournex_runtime.ros.polling import PolledTopic


class Peer:
    """A node of the test that watches topics and sends commands."""

    def __init__(self, namespace: str = '') -> None:
        self._context = rclpy.Context()
        rclpy.init(context=self._context)
        self.node = Node('peer', namespace=namespace, context=self._context)
        self._topics: dict[str, tuple[PolledTopic, str]] = {}
        self._publishers = {}
        self.bytes: dict[str, list[bytes]] = collections.defaultdict(list)
        """Everything that has come, by topic."""

    def watch(self, latched: bool = False, **topics: str) -> None:
        """Subscribe to topics, each given as name=type."""
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        qos = QoSProfile(depth=200, durability=durability)
        for name, kind in topics.items():
            topic = PolledTopic(self.node, name, message_class(kind), qos)
            self._topics[name] = (topic, kind)

    def watch_absolute(self, name: str, topic: str, kind: str, latched: bool = False) -> None:
        """Subscribe to a topic whose name is no Python identifier."""
        durability = DurabilityPolicy.TRANSIENT_LOCAL if latched else DurabilityPolicy.VOLATILE
        qos = QoSProfile(depth=200, durability=durability)
        self._topics[name] = (PolledTopic(self.node, topic, message_class(kind), qos), kind)

    def take(self, name: str) -> list:
        """Return the messages of a topic that came since the last call."""
        topic, kind = self._topics[name]
        taken = [received.data for received in topic.take()]
        self.bytes[name] += taken
        return [messages().decode(data, kind) for data in taken]

    def next(self, name: str, timeout_s: float = 10.0):
        """Return the newest message of a topic, waiting for one."""
        deadline_s = time.monotonic() + timeout_s
        while not (found := self.take(name)):
            assert time.monotonic() < deadline_s, f'nothing on {name} for {timeout_s} s'
            time.sleep(0.0005)
        return found[-1]

    def quiet(self, name: str, duration_s: float) -> bool:
        """Return whether nothing comes on a topic for so long."""
        time.sleep(duration_s)
        return not self.take(name)

    def drives(self, topic: str, kind: str, timeout_s: float = 10.0) -> None:
        """Publish commands on a topic, and wait until somebody listens."""
        publisher = self.node.create_publisher(message_class(kind), topic, 10)
        self._publishers[topic] = (publisher, kind)
        deadline_s = time.monotonic() + timeout_s
        while not publisher.get_subscription_count():
            assert time.monotonic() < deadline_s, f'nobody listens to {topic}'
            time.sleep(0.01)

    def command(self, topic: str, message) -> None:
        """Send a command."""
        publisher, kind = self._publishers[topic]
        publisher.publish(messages().encode(message, kind))

    def call(self, kind, service: str, request, timeout_s: float = 10.0):
        """Call a service and return its response."""
        client = self.node.create_client(kind, service)
        assert client.wait_for_service(timeout_s), f'no service {service}'
        executor = SingleThreadedExecutor(context=self._context)
        executor.add_node(self.node)
        future = client.call_async(request)
        executor.spin_until_future_complete(future, timeout_s)
        executor.shutdown()
        assert future.done(), f'{service} did not answer'
        return future.result()

    def reset(self, seed: int, service: str = 'sim/reset'):
        """Begin an episode."""
        response = self.call(ResetEpisode, service, ResetEpisode.Request(seed=seed))
        assert response.success, response.message
        return response

    def close(self) -> None:
        """Leave the graph."""
        self.node.destroy_node()
        self._context.try_shutdown()


@pytest.fixture
def peer():
    """Return a node without a namespace."""
    node = Peer()
    yield node
    node.close()


@pytest.fixture
def peers():
    """Return a function that makes nodes in namespaces."""
    made = []

    def make(namespace: str) -> Peer:
        made.append(Peer(namespace))
        return made[-1]

    yield make
    for node in made:
        node.close()


@pytest.fixture
def simulate(start):
    """Return a function that starts a simulator: robot, parameters, further ROS arguments."""

    def run(robot: str, *remaps: str, environment=None, **parameters):
        arguments = [sys.executable, '-m', 'fournex_runtime.sim.node', '--ros-args']
        for name, value in {'robot': robot, **parameters}.items():
            text = str(value).lower() if isinstance(value, bool) else str(value)
            arguments += ['-p', f'{name}:={text}']
        return start('sim', [*arguments, *remaps], environment=environment)

    return run
