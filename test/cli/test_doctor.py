"""``fournex doctor`` as a process: its table, its JSON, its exit status."""

from __future__ import annotations

import json
import shutil
import sys

import pytest
from tiny_session import edited

from fournex_runtime.policy.bundle import seal_bundle


@pytest.fixture
def simulator(start):
    """Start the simulated pendulum."""
    arguments = ['--ros-args', '-p', 'robot:=pendulum']
    return start('sim', [sys.executable, '-m', 'fournex_runtime.sim.node', *arguments])


def test_a_sound_robot_and_a_mistake(fournex, simulator, wiring, checkout, tmp_path):
    calm = shutil.copytree(checkout / 'examples/pendulum/bundle', tmp_path / 'calm')
    text = (calm / 'policy.yaml').read_text()
    (calm / 'policy.yaml').write_text(edited(text, ('name: pendulum-balance', 'name: calm')))
    seal_bundle(calm)
    second = wiring(
        ('stale: hold 60 ms then stop', 'stale: policy calm then stop'),
        ('    reward:', f'    fallback: {{calm: {{policy: {calm}}}}}\n    reward:'),
    )
    sound = fournex('doctor', second, '--seconds', 1, '--json')
    assert sound.status == 0, sound.out + sound.err
    data = json.loads(sound.out)
    (session,) = data['sessions']
    assert data['together'] == [], 'there is one only'
    assert session['policy'].startswith('pendulum-balance@')
    assert session['counts']['failure'] == 0 and session['counts']['pass'] > 15
    assert {one['check'] for one in session['findings']} >= {'topic', 'rate', 'start_pose'}
    timed = [one['subject'] for one in session['findings'] if one['check'] == 'inference']
    assert timed == ['timing', 'fallback.calm.timing']
    two = wiring(('budget: 50 ms', 'budget: 4 ms'))
    body = two.read_text().split('  pendulum:\n')[1]
    two.write_text(two.read_text() + '  other:\n' + edited(body, ('controller/', 'controller_2/')))
    wrong = fournex('doctor', two, '--seconds', 1)
    assert wrong.status == 1, wrong.out + wrong.err
    assert wrong.out.splitlines()[-2:] == [
        'all 2 sessions  ×  robot pendulum  1 check, 0 failed, 0 warnings',
        ' ✓ 1 passed (fournex doctor -v lists them)',
    ]
    assert ', 1 failed, ' in wrong.out.splitlines()[0]
    failures = [line for line in wrong.out.splitlines() if line.startswith(' ✗')]
    assert len(failures) == 2 and all(line.startswith(' ✗ rate ') for line in failures)
    assert '→ Publish /joint_states faster, or write a budget above' in wrong.out
    assert '– range' in wrong.out and '(fournex doctor -v lists them)' in wrong.out


def test_what_is_no_wiring_is_refused(fournex, wiring, tmp_path):
    for given, words in ((tmp_path, 'expected a wiring file'), ('none.yaml', 'cannot be read')):
        done = fournex('doctor', given)
        assert (done.status, done.out) == (2, '') and words in done.err
    done = fournex('doctor', wiring(), '--seconds', 0)
    assert done.status == 2 and 'expected a number above 0' in done.err
