"""Another policy of a session is chosen while it runs: who acts, and with what memory."""

import dataclasses

import pytest
from calm_session import CALM, STALE, make_engine, slope
from ros_messages import ARRAY, cdr
from tiny_session import CONTRACT, MS, Run, commanded, edited, result

from fournex_runtime.session.tick import Answer, AnswerKind, Mode

LATE = Answer(AnswerKind.LATE, problem='no answer after 10 ms')
HOLD = ('default: stop', 'default: hold 60 ms then stop')
JOY = (
    '    reward:',
    '    overrides: {joy: {topic: joy, priority: 1, timeout: 30 ms}}\n    reward:',
)
SOFT = ('    reward:', '    soft_start: 40 ms\n    reward:')
SEES = edited(
    CALM, ('    - {term: clock, of: tick}\n', '    - {term: joint_position, joints: [a, b]}\n')
)


def running(*changes, **more):
    """Return a session whose own policy has acted for a tick."""
    run = Run(make_engine(*changes, **more))
    both(run, answer=result(0.5, 0.5, h=(1.0, 2.0)))
    return run


def both(run, **more):
    """Run a tick in which the inputs of both policies come."""
    return run.tick(run.joints(), slope(), **more)


def test_the_next_tick_is_the_other_one_s_and_there_and_back_each_begins_anew():
    run = running()
    first = both(run, policy='calm', answer=result(0.1, 0.2, h=(7.0, 8.0)))
    assert (first.mode, first.cause, first.policy, first.chosen) == (
        Mode.POLICY, '', 'calm@1', 'calm',
    )  # fmt: skip
    assert first.observation['obs'].tolist() == [[0.5, 0.0, 0.0, 0.0]]  # slope, time, last action
    assert run.request.recurrent['h'].tolist() == [[0.0, 0.0]]
    assert commanded(first) == pytest.approx([0.4, 0.2])
    second = both(run, answer=result(0.3, 0.3))
    assert second.observation['obs'][0].tolist() == pytest.approx([0.5, 1.0, 0.1, 0.2])
    assert run.request.recurrent['h'].tolist() == [[7.0, 8.0]]
    back = both(run, policy='')
    assert (back.mode, back.policy, back.chosen) == (Mode.POLICY, 'tiny@1', '')
    assert run.request.recurrent['h'].tolist() == [[0.0, 0.0]]
    assert back.observation['obs'][0].tolist() == pytest.approx([0.1, 0.2, 0.1, 0.2, 0.0, 0.0])
    again = both(run, policy='calm')
    assert again.observation['obs'].tolist() == [[0.5, 0.0, 0.0, 0.0]]


def test_who_acts_already_goes_on():
    run = running()
    both(run, policy='calm', answer=result(0.1, 0.2))
    assert both(run, policy='calm').observation['obs'][0].tolist()[1] == 1.0


def test_only_its_own_inputs_matter_while_it_acts():
    run = running()
    both(run, policy='calm')
    run.now_ns += 200 * MS
    record = run.tick([], slope())
    assert (record.mode, record.policy) == (Mode.POLICY, 'calm@1')
    run.now_ns += 200 * MS
    record = run.tick(run.joints())
    assert record.mode is Mode.FALLBACK
    assert record.cause == 'stale: slope: slope is 220 ms old, budget 100 ms'
    assert record.policy == 'calm@1' and not record.observation


def test_it_can_be_chosen_before_the_first_tick_and_waits_for_what_it_needs():
    run = Run(make_engine())
    record = run.tick(run.joints(), policy='calm')
    assert (record.mode, record.cause) == (Mode.STANDBY, 'waiting for slope')
    assert run.engine.lacks('calm', run.state) == 'slope'
    record = run.tick([], slope())
    assert (record.mode, record.policy) == (Mode.POLICY, 'calm@1')
    assert record.observation['obs'][0].tolist()[1] == 0.0  # it has not acted yet


def test_a_hold_keeps_what_it_remembers():
    run = running(HOLD)
    both(run, policy='calm', answer=result(0.1, 0.2, h=(7.0, 8.0)))
    held = both(run, answer=LATE)
    assert (held.mode, held.policy, commanded(held)) == (
        Mode.FALLBACK, 'calm@1', pytest.approx([0.4, 0.2]),
    )  # fmt: skip
    assert held.state['h'].tolist() == [[7.0, 8.0]]
    record = both(run)
    assert record.mode is Mode.POLICY and run.request.recurrent['h'].tolist() == [[7.0, 8.0]]
    assert record.observation['obs'][0].tolist() == pytest.approx([0.5, 2.0, 0.1, 0.2])


def test_a_reaction_goes_on_and_then_the_one_that_was_chosen_meanwhile_acts():
    run = running(('stale: hold 60 ms then stop', 'stale: ramp 80 ms to zero then stop'), (
        'default: stop', 'default: stop\n      return: {after: 40 ms}'
    ))  # fmt: skip
    run.now_ns += 40 * MS
    assert run.tick([], slope()).mode is Mode.FALLBACK
    records = [both(run, policy='calm'), both(run), both(run)]
    assert [one.mode.name for one in records] == ['FALLBACK', 'FALLBACK', 'POLICY']
    assert records[-1].policy == 'calm@1'


