"""Chunks of actions are played out tick by tick; the policy is asked when they end."""

import numpy as np
import pytest
from tiny_session import CONTRACT, MS, PERIOD_NS, WIRING, Run, commanded, edited, make_engine

from fournex_runtime.errors import ContractError
from fournex_runtime.session.tick import Answer, AnswerKind, Mode

STATELESS = edited(
    CONTRACT,
    ('state:\n  h: {shape: [1, 2], input: h_in, output: h_out, initial: zeros, reset: episode}\n',
     ''),
    ('      history: 2\n      order: oldest_first\n', ''),
)  # fmt: skip


def chunked(chunk, contract=STATELESS):
    return make_engine(edited(contract, ('outputs:\n', f'chunk: {{{chunk}}}\noutputs:\n')))


def answer(*rows, h=None):
    state = {} if h is None else {'h': np.array([h], np.float32)}
    return Answer(AnswerKind.RESULT, {'action': np.array([rows], np.float32)}, state)


def asked(run):
    return run.request.observation is not None


STEPS = ((0.1, 0.0), (0.2, 0.0), (0.3, 0.0))
"""Commands of joint a: twice that."""


def play(run, ticks, rows=STEPS):
    """Return what joint a was commanded, and at which ticks the policy was asked."""
    values, questions = [], []
    for tick in range(ticks):
        record = run.tick(run.joints(), answer=answer(*rows))
        assert record.mode is Mode.POLICY
        assert record.answer is (AnswerKind.RESULT if asked(run) else AnswerKind.NONE)
        values.append(round(commanded(record)[1], 6))
        questions.extend([tick] if asked(run) else [])
    return values, questions


def test_a_chunk_is_played_before_the_policy_is_asked_again():
    run = Run(chunked('size: 3, step: 20 ms, execute: 2, interpolation: none'))
    assert play(run, 5) == ([0.2, 0.4, 0.2, 0.4, 0.2], [0, 2, 4])


def test_a_step_longer_than_the_period_holds_or_is_interpolated():
    step = 'size: 3, step: 40 ms, execute: 2, interpolation: '
    assert play(Run(chunked(step + 'none')), 4) == ([0.2, 0.2, 0.4, 0.4], [0])
    assert play(Run(chunked(step + 'linear')), 5) == ([0.2, 0.3, 0.4, 0.5, 0.2], [0, 4])


def test_after_the_last_action_nothing_is_made_up():
    run = Run(chunked('size: 3, step: 40 ms, execute: 3, interpolation: linear'))
    assert play(run, 6)[0] == [0.2, 0.3, 0.4, 0.5, 0.6, 0.6]


def test_steps_and_periods_need_not_be_multiples():
    run = Run(chunked('size: 3, step: 30 ms, execute: 2, interpolation: linear'))
    values, questions = play(run, 4)
    assert values[:3] == pytest.approx([0.2, 0.2 + 0.2 * 2 / 3, 0.4 + 0.2 / 3], abs=1e-6)
    assert questions == [0, 3]


def test_the_last_action_is_the_one_that_was_played():
    run = Run(chunked('size: 3, step: 20 ms, execute: 2, interpolation: none'))
    play(run, 2)
    run.tick(run.joints(), answer=answer(*STEPS))
    np.testing.assert_allclose(run.request.observation.inputs['obs'][0][2:], [0.2, 0.0])


def test_a_history_goes_on_while_a_chunk_is_played():
    contract = edited(
        STATELESS, ('joints: [a, b]\n', 'joints: [a, b]\n      history: 3\n      order: oldest_fir'
                    'st\n'))  # fmt: skip
    run = Run(chunked('size: 3, step: 20 ms, execute: 3, interpolation: none', contract))
    for position in (1.0, 2.0, 3.0, 4.0):
        run.tick(run.joints(position), answer=answer(*STEPS))
    assert asked(run)
    assert run.request.observation.inputs['obs'][0][:6:2].tolist() == [2.0, 3.0, 4.0]


