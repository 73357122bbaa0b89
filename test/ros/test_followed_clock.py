"""Simulated time comes to who waits for it, and to nobody else."""

import threading
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.node import Node
from rclpy.parameter import Parameter
from rosgraph_msgs.msg import Clock

from fournex_runtime.ros.followed_clock import FollowedClock
from fournex_runtime.ros.spinning import Spinning

SECOND_NS = 1_000_000_000
MS = 1_000_000
FOREVER_S = 30


@pytest.fixture
def clocks():
    """Return a function that publishes a time, and what follows it, with its node."""
    contexts = [rclpy.Context() for _ in range(2)]
    for context in contexts:
        rclpy.init(context=context)
    simulator = Node('simulator', context=contexts[0])
    simulated = Parameter('use_sim_time', value=True)
    node = Node('runtime', context=contexts[1], parameter_overrides=[simulated])
    followed = FollowedClock(node)
    executor = SingleThreadedExecutor(context=contexts[1])
    executor.add_node(node)
    spinning = Spinning(executor)
    publisher = simulator.create_publisher(Clock, '/clock', 10)
    deadline = time.monotonic() + FOREVER_S
    (subscription,) = (one for one in node.subscriptions if one.msg_type is Clock)
    while not publisher.get_subscription_count() or not subscription.get_publisher_count():
        assert time.monotonic() < deadline
        time.sleep(0.01)

    def tell(now_ns):
        message = Clock()
        message.clock.sec, message.clock.nanosec = divmod(now_ns, SECOND_NS)
        publisher.publish(message)

    yield tell, followed, node
    spinning.close(5.0)
    followed.close()
    for one, context in zip((simulator, node), contexts):
        one.destroy_node()
        rclpy.shutdown(context=context)


def soon(function):
    """Call a function a little later, from another thread."""
    timer = threading.Timer(0.05, function)
    timer.start()
    return timer


def until(seconds=FOREVER_S):
    return time.monotonic_ns() + seconds * SECOND_NS


def test_a_wait_ends_with_the_message_that_shows_the_time(clocks):
    tell, followed, node = clocks
    times_ns = [5 * SECOND_NS + step * 10 * MS for step in range(100)]

    def run():
        for now_ns in times_ns:
            tell(now_ns)
            time.sleep(0.002)  # five times as fast as the steady clock

    soon(run)
    assert followed.wait_for(times_ns[50], until()) is False
    assert times_ns[50] <= followed.now_ns() <= times_ns[-1]
    assert followed.wait_for(times_ns[-1], until()) is False
    assert followed.now_ns() == times_ns[-1] == node.get_clock().now().nanoseconds
    assert followed.wall_ns(SECOND_NS) < SECOND_NS


def test_it_is_told_to_who_looks_and_not_by_the_executor(clocks):
    tell, followed, node = clocks
    tell(5 * SECOND_NS)
    time.sleep(0.5)
    assert node.get_clock().now().nanoseconds == 0
    assert followed.now_ns() == 5 * SECOND_NS == node.get_clock().now().nanoseconds


def test_a_jump_back_ends_a_wait(clocks):
    tell, followed, _ = clocks
    tell(5 * SECOND_NS)
    assert followed.wait_for(5 * SECOND_NS, until()) is False
    soon(lambda: tell(3 * SECOND_NS))
    assert followed.wait_for(9 * SECOND_NS, until()) is False
    assert followed.now_ns() == 3 * SECOND_NS


def test_who_rings_ends_a_wait_and_who_rang_before_the_next_one(clocks):
    _, followed, _ = clocks
    followed.ring()
    assert followed.wait_for(SECOND_NS, until()) is True
    soon(followed.ring)
    assert followed.wait_for(SECOND_NS, until()) is True
    soon(followed.ring)
    assert followed.wait(None) is True
    assert followed.wait(time.monotonic_ns() + 10 * MS) is False


def test_a_clock_that_stands_still_keeps_nobody(clocks):
    tell, followed, _ = clocks
    tell(5 * SECOND_NS)
    assert followed.wait_for(5 * SECOND_NS, until()) is False
    assert followed.wait_for(9 * SECOND_NS, time.monotonic_ns() + 50 * MS) is False
    assert followed.now_ns() == 5 * SECOND_NS
