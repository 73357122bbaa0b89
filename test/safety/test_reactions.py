"""Reactions as the wiring writes them, and which of their steps it is at what time."""

import pytest

from fournex_runtime.configuration import FOREVER_NS
from fournex_runtime.safety.reactions import STOP, Kind, Reaction, Step, parse_reaction

MS = 1_000_000
HOLD = Step(Kind.HOLD, 100 * MS)
RAMP = Step(Kind.RAMP, 1000 * MS, 'default_pose')
CALM = Step(Kind.POLICY, FOREVER_NS, 'calm')


@pytest.mark.parametrize(
    ('text', 'steps'),
    [
        ('stop', ()),
        ('hold 100 ms then stop', (HOLD,)),
        ('  hold 0.1s  then  stop', (HOLD,)),
        ('hold 100 ms then ramp 1 s to default_pose then stop', (HOLD, RAMP)),
        ('policy calm', (CALM,)),
        ('policy calm then ramp 1 s to default_pose then stop', (CALM, RAMP)),
        ('policy calm for 2 s then stop', (Step(Kind.POLICY, 2000 * MS, 'calm'),)),
    ],
)
def test_the_steps_of_a_reaction_end_in_the_stop(text, steps):
    assert parse_reaction(text) == Reaction((*steps, STOP))


@pytest.mark.parametrize(
    'text',
    [
        '',
        'hold',
        'stop now',
        'hold 100 ms',
        'hold then stop',
        'hold 100 then stop',
        'hold 0 ms then stop',
        'hold forever then stop',
        'hold 100 ms then go',
        'STOP',
        'stop then stop',
        'ramp 1 s then stop',
        'ramp 1 s to zero',
        'ramp 1 s to the floor then stop',
        'policy calm for forever then stop',
        'policy calm then policy calm',
    ],
)
def test_what_is_no_reaction(text):
    with pytest.raises(ValueError, match='expected "stop"|is not a duration|policy twice'):
        parse_reaction(text)


def test_a_step_follows_when_the_time_of_the_one_before_is_over():
    reaction = parse_reaction('hold 100 ms then ramp 1 s to default_pose then stop')
    begin = 7_000_000_000
    times = {0: HOLD, 99: HOLD, 100: RAMP, 1099: RAMP, 1100: STOP, 10**6: STOP}
    for ms, step in times.items():
        assert reaction.step(begin, begin + ms * MS, {})[0] == step
    assert reaction.step(begin, begin + 500 * MS, {})[1] == begin + 100 * MS


def test_a_second_policy_acts_until_it_cannot():
    reaction = parse_reaction(
        'hold 100 ms then policy calm then ramp 1 s to default_pose then stop'
    )
    assert reaction.step(0, 10**15, {}) == (CALM, 100 * MS)
    assert reaction.step(0, 600 * MS, {'calm': 500 * MS}) == (RAMP, 500 * MS)
    assert reaction.step(0, 1600 * MS, {'calm': 500 * MS}) == (STOP, 1500 * MS)
