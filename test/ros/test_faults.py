"""Hold, then stop, and back by the wiring's rules; every other fault is in test_fault_table.py."""

from __future__ import annotations

import time

from robot_side import joint_state

from fournex_msgs.srv import ResetEpisode, StopSession
from fournex_runtime.record.replay import verify

PERIOD_S = 0.02


def leaning() -> bytes:
    return joint_state((0.0, 0.05))


def test_a_stale_input_is_held_over_and_then_stops_the_robot(
    robot, runtime, wiring_file, tmp_path
):
    side = robot()
    side.state = leaning
    file = wiring_file(('stale: hold 60 ms then stop', 'stale: hold 200 ms then stop'))
    process = runtime(file, record=tmp_path / 'runs')
    side.wait_for_commands(20)
    side.state = lambda: None
    process.wait_for('stopped: stale: joint_position: joint_states is')
    gone_ns = time.monotonic_ns()
    # Until the budget of 50 ms is over the policy acts on the last message; then one command is
    # held for 200 ms; then the stop command comes.
    before = [one for one in side.commands if one.steady_ns < gone_ns - 500_000_000]
    assert before[-1].values != (0.0,)
    side.wait_for_commands(5)
    assert {one.values for one in side.commands[-5:]} == {(0.0,)}
    nonzero = [one for one in side.commands if one.values != (0.0,)]
    held = [one for one in nonzero if one.values == nonzero[-1].values]
    held_s = (held[-1].steady_ns - held[0].steady_ns) * 1e-9
    assert 0.15 <= held_s <= 0.30, held_s
    # Fresh messages do not end a protective stop; a new episode does.
    side.state = leaning
    side.wait_for_commands(10)
    assert side.commands[-1].values == (0.0,)
    answer = side.call(ResetEpisode, '/fournex/reset_episode', ResetEpisode.Request(seed=5))
    assert answer.success and answer.episode == 'episode-0002'
    side.wait(lambda: side.commands[-1].values != (0.0,), what='the policy acts again')
    process.signal(2)
    assert process.wait(10) == 0
    (verification,) = verify(next((tmp_path / 'runs').iterdir()))
    assert verification.all_equal, verification


def test_a_short_gap_is_bridged_and_the_policy_goes_on(robot, runtime, wiring_file):
    side = robot()
    side.state = leaning
    file = wiring_file(('stale: hold 60 ms then stop', 'stale: hold 2 s then stop'))
    process = runtime(file)
    side.wait_for_commands(20)
    side.state = lambda: None
    process.wait_for('fallback: stale')
    side.state = leaning
    side.wait_for_commands(30)
    modes = [line for line in process.text().splitlines() if 'pendulum: ' in line]
    assert modes[-1].endswith('pendulum: policy'), modes


def test_a_stop_by_service_needs_an_explicit_reset(robot, runtime):
    side = robot()
    side.state = leaning
    process = runtime()
    side.wait_for_commands(10)
    answer = side.call(StopSession, '/fournex/stop_session', StopSession.Request(cause='a person'))
    assert answer.success
    process.wait_for('stopped: a person')
    side.wait_for_commands(10)
    assert {one.values for one in side.commands[-5:]} == {(0.0,)}
    refused = side.call(
        ResetEpisode, '/fournex/reset_episode', ResetEpisode.Request(session='pendlum')
    )
    assert not refused.success and 'sessions here: pendulum' in refused.message
    side.call(ResetEpisode, '/fournex/reset_episode', ResetEpisode.Request(episode='mine'))
    side.wait(lambda: side.commands[-1].values != (0.0,), what='the policy acts again')


def test_an_input_that_is_too_old_when_it_arrives_is_refused(robot, runtime):
    side = robot()
    side.state = lambda: joint_state((0.0, 0.0), stamp_ns=time.time_ns() - 5_000_000_000)
    process = runtime()
    assert process.wait(20) == 2
    assert 'old by its stamp when it arrives, budget 50 ms' in process.text()
    assert side.commands == []
