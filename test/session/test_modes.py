"""Ramps, the way back to the policy, soft starts: what is commanded when it does not act alone."""

import collections
import dataclasses
import math
import random
import re

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from ros_messages import ARRAY, cdr, joint_state
from tiny_session import CONTRACT, MS, WIRING, Run, commanded, edited, make_engine, result

from fournex_runtime.errors import WiringError
from fournex_runtime.session.modes import FOLLOWING
from fournex_runtime.session.tick import Answer, AnswerKind, Mode

LATE = Answer(AnswerKind.LATE, problem='no answer after 10 ms')
STALE = 'stale: hold 60 ms then stop'
POSITIONS = (
    edited(CONTRACT, ('joint_velocity_target', 'joint_position_target')),
    edited(WIRING.replace('velocity_target', 'position_target'), ('stop: zero', 'stop: hold')),
)


def wired(*changes, positions=False):
    contract, wiring = POSITIONS if positions else (CONTRACT, WIRING)
    return Run(make_engine(contract, edited(wiring, *changes)))


def modes(records):
    return [one.mode.name for one in records]


# --- ramps ---------------------------------------------------------------------------------------


def test_a_ramp_goes_from_the_last_command_to_zero_in_its_time():
    run = wired((STALE, 'stale: hold 20 ms then ramp 80 ms to zero then stop'))
    run.tick(run.joints(), answer=result(0.25, 0.5))  # 0.5 and 1.0
    run.now_ns += 40 * MS
    records = [run.tick() for _ in range(6)]
    assert modes(records) == ['FALLBACK'] * 5 + ['STOPPED']
    assert [commanded(one)[0] for one in records] == [1.0, 0.75, 0.5, 0.25, 0.0, 0.0]
    assert records[2].cause.startswith('stale: joint_position: joint_states is 100 ms old')


def test_a_ramp_to_a_pose_of_the_wiring_is_limited_like_any_command():
    run = wired(
        (STALE, 'stale: ramp 40 ms to home then stop'),
        ('rate: unlimited', 'rate: 10.0'),  # 0.2 a tick
        (
            '    reward:',
            '    poses: {home: {joint_position_target: {a: 1.5, b: 0.1}}}\n    reward:',
        ),
        positions=True,
    )
    run.tick(run.joints(), answer=result(0.25, 0.0))
    run.now_ns += 40 * MS
    records = [run.tick() for _ in range(3)]
    assert commanded(records[0]) == pytest.approx([0.05, 0.7])  # b half way, a as far as it may
    assert records[0].limited == ('joint_position_target/a: rate',)
    assert commanded(records[1]) == pytest.approx([0.1, 0.9])
    assert modes(records) == ['FALLBACK', 'FALLBACK', 'STOPPED']


def test_a_ramp_that_is_come_to_late_takes_what_is_left_of_its_time_and_does_not_jump():
    run = wired((STALE, 'stale: hold 200 ms then stop\n      late: ramp 100 ms to zero then stop'))
    run.tick(run.joints(), answer=result(0.25, 0.75))  # 0.5 and 1.5
    run.now_ns += 40 * MS
    records = [run.tick(), run.tick()]  # stale: the time of the fault begins
    records += [run.tick(run.joints(), answer=LATE) for _ in range(4)]
    found = [commanded(one)[0] for one in records]
    assert found == pytest.approx([1.5, 1.5, 1.0, 0.5, 0.0, 0.0])
    assert modes(records) == ['FALLBACK'] * 5 + ['STOPPED']


def test_a_ramp_without_an_earlier_command_publishes_nothing_and_still_ends_in_a_stop():
    run = wired((STALE, 'stale: ramp 40 ms to zero then stop'))
    old = joint_state(['a', 'b'], [0.0, 0.0], run.now_ns - 500 * MS)
    records = [run.tick([old]), run.tick(), run.tick()]
    assert [commanded(one) for one in records] == [None, None, [0.0, 0.0]]


@pytest.mark.parametrize(
    ('changes', 'positions', 'words'),
    [
        (((STALE, 'stale: ramp 1 s to hom then stop'),), False,
         'ramp to hom: there is no such pose; known here: default_pose'),
        (((STALE, 'stale: ramp 1 s to default_pose then stop'),), True,
         'ramp to default_pose: the contract tiny@1 has no default_pose for all joints'),
        (((STALE, 'stale: ramp 1 s to zero then stop'),), True, 'ramp to zero: moves nothing'),
        (((STALE, 'stale: ramp 1 s to home then stop'), ('    reward:', '    poses: {home: '
         '{joint_position_target: {a: 1.6, b: 0}}}\n    reward:')), True, 'ramp to home: joint_'
         'position_target/a 1.6 is outside its limits -1.5 to 1.5'),
    ],
)  # fmt: skip
def test_ramps_that_go_nowhere_or_outside_the_limits_are_refused(changes, positions, words):
    with pytest.raises(WiringError) as caught:
        wired(*changes, positions=positions)
    assert words in str(caught.value)
    assert re.match(r'wiring\.yaml:\d+: sessions\.tiny\.reactions\.stale: ', str(caught.value))


