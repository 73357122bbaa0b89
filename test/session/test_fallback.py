"""A second policy acts when the first cannot: what it sees, what it remembers, who comes after."""

import dataclasses
import pathlib

import numpy as np
import pytest
from calm_session import CALM, STALE, make_engine, slope
from ros_messages import ARRAY, cdr
from tiny_session import CONTRACT, MS, WIRING, Run, commanded, edited, make_bundle, result

from fournex_runtime.errors import WiringError
from fournex_runtime.session.tick import Answer, AnswerKind, Mode
from fournex_runtime.session.wiring import fallback_key, parse_wiring

LATE = Answer(AnswerKind.LATE, problem='no answer after 10 ms')


def stale(run):
    """Run a tick of the first policy, and let its input grow old."""
    record = run.tick(run.joints(), slope(), answer=result(0.5, 0.5, h=(1.0, 2.0)))
    run.now_ns += 40 * MS
    return record


def test_it_acts_in_the_tick_in_which_the_fault_is_seen_on_what_it_sees_itself():
    run = Run(make_engine(STALE))
    assert stale(run).policy == 'tiny@1'
    record = run.tick([], slope(0.25), answer=result(0.1, 0.2, h=(7.0, 8.0)))
    assert (record.mode, record.policy) == (Mode.FALLBACK, 'calm@1')
    assert record.cause.startswith('stale: joint_position: joint_states is 60 ms old')
    assert record.observation['obs'][0].tolist()[0] == 0.25
    assert commanded(record) == pytest.approx([0.4, 0.2])
    assert record.state['h'].tolist() == [[7.0, 8.0]]
    assert record.answer is AnswerKind.RESULT


def test_it_begins_with_a_state_and_a_time_of_its_own_and_keeps_them():
    run = Run(make_engine(STALE))
    stale(run)
    run.tick([], slope(), answer=result(0.1, 0.2, h=(7.0, 8.0)))
    first = run.request
    assert first.recurrent['h'].tolist() == [[0.0, 0.0]]
    record = run.tick([], slope(), answer=result(0.3, 0.3))
    assert run.request.recurrent['h'].tolist() == [[7.0, 8.0]]
    assert record.observation['obs'][0].tolist()[-2:] == pytest.approx([0.1, 0.2])
    ticks = [one.observation.inputs['obs'][0][1] for one in (first, run.request)]
    assert ticks == [0.0, 1.0]  # counted from when it took over


def test_without_return_a_policy_that_could_act_again_does_not():
    run = Run(make_engine(STALE))
    stale(run)
    run.tick([], slope())
    records = [run.tick(run.joints(), slope()) for _ in range(20)]
    assert {one.policy for one in records} == {'calm@1'}
    record = run.tick(run.joints(), slope(), episode='again')
    assert (record.mode, record.policy) == (Mode.POLICY, 'tiny@1')
    assert run.state.second is None


def test_with_it_the_first_one_comes_back_when_its_inputs_have_been_well_for_so_long():
    run = Run(make_engine(STALE, ('default: stop', 'default: stop\n      return: {after: 40 ms}')))
    stale(run)
    run.tick([], slope())
    policies = [run.tick(run.joints(), slope()).policy for _ in range(4)]
    assert policies == ['calm@1', 'calm@1', 'tiny@1', 'tiny@1']


def test_after_a_fault_of_the_policy_itself_nobody_sees_that_it_could():
    run = Run(
        make_engine(
            ('default: stop', 'default: policy calm\n      return: {after: 40 ms}'),
        )
    )
    run.tick(run.joints(), slope(), answer=result(0.5, 0.5))
    record = run.tick(run.joints(), slope(), answer=LATE)  # its time is over: a hold
    assert (record.mode, record.policy, commanded(record)) == (
        Mode.FALLBACK, 'tiny@1', [1.0, 1.0],
    )  # fmt: skip
    policies = {run.tick(run.joints(), slope()).policy for _ in range(10)}
    assert policies == {'calm@1'}


@pytest.mark.parametrize(
    'fails',
    [
        {'answer': LATE},
        {'answer': result(np.nan, 0.0)},
        {'data': [b'garbage']},
        {'data': [], 'wait_ns': 200 * MS},
    ],
)
def test_when_it_cannot_act_either_the_next_step_follows_in_the_same_tick(fails):
    run = Run(make_engine(STALE))
    stale(run)
    run.tick([], slope(), answer=result(0.5, 0.5))
    run.now_ns += fails.get('wait_ns', 0)
    records = [run.tick([], fails.get('data', slope()), answer=fails.get('answer'))]
    records += [run.tick([], slope()) for _ in range(2)]
    assert [commanded(one)[0] for one in records] == [0.5, 0.0, 0.0]
    assert [one.mode.name for one in records] == ['FALLBACK', 'FALLBACK', 'STOPPED']


