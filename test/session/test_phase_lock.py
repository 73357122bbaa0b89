"""Releases that follow the stamps of a sensor, on clocks made for it."""

from __future__ import annotations

import numpy as np
import pytest

from fournex_runtime.session.pacing import Release
from fournex_runtime.session.phase_lock import GREATEST_STEP, PhaseLock
from fournex_runtime.session.tick import AnswerKind, Episode, Mode, TickInput, TickRecord

MS = 1_000_000
EPOCH_NS = 1_700_000_000_000_000_000
"""ROS time at steady time 0."""


def record(due_ns, steady_ns, ros_ns, index, stamp_ns):
    """Return a tick record of which only the times and the only input matter."""
    return TickRecord(
        0, due_ns, Episode(), False, steady_ns, ros_ns, False,
        (TickInput(index, 0, stamp_ns, 0),), AnswerKind.NONE, Mode.POLICY, '', {}, {}, {}, {}, (),
        (), (), 0.0,
    )  # fmt: skip


def ages(sensor_ms, first_ms, after_ms, ticks=600, jitter_ms=0.0, ros_clock=False):
    """Return at each release the age of the newest stamp, ms; a sensor and a loop of 20 ms."""
    release, lock = Release(20 * MS), PhaseLock(0, round(after_ms * MS), 20 * MS)
    epoch_ns = 0 if ros_clock else EPOCH_NS
    release.begin(round(first_ms * MS))
    random = np.random.default_rng(1)
    found = []
    for _ in range(ticks):
        late_ns = round(abs(random.normal(0.0, 0.3)) * MS)
        now_ns = release.due_ns + late_ns
        index = int(now_ns / MS // sensor_ms)
        wobble_ns = round(random.normal(0.0, jitter_ms) * MS)
        stamp_ns = epoch_ns + round(index * sensor_ms * MS) + wobble_ns
        found.append((release.due_ns + epoch_ns - stamp_ns) / MS)
        made = record(release.due_ns, now_ns, now_ns + epoch_ns, index + 1, stamp_ns)
        release.advance(now_ns + MS, lock.shift_ns(made, ros_clock))
    return np.array(found)


@pytest.mark.parametrize('first_ms', [101.0, 104.0, 107.5, 109.9])
@pytest.mark.parametrize('ros_clock', [False, True])
def test_the_age_becomes_what_is_asked_for_from_wherever_it_begins(first_ms, ros_clock):
    found = ages(10.0, first_ms, 3.0, ros_clock=ros_clock)
    assert found[-300:] == pytest.approx(3.0, abs=0.1)


@pytest.mark.parametrize('sensor_ms', [9.97, 10.02, 5.004, 20.01])
def test_a_sensor_that_is_not_quite_in_time_is_followed(sensor_ms):
    found = ages(sensor_ms, 104.0, 2.0)
    assert found[-300:] == pytest.approx(2.0, abs=0.05)  # young, and of one age


def test_a_sensor_that_is_slower_than_the_loop():
    found = ages(40.03, 104.0, 2.0)
    assert np.sort(found[-300:])[:148] == pytest.approx(2.0, abs=0.1)
    assert np.sort(found[-300:])[152:] == pytest.approx(22.0, abs=0.1)


def test_a_sensor_whose_period_does_not_fit_is_not_followed():
    lock = PhaseLock(0, 0, 20 * MS)
    for tick in range(1, 40):
        now_ns, index = tick * 20 * MS, tick * 20 * MS // (33 * MS)
        made = record(now_ns, now_ns, now_ns, index + 1, index * 33 * MS)
        assert lock.shift_ns(made, True) == 0


def test_stamps_that_jitter_are_followed_in_the_mean():
    found = ages(10.0, 106.0, 3.0, ticks=1500, jitter_ms=0.3)
    assert np.mean(found[-1000:]) == pytest.approx(3.0, abs=0.1)


def test_no_release_is_early_or_late_by_more_than_a_little():
    lock = PhaseLock(0, 0, 20 * MS)
    shifts = [
        lock.shift_ns(record(tick * 20 * MS, tick * 20 * MS, tick * 20 * MS, tick + 1,
                             tick * 20 * MS - 9 * MS), True)
        for tick in range(1, 20)
    ]  # fmt: skip
    assert shifts[0] == 0  # one sample says nothing of a period
    assert {abs(shift) for shift in shifts[1:]} == {round(GREATEST_STEP * 20 * MS)}


def test_messages_without_a_stamp_shift_nothing():
    lock = PhaseLock(0, 0, 20 * MS)
    assert lock.shift_ns(record(0, 0, 0, 3, 0), False) == 0
    assert lock.shift_ns(record(20 * MS, 20 * MS, 20 * MS, 5, 0), False) == 0
