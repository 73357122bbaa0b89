"""Relative names, namespaces and remappings, as ROS users expect them."""

from __future__ import annotations

from robot_side import joint_state

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify


def test_two_runtimes_from_one_wiring_drive_each_its_own_robot(
    robot, runtime, wiring_file, tmp_path
):
    file = wiring_file(('budget: 50 ms', 'budget: 2 s'))  # four processes on any machine
    left, right = robot(namespace='r1'), robot(namespace='r2')
    left.state = lambda: joint_state((0.0, 0.05))
    right.state = lambda: joint_state((0.0, -0.05))
    processes = [
        runtime(file, name=name, remap=[f'__ns:=/{name}'], record=tmp_path / name)
        for name in ('r1', 'r2')
    ]
    left.wait_for_commands(20)
    right.wait_for_commands(20)
    pushes = [side.commands[-1].values[0] for side in (left, right)]
    assert pushes[0] * pushes[1] < 0, pushes
    for process in processes:
        process.signal(2)
        assert process.wait(10) == 0
    for name in ('r1', 'r2'):
        (bag,) = (tmp_path / name).iterdir()
        with BagReader(bag) as reader:
            topics = {channel.topic for channel in reader.channels}
        assert f'/{name}/joint_states' in topics
        assert f'/{name}/fournex/pendulum/tick' in topics
        (verification,) = verify(bag)
        assert verification.all_equal, verification


def test_remapped_topics_are_followed(robot, runtime):
    side = robot(command_topic='cart/force')
    process = runtime(remap=['effort_controller/commands:=cart/force'])
    side.wait_for_commands(5)
    assert process.process.poll() is None


def test_a_remapped_input_is_named_as_it_is_on_the_graph(runtime):
    process = runtime(remap=['joint_states:=encoders'], graph_timeout=0.5)
    assert process.wait(20) == 2
    assert 'nobody publishes /encoders (sensor_msgs/msg/JointState)' in process.text()