def test_a_ramp_to_the_default_pose_of_the_contract():
    contract = edited(
        POSITIONS[0], ('period: 20 ms', 'period: 20 ms\ndefault_pose: {a: 0.5, b: 1.0}')
    )
    wiring = edited(POSITIONS[1], (STALE, 'stale: ramp 20 ms to default_pose then stop'))
    run = Run(make_engine(contract, wiring))
    run.tick(run.joints())
    run.now_ns += 40 * MS
    assert commanded(run.tick()) == [1.0, 0.5]


# --- back to the policy --------------------------------------------------------------------------


def test_out_of_a_ramp_the_policy_does_not_come_back_by_itself():
    run = wired((STALE, 'stale: ramp 100 ms to zero then stop'))
    run.tick(run.joints(), answer=result(0.5, 0.5))
    run.now_ns += 40 * MS
    records = [run.tick(), *(run.tick(run.joints()) for _ in range(5))]
    assert modes(records) == ['FALLBACK'] * 5 + ['STOPPED']


def test_it_comes_back_where_the_wiring_says_so_when_all_has_been_well_for_so_long():
    run = wired(
        ('default: stop', 'default: stop\n      return: {after: 60 ms}'),
        (STALE, 'stale: ramp 200 ms to zero then stop'),
    )
    run.tick(run.joints(), answer=result(0.5, 0.5))
    run.now_ns += 40 * MS
    # well for 40 ms only, then stale again; then well for 60 ms
    records = [run.tick(), run.tick(run.joints()), run.tick()]
    run.now_ns += 40 * MS
    records += [run.tick(), *(run.tick(run.joints()) for _ in range(4))]
    assert modes(records) == ['FALLBACK'] * 7 + ['POLICY']
    assert all(one.cause.startswith('stale: ') for one in records[:-1])
    assert records[-2].answer is AnswerKind.RESULT  # asked, to see that it can


def test_the_wait_counts_out_of_a_hold_too():
    run = wired(
        ('default: stop', 'default: stop\n      return: {after: 40 ms}'),
        (STALE, 'stale: hold 200 ms then stop'),
    )
    run.tick(run.joints())
    run.now_ns += 40 * MS
    records = [run.tick(), *(run.tick(run.joints()) for _ in range(3))]
    assert modes(records) == ['FALLBACK'] * 3 + ['POLICY']


def test_an_answer_that_cannot_be_used_begins_the_wait_anew():
    run = wired(
        ('default: stop', 'default: hold 1 s then stop\n      return: {after: 40 ms}'),
    )
    run.tick(run.joints())
    answers = [LATE, result(0.1, 0.1), LATE, *[result(0.1, 0.1)] * 3]
    records = [run.tick(run.joints(), answer=one) for one in answers]
    assert modes(records) == ['FALLBACK'] * 5 + ['POLICY']


def test_no_command_is_said_again_for_longer_than_the_timeout_whatever_the_faults_were():
    run = wired(
        ('default: stop', 'default: hold 80 ms then stop'),
        ('    reward:', '    command_timeout: 80 ms\n    reward:'),
    )
    run.tick(run.joints())
    run.now_ns += 40 * MS  # the loop was stopped, for instance
    records = [run.tick(run.joints(), answer=LATE) for _ in range(3)]
    assert modes(records) == ['FALLBACK', 'FALLBACK', 'STOPPED']
    assert records[-1].cause == ('late: no answer after 10 ms; the last command is 100 ms old')


# --- answers that come late ----------------------------------------------------------------------

_LATE_IS_USED = (
    'default: stop', 'default: stop\n      late: hold 60 ms then stop\n'
    '      late_answer: use in the next tick',
)  # fmt: skip


def belated(*action, h=(0.0, 0.0)):
    return dataclasses.replace(result(*action, h=h), kind=AnswerKind.BELATED)


