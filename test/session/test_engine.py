"""What a session does, tick by tick: modes, reactions, episodes, and what is published."""

import math
import struct

import numpy as np
import pytest
from ros_messages import FLOAT64, cdr, joint_state
from tiny_session import CONTRACT, MS, WIRING, Run, commanded, edited, make_engine, result

from fournex_runtime.session.tick import Answer, AnswerKind, Mode

LATE = Answer(AnswerKind.LATE, problem='no answer after 10 ms')
FAILED = Answer(AnswerKind.FAILED, problem='out of memory')


def wired(*changes):
    return Run(make_engine(wiring=edited(WIRING, *changes)))


def observed(record):
    return record.observation['obs'][0].tolist()


# --- a tick that goes well -----------------------------------------------------------------------


def test_a_tick_from_message_to_command():
    run = Run()
    record = run.tick(run.joints(0.1, 0.2), answer=result(0.25, -2.0, h=(1.0, 2.0)))
    assert record.mode is Mode.POLICY and record.cause == ''
    assert observed(record) == pytest.approx([0.1, 0.2, 0.1, 0.2, 0.0, 0.0])
    assert record.raw_action['action'].tolist() == [[0.25, -2.0]]
    # clip to [-1, 1], times 2, limit to 1.5; the robot's array is [b, a]
    assert record.safe_action['joint_velocity_target'].tolist() == [0.5, -1.5]
    assert record.limited == ('joint_velocity_target/b: range',)
    assert commanded(record) == [-1.5, 0.5]
    assert record.command_indices == (1,)
    assert record.state['h'].tolist() == [[1.0, 2.0]]


def test_history_last_action_and_state_go_from_tick_to_tick():
    run = Run()
    run.tick(run.joints(1.0, 2.0), answer=result(0.25, -2.0, h=(1.0, 2.0)))
    record = run.tick(run.joints(3.0, 4.0), answer=result(0.0, 0.0))
    assert observed(record) == [1.0, 2.0, 3.0, 4.0, 0.25, -1.0]  # the clipped action
    assert run.request.recurrent['h'].tolist() == [[1.0, 2.0]]
    assert (record.tick, record.command_indices) == (1, (2,))


def test_only_the_newest_message_is_read_and_ages_are_measured():
    run = Run()
    old, new = joint_state(['a', 'b'], [9.0, 9.0]), joint_state(['b', 'a'], [2.0, 1.0])
    record = run.tick([old, new])
    assert observed(record)[:2] == [1.0, 2.0]
    assert record.inputs[0].last_index == 2
    record = run.tick()
    assert record.inputs[0].age_ns == 20 * MS
    assert record.inputs[1].age_ns == -1  # no reward has come yet


def test_the_age_is_the_larger_of_arrival_and_stamp():
    run = Run()
    record = run.tick([joint_state(['a', 'b'], [0.0, 0.0], run.now_ns - 30 * MS)])
    assert (record.mode, record.inputs[0].age_ns) == (Mode.POLICY, 30 * MS)
    run = Run()
    record = run.tick([joint_state(['a', 'b'], [0.0, 0.0], run.now_ns - 51 * MS)])
    assert record.cause == 'stale: joint_position: joint_states is 51 ms old, budget 50 ms'


def test_a_stamp_a_little_in_the_future_is_taken_and_a_far_one_is_a_fault():
    run = Run()
    record = run.tick([joint_state(['a', 'b'], [0.0, 0.0], run.now_ns + 99 * MS)])
    assert (record.mode, record.inputs[0].age_ns) == (Mode.POLICY, 0)
    record = run.tick([joint_state(['a', 'b'], [0.0, 0.0], run.now_ns + 101 * MS)])
    assert record.mode is Mode.STOPPED
    assert record.cause == (
        'invalid: joint_position: joint_states is stamped 101 ms in the future; the clocks of '
        'publisher and runtime differ'
    )


def test_rewards_add_up_within_the_episode():
    run = Run()

    def reward(*values):
        return [cdr(FLOAT64, data=value) for value in values]

    record = run.tick(run.joints(), reward(1.0, 2.5), episode='one')
    assert (record.reward, record.episode.total) == (3.5, 3.5)
    record = run.tick(run.joints(), reward(math.nan, math.inf, 1.0))
    assert (record.reward, record.episode.total) == (1.0, 4.5)
    record = run.tick(run.joints(), [b'garbage'])
    assert (record.mode, record.episode.total) == (Mode.POLICY, 4.5)
    record = run.tick(run.joints(), reward(2.0), episode='two')
    assert (record.episode.id, record.episode.total) == ('two', 2.0)


