"""Operators beside a policy: who commands goes first, what stops stops, and all is given back."""

import pathlib

import numpy as np
import pytest
from ros_messages import ARRAY, make
from tiny_session import (
    CONTRACT,
    MS,
    WIRING,
    Run,
    commanded,
    edited,
    make_bundle,
    make_engine,
    result,
)

from fournex_runtime.errors import WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.session.tick import AnswerKind, Mode
from fournex_runtime.session.wiring import parse_wiring

BOOL, EMPTY = 'std_msgs/msg/Bool', 'std_msgs/msg/Empty'
KEYS = """\
    overrides:
      joystick: {topic: joy, priority: 10, timeout: 40 ms}
      planner: {topic: plan, priority: 5, timeout: 100 ms}
    stop_topics:
      button: {topic: e_stop, timeout: forever}
      pulse: {topic: stop_now, type: std_msgs/msg/Empty, timeout: forever}
    reward:"""
REWARD, JOY, PLAN, BUTTON, PULSE = range(1, 6)


def operated(*changes):
    return Run(make_engine(wiring=edited(WIRING, ('    reward:', KEYS), *changes)))


def given(run, joints=True, **by_source):
    """Return the messages of a tick, by source; joint states unless left out."""
    found = [[] for _ in run.engine.wiring.sources]
    names = [source.topic for source in run.engine.wiring.sources]
    for topic, message in by_source.items():
        found[names.index(topic)] = [message]
    if joints:
        found[0] = run.joints()
    return found


def joy(b, a):
    """Return a command as the robot has it: b before a."""
    return messages().encode(make(ARRAY, data=[b, a]), ARRAY)


def button(pressed):
    return messages().encode(make(BOOL, data=pressed), BOOL)


# --- overrides -----------------------------------------------------------------------------------


def test_an_operator_takes_over_within_the_limits_and_gives_back_after_the_timeout():
    run = operated()
    run.tick(*given(run), answer=result(0.5, 0.5, h=(1.0, 2.0)))
    record = run.tick(*given(run, joy=joy(0.25, 9.0)))
    assert (record.mode, record.cause) == (Mode.MANUAL, 'joystick: joy')
    assert commanded(record) == [0.25, 1.5]
    assert record.limited == ('joint_velocity_target/a: range',)
    assert (record.answer, record.observation) == (AnswerKind.NONE, {})
    assert record.safe_action['joint_velocity_target'].tolist() == [1.5, 0.25]
    records = [run.tick(*given(run)) for _ in range(3)]
    assert [one.mode.name for one in records] == ['MANUAL', 'MANUAL', 'POLICY']
    assert records[-1].state['h'].tolist() == [[0.0, 0.0]]


def test_a_policy_that_is_given_back_to_begins_anew():
    run = operated()
    run.tick(*given(run), answer=result(0.5, 0.5, h=(1.0, 2.0)))
    record = run.tick(*given(run, joy=joy(0.0, 0.0)))
    assert record.state['h'].tolist() == [[0.0, 0.0]]
    run.now_ns += 40 * MS
    record = run.tick(*given(run))
    assert record.mode is Mode.POLICY
    assert record.observation['obs'][0].tolist() == pytest.approx([0.1, 0.2, 0.1, 0.2, 0, 0])


def test_of_several_operators_the_one_of_the_greatest_priority_commands():
    run = operated()
    assert run.tick(*given(run, plan=joy(0.1, 0.1))).cause == 'planner: plan'
    record = run.tick(*given(run, joy=joy(0.2, 0.2), plan=joy(0.1, 0.1)))
    assert (record.cause, commanded(record)) == ('joystick: joy', [0.2, 0.2])
    run.now_ns += 40 * MS
    assert run.tick(*given(run)).cause == 'planner: plan'  # 60 ms old: still within its timeout