def test_a_late_answer_is_used_in_the_next_tick_where_the_wiring_says_so():
    run = wired(_LATE_IS_USED)
    run.tick(run.joints(1.0, 1.0), answer=result(0.1, 0.1))
    record = run.tick(run.joints(2.0, 2.0), answer=LATE)
    assert (record.mode, commanded(record)) == (Mode.FALLBACK, pytest.approx([0.2, 0.2]))
    record = run.tick(run.joints(3.0, 3.0), answer=belated(0.5, 0.5, h=(5.0, 6.0)))
    assert (record.mode, record.answer) == (Mode.POLICY, AnswerKind.BELATED)
    assert commanded(record) == [1.0, 1.0]
    assert record.raw_action['action'].tolist() == [[0.5, 0.5]]
    assert record.state['h'].tolist() == [[5.0, 6.0]]
    record = run.tick(run.joints(4.0, 4.0))
    # what it saw in between is in its history, and its last action is the one that came late
    assert record.observation['obs'][0].tolist() == [3.0, 3.0, 4.0, 4.0, 0.5, 0.5]


@pytest.mark.parametrize('episode', ['', 'another'])
def test_an_answer_to_no_late_question_is_discarded(episode):
    run = wired(_LATE_IS_USED)
    run.tick(run.joints(), answer=LATE if episode else result(0.1, 0.1))
    record = run.tick(run.joints(), answer=belated(0.5, 0.5), episode=episode)
    assert (record.mode, record.answer) == (Mode.FALLBACK, AnswerKind.LATE)
    assert record.cause == 'late: the answer is to another question'


def test_a_late_answer_is_discarded_elsewhere():
    run = wired(('default: stop', 'default: hold 60 ms then stop'))
    run.tick(run.joints())
    run.tick(run.joints(), answer=LATE)
    assert run.tick(run.joints(), answer=belated(0.5, 0.5)).answer is AnswerKind.LATE


# --- soft start ----------------------------------------------------------------------------------


def soft(*changes, **more):
    return wired(('    reward:', '    soft_start: 80 ms\n    reward:'), *changes, **more)


def test_a_position_is_blended_from_the_measured_one():
    run = soft(positions=True)
    records = [
        run.tick(run.joints(0.2, 0.4), answer=result(0.5, 0.0)),  # asks for a: 1.0, b: 0.0
        *(run.tick(run.joints(9.0, 9.0), answer=result(0.5, 0.0)) for _ in range(4)),
    ]
    assert [commanded(one)[1] for one in records] == pytest.approx([0.4, 0.6, 0.8, 1.0, 1.0])
    assert [commanded(one)[0] for one in records] == pytest.approx([0.3, 0.2, 0.1, 0.0, 0.0])
    assert modes(records) == ['POLICY'] * 5
    assert records[0].raw_action['action'].tolist() == [[0.5, 0.0]]


def test_a_motion_is_blended_from_standing():
    run = soft()
    records = [run.tick(run.joints(), answer=result(0.5, 0.5)) for _ in range(5)]
    assert [commanded(one)[0] for one in records] == [0.25, 0.5, 0.75, 1.0, 1.0]


def test_a_hold_goes_on_with_it_and_after_a_stop_it_begins_with_the_stop_command():
    run = soft(('stop: zero', 'stop: {a: 0.2, b: 0.2}'))
    run.tick(run.joints(), answer=result(0.5, 0.5))
    run.now_ns += 40 * MS
    assert commanded(run.tick()) == [0.25, 0.25]  # held
    assert commanded(run.tick(run.joints(), answer=result(0.5, 0.5))) == [1.0, 1.0]  # 100 ms on
    assert commanded(run.tick(stop='now')) == [0.2, 0.2]
    record = run.tick(run.joints(), episode='two', answer=result(0.5, 0.5))
    assert commanded(record) == pytest.approx([0.4, 0.4])


@pytest.mark.parametrize('late', [1, 2])
def test_a_policy_whose_first_answers_are_late_takes_over_softly_all_the_same(late):
    run = soft(('default: stop', 'default: hold 60 ms then stop'), positions=True)
    waiting = [run.tick(run.joints(9.0, 9.0), answer=LATE) for _ in range(late)]
    assert modes(waiting) == ['FALLBACK'] * late and not any(one.safe_action for one in waiting)
    records = [run.tick(run.joints(0.2, 0.4), answer=result(0.5, 0.0)) for _ in range(4)]
    assert [commanded(one)[1] for one in records] == pytest.approx([0.4, 0.6, 0.8, 1.0])


def test_a_hold_after_a_ramp_is_no_reason_for_a_jump():
    run = soft(
        (STALE, 'stale: ramp 80 ms to zero then stop\n      late: hold 200 ms then stop'),
    )
    for _ in range(4):
        run.tick(run.joints(), answer=result(0.5, 0.5))
    run.now_ns += 40 * MS
    assert commanded(run.tick())[0] == 0.75  # on the way to zero
    assert commanded(run.tick(run.joints(), answer=LATE)) == [0.75, 0.75]
    record = run.tick(run.joints(), answer=result(0.5, 0.5))
    assert commanded(record) == pytest.approx([0.8125, 0.8125])  # a quarter of the way back