# --- standby -------------------------------------------------------------------------------------


def test_standby_waits_for_every_input_and_publishes_nothing():
    run = Run()
    for _ in range(3):
        record = run.tick()
        assert (record.mode, record.cause) == (Mode.STANDBY, 'waiting for joint_states')
        assert record.commands == () and record.safe_action == {}
        assert record.answer is AnswerKind.NONE
    assert run.tick(run.joints()).mode is Mode.POLICY


def test_nobody_waits_for_the_reward():
    run = Run()
    assert run.tick(run.joints()).mode is Mode.POLICY


# --- hold, stop, and the way back ----------------------------------------------------------------


def test_stale_inputs_hold_the_last_command_for_a_bounded_time_and_then_stop():
    run = Run()
    run.tick(run.joints(), answer=result(0.25, 0.5))
    modes = [run.tick() for _ in range(8)]
    # 20 and 40 ms old: fresh enough. Faults at 60 (begin), 80, 100; 60 ms after it began: stop
    assert [one.mode.name for one in modes] == ['POLICY'] * 2 + ['FALLBACK'] * 3 + ['STOPPED'] * 3
    assert [commanded(one) for one in modes[2:5]] == [[-1.0, 1.0]] * 3
    assert [commanded(one) for one in modes[5:]] == [[0.0, 0.0]] * 3
    assert modes[2].cause == 'stale: joint_position: joint_states is 60 ms old, budget 50 ms'
    assert modes[2].observation == {} and modes[2].answer is AnswerKind.NONE
    assert [one.command_indices[0] for one in modes] == list(range(2, 10))


def test_fresh_inputs_end_a_hold_and_the_next_one_has_its_full_time():
    run = Run()
    for _ in range(3):
        run.tick(run.joints())
        modes = [run.tick().mode.name for _ in range(5)]
        assert modes == ['POLICY'] * 2 + ['FALLBACK'] * 3


def test_a_hold_keeps_what_the_policy_remembers():
    run = Run()
    for _ in range(3):
        joints = [] if run.state.tick else run.joints(1.0, 2.0)
        run.tick(joints, answer=result(0.5, 0.25, h=(3.0, 4.0)))
    before = run.state
    assert run.tick().mode is Mode.FALLBACK
    assert run.state.recurrent is before.recurrent
    assert run.state.last_action is before.last_action
    assert run.state.history is before.history
    record = run.tick(run.joints(5.0, 6.0))
    assert observed(record) == [1.0, 2.0, 5.0, 6.0, 0.5, 0.25]


def test_protective_stop_is_latched_until_an_episode_is_begun():
    run = wired(('stale: hold 60 ms then stop', 'stale: stop'))
    run.tick(run.joints(), answer=result(0.5, 0.5, h=(1.0, 1.0)))
    run.now_ns += 100 * MS
    cause = run.tick().cause
    for _ in range(3):
        record = run.tick(run.joints())
        assert (record.mode, record.cause) == (Mode.STOPPED, cause)
        assert commanded(record) == [0.0, 0.0]
        assert record.answer is AnswerKind.NONE
    record = run.tick(run.joints(3.0, 4.0), episode='again')
    assert (record.mode, record.episode.id, record.episode_start) == (Mode.POLICY, 'again', True)
    assert observed(record) == [3.0, 4.0, 3.0, 4.0, 0.0, 0.0]  # nothing is left of before
    assert run.request.recurrent['h'].tolist() == [[0.0, 0.0]]


def test_an_episode_begun_while_inputs_are_stale_holds_then_stops():
    run = Run()
    run.tick(run.joints(), answer=result(0.5, 0.5))
    run.now_ns += 500 * MS
    assert run.tick().mode is Mode.FALLBACK
    run.now_ns += 100 * MS
    assert run.tick().mode is Mode.STOPPED
    record = run.tick(episode='again')
    assert record.mode is Mode.FALLBACK  # a time of its own
    assert commanded(record) == [0.0, 0.0]  # what is held is the stop command
    assert [run.tick().mode.name for _ in range(3)] == ['FALLBACK', 'FALLBACK', 'STOPPED']


def test_an_episode_begun_before_all_inputs_came_leaves_the_stop_and_waits():
    run = Run()
    assert run.tick(stop='asked to').mode is Mode.STOPPED
    record = run.tick(episode='one')
    assert (record.mode, record.cause) == (Mode.STANDBY, 'waiting for joint_states')
    assert run.tick(run.joints()).mode is Mode.POLICY


