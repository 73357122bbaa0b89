"""``fournex diff``: two recordings of the pendulum, the same and not the same."""

from __future__ import annotations

import json

import pytest

from fournex_runtime.pipeline.messages import messages

STAGES = ('times', 'inputs', 'observation', 'raw action', 'safe action', 'command')
COMMAND, TICK = '/effort_controller/commands', '/fournex/pendulum/tick'
LIMITS = ('cart: {min: -10.0, max: 10.0', 'cart: {min: -1.5, max: 1.5')


@pytest.fixture
def compared(fournex):
    """Return a function that compares two bags: exit status and what ``--json`` prints."""

    def run(before, after):
        done = fournex('diff', before, after, '--json')
        found = json.loads(done.out)
        assert done.status == (0 if found['same'] else 1)
        return found

    return run


def unequal(session):
    return {stage: one['unequal'] for stage, one in session['stages'].items() if one['unequal']}


def test_two_runs_with_the_same_seeds_are_the_same(fournex, compared, bag, tmp_path):
    again = tmp_path / 'again'
    assert fournex('evaluate', 'pendulum', '--episodes', 2, '--record', again).status == 0
    found = compared(bag, again)
    assert found['same'] and found['configuration'] == []
    session = found['sessions']['pendulum']
    assert session['compared'] == 2002
    assert {stage: one['equal'] for stage, one in session['stages'].items()} == dict.fromkeys(
        STAGES, 2002
    )
    assert [one['episode'] for one in session['episodes']] == ['seed-10000', 'seed-10001']
    inference = session['timing']['infer_ns']
    assert 0 < inference['first']['p50'] <= inference['first']['p99'] <= inference['first']['max']
    shown = fournex('diff', bag, again)
    assert shown.status == 0
    assert 'the same policies, wiring, versions and machine' in shown.out
    assert shown.out.count('nowhere') == 2


def test_each_stage_is_compared_by_itself(compared, bag, rewrite, tmp_path):
    types = messages()

    def alter(message):
        """Change a command on its way, and what one tick says that the policy saw."""
        if (message.topic, message.sequence) == (COMMAND, 1500):
            return message.data[:-1] + bytes([message.data[-1] ^ 1])
        if (message.topic, message.sequence) == (TICK, 701):
            tick = types.decode(message.data, 'fournex_msgs/msg/Tick')
            seen = tick.observation[0].float32_data.copy()
            seen[1] += 0.5  # ten a radian
            tick.observation[0].float32_data = seen
            return types.encode(tick, 'fournex_msgs/msg/Tick')
        return message.data

    session = compared(bag, rewrite(bag, tmp_path / 'altered', alter))['sessions']['pendulum']
    assert unequal(session) == {'observation': 1, 'command': 1}
    assert session['stages']['observation']['first']['tick'] == 700
    (error,) = session['errors']
    assert (error['name'], error['unit'], error['ticks']) == ('joint_position/pole', 'rad', 1)
    assert error['greatest'] == pytest.approx(0.05, rel=1e-4)
    first, second = session['episodes']
    assert (first['first']['tick'], first['first']['stage']) == (700, 'observation')
    assert (second['first']['tick'], second['first']['stage']) == (1499 - 1001, 'command')


def test_ticks_and_messages_that_only_one_of_them_has(compared, bag, rewrite, tmp_path):
    def alter(message):
        gone = {(TICK, 31), (TICK, 2002), ('/joint_states', 501)}
        return None if (message.topic, message.sequence) in gone else message.data

    less = rewrite(bag, tmp_path / 'less', alter)
    (less / 'metadata.yaml').unlink()  # as if its recorder had been killed
    found = compared(bag, less)
    (problem,) = found['problems']
    assert problem.startswith(f'{less}: metadata.yaml is missing')
    session = found['sessions']['pendulum']
    assert (session['compared'], session['only_first'], session['only_second']) == (2000, 2, 0)
    # The tick after the missing one took its messages, too, as far as the bag says.
    assert unequal(session) == {'inputs': 2}
    assert '/joint_states: messages taken: 2 and ' in session['stages']['inputs']['first']['words']


def test_another_configuration_is_named_fact_by_fact(fournex, compared, bag, wiring, tmp_path):
    file = wiring(LIMITS)
    text = file.read_text().replace('    limits:', '    # no more force than that\n    limits:')
    file.write_text(text)
    weaker = tmp_path / 'weaker'
    assert fournex('evaluate', file, '--episodes', 1, '--record', weaker).status == 0
    found = compared(bag, weaker)
    where = 'wiring sessions.pendulum.limits.joint_effort_target.cart'
    assert found['configuration'] == [
        {'where': f'{where}.min', 'before': '-10.0', 'after': '-1.5'},
        {'where': f'{where}.max', 'before': '10.0', 'after': '1.5'},
    ]
    session = found['sessions']['pendulum']
    assert (session['compared'], session['only_first']) == (1001, 1001)
    assert session['episodes'][0]['first']['stage'] == 'safe action'
    assert session['episodes'][0]['first']['tick'] < 20
    assert 'joint_effort_target/cart' in {one['name'] for one in session['errors']}


def test_what_cannot_be_compared(fournex, bag, rewrite, tmp_path):
    nothing = fournex('diff', bag, tmp_path)
    assert (nothing.status, nothing.out) == (2, '')
    assert 'is not a bag' in nothing.err

    def without_ticks(message):
        return None if message.topic == TICK else message.data

    empty = rewrite(bag, tmp_path / 'empty', without_ticks)
    assert 'hold no tick of pendulum' in fournex('diff', empty, empty).err

    def renamed(message):
        if message.topic != '/fournex/manifest':
            return message.data
        types = messages()
        manifest = types.decode(message.data, 'fournex_msgs/msg/Manifest')
        manifest.sessions[0].name = 'other'
        return types.encode(manifest, 'fournex_msgs/msg/Manifest')

    done = fournex('diff', bag, rewrite(bag, tmp_path / 'renamed', renamed))
    assert done.status == 2
    assert 'no session in common: the one has pendulum, the other other' in done.err