def test_an_episode_begun_by_a_policy_that_acts_is_no_soft_start():
    run = soft()
    run.now_ns -= 20 * MS
    for _ in range(5):
        run.tick(run.joints(), answer=result(0.5, 0.5))
    assert commanded(run.tick(run.joints(), episode='x', answer=result(0.5, 0.5))) == [1.0, 1.0]


def test_a_joint_that_nobody_sees_cannot_be_started_softly():
    contract = edited(POSITIONS[0], ('joints: same, clip', 'joints: [a, c], clip'))
    wiring = edited(
        POSITIONS[1], ('[b, a]', '[c, a]'), ('    reward:', '    soft_start: 1 s\n    reward:')
    )
    line = wiring.splitlines().index('    soft_start: 1 s') + 1
    words = rf'wiring.yaml:{line}: .*soft_start: joint_position_target commands c, and no'
    with pytest.raises(WiringError, match=words):
        make_engine(contract, wiring)


# --- acceleration across ticks -------------------------------------------------------------------


def test_acceleration_counts_from_the_two_commands_before():
    run = wired(('rate: unlimited', 'rate: unlimited, acceleration: 100.0'), positions=True)

    def step(*action):
        return commanded(run.tick(run.joints(), answer=result(*action)))[1]

    assert step(0.0, 0.0) == 0.0
    assert [step(0.5, 0.0) for _ in range(3)] == pytest.approx([0.04, 0.12, 0.24])
    run.tick(stop='now')  # holds: it stands
    assert commanded(run.tick(run.joints(), episode='on', answer=result(0.5, 0.0)))[1] == (
        pytest.approx(0.28)
    )


# --- every way through ---------------------------------------------------------------------------

_EVERYTHING = (
    ('default: stop', 'default: hold 40 ms then ramp 60 ms to zero then stop\n'
     '      return: {after: 40 ms}'),
    (STALE, 'stale: ramp 100 ms to zero then stop'),
    ('rate: unlimited', 'rate: 20.0'),
    ('    reward:', '    soft_start: 60 ms\n    overrides: {joy: {topic: joy, priority: 1, '
     'timeout: 30 ms}}\n    reward:'),
)  # fmt: skip
_ANSWERS = [result(0.5, -0.5), result(9.0, -9.0), result(math.nan, 0.0), LATE]


_JOY = [*(cdr(ARRAY, data=one) for one in ([0.5, -0.5], [9.0, -9.0], [math.nan, 0.0])), b'garbage']


@settings(max_examples=150, deadline=None, database=None, derandomize=True)
@given(st.lists(st.tuples(st.integers(0, 11), st.integers(0, 3)), min_size=1, max_size=40))
def test_whatever_happens_modes_follow_their_order_and_commands_keep_the_limits(happenings):
    for before, after in went(happenings):
        assert after is before or after in FOLLOWING[before]


def test_every_way_from_mode_to_mode_is_gone_and_no_other():
    seen, chance = collections.defaultdict(set), random.Random(1)
    for _ in range(60):
        silent = chance.randrange(20)  # how long the sensors are, at the begin
        whats = [chance.randrange(8, 12) for _ in range(silent)]
        whats += [chance.randrange(12) for _ in range(40)]
        for before, after in went([(what, chance.randrange(4)) for what in whats]):
            seen[before].add(after)
    assert {mode: following - {mode} for mode, following in seen.items()} == FOLLOWING


def went(happenings):
    """Yield the mode before and after each tick; assert that its command is within the limits."""
    run = wired(*_EVERYTHING)
    (joy,) = (one.source for one in run.engine.wiring.overrides)
    last, mode = None, Mode.STANDBY
    for what, kind in happenings:
        stop = 'asked' if what == 9 else ''
        episode = 'again' if what in (8, 11) else ''
        data = [[] for _ in run.engine.wiring.sources]
        data[0] = [b'garbage'] if what == 7 else [] if what > 4 else run.joints()
        data[joy] = [_JOY[kind]] if what >= 10 else []
        record = run.tick(*data, answer=_ANSWERS[kind], stop=stop, episode=episode)
        assert not (mode is Mode.STOPPED and not episode) or record.mode is Mode.STOPPED
        yield mode, record.mode
        mode = record.mode
        sent = record.safe_action.get('joint_velocity_target')
        if sent is None:
            continue
        assert np.isfinite(sent).all() and (abs(sent) <= 1.5).all()
        if last is not None and mode not in (Mode.STOPPED, Mode.STANDBY):
            assert (abs(sent - last) <= 0.4 + 1e-12).all()
        last = sent
