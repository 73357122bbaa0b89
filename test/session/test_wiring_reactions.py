"""What a wiring says about faults: reactions, poses, the way back, the soft start."""

import pathlib

import pytest
from tiny_session import WIRING, edited, make_bundle

from fournex_runtime.errors import WiringError
from fournex_runtime.safety.reactions import Fault, parse_reaction
from fournex_runtime.session.wiring import parse_wiring


def session(*changes):
    text = edited(WIRING, *changes)
    return parse_wiring(text, pathlib.Path('wiring.yaml'), {'tiny': make_bundle()}).sessions[0]


def also(key):
    """Return the change that adds a key to the session."""
    return '    reward:', f'    {key}\n    reward:'


def test_all_that_can_be_said():
    wiring = session(
        ('default: stop', 'default: hold 40 ms then ramp 1 s to slow then stop'),
        ('stale: hold', 'return: {after: 200 ms}\n      stale: hold'),
        also('poses: {slow: {joint_velocity_target: {b: 0.1, a: 0.2}}}'),
        also('soft_start: 2 s'),
    )
    assert wiring.reactions.to[Fault.STALE] == parse_reaction('hold 60 ms then stop')
    assert wiring.reactions.to[Fault.LATE].steps[1].name == 'slow'
    assert wiring.reactions.return_after_ns == 200_000_000
    assert wiring.poses == {
        'slow': {'joint_velocity_target': (0.2, 0.1)}
    }  # as the contract has it
    assert wiring.soft_start_ns == 2_000_000_000


def test_left_out_a_policy_comes_back_out_of_a_hold_only_and_takes_over_at_once():
    wiring = session()
    assert wiring.reactions.return_after_ns is None
    assert (wiring.poses, wiring.soft_start_ns) == ({}, 0)


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (
            ('default: stop', 'default: stop\n      return: {after: 60 ms}'),
            'reactions.return.after: the policy could never act again: all reactions have come to',
        ),
        (also('poses: {zero: {}}'), 'poses.zero: expected one word, and not zero or default_pose'),
        (
            also('poses: {home: {joint_velocity: {}}}'),
            'poses.home.joint_velocity: the contract tiny@1 has no such action term. Did you mean',
        ),
        (
            also('poses: {home: {joint_velocity_target: {a: 0}}}'),
            'poses.home.joint_velocity_target: b is missing: expected a number',
        ),
        (
            also('command_timeout: 50 ms'),
            'command_timeout: a hold may say a command again for 60 ms, expected at most 50 ms',
        ),
        (also('soft_start: forever'), 'soft_start: expected a time that ends, such as 2 s'),
        (
            ('default: stop', 'default: stop\n      late_answer: use in the next tick'),
            'reactions.late_answer: expected a reaction to late that begins with a hold',
        ),
        (
            ('default: stop', 'default: policy calm then stop'),
            'reactions.default: there is no policy calm under fallback:',
        ),
    ],
)
def test_refusals(change, words):
    with pytest.raises(WiringError) as caught:
        session(change)
    assert words in str(caught.value)
