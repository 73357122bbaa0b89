"""The thread that serves services and timers: it ends, and it survives what a callback raises."""

import threading
import time

import pytest
import rclpy
from rclpy.executors import SingleThreadedExecutor
from rclpy.signals import SignalHandlerOptions

from fournex_runtime.ros.spinning import Spinning


@pytest.fixture
def node():
    """Return a node of a context of its own."""
    context = rclpy.Context()
    rclpy.init(context=context, signal_handler_options=SignalHandlerOptions.NO)
    node = rclpy.create_node('spun', context=context)
    yield node
    node.destroy_node()
    rclpy.shutdown(context=context)


def executors():
    """Return the threads that serve an executor now."""
    return [one for one in threading.enumerate() if one.name == 'executor']


def test_it_ends_however_soon_it_is_closed(node):
    before = executors()
    for turn in range(20):
        executor = SingleThreadedExecutor(context=node.context)
        executor.add_node(node)
        spinning = Spinning(executor)
        time.sleep(turn * 1e-4)
        spinning.close(10.0)
        assert executors() == before


def test_what_a_callback_raises_is_told_and_the_others_are_served(node):
    told, ticks = [], threading.Event()

    def fail():
        raise ValueError('a callback failed')

    node.create_timer(0.01, fail)
    node.create_timer(0.01, lambda: ticks.set() if told else None)
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    spinning = Spinning(executor, told.append)
    assert ticks.wait(20.0)
    spinning.close(10.0)
    assert {str(problem) for problem in told} == {'a callback failed'}


def test_between_two_callbacks_it_rests(node):
    called_ns = []
    node.create_timer(1e-4, lambda: called_ns.append(time.monotonic_ns()))
    executor = SingleThreadedExecutor(context=node.context)
    executor.add_node(node)
    spinning = Spinning(executor, rest_s=0.02)
    time.sleep(0.5)
    spinning.close(10.0)
    gaps_ns = [after - before for before, after in zip(called_ns, called_ns[1:])]
    assert len(gaps_ns) >= 2 and min(gaps_ns) > 15_000_000
