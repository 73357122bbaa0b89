"""An instant is waited for, never left early, and somebody else can end the wait."""

import signal
import threading
import time

import pytest

from fournex_runtime.ros.alarm import Alarm


@pytest.fixture
def alarm():
    return Alarm()


def in_ns(milliseconds):
    return time.monotonic_ns() + round(milliseconds * 1e6)


def test_it_waits_until_the_instant_and_not_less(alarm):
    for milliseconds in (0.05, 1, 7):
        until_ns = in_ns(milliseconds)
        assert alarm.wait(until_ns) is False
        assert time.monotonic_ns() >= until_ns


@pytest.mark.parametrize('until_ns', [0, -5, 1])
def test_an_instant_that_is_over_is_not_waited_for(alarm, until_ns):
    assert alarm.wait(until_ns) is False
    assert alarm.wait(in_ns(-1)) is False


def test_who_rings_ends_the_wait_and_only_one(alarm):
    threading.Timer(0.02, alarm.ring).start()
    assert alarm.wait(in_ns(60_000)) is True
    threading.Timer(0.02, alarm.ring).start()
    assert alarm.wait(None) is True
    until_ns = in_ns(5)
    assert alarm.wait(until_ns) is False
    assert time.monotonic_ns() >= until_ns


def test_a_ring_before_the_wait_is_not_lost_and_many_are_one(alarm):
    for _ in range(1000):
        alarm.ring()
    assert alarm.wait(in_ns(60_000)) is True
    assert alarm.wait(in_ns(1)) is False


def test_an_alarm_that_went_off_before_does_not_go_off_again(alarm):
    until_ns = in_ns(1)
    threading.Timer(0.005, alarm.ring).start()
    time.sleep(0.003)
    assert alarm.wait(until_ns) is False  # it was over before the wait began
    assert alarm.wait(None) is True  # and only the ring ends this one


def test_a_signal_is_handled_at_once_and_ends_no_wait_unless_its_handler_rings(alarm):
    handled = []

    def note(*_):
        handled.append('noted')
        threading.Timer(0.02, alarm.ring).start()

    before = signal.getsignal(signal.SIGUSR1)
    try:
        for handler in (note, lambda *_: alarm.ring()):
            signal.signal(signal.SIGUSR1, handler)
            kill = (threading.get_ident(), signal.SIGUSR1)
            threading.Timer(0.02, signal.pthread_kill, kill).start()
            assert alarm.wait(in_ns(60_000)) is True
    finally:
        signal.signal(signal.SIGUSR1, before)
    assert handled == ['noted']
