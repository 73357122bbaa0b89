"""``fournex evaluate``, over the real tick engine, robots and policies."""

from __future__ import annotations

import json
import math

import pytest
from replayed_cases import made_bundle
from trembling_policy import trembling_bundle

from fournex_runtime.sim.scores import wilson_interval

ROBOTS = ('rover', 'arm', 'pendulum')


@pytest.mark.parametrize('robot', ROBOTS)
def test_the_policies_that_come_with_fournex_do_their_tasks(fournex, robot):
    done = fournex('evaluate', robot, '--episodes', 8, '--require', 0.75, '--json')
    assert done.status == 0, done.out + done.err
    found = json.loads(done.out)
    assert found['robot'] == robot
    assert found['episodes'] == 8
    assert found['faults'] == 0
    low, high = found['success_interval_95']
    assert 0.0 <= low <= found['success_rate'] <= high <= 1.0


def test_the_table_says_what_was_judged_and_how_it_went(fournex):
    done = fournex('evaluate', 'pendulum', '--episodes', 2, '--seed', 5)
    assert done.status == 0, done.err
    assert done.err == ''  # no progress bar where there is no terminal
    for words in ('pendulum-balance@', '50 Hz', 'seeds 5 to 6', '2 of 2 = 100.0%', 'Wilson'):
        assert words in done.out
    rows = [line.split() for line in done.out.splitlines()]
    assert ['per', 'episode', 'mean', 'p5', 'p95'] in rows
    assert ['time_up_s', '20', '20', '20'] in rows


def test_operators_that_a_wiring_has_are_not_there(fournex, checkout, tmp_path):
    example = checkout / 'examples' / 'pendulum'
    text = (example / 'wiring.yaml').read_text()
    for before, after in (
        ('policy: bundle', f'policy: {example / "bundle"}'),
        (
            '    reward:',
            '    overrides: {joy: {topic: joy, priority: 1, timeout: 1 s}}\n    reward:',
        ),
    ):
        assert before in text
        text = text.replace(before, after)
    file = tmp_path / 'wiring.yaml'
    file.write_text(text)
    done = fournex('evaluate', file, '--episodes', 1)
    assert done.status == 0 and '1 of 1 = 100.0%' in done.out, done.err


def test_the_same_seeds_give_the_same_figures(fournex):
    found = []
    for _ in range(2):
        done = fournex('evaluate', 'pendulum', '--episodes', 2, '--delay', 1, '--json')
        figures = json.loads(done.out)
        del figures['wall_s']
        found.append(figures)
    assert found[0] == found[1]
    assert found[0]['ticks'] == 2 * 1001  # 20 s at 50 Hz, and the tick that sees the end


def test_what_a_policy_draws_comes_from_the_seeds(fournex, tmp_path):
    """The pole stands as long as chance has it; a seed has one chance."""
    bundle = trembling_bundle(tmp_path / 'trembling')
    arguments = ('evaluate', 'pendulum', '--bundle', bundle, '--episodes', 2, '--json')

    def returns(seed):
        return json.loads(fournex(*arguments, '--seed', seed).out)['return']

    assert returns(5) == returns(5) != returns(7)


def test_a_policy_that_acts_too_late_fails_what_is_required(fournex):
    """Ten control periods are too long for a pole that falls in a second."""
    arguments = ('evaluate', 'pendulum', '--episodes', 3, '--delay', 10)
    done = fournex(*arguments, '--require', 0.5)
    assert done.status == 1
    assert 'FAILED: 0.0% succeeded, required 50.0%' in done.out
    assert 'failed    seeds 10000, 10001, 10002' in done.out
    assert fournex(*arguments).status == 0  # nothing was required


def test_faults_are_counted_and_named(fournex, wiring):
    """Every other odometry message is 10 ms old at the tick; 5 ms are allowed here."""
    file = wiring(('budget: 100 ms', 'budget: 5 ms'), robot='rover')
    done = fournex('evaluate', file, '--episodes', 1, '--json')
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found['faults'] > 0
    assert found['first_fault'] == 'stale: goal_relative.base: odom is 10 ms old, budget 5 ms'