def test_a_recurrent_state_waits_for_the_next_question():
    contract = edited(CONTRACT, ('      history: 2\n      order: oldest_first\n', ''))
    run = Run(chunked('size: 3, step: 20 ms, execute: 3, interpolation: none', contract))
    for _ in range(3):
        record = run.tick(run.joints(), answer=answer(*STEPS, h=(7.0, 8.0)))
        assert record.state['h'].tolist() == [[7.0, 8.0]]


@pytest.mark.parametrize('how', ['stale', 'episode', 'stop'])
def test_what_ends_a_chunk(how):
    run = Run(chunked('size: 3, step: 20 ms, execute: 3, interpolation: none'))
    play(run, 1)
    assert run.state.chunk is not None
    if how == 'stale':
        run.now_ns += 60 * MS
        record = run.tick()
        assert record.mode is Mode.FALLBACK and 'stale' in record.cause
        assert commanded(record)[1] == pytest.approx(0.2)
    if how == 'stop':
        record = run.tick(run.joints(), stop='signal')
        assert record.mode is Mode.STOPPED
    if how != 'episode':
        assert run.state.chunk is None
    record = run.tick(run.joints(), answer=answer(*STEPS), episode='next')
    assert asked(run) and record.mode is Mode.POLICY


def test_every_action_passes_the_gate():
    run = Run(chunked('size: 3, step: 20 ms, execute: 3, interpolation: none'))
    rows = ((0.5, 0.0), (1.0, 0.0), (np.nan, 0.0))
    assert commanded(run.tick(run.joints(), answer=answer(*rows[:2], rows[1])))[1] == 1.0
    record = run.tick(run.joints())
    assert commanded(record)[1] == 1.5 and record.limited == ('joint_velocity_target/a: range',)
    run = Run(chunked('size: 3, step: 20 ms, execute: 3, interpolation: none'))
    record = run.tick(run.joints(), answer=answer(*rows))
    assert record.mode is Mode.STOPPED and 'non_finite' in record.cause


def test_playing_changes_nothing_that_it_was_given():
    run = Run(chunked('size: 3, step: 40 ms, execute: 3, interpolation: linear'))
    play(run, 2)
    before = run.state
    kept = before.chunk.actions.tobytes()
    first = run.tick(run.joints())
    after, run.state = run.state, before
    run.now_ns -= PERIOD_NS
    again = run.tick(run.joints())
    assert first.commands == again.commands and after.chunk.tick == run.state.chunk.tick == 3
    assert before.chunk.actions.tobytes() == kept and before.chunk.tick == 2
    with pytest.raises(ValueError, match='read-only'):
        before.chunk.actions[0] = 0.0


@pytest.mark.parametrize(
    ('chunk', 'words'),
    [
        ('size: 3, step: 20 ms, execute: 4, interpolation: none', 'execute: expected at most si'),
        ('size: 3, step: 30 ms, execute: 1, interpolation: none',
         'execute: 1 steps of 30 ms are no whole number of periods of 20 ms'),
        ('size: 0, step: 20 ms, execute: 1, interpolation: none', 'size: expected a whole number'),
        ('size: 3, step: 20 ms, execute: 1', 'interpolation is missing: expected one of none, li'),
    ],
)  # fmt: skip
def test_chunks_that_cannot_be(chunk, words):
    with pytest.raises(ContractError) as caught:
        chunked(chunk)
    assert words in str(caught.value)


def test_nothing_lies_between_two_choices():
    contract = edited(
        STATELESS,
        ('action:\n    - {term: joint_velocity_target, joints: same, clip: [-1.0, 1.0], '
         'scale: 2.0}',
         'action: {dtype: int64, terms: [{term: discrete, as: joint_velocity_target, joints: '
         'same, actions: [[0, 0], [1, 1]]}]}'),
    )  # fmt: skip
    with pytest.raises(ContractError, match='interpolation: there is nothing between two choices'):
        chunked('size: 3, step: 40 ms, execute: 3, interpolation: linear', contract)
    wiring = WIRING.replace('joint_velocity_target:', 'discrete:')
    assert make_engine(contract, wiring)