def test_operators_need_no_sensors_and_end_no_stop():
    run = operated()
    record = run.tick(*given(run, joints=False, joy=joy(0.1, 0.1)))
    assert (record.mode, commanded(record)) == (Mode.MANUAL, [0.1, 0.1])
    assert run.tick(*given(run, joy=joy(0.1, 0.1)), stop='now').mode is Mode.STOPPED
    assert run.tick(*given(run, joy=joy(0.1, 0.1))).mode is Mode.STOPPED
    assert run.tick(*given(run, joy=joy(0.1, 0.1)), episode='on').mode is Mode.MANUAL


def test_what_an_operator_said_last_does_not_go_on_where_the_policy_cannot_begin_yet():
    run = operated()
    run.tick(*given(run, joints=False, joy=joy(0.1, 0.1)))
    records = [run.tick(*given(run, joints=False)) for _ in range(3)]
    assert [one.mode.name for one in records] == ['MANUAL', 'MANUAL', 'STANDBY']
    assert (records[-1].cause, commanded(records[-1])) == (
        'waiting for joint_states',
        [0.0, 0.0],
    )


def test_an_operator_ends_a_fallback_and_a_fault_after_him_has_its_full_time():
    run = operated()
    run.tick(*given(run))
    run.now_ns += 40 * MS
    run.tick(*given(run, joints=False))
    records = [run.tick(*given(run, joints=False, joy=joy(0.1, 0.1)))]
    records += [run.tick(*given(run, joints=False)) for _ in range(6)]
    assert [one.mode.name for one in records] == ['MANUAL'] * 3 + ['FALLBACK'] * 3 + ['STOPPED']


@pytest.mark.parametrize(
    ('message', 'cause'),
    [
        (joy(np.nan, 0.0), 'non_finite: joystick: joy: joint_velocity_target is not finite'),
        (b'garbage', 'invalid: joystick: joy: 7 bytes are not a std_msgs/msg/Float64MultiArray'),
        (
            messages().encode(make(ARRAY, data=[1.0]), ARRAY),
            'invalid: joystick: joy: joint_velocity_target: has 1 values, expected 2',
        ),
    ],
)
def test_a_command_that_cannot_be_used_is_a_fault_and_nobody_elses_turn(message, cause):
    run = operated()
    run.tick(*given(run))
    record = run.tick(*given(run, joy=message, plan=joy(0.1, 0.1)))
    assert record.mode is Mode.STOPPED and record.cause.startswith(cause)
    assert commanded(record) == [0.0, 0.0]


def test_what_no_operator_commands_is_stopped():
    contract = edited(
        CONTRACT,
        ('joints: same, clip: [-1.0, 1.0], scale: 2.0}', 'joints: [a], clip: [-1.0, 1.0]}\n'
         '    - {term: joint_velocity_target, name: other, joints: [b], clip: [-1.0, 1.0]}'),
    )  # fmt: skip
    wiring = edited(
        WIRING,
        ('joints: [b, a]\n        stop: zero',
         'joints: [a]\n        stop: zero\n'
         '      other: {topic: others, type: std_msgs/msg/Float64, stop: {b: 0.5}}'),
        ('rate: unlimited}', 'rate: unlimited}\n'
         '      other: {all: {min: -1, max: 1, rate: unlimited}}'),
        ('    reward:', '    overrides: {joy: {topic: joy, commands: commands, priority: 1, '
         'timeout: 40 ms}}\n    reward:'),
    )  # fmt: skip
    run = Run(make_engine(contract, wiring))
    one = messages().encode(make(ARRAY, data=[0.25]), ARRAY)
    record = run.tick(*given(run, joy=one))
    assert {name: values.tolist() for name, values in record.safe_action.items()} == {
        'joint_velocity_target': [0.25],
        'other': [0.5],
    }


def test_after_an_operator_a_soft_start_begins_with_his_last_command():
    run = operated(('    reward:', '    soft_start: 40 ms\n    reward:'))
    run.tick(*given(run, joy=joy(0.5, 0.5)))
    run.now_ns += 40 * MS
    record = run.tick(*given(run), answer=result(0.25, 0.0))  # asks for a: 0.5, b: 0.0
    assert commanded(record) == [0.25, 0.5]