def test_a_second_policy_acts_where_the_first_cannot(fournex, wiring, checkout, tmp_path):
    """One answer of 160 of this policy is no number; the pole would fall with a stop."""
    calm = checkout / 'examples' / 'pendulum' / 'bundle'
    file = wiring(
        (
            'default: stop',
            'default: policy calm for 300 ms then stop\n      return: {after: 40 ms}',
        ),
        ('    reward:', f'    fallback: {{calm: {{policy: {calm}}}}}\n    reward:'),
    )
    bundle, bag = made_bundle('noise', tmp_path / 'noise'), tmp_path / 'bag'
    done = fournex(
        'evaluate', file, '--bundle', bundle, '--episodes', 4, '--record', bag, '--json'
    )
    assert done.status == 0, done.err
    found = json.loads(done.out)
    assert found['first_fault'].startswith('non_finite: ')
    replayed = fournex('replay', bag, '--policy', bundle, '--max-error', 0)
    assert replayed.status == 0 and ' of a second policy' in replayed.out, replayed.out
    assert fournex('replay', bag).status == 0


def test_a_topic_that_the_robot_does_not_have_names_the_nearest(fournex, wiring):
    done = fournex('evaluate', wiring(('{topic: joint_states', '{topic: joint_state')))
    assert done.status == 2
    assert 'Did you mean joint_states?' in done.err


@pytest.mark.parametrize(
    ('replacement', 'words'),
    [
        (('budget: 50 ms', 'budgett: 50 ms'), ('wiring.yaml:', 'inputs.joint_position', 'budget')),
        (('joint_position: {', 'joint_positon: {'), ('Did you mean joint_position?',)),
        (('robot: pendulum', 'robot: pendulm'), ('Did you mean pendulum?',)),
        (('topic: effort_controller/commands', 'topic: effort'), ('does not obey', 'commands')),
        (
            ('type: std_msgs/msg/Float64MultiArray', 'type: std_msgs/msg/Float64'),
            ('effort_controller/commands', 'Float64MultiArray'),
        ),
        (('cart: {min: -10.0', 'cart: {min: 20.0'), ('min 20.0', 'max 10.0')),
    ],
)
def test_a_wiring_that_does_not_fit_is_refused(fournex, wiring, replacement, words):
    done = fournex('evaluate', wiring(replacement), '--episodes', 1)
    assert (done.status, done.out) == (2, '')
    for word in words:
        assert word in done.err
    assert len(done.err.splitlines()) <= 3


def test_robots_bundles_and_numbers_that_are_not_there(fournex, tmp_path):
    done = fournex('evaluate', 'rovr')
    assert done.status == 2
    assert 'Did you mean rover?' in done.err
    done = fournex('evaluate', 'pendulum', '--bundle', tmp_path / 'none')
    assert done.status == 2
    assert 'no such policy bundle' in done.err
    for wrong in (('--episodes', '0'), ('--require', '1.5'), ('--require', 'nan')):
        done = fournex('evaluate', 'pendulum', *wrong)
        assert done.status == 2
        assert wrong[1] in done.err


def test_an_altered_bundle_is_refused(fournex, checkout, tmp_path):
    source = checkout / 'examples' / 'pendulum' / 'bundle'
    for file in source.iterdir():
        (tmp_path / file.name).write_bytes(file.read_bytes())
    with open(tmp_path / 'policy.onnx', 'ab') as artifact:
        artifact.write(b'\0')
    done = fournex('evaluate', 'pendulum', '--bundle', tmp_path)
    assert (done.status, done.out) == (2, '')
    assert 'policy.onnx: altered' in done.err


def test_the_bundle_of_another_robot_does_not_fit(fournex):
    done = fournex('evaluate', 'rover', '--bundle', 'examples/pendulum/bundle')
    assert (done.status, done.out) == (2, '')
    assert 'the contract pendulum-balance@' in done.err


@pytest.mark.parametrize(('successes', 'trials'), [(95, 100), (1, 3), (50, 100)])
def test_wilson_interval_solves_its_equation(successes, trials):
    """Its ends are the p at which the observed share is 1.96 standard deviations away."""
    for end in wilson_interval(successes, trials):
        deviation = abs(successes / trials - end) / math.sqrt(end * (1.0 - end) / trials)
        assert deviation == pytest.approx(1.959964, abs=1e-6)


def test_wilson_interval_where_all_or_none_succeed():
    assert wilson_interval(0, 10) == pytest.approx((0.0, 3.841459 / 13.841459), abs=1e-6)
    assert wilson_interval(10, 10) == pytest.approx((10.0 / 13.841459, 1.0), abs=1e-6)
