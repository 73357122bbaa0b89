"""What the runtime tells about itself: diagnostics, status, events."""

from __future__ import annotations

import os
import pathlib
import signal

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.qos import DurabilityPolicy, QoSProfile

from fournex_msgs.msg import SessionEvent, SessionStatus
from fournex_msgs.srv import ResetEpisode, StopSession
from fournex_runtime.session.statistics import STAGES


def diagnostics(side) -> list[DiagnosticStatus]:
    """Collect the statuses of the runtime as they come."""
    found = []

    def listen(message: DiagnosticArray) -> None:
        found.extend(status for status in message.status if 'pendulum' in status.name)

    side.node.create_subscription(DiagnosticArray, '/diagnostics', listen, 10)
    return found


def test_diagnostics_tell_rate_lateness_ages_mode_cause_and_what_infers(
    robot, runtime, wiring_file
):
    side = robot()
    found = diagnostics(side)
    providers = '    inference: {providers: [cuda, cpu], isolation: inline}\n'
    process = runtime(wiring_file(('    reward:', providers + '    reward:')))
    side.wait_for_commands(60)
    side.wait(lambda: bool(found) and found[-1].message == 'policy', what='diagnostics: policy')
    values = {entry.key: entry.value for entry in found[-1].values}
    assert found[-1].level == DiagnosticStatus.OK
    assert 45 < float(values['rate [Hz]']) < 55
    assert 0 <= float(values['lateness p50 [ms]']) <= float(values['lateness max [ms]'])
    assert 0 <= float(values['age of joint_states [ms]']) < 50
    assert values['missed of joint_states'].isdigit()
    assert values['mode'] == 'policy' and values['cause'] == ''
    assert values['policy'] == 'pendulum-balance@1'
    used, _, refused = values['inference'].partition(' (refused: ')
    assert used.startswith('onnxruntime ') and used.endswith(' CPUExecutionProvider')
    assert refused.startswith('cuda: onnxruntime ') and 'is built without it' in refused
    assert values['inference'] in process.text()
    side.call(StopSession, '/fournex/stop_session', StopSession.Request(cause='enough'))
    side.wait(lambda: found[-1].level == DiagnosticStatus.ERROR, what='diagnostics: an error')
    assert found[-1].message == 'stopped: enough'


def test_status_tells_how_the_session_does(robot, runtime, wiring_file, tmp_path):
    side = robot()
    inline = '    inference: {isolation: inline}\n'  # nothing is ever late there
    found = []
    side.node.create_subscription(SessionStatus, '/fournex/pendulum/status', found.append, 5)
    file = wiring_file(('    reward:', inline + '    reward:'))
    runtime(file, record=tmp_path / 'runs')
    side.wait_for_commands(60)
    side.wait(lambda: bool(found) and found[-1].ticks > 50, what='status')
    status = found[-1]
    assert status.session == 'pendulum' and status.policy == 'pendulum-balance@1'
    assert len(status.bundle_sha256) == 64
    assert status.mode == 1 and status.cause == ''
    assert abs(status.period - 0.02) < 1e-12 and 45 < status.rate < 55
    assert status.inputs[0] == 'joint_states' and 0 <= status.input_ages[0] < 0.05
    assert status.input_ages[1] == -1.0, 'nobody publishes the reward'
    assert status.recording == str(tmp_path / 'runs' / 'pendulum-0001')
    assert status.recording_dropped == 0 and status.faults == 0
    assert (status.late, status.failed, status.worker) == (0, 0, 0)
    assert tuple(status.stages) == STAGES
    assert len(status.stage_p50) == len(status.stage_p99) == len(STAGES)
    stages = dict(zip(status.stages, zip(status.stage_p50, status.stage_p99)))
    assert all(0 <= p50 <= p99 for p50, p99 in stages.values())
    assert all(p50 > 0 for stage, (p50, _) in stages.items() if stage != 'wait')
    assert stages['infer'] == (status.infer_p50, status.infer_p99)


def test_events_are_latched_and_carry_the_metadata_of_an_episode(robot, runtime):
    side = robot()
    runtime()
    side.wait_for_commands(10)
    metadata = [KeyValue(key='operator', value='night shift')]
    request = ResetEpisode.Request(episode='trial-7', seed=2**63 + 5, metadata=metadata)
    assert side.call(ResetEpisode, '/fournex/reset_episode', request).success
    found = []
    latched = QoSProfile(depth=20, durability=DurabilityPolicy.TRANSIENT_LOCAL)
    side.node.create_subscription(SessionEvent, '/fournex/pendulum/event', found.append, latched)
    side.wait(lambda: any(event.episode == 'trial-7' for event in found), what='the event')
    kinds = [(event.kind, event.episode) for event in found]
    assert kinds[0] == (SessionEvent.EPISODE_STARTED, 'episode-0001')
    event = next(event for event in found if event.episode == 'trial-7')
    assert event.kind == SessionEvent.EPISODE_STARTED
    values = {entry.key: entry.value for entry in event.values}
    assert values == {'seed': str(2**63 + 5), 'operator': 'night shift'}


def workers_of(process):
    """Return the ids of a runtime's workers, the oldest first."""
    found = []
    for folder in pathlib.Path('/proc').glob('[0-9]*'):
        try:
            stat = (folder / 'stat').read_text().rsplit(')', 1)[1].split()
            command = (folder / 'cmdline').read_bytes()
        except OSError:
            continue  # it has just ended
        if int(stat[1]) == process.pid and b'fournex_runtime/worker' in command:
            found.append((int(stat[19]), int(folder.name)))
    return [pid for _, pid in sorted(found)]


def test_a_spare_takes_over_from_a_killed_worker_and_diagnostics_count_it(
    robot, runtime, wiring_file
):
    side = robot()
    found = diagnostics(side)
    spare = '    inference: {spare: true}\n'
    patient = ('late: hold 60 ms then stop', 'late: hold 9 s then stop')
    process = runtime(wiring_file(patient, ('    reward:', spare + '    reward:')))

    def says(key, value):
        return bool(found) and {one.key: one.value for one in found[-1].values}.get(key) == value

    side.wait(lambda: says('spare worker', 'ready'), what='a spare that is ready')
    for deaths in ('1', '2'):
        side.wait(lambda: says('spare worker', 'ready'), what='the next spare')
        os.kill(workers_of(process)[0], signal.SIGKILL)
        side.wait(lambda n=deaths: says('workers that died', n), what='a death on /diagnostics')
    side.wait_for_commands(20)
    side.wait(lambda: says('mode', 'policy'), what='the policy goes on')
    assert 'failed: ' not in process.text()