def test_a_stop_request_stops_in_the_same_tick_and_wins_over_an_episode():
    run = Run()
    run.tick(run.joints())
    record = run.tick(run.joints(), stop='operator', episode='two')
    assert (record.mode, record.cause, record.stop_requested) == (Mode.STOPPED, 'operator', True)
    assert commanded(record) == [0.0, 0.0]
    assert (record.episode.id, record.observation) == ('two', {})
    assert run.tick(run.joints()).mode is Mode.STOPPED
    assert run.tick(run.joints(), stop='again').cause == 'again'


def test_hold_without_an_earlier_command_publishes_nothing_and_still_ends_in_a_stop():
    run = Run()
    old = joint_state(['a', 'b'], [0.0, 0.0], run.now_ns - 500 * MS)
    records = [run.tick([old])] + [run.tick() for _ in range(3)]
    assert [one.mode.name for one in records] == ['FALLBACK'] * 3 + ['STOPPED']
    assert [commanded(one) for one in records] == [None, None, None, [0.0, 0.0]]
    assert records[3].command_indices == (1,)


def test_a_stop_that_holds_without_an_earlier_command_publishes_nothing():
    contract = edited(CONTRACT, ('joint_velocity_target', 'joint_effort_target'))
    wiring = edited(WIRING, ('stop: zero', 'stop: hold'))
    run = Run(make_engine(contract, wiring.replace('velocity_target', 'effort_target')))
    assert commanded(run.tick(stop='now')) is None
    run.tick(run.joints(), episode='one', answer=result(0.25, 0.5))
    record = run.tick(stop='now')
    assert commanded(record) == [1.0, 0.5]
    assert commanded(run.tick()) == [1.0, 0.5]


def test_alternating_faults_share_one_time():
    run = wired(('default: stop', 'default: hold 60 ms then stop'))
    run.tick(run.joints())
    kinds = []
    for answer in (LATE, FAILED, result(math.nan, 0.0), LATE):
        kinds.append(run.tick(run.joints(), answer=answer))
    assert [one.cause.split(':')[0] for one in kinds] == ['late', 'failed', 'non_finite', 'late']
    assert [one.mode.name for one in kinds] == ['FALLBACK'] * 3 + ['STOPPED']


def test_a_fault_that_stops_does_so_in_the_middle_of_a_hold():
    run = Run()
    run.tick(run.joints())
    run.now_ns += 60 * MS
    assert run.tick().mode is Mode.FALLBACK
    assert run.tick([b'garbage']).mode is Mode.STOPPED


# --- every fault ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('data', 'cause'),
    [
        (b'garbage', 'invalid: joint_position: joint_states: 7 bytes are not a sensor_msgs/msg/J'),
        (joint_state(['a', 'c'], [0.0, 0.0]), 'invalid: joint_position: the message has no joint'),
        (joint_state(['a', 'b'], [0.0]), 'invalid: joint_position: field position has 1 values'),
        (joint_state(['a', 'b'], [0.0, math.nan]), 'non_finite: joint_position: not finite at b'),
        (joint_state(['a', 'b'], [math.inf, 0.0]), 'non_finite: joint_position: not finite at a'),
        (
            joint_state(['a', 'b'], [1e39, 0.0]),
            'non_finite: obs: a value is too large for',
        ),
    ],
)
def test_faults_of_the_inputs(data, cause):
    run = Run()
    run.tick(run.joints())
    before = run.state
    record = run.tick([data])
    assert record.mode is Mode.STOPPED
    assert record.cause.startswith(cause)
    assert commanded(record) == [0.0, 0.0]
    assert record.observation == {} and record.answer is AnswerKind.NONE
    assert run.state.history is before.history


def answer(outputs, state=None):
    h = np.zeros((1, 2), np.float32)
    return Answer(AnswerKind.RESULT, outputs, {'h': h} if state is None else state)


GOOD = np.zeros((1, 2), np.float32)


