"""Which sessions are released next, with the test's own clock."""

import random

from fournex_runtime.session.pacing import Release
from fournex_runtime.session.schedule import Schedule, Slot, schedule

MS = 1_000_000


class Sessions:
    """
    Sessions by name, on a clock that the test sets.

    :param named: period, group and greatest wait of each, in milliseconds.
    """

    def __init__(self, **named):
        self.slots = {}
        for name, (period, group, wait) in named.items():
            release = Release(period * MS)
            release.begin(0)
            self.slots[name] = Slot(name, release, group, wait * MS)
        self.schedule = Schedule(list(self.slots.values()))

    def put(self, **due):
        """Set when sessions are released next."""
        for name, at in due.items():
            self.slots[name].release.due_ns = at * MS
        self.schedule = Schedule(list(self.slots.values()))
        return self

    def take(self, now):
        taken = self.schedule.take(round(now * MS))
        return ' '.join(slot.item for slot in taken), taken

    def tick(self, now, took=0):
        """Take what is due, and give it back when its ticks have taken so long."""
        names, taken = self.take(now)
        for slot in taken:
            slot.release.advance(round((now + took) * MS))
        if taken:
            self.schedule.back(taken)
        return names

    @property
    def wake(self):
        return self.schedule.wake_ns / MS


def test_of_what_is_due_the_earliest_deadline_comes_first():
    sessions = Sessions(slow=(50, 1, 0), fast=(5, 2, 0), middle=(20, 3, 0))
    assert [sessions.tick(0) for _ in range(4)] == ['fast', 'middle', 'slow', '']
    assert sessions.wake == 5


def test_what_is_late_is_still_ordered_by_deadline():
    sessions = Sessions(a=(20, 1, 0), b=(20, 2, 0), c=(100, 3, 0)).put(a=12, b=3, c=0)
    assert [sessions.tick(19) for _ in range(3)] == ['b', 'a', 'c']  # due by 23, 32 and 100


def test_one_schedule_of_two_rates_by_hand():
    sessions = Sessions(fast=(10, 1, 0), slow=(25, 2, 0))
    ticked = []
    for now in range(60):
        while names := sessions.tick(now):
            ticked.append((now, names))
    assert ticked == [
        (0, 'fast'), (0, 'slow'), (10, 'fast'), (20, 'fast'), (25, 'slow'), (30, 'fast'),
        (40, 'fast'), (50, 'fast'), (50, 'slow'),
    ]  # fmt: skip


def test_under_overload_releases_are_skipped_and_nobody_starves():
    sessions = Sessions(a=(10, 1, 0), b=(10, 2, 0), c=(10, 3, 0))
    now, ticked = 0, []
    for _ in range(30):
        now = max(now, sessions.wake)
        ticked.append(sessions.tick(now, took=8))
        now += 8
    assert min(ticked.count(name) for name in 'abc') >= 9
    assert all(slot.release.due_ns >= now - 8 * MS for slot in sessions.slots.values())


def test_those_of_one_group_that_are_due_together_are_one_round():
    sessions = Sessions(a=(20, 1, 1), b=(20, 1, 1), other=(20, 2, 1), c=(40, 1, 1))
    assert sessions.tick(0) == 'a b c'
    assert sessions.tick(0) == 'other'
    assert sessions.tick(20) == 'a b'
    assert sessions.tick(20) == 'other'
    assert sessions.tick(40) == 'a b c'


def test_a_release_waits_for_those_of_its_group_but_not_for_long():
    sessions = Sessions(a=(20, 1, 1), b=(20, 1, 2), c=(20, 1, 3)).put(a=0, b=1, c=2)
    assert sessions.wake == 1, 'the least of their waits, from the first of them'
    assert sessions.tick(0.5) == ''
    assert sessions.tick(1) == 'a b'
    assert sessions.wake == 2
    assert sessions.tick(2) == 'c'


def test_who_comes_due_while_a_round_is_late_goes_with_it():
    sessions = Sessions(a=(20, 1, 0), b=(20, 1, 0)).put(a=0, b=5)
    assert sessions.tick(6) == 'a b'


def test_a_group_is_not_handed_out_twice():
    sessions = Sessions(a=(10, 1, 0), b=(10, 2, 0))
    names, taken = sessions.take(0)
    assert names == 'a'
    assert sessions.take(0)[0] == 'b'
    assert sessions.schedule.wake_ns is None
    assert sessions.take(50)[0] == ''  # both still wait for their answers
    taken[0].release.advance(51 * MS)
    sessions.schedule.back(taken)
    assert sessions.wake == 50 and sessions.tick(51) == 'a'


def test_a_clock_that_jumps_back_begins_anew():
    sessions = Sessions(a=(10, 1, 0), b=(30, 2, 0)).put(a=1000, b=1010)
    assert not sessions.schedule.went_back(990 * MS)
    assert sessions.schedule.went_back(5 * MS)
    assert sessions.wake == 5
    assert [sessions.tick(5) for _ in range(3)] == ['a', 'b', '']


def test_a_single_session_is_released_as_it_would_be_among_others():
    chance = random.Random(1)
    general, single = Sessions(a=(10, 1, 0)), Sessions(a=(10, 1, 0))
    single.schedule = schedule(list(single.slots.values()))
    assert type(single.schedule) is not type(general.schedule)
    now, released = 0.0, []
    for _ in range(300):
        now += chance.uniform(0, 9)
        if chance.random() < 0.05:
            now = max(0.0, now - 200)
            back = [one.schedule.went_back(round(now * MS)) for one in (general, single)]
            assert back[0] == back[1]
        took = chance.choice((1, 1, 1, 25))
        names = [one.tick(now, took) for one in (general, single)]
        assert names[0] == names[1] and general.wake == single.wake
        released.append(names[0])
    assert {*released} == {'a', ''}
    _, taken = single.take(single.wake)
    assert single.schedule.wake_ns is None and single.take(now + 1000)[0] == ''
    single.schedule.back(taken)
    assert single.take(now + 1000)[0] == 'a'
