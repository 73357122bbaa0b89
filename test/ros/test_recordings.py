"""Recordings of a live runtime: cut into files, or kept in memory until they are wanted."""

from __future__ import annotations

import signal

from robot_side import joint_state
from std_srvs.srv import Trigger

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify

SAVE = '/fournex/save_recording'


def leaning() -> bytes:
    return joint_state((0.0, 0.05))


def test_each_file_of_a_split_recording_replays_alone(robot, runtime, wiring_file, tmp_path):
    # Two sessions read one topic: as a file begins, what one has taken the other has yet to see.
    text = wiring_file().read_text()
    session = text[text.index('  pendulum:\n') :]
    other = session.replace('  pendulum:\n', '  other:\n', 1).replace('effort_c', 'other_c')
    file = wiring_file((session, f'{session}\n{other}\nrecord: {{split_time: 1 s}}\n'))
    side = robot()
    side.state = leaning
    process = runtime(file, record=tmp_path / 'runs')
    side.wait_for_commands(130)
    answer = side.call(Trigger, SAVE, Trigger.Request())
    assert not answer.success and 'everything is recorded already' in answer.message
    process.signal(signal.SIGINT)
    assert process.wait(10) == 0, process.text()
    (bag,) = (tmp_path / 'runs').iterdir()
    files = sorted(bag.glob('*.mcap'))
    assert len(files) >= 3
    with BagReader(bag) as reader:
        (first, *_) = reader.messages(['/diagnostics'])
        status = reader.types().decode(first.data, 'diagnostic_msgs/msg/DiagnosticArray').status
    assert {one.name.split(': ')[1] for one in status} == {'pendulum', 'other'}
    whole = {one.session: one for one in verify(bag)}
    assert set(whole) == {'pendulum', 'other'}
    assert all(one.all_equal for one in whole.values()), whole
    alone = [one for file in files for one in verify(file)]
    assert all(one.all_equal for one in alone), alone
    for name, verification in whole.items():
        ticks = sum(one.ticks for one in alone if one.session == name)
        assert ticks == verification.ticks > 120


def test_the_last_seconds_are_written_on_a_call_and_on_a_fault(
    robot, runtime, wiring_file, tmp_path
):
    side = robot()
    side.state = leaning
    file = wiring_file(
        ('robot: pendulum\n', 'robot: pendulum\nrecord: {mode: ring, keep: 1 s, after: 200 ms}\n'),
        # Nothing is to happen by itself, however busy the machine is.
        ('budget: 50 ms', 'budget: 500 ms'),
        ('    limits:\n', '    inference: {isolation: inline}\n    limits:\n'),
    )
    process = runtime(file, record=tmp_path / 'runs')
    side.wait_for_commands(100)
    (folder,) = (tmp_path / 'runs').iterdir()
    assert list(folder.iterdir()) == [], 'nothing is written before something happens'
    answer = side.call(Trigger, SAVE, Trigger.Request())
    assert answer.success and answer.message == str(folder)
    first, second = folder / 'dump-01', folder / 'dump-02'
    side.wait((first / 'metadata.yaml').is_file, what='the first recording')
    side.state = lambda: None
    process.wait_for('stopped: stale')
    side.wait((second / 'metadata.yaml').is_file, what='the second recording')
    process.signal(signal.SIGINT)
    assert process.wait(10) == 0, process.text()
    assert f'2 recordings of what happened are in {folder}' in process.text()
    causes = []
    for bag in (first, second):
        with BagReader(bag) as reader:
            causes.append(reader.cause)
            ticks = reader.counts['/fournex/pendulum/tick']
            first_tick = next(reader.messages(['/fournex/pendulum/tick'])).sequence
            assert first_tick > 1, 'the past before that was to be forgotten'
        (verification,) = verify(bag)
        assert verification.all_equal and verification.ticks == ticks > 50
    assert causes[0] == 'asked for by a service call'
    assert causes[1].startswith('pendulum: fallback: stale: joint_position')