@pytest.mark.parametrize(
    ('given', 'cause'),
    [
        (LATE, 'late: no answer after 10 ms'),
        (FAILED, 'failed: out of memory'),
        (answer({}), 'failed: the policy gave action is missing'),
        (answer({'act': GOOD}), 'failed: the policy gave action is missing'),
        (answer({'action': GOOD[0]}), 'failed: the policy gave action has shape [2], expected [1'),
        (answer({'action': np.zeros((1, 3), np.float32)}), 'failed: the policy gave action has s'),
        (answer({'action': GOOD.astype(np.float64)}), 'failed: the policy gave action has dtype '
         'float64, expected float32'),
        (answer({'action': GOOD.astype(np.float16)}), 'failed: the policy gave action has dtype'),
        (answer({'action': [[0.0, 0.0]]}), 'failed: the policy gave action is no array'),
        (answer({'action': GOOD}, {}), 'failed: the policy gave h is missing'),
        (answer({'action': GOOD}, {'h': GOOD[0]}), 'failed: the policy gave h has shape [2], exp'),
        (answer({'action': GOOD + np.nan}, {}), 'failed: the policy gave h is missing'),
        (result(math.nan, 0.0), 'non_finite: the policy gave action not finite'),
        (result(0.0, -math.inf), 'non_finite: the policy gave action not finite'),
        (result(0.0, 0.0, h=(0.0, math.nan)), 'non_finite: the policy gave h not finite'),
    ],
)  # fmt: skip
def test_faults_of_the_policy(given, cause):
    run = Run()
    run.tick(run.joints(), answer=result(0.5, 0.5, h=(1.0, 2.0)))
    before = run.state
    record = run.tick(run.joints(), answer=given)
    assert record.mode is Mode.STOPPED
    assert record.cause.startswith(cause)
    assert commanded(record) == [0.0, 0.0]
    assert record.state['h'].tolist() == [[1.0, 2.0]]  # a tick is a transaction
    assert run.state.last_action is before.last_action and run.state.history is before.history
    usable = cause.startswith('non_finite')
    kept = given.kind if given.kind is not AnswerKind.RESULT else AnswerKind.FAILED
    assert record.answer is (AnswerKind.RESULT if usable else kept)
    assert bool(record.raw_action) is usable


def test_a_command_that_overflows_is_never_published():
    contract = edited(CONTRACT, ('clip: [-1.0, 1.0], scale: 2.0', 'scale: 1.0e+300'))
    run = Run(make_engine(contract))
    run.tick(run.joints(), answer=result(0.0, 0.0))
    record = run.tick(run.joints(), answer=result(3e38, 0.0))
    assert (record.mode, commanded(record)) == (Mode.STOPPED, [0.0, 0.0])
    assert record.cause == 'non_finite: joint_velocity_target: not finite at a'


def test_what_the_contract_does_not_name_is_neither_kept_nor_recorded():
    run = Run()
    more = {'action': GOOD, 'extra': np.full(3, np.nan)}
    record = run.tick(run.joints(), answer=answer(more, {'h': GOOD, 'x': GOOD + np.nan}))
    assert record.mode is Mode.POLICY
    assert list(record.raw_action) == ['action'] and list(run.state.recurrent) == ['h']


# --- the rate limit across ticks -----------------------------------------------------------------


def test_the_rate_limit_counts_from_what_was_published_last():
    run = wired(('rate: unlimited', 'rate: 10.0'))  # 0.2 a tick

    def step(*action):
        return run.tick(run.joints(), answer=result(*action))

    assert commanded(step(0.5, 0.0)) == [0.0, 1.0]  # nothing before: the rate rests
    record = step(-0.5, 0.05)
    assert commanded(record) == pytest.approx([0.1, 0.8])
    assert record.limited == ('joint_velocity_target/a: rate',)
    run.tick(stop='now')
    record = run.tick(run.joints(), episode='next', answer=result(1.0, 1.0))
    assert commanded(record) == pytest.approx([0.2, 0.2])  # from the stop command


def test_the_rate_limit_remembers_the_last_command_through_standby():
    run = wired(('rate: unlimited', 'rate: 10.0'))
    assert commanded(run.tick(stop='now')) == [0.0, 0.0]
    assert run.tick(episode='one').mode is Mode.STANDBY
    record = run.tick(run.joints(), answer=result(1.0, -1.0))
    assert commanded(record) == pytest.approx([-0.2, 0.2])


def test_commands_carry_the_time_of_their_own_tick():
    wiring = edited(
        WIRING,
        ('std_msgs/msg/Float64MultiArray\n        joints: [b, a]', 'sensor_msgs/msg/JointState'),
    )
    run = Run(make_engine(wiring=wiring))
    for data in (run.joints(), [], [], []):  # the last one is a hold
        now = run.now_ns
        record = run.tick(data)
        sec, nanosec = struct.unpack_from('<iI', record.commands[0], 4)
        assert sec * 1_000_000_000 + nanosec == now
    assert record.mode is Mode.FALLBACK
