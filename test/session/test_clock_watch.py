"""A clock that stands still, by the steady one."""

from fournex_runtime.session.clock_watch import ClockWatch


def test_a_clock_that_goes_however_slowly_or_backwards_does_not_stand_still():
    watch = ClockWatch(1000)
    for steady_ns, clock_ns in enumerate([5, 6, 6, 7, 3, 3, 4]):
        assert not watch.stands_still(clock_ns, steady_ns * 900)


def test_one_that_stands_still_is_noticed_until_it_goes_again():
    watch = ClockWatch(1000)
    seen = [watch.stands_still(5, steady_ns) for steady_ns in (0, 1000, 1001, 5000)]
    assert seen == [False, False, True, True]
    assert not watch.stands_still(6, 5001)
    assert not watch.stands_still(6, 6001) and watch.stands_still(6, 6002)


def test_what_was_seen_before_an_activation_counts_for_nothing():
    watch = ClockWatch(1000)
    watch.stands_still(5, 0)
    watch.begin()
    assert not watch.stands_still(5, 5000)


def test_it_may_stand_still_for_ever_where_nobody_minds():
    watch = ClockWatch(0)
    assert not watch.stands_still(5, 0) and not watch.stands_still(5, 10**15)