def test_one_that_cannot_act_is_not_its_own_fallback():
    run = running(('default: stop', 'default: policy calm then ramp 40 ms to zero then stop'))
    both(run, policy='calm', answer=result(0.5, 0.5))
    record = both(run, answer=LATE)
    assert (record.mode, commanded(record)) == (Mode.FALLBACK, [0.5, 0.5])  # the ramp
    assert both(run).policy == 'calm@1' and run.state.reacting.step.name == 'zero'


def test_one_that_is_chosen_while_it_acts_for_another_stays_in_the_reaction():
    run = running(STALE)
    run.now_ns += 40 * MS
    run.tick([], slope())
    record = both(run, policy='calm')
    assert (record.mode, record.policy, record.chosen) == (Mode.FALLBACK, 'calm@1', 'calm')
    record = both(run, episode='again')
    assert (record.mode, record.policy) == (Mode.POLICY, 'calm@1')


def test_a_late_answer_of_one_is_no_answer_of_the_other():
    used = ('stale: hold', 'late: hold 60 ms then stop\n      late_answer: use in the next tick\n'
            '      stale: hold')  # fmt: skip
    belated = dataclasses.replace(result(0.1, 0.1), kind=AnswerKind.BELATED)
    run = running(used)
    both(run, answer=LATE)
    record = both(run, policy='calm', answer=belated)
    assert not run.request.awaits_late
    assert (record.answer, record.mode) == (AnswerKind.LATE, Mode.FALLBACK)
    record = both(run, answer=belated)  # of its own it is
    assert run.request.awaits_late and record.mode is Mode.POLICY
    assert (record.policy, record.answer) == ('calm@1', AnswerKind.BELATED)


def test_stopped_stays_stopped_and_the_episode_after_it_is_the_other_one_s():
    run = running()
    both(run, stop='a person')
    record = both(run, policy='calm')
    assert (record.mode, record.cause, record.chosen) == (Mode.STOPPED, 'a person', 'calm')
    record = both(run, episode='again', answer=result(0.1, 0.2, h=(7.0, 8.0)))
    assert (record.mode, record.policy) == (Mode.POLICY, 'calm@1')
    record = both(run, episode='and again')  # an episode changes nothing of it
    assert record.policy == 'calm@1' and run.request.recurrent['h'].tolist() == [[0.0, 0.0]]
    assert record.observation['obs'].tolist() == [[0.5, 0.0, 0.0, 0.0]]


def test_an_operator_stays_and_gives_back_to_it():
    run = running(JOY)
    joy = [cdr(ARRAY, data=[0.1, 0.1])]
    record = run.tick(run.joints(), slope(), [], joy, policy='calm')
    assert (record.mode, record.chosen) == (Mode.MANUAL, 'calm')
    run.now_ns += 20 * MS
    assert (both(run).mode, both(run).policy) == (Mode.POLICY, 'calm@1')


def test_with_a_soft_start_it_takes_over_from_the_last_command():
    run = running(SOFT, calm=SEES)
    for _ in range(2):
        both(run, answer=result(0.5, 0.5))
    sent = [commanded(both(run, policy='calm', answer=result(-0.5, -0.5)))[0] for _ in range(3)]
    assert sent == pytest.approx([0.0, -1.0, -1.0])
    sent = [commanded(both(run, policy='', answer=result(0.5, 0.5)))[0] for _ in range(3)]
    assert sent == pytest.approx([0.0, 1.0, 1.0])


def test_one_that_does_not_see_where_a_soft_start_begins_can_only_be_a_fallback():
    positions = [
        edited(one, ('joint_velocity_target', 'joint_position_target')) for one in (CONTRACT, CALM)
    ]
    engine = make_engine(
        SOFT, ('joint_velocity_target', 'joint_position_target'), ('stop: zero', 'stop: hold'),
        own=positions[0], calm=positions[1],
    )  # fmt: skip
    (calm,) = engine.wiring.fallbacks
    assert calm.unchoosable.startswith('joint_position_target commands a, and no joint_position')
    assert calm.wiring.soft_start_ns == 0
    assert engine.wiring.soft_start_ns == 40 * MS


def test_the_engine_says_whose_turn_it_is():
    run = running(STALE)
    turns = [run.engine.acting(run.state)]
    run.now_ns += 40 * MS
    run.tick([], slope())
    turns.append(run.engine.acting(run.state))
    both(run, episode='again')
    turns.append(run.engine.acting(run.state))
    both(run, policy='calm')
    turns.append(run.engine.acting(run.state))
    assert [run.engine.reference(one) for one in turns] == ['tiny@1', 'calm@1', 'tiny@1', 'calm@1']