def test_one_whose_inputs_have_never_come_gives_up_at_once():
    run = Run(make_engine(STALE))
    run.tick(run.joints(), answer=result(0.5, 0.5))
    run.now_ns += 40 * MS
    assert commanded(run.tick()) == [0.5, 0.5]  # the ramp


def test_its_actions_pass_the_same_limits():
    run = Run(make_engine(STALE, ('rate: unlimited', 'rate: 10.0')))
    stale(run)
    record = run.tick([], slope(), answer=result(-0.5, 0.5))
    assert commanded(record) == pytest.approx([1.0, 0.8])
    assert record.limited == ('joint_velocity_target/a: rate',)


JOY = (
    '    reward:',
    '    overrides: {joy: {topic: joy, priority: 1, timeout: 30 ms}}\n    reward:',
)


def test_an_operator_goes_before_it():
    run = Run(make_engine(STALE, JOY))
    stale(run)
    run.tick([], slope())
    record = run.tick([], slope(), [], [cdr(ARRAY, data=[0.1, 0.1])])
    assert (record.mode, record.policy) == (Mode.MANUAL, 'tiny@1')
    assert run.state.second is None


def test_it_acts_in_the_tick_in_which_an_operator_says_what_cannot_be_done():
    run = Run(make_engine(('default: stop', 'default: policy calm'), JOY))
    run.tick(run.joints(), slope(), answer=result(0.5, 0.5))
    unusable = cdr(ARRAY, data=[np.nan, 0.1])
    record = run.tick(run.joints(), slope(), [], [unusable], answer=result(-0.25, 0.25))
    assert (record.mode, record.policy) == (Mode.FALLBACK, 'calm@1')
    assert record.cause.startswith('non_finite: joy: ')
    assert (record.answer, run.state.second.tick) == (AnswerKind.RESULT, 1)
    record = run.tick(run.joints(), slope(), [], [unusable], answer=result(-0.25, 0.25))
    assert (record.mode, run.state.second.tick) == (Mode.FALLBACK, 2)


SLOPE_INPUT = """\
        inputs:
          slope: {topic: slope, type: std_msgs/msg/Float64, field: data, budget: 100 ms}
"""


@pytest.mark.parametrize(
    ('changes', 'calm', 'words'),
    [
        (
            (),
            edited(CALM, ('20 ms', '10 ms')),
            'fallback.calm.policy: calm@1 has a period of 10 ms, expected that of tiny@1, 20 ms',
        ),
        (
            (),
            edited(CALM, ('[a, b], clip', '[b, a], clip')),
            'calm@1 commands joint_velocity_target (joint_velocity_target: b, a; rad/s); expected '
            'what tiny@1 commands: joint_velocity_target (joint_velocity_target: a, b; rad/s)',
        ),
        (
            (('          slope:', '          slop:'),),
            CALM,
            'fallback.calm.inputs.slop: the contract calm@1 has no such term. Did you mean slope?',
        ),
        (((SLOPE_INPUT, ''),), CALM, 'inputs: slope is missing: calm@1 has it as term'),
        (
            (STALE, ('policy calm', 'policy clam')),
            CALM,
            'reactions.stale: there is no policy clam under fallback:. Did you mean calm?',
        ),
    ],
)
def test_one_that_does_not_fit_is_refused_by_name(changes, calm, words):
    with pytest.raises(WiringError) as caught:
        make_engine(*changes, calm=calm)
    assert words in str(caught.value)


def test_terms_that_both_have_are_wired_once():
    same = edited(CONTRACT, ('name: tiny', 'name: calm'))
    text = edited(WIRING, ('    reward:', '    fallback: {calm: {policy: calm}}\n    reward:'))
    bundles = {'tiny': make_bundle(), fallback_key('tiny', 0): make_bundle(same)}
    wiring = parse_wiring(text, pathlib.Path('wiring.yaml'), bundles).sessions[0]
    (second,) = wiring.fallbacks
    assert second.wiring.ports == wiring.ports
    assert second.wiring.sources == wiring.sources and len(wiring.sources) == 2


def test_another_bundle_of_the_same_name_and_version_is_refused():
    text = edited(WIRING, ('    reward:', '    fallback: {calm: {policy: calm}}\n    reward:'))
    other = dataclasses.replace(make_bundle(), sha256='1' * 64)
    bundles = {'tiny': make_bundle(), fallback_key('tiny', 0): other}
    with pytest.raises(WiringError, match='calm is another bundle of the name tiny@1, hash 1111'):
        parse_wiring(text, pathlib.Path('wiring.yaml'), bundles)