# --- stops ---------------------------------------------------------------------------------------


def test_a_stop_that_is_true_stops_and_only_an_episode_after_it_goes_on():
    run = operated()
    run.tick(*given(run))
    record = run.tick(*given(run, e_stop=button(True)))
    assert (record.mode, record.cause) == (Mode.STOPPED, 'button: e_stop asks for a stop')
    assert record.stop_requested is False  # it is in the messages
    assert run.tick(*given(run), episode='too early').mode is Mode.STOPPED
    assert run.tick(*given(run, e_stop=button(False))).mode is Mode.STOPPED
    assert run.tick(*given(run), episode='on').mode is Mode.POLICY


def test_a_stop_that_comes_and_goes_between_two_ticks_has_stopped():
    run = operated()
    run.tick(*given(run))
    messages_of = given(run)
    messages_of[BUTTON] = [button(True), button(False)]
    assert run.tick(*messages_of).mode is Mode.STOPPED


def test_an_empty_message_stops_once():
    run = operated()
    run.tick(*given(run))
    record = run.tick(*given(run, stop_now=messages().encode(make(EMPTY), EMPTY)))
    assert record.cause == 'pulse: stop_now asks for a stop'
    assert run.tick(*given(run), episode='on').mode is Mode.POLICY


def test_a_stop_topic_that_cannot_be_read_stops():
    run = operated()
    assert run.tick(*given(run, e_stop=b'x')).cause.startswith('button: e_stop cannot be read')


def test_before_a_stop_topic_with_a_timeout_has_spoken_no_operator_commands():
    run = operated(('topic: e_stop, timeout: forever', 'topic: e_stop, timeout: 60 ms'))
    record = run.tick(*given(run, joy=joy(0.1, 0.1)))
    assert (record.mode, record.commands) == (Mode.STANDBY, ())
    record = run.tick(*given(run, joy=joy(0.1, 0.1), e_stop=button(False)))
    assert record.mode is Mode.MANUAL


def test_a_stop_topic_with_a_timeout_stops_when_it_is_silent():
    run = operated(('topic: e_stop, timeout: forever', 'topic: e_stop, timeout: 60 ms'))
    assert run.tick(*given(run)).cause == 'waiting for e_stop'
    assert run.tick(*given(run, e_stop=button(False))).mode is Mode.POLICY
    records = [run.tick(*given(run)) for _ in range(4)]
    assert [one.mode.name for one in records] == ['POLICY'] * 3 + ['STOPPED']
    assert records[-1].cause == 'button: e_stop is silent for 80 ms, timeout 60 ms'


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('priority: 5', 'priority: 10'), 'planner.priority: joystick has 10 too: nobody knows'),
        (('priority: 5, ', ''), 'overrides.planner: priority is missing'),
        (('topic: joy,', 'topic: commands,'), 'topic: commands is commanded by this session'),
        (('topic: joy,', 'topic: joint_states,'), 'joint_states is wired as sensor_msgs/msg/Joi'),
        (('topic: joy,', 'topic: joy, commands: cmd,'), 'cmd is no command topic of this session.'
         ' Known here: commands'),
        (('timeout: 40 ms', 'timeout: forever'), 'timeout: expected a time that ends'),
        (('std_msgs/msg/Empty, timeout: forever', 'std_msgs/msg/Empty, timeout: 1 s'),
         'timeout: expected forever: every std_msgs/msg/Empty stops'),
        (('topic: e_stop, timeout: forever', 'topic: e_stop'), 'button: timeout is missing'),
        (('std_msgs/msg/Empty', 'std_msgs/msg/Int8'), 'expected one of std_msgs/msg/Bool, std_m'),
    ],
)  # fmt: skip
def test_refusals(change, words):
    text = edited(edited(WIRING, ('    reward:', KEYS)), change)
    with pytest.raises(WiringError) as caught:
        parse_wiring(text, pathlib.Path('wiring.yaml'), {'tiny': make_bundle()})
    assert words in str(caught.value)
