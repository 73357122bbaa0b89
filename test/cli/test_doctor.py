"""``fournex doctor`` as a process: its table, its JSON, its exit status."""

from __future__ import annotations

import json
import sys

import pytest


@pytest.fixture
def simulator(start):
    """Start the simulated pendulum."""
    arguments = ['--ros-args', '-p', 'robot:=pendulum']
    return start('sim', [sys.executable, '-m', 'fournex_runtime.sim.node', *arguments])


def test_a_sound_robot_and_a_mistake(fournex, simulator, wiring):
    sound = fournex('doctor', wiring(), '--seconds', 1, '--json')
    assert sound.status == 0, sound.out + sound.err
    (session,) = json.loads(sound.out)['sessions']
    assert session['policy'].startswith('pendulum-balance@')
    assert session['counts']['failure'] == 0 and session['counts']['pass'] > 15
    assert {one['check'] for one in session['findings']} >= {'topic', 'rate', 'start_pose'}
    wrong = fournex('doctor', wiring(('budget: 50 ms', 'budget: 4 ms')), '--seconds', 1)
    assert wrong.status == 1, wrong.out + wrong.err
    assert ', 1 failed, ' in wrong.out.splitlines()[0]
    failures = [line for line in wrong.out.splitlines() if line.startswith(' ✗')]
    assert len(failures) == 1 and failures[0].startswith(' ✗ rate ')
    assert '→ Publish /joint_states faster, or write a budget above' in wrong.out
    assert '– range' in wrong.out and '(fournex doctor -v lists them)' in wrong.out


def test_what_is_no_wiring_is_refused(fournex, wiring, tmp_path):
    for given, words in ((tmp_path, 'expected a wiring file'), ('none.yaml', 'cannot be read')):
        done = fournex('doctor', given)
        assert (done.status, done.out) == (2, '') and words in done.err
    done = fournex('doctor', wiring(), '--seconds', 0)
    assert done.status == 2 and 'expected a number above 0' in done.err
