"""Releases by absolute deadlines, and the figures about them."""

import pytest

from fournex_runtime.session.pacing import Release
from fournex_runtime.session.statistics import WINDOW, TickStatistics
from fournex_runtime.session.tick import AnswerKind, Timing

MS = 1_000_000


def released(now_times_ms, period_ms=20):
    release = Release(period_ms * MS)
    release.begin(0)
    found = []
    for now in now_times_ms:
        release.advance(int(now * MS))
        found.append((release.due_ns // MS, release.skipped))
    return found


def test_releases_do_not_drift_when_ticks_end_late_within_their_period():
    assert released([1, 25, 59.9, 61]) == [(20, 0), (40, 0), (60, 0), (80, 0)]


def test_releases_that_are_over_are_skipped_and_counted():
    assert released([39.9]) == [(20, 0)]
    assert released([40]) == [(40, 1)]
    assert released([95, 96]) == [(80, 3), (100, 0)]


def test_a_clock_that_jumps_back_begins_anew():
    release = Release(20 * MS)
    release.begin(1000 * MS)
    release.advance(1001 * MS)
    release.advance(5 * MS)
    assert (release.due_ns, release.skipped) == (5 * MS, 0)


def test_statistics_of_no_tick_and_of_one():
    statistics = TickStatistics()
    assert statistics.summary().ticks == 0
    statistics.add(1000, Timing(lateness_ns=5, infer_ns=7), AnswerKind.RESULT, False)
    one = statistics.summary()
    assert (one.ticks, one.rate, one.lateness_max) == (1, 0.0, pytest.approx(5e-9))


def test_statistics_by_hand():
    statistics = TickStatistics()
    for tick in range(101):
        timing = Timing(
            lateness_ns=tick * 1000, infer_ns=tick * 2000, record_ns=500, skipped=int(tick == 50)
        )
        answer = AnswerKind.LATE if tick >= 98 else AnswerKind.RESULT
        statistics.add(tick * 20 * MS, timing, answer, tick >= 99)
    found = statistics.summary()
    assert (found.ticks, found.faults, found.overruns) == (101, 2, 1)
    assert (found.late, found.failed) == (3, 0)
    assert found.rate == pytest.approx(50.0)
    assert found.lateness.p50 == pytest.approx(50e-6)
    assert found.lateness.p99 == pytest.approx(99e-6)
    assert found.lateness_max == pytest.approx(100e-6)
    infer = found.stages['infer']
    assert (infer.p50, infer.p99) == pytest.approx((100e-6, 198e-6))
    assert found.stages['record'].p50 == pytest.approx(500e-9)
    assert found.stages['wait'].p99 == 0.0


def test_percentiles_are_of_the_window_and_the_greatest_of_all_time():
    statistics = TickStatistics()
    statistics.add(0, Timing(lateness_ns=10**9), AnswerKind.RESULT, False)
    for tick in range(1, WINDOW + 1):
        statistics.add(tick * 10 * MS, Timing(lateness_ns=1000), AnswerKind.RESULT, False)
    found = statistics.summary()
    assert found.ticks == WINDOW + 1
    assert found.lateness.p99 == pytest.approx(1e-6)
    assert found.lateness_max == pytest.approx(1.0)
    assert found.rate == pytest.approx(100.0)


def test_a_session_is_silent_after_five_periods_and_a_second_at_least():
    def silent_ns(statistics, after_ns, period_ns=20 * MS):
        return statistics.silent_ns(after_ns, period_ns)

    statistics = TickStatistics(7 * MS)
    assert silent_ns(statistics, 1007 * MS) == 0  # since it was started
    assert silent_ns(statistics, 1008 * MS) == 1001 * MS
    for tick in range(WINDOW + 2):
        statistics.add(tick * 20 * MS, Timing(), AnswerKind.RESULT, False)
    last_ns = (WINDOW + 1) * 20 * MS
    assert silent_ns(statistics, last_ns + 1000 * MS) == 0
    assert silent_ns(statistics, last_ns + 1001 * MS) == 1001 * MS
    assert silent_ns(statistics, last_ns + 4900 * MS, period_ns=1000 * MS) == 0
    slow = TickStatistics()  # a simulation that goes at a fiftieth of the time
    for tick in range(3):
        slow.add(tick * 1000 * MS, Timing(), AnswerKind.RESULT, False)
    assert (silent_ns(slow, 6900 * MS), silent_ns(slow, 7100 * MS)) == (0, 5100 * MS)
