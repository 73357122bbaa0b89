"""Which policy of a session may be chosen, and what is said of it."""

import dataclasses

import pytest
from calm_session import CALM, make_engine, slope
from ros_messages import joint_state
from tiny_session import CONTRACT, edited

from fournex_runtime.errors import FournexError
from fournex_runtime.ros.hosted import HostedSession
from fournex_runtime.session.shared_policy import SharedPolicy
from fournex_runtime.session.tick import Mode, Received, TickInputs


class Away(SharedPolicy):
    """One whose worker has died."""

    absence = 'its worker was killed by SIGKILL; the next one is being started'


def hosted(*changes, policy=SharedPolicy, **more):
    engine = make_engine(*changes, **more)
    return HostedSession(engine, SharedPolicy(None), 0, {'calm': policy(None)})


def in_mode(session, mode, *data):
    """Put a session into a mode, after messages of its first sources."""
    messages = [(Received(1, 1, one),) for one in data]
    messages += [()] * (len(session.engine.wiring.sources) - len(messages))
    latched = session.engine.decode(TickInputs(tuple(messages), 1, 1, 1), session.state)
    session.state = dataclasses.replace(session.state, mode=mode, cause='this', latched=latched)
    return session


JOINTS = joint_state(['a', 'b'], [0.1, 0.2])


@pytest.mark.parametrize(
    ('mode', 'said'),
    [
        (Mode.POLICY, 'calm@1 acts from the next tick on'),
        (Mode.FALLBACK, 'calm@1 is chosen; the session is in fallback: this'),
        (Mode.STOPPED, 'calm@1 is chosen; the session is in stopped: this'),
        (Mode.MANUAL, 'calm@1 is chosen; the session is in manual: this'),
    ],
)
def test_it_says_what_comes_of_it(mode, said):
    session = in_mode(hosted(), mode, JOINTS, *slope())
    assert session.request_policy('calm', 'a person') == said


def test_an_unknown_name_is_refused_with_those_that_there_are():
    words = "no policy 'tiny@1'; expected calm, or nothing, for its own policy tiny@1"
    with pytest.raises(FournexError, match=words):
        hosted().request_policy('tiny@1', '')


def test_one_whose_inputs_have_never_come_waits_but_takes_nobody_s_place():
    session = in_mode(hosted(), Mode.STANDBY, JOINTS)
    assert (
        session.request_policy('calm', '') == 'calm@1 is chosen; the session is in standby: this'
    )
    session = in_mode(hosted(), Mode.POLICY, JOINTS)
    with pytest.raises(FournexError, match='calm@1 needs slope, on which nothing has come yet'):
        session.request_policy('calm', '')


def test_one_without_a_worker_is_refused_until_there_is_one():
    session = in_mode(hosted(policy=Away), Mode.POLICY, JOINTS, *slope())
    with pytest.raises(FournexError, match='calm@1 cannot be asked yet, try again: its wor'):
        session.request_policy('calm', '')
    assert session.request_policy('', '') == 'tiny@1 acts from the next tick on'


def test_one_that_cannot_take_over_softly_is_refused():
    positions = ('joint_velocity_target', 'joint_position_target')
    soft = ('    reward:', '    soft_start: 40 ms\n    reward:')
    own, calm = edited(CONTRACT, positions), edited(CALM, positions)
    session = hosted(soft, positions, ('stop: zero', 'stop: hold'), own=own, calm=calm)
    with pytest.raises(FournexError, match='calm cannot take over softly: .* commands a, and no'):
        session.request_policy('calm', '')
