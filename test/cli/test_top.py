"""``fournex top``: what it says of the sessions that it hears of."""

from __future__ import annotations

import numpy as np

from fournex_runtime.cli.top import sessions_table
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.ros.events import header
from fournex_runtime.session.tick import Mode

STATUS = 'fournex_msgs/msg/SessionStatus'


def status(**changes):
    """Return the status of a session that does well."""
    fields = {
        'header': header(messages(), 0), 'session': 'arm', 'policy': 'arm-reach@3',
        'chosen': '', 'acting': 'arm-reach@3',
        'bundle_sha256': '', 'mode': 1, 'cause': '', 'ticks': 500, 'overruns': 2, 'period': 0.02,
        'rate': 49.99, 'lateness_p50': 1e-4, 'lateness_p99': 3e-4, 'lateness_max': 2e-3,
        'infer_p50': 2e-5, 'infer_p99': 4e-5, 'stages': [], 'stage_p50': np.array([]),
        'stage_p99': np.array([]), 'blame': '', 'late': 0, 'failed': 0, 'worker': 1,
        'inputs': ['joint_states', 'target'],
        'input_ages': [0.004, -1.0], 'episode': 'episode-0007', 'episode_tick': 42,
        'episode_return': 1.5, 'faults': 3, 'recording': '', 'recording_dropped': 0,
    }  # fmt: skip
    return messages().type(STATUS)(**{**fields, **changes})


def cells(text, row=1):
    return text.splitlines()[row].split()


def test_a_session_in_one_line():
    text = sessions_table({'/fournex/arm/status': (10.0, status())}, 10.1)
    assert ' '.join(cells(text)) == (
        '/fournex/arm arm-reach@3 policy 49.99 50 100 µs 300 µs 2 ms 20 µs 40 µs '
        'joint_states 4 ms 2 3 episode-0007 42 1.5'
    )


def test_what_does_not_act_says_why_and_what_is_silent_is_gone():
    stopped = status(mode=int(Mode.STOPPED), cause='stale: joint_states', recording_dropped=4)
    newest = {'/b/status': (10.0, stopped), '/a/status': (3.0, status())}
    text = sessions_table(newest, 10.5)
    assert cells(text, 1)[:3] == ['/a', 'arm-reach@3', 'gone']
    assert cells(text, 2)[:3] == ['/b', 'arm-reach@3', 'stopped']
    assert text.splitlines()[3:] == [
        '/b: stale: joint_states',
        '/b: the recording lost 4 messages',
    ]


def test_a_session_without_ticks_does_not_keep_its_mode():
    hangs = status(cause='no tick for 4.2 s', rate=0.0)
    text = sessions_table({'/a/status': (10.0, hangs)}, 10.1)
    assert ' '.join(cells(text)).startswith('/a arm-reach@3 no tick 0.00 50 ')
    assert text.splitlines()[2] == '/a: no tick for 4.2 s'


def test_a_policy_that_was_chosen_is_shown_as_the_one_that_acts():
    other = status(chosen='rest', acting='arm-rest@1')
    text = sessions_table({'/a/status': (10.0, other)}, 10.1)
    assert cells(text)[:3] == ['/a', 'arm-rest@1', 'policy']
    assert text.splitlines()[2:] == ['/a: rest is chosen in place of arm-reach@3']


def test_a_rate_that_is_not_held_is_said_with_the_stage_to_blame():
    slow = status(
        blame='infer', stages=['wait', 'infer'], stage_p50=np.array([0.0, 0.021]),
        stage_p99=np.array([0.0, 0.03]), rate=31.2,
    )  # fmt: skip
    text = sessions_table({'/a/status': (10.0, slow)}, 10.1)
    assert text.splitlines()[2].startswith(
        '/a: does not hold 50 Hz: infer takes 21 ms, p99 30 ms, of a 20 ms period: '
    )


def test_nobody_there(fournex):
    done = fournex('top', '--once')
    assert done.status == 1
    assert 'looking for sessions …' in done.err, 'discovery takes a while'
    assert done.out.startswith('no session: nobody publishes fournex_msgs/msg/SessionStatus')
