"""``fournex replay --policy`` and ``--wiring``: what another version would have done."""

from __future__ import annotations

import shutil

import pytest

from fournex_runtime.cli import replay


@pytest.fixture
def other(checkout, tmp_path):
    """Return the pendulum's bundle with twice the force for an action, as version 2."""
    folder = shutil.copytree(checkout / 'examples/pendulum/bundle', tmp_path / 'other')
    contract = folder / 'policy.yaml'
    text = contract.read_text().replace('version: 1', 'version: 2')
    assert 'scale: 10.0' in text
    contract.write_text(text.replace('scale: 10.0', 'scale: 20.0'))
    return folder


def values(text):
    """Return mean, p50, p99, max, tick of the max and first tick of the only value."""
    (line,) = (one for one in text.splitlines() if one.split()[:1] == ['joint_effort_target'])
    return line.split()[3:]


def test_a_policy_against_itself(fournex, bag, checkout):
    itself = checkout / 'examples/pendulum/bundle'
    done = fournex('replay', bag, '--policy', itself, '--max-error', 0)
    assert done.status == 0, done.out + done.err
    assert 'pendulum-balance@1 against pendulum-balance@1 on 2002 of 2002' in done.out
    assert values(done.out) == ['0', '0', '0', '0', '—', '—']


def test_another_version_is_told_value_by_value(fournex, bag, other):
    done = fournex('replay', bag, '--policy', other)
    assert done.status == 0, done.out + done.err
    assert 'pendulum-balance@1 against pendulum-balance@2 on 2002 of 2002' in done.out
    mean, median, high, greatest, tick, first = values(done.out)
    assert 0.0 < float(median) <= float(mean) < float(high) <= float(greatest) <= 10.0
    shown = fournex('replay', bag, '--tick', tick).out  # twice the force is as much again
    sent = next(one for one in shown.splitlines() if 'joint_effort_target' in one).split()[4]
    assert float(greatest) == pytest.approx(abs(float(sent)), rel=1e-3)
    assert int(first) <= int(tick)


def test_a_bound_on_the_difference(fournex, bag, other):
    assert fournex('replay', bag, '--policy', other, '--max-error', 11).status == 0
    assert fournex('replay', bag, '--policy', other, '--max-error', 0.01).status == 1


def test_what_was_not_compared_exceeds_every_bound(bag, checkout, rewrite, tmp_path, capsys):
    """Of all messages but the first three nothing is known; a tenth of them may be tolerated."""

    def few(message, kept=3):
        lost = message.topic == '/joint_states' and message.sequence > kept
        return None if lost else message.data

    itself = checkout / 'examples/pendulum/bundle'
    almost_nothing = rewrite(bag, tmp_path / 'almost nothing', few)
    same = ('--policy', str(itself), '--max-error', '0.001')
    assert replay.main([str(almost_nothing), *same, '--max-unverifiable', '0.1']) == 1
    assert 'that are not in the bag with all their messages' in capsys.readouterr().out

    almost_all = rewrite(bag, tmp_path / 'almost all', lambda one: few(one, 3800))
    assert replay.main([str(almost_all), *same]) == 1
    assert replay.main([str(almost_all), *same, '--max-unverifiable', '0.1']) == 0


def test_another_wiring(fournex, bag, checkout, tmp_path):
    wiring = tmp_path / 'wiring.yaml'
    text = (checkout / 'examples/pendulum/wiring.yaml').read_text()
    assert 'max: 10.0' in text
    wiring.write_text(text.replace('max: 10.0', 'max: 0.5'))
    done = fournex('replay', bag, '--wiring', wiring, '--max-error', 0.0)
    assert done.status == 1
    greatest = float(values(done.out)[3])
    assert greatest > 0.0
    part = fournex('replay', bag, '--wiring', wiring, '--to', 0, '--max-error', 1e9)
    assert part.status == 0
    assert 'on 1 of 1 recorded ticks' in part.out


def test_ticks_in_which_the_other_would_not_have_acted(fournex, checkout, tmp_path):
    bag, wiring = tmp_path / 'rover', tmp_path / 'wiring.yaml'
    assert fournex('evaluate', 'rover', '--episodes', 1, '--record', bag).status == 0
    text = (checkout / 'examples/rover/wiring.yaml').read_text()
    assert 'type: nav_msgs/msg/Odometry, budget: 100 ms' in text  # it is 10 ms old at a tick
    wiring.write_text(text.replace('Odometry, budget: 100 ms', 'Odometry, budget: 5 ms'))
    done = fournex('replay', bag, '--wiring', wiring, '--max-error', 1e9)
    assert done.status == 1
    assert 'TICKS IN WHICH rover-nav@1 WOULD NOT HAVE ACTED, the first: tick' in done.out
    assert 'odom is 10 ms old, budget 5 ms' in done.out


def test_a_topic_that_was_not_recorded(fournex, bag, checkout, tmp_path):
    wiring = tmp_path / 'wiring.yaml'
    text = (checkout / 'examples/pendulum/wiring.yaml').read_text()
    wiring.write_text(text.replace('topic: joint_states', 'topic: other_states'))
    done = fournex('replay', bag, '--wiring', wiring)
    assert done.status == 2
    assert 'reads other_states, which the recording does not have; it has joint_s' in done.err


def test_a_wiring_that_cannot_be_read(fournex, bag, tmp_path):
    binary = tmp_path / 'binary.yaml'
    binary.write_bytes(b'robot: \xff\n')
    for file, words in (
        (tmp_path / 'nowhere.yaml', 'nowhere.yaml: cannot be read: No such file'),
        (tmp_path, f'{tmp_path}: expected a regular file'),
        (binary, 'binary.yaml: is not UTF-8 text'),
    ):
        done = fournex('replay', bag, '--wiring', file)
        assert (done.status, done.out) == (2, '')
        assert words in done.err


def test_what_cannot_be_compared(fournex, bag, checkout, other):
    arm = fournex('replay', bag, '--policy', checkout / 'examples/arm/bundle')
    assert arm.status == 2
    assert 'joint_velocity is missing: arm-reach@1' in arm.err
    contract = other / 'policy.yaml'
    contract.write_text(contract.read_text().replace('period: 20 ms', 'period: 10 ms'))
    done = fournex('replay', bag, '--policy', other)
    assert done.status == 2
    assert 'period of 10 ms, the recording of pendulum-balance@1 has 20 ms' in done.err
    unknown = fournex('replay', bag, '--policy', f'rover={other}')
    assert unknown.status == 2
    assert "has no session 'rover'; it has pendulum" in unknown.err
