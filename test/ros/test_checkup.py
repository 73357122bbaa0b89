"""What the doctor checks when a session is activated, and what a person may override by name."""

from __future__ import annotations

import pytest
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot_side import joint_state
from std_msgs.msg import String

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.manifest import decode_manifest

LATCHED = QoSProfile(depth=1, durability=DurabilityPolicy.TRANSIENT_LOCAL)


def fallen() -> bytes:
    return joint_state((0.0, 1.4))


def refusal(process) -> str:
    assert process.wait(30) == 2, process.text()
    assert 'Nothing was started.' in process.text()
    return process.text()


def test_a_robot_that_is_not_where_the_policy_begins_is_refused(robot, runtime):
    side = robot()
    side.state = fallen
    text = refusal(runtime())
    assert 'pole is at 1.4, the policy begins at 0: 1.4 apart, tolerance 0.2' in text
    assert '[start_pose; --override start_pose begins all the same]' in text
    assert side.commands == []


def test_an_override_lets_it_begin_and_is_recorded(robot, runtime, tmp_path):
    side = robot()
    side.state = fallen
    process = runtime(record=tmp_path / 'runs', override_checks="['start_pose', 'limits']")
    side.wait_for_commands(10)
    process.signal(2)
    assert process.wait(10) == 0
    assert 'overridden: sessions.pendulum: start: pole is at 1.4' in process.text()
    (bag,) = (tmp_path / 'runs').iterdir()
    with BagReader(bag) as reader:
        message = next(reader.messages(['/fournex/manifest']))
        manifest = decode_manifest(
            reader.types().decode(message.data, 'fournex_msgs/msg/Manifest')
        )
    assert 'pole is at 1.4' in manifest.environment['overridden.start_pose']
    assert 'overridden.limits' not in manifest.environment, 'nothing failed there'


@pytest.mark.parametrize(
    ('name', 'words'),
    [
        ('start_pos', "'start_pos' is no check. Did you mean start_pose?"),
        ('joint_names', 'joint_names cannot be overridden; these can: gravity, units'),
    ],
)
def test_an_override_that_cannot_be_is_refused(runtime, name, words):
    assert words in refusal(runtime(override_checks=f'[{name}]'))


def test_all_failures_are_told_at_once(robot, runtime):
    side = robot()
    side.node.declare_parameter('joints', ['pole'])  # as a controller has it
    publisher = side.node.create_publisher(String, 'robot_description', LATCHED)
    limit = '<limit lower="-1" upper="1" velocity="1" effort="2"/>'
    publisher.publish(
        String(data=f'<robot><joint name="cart" type="prismatic">{limit}</joint></robot>')
    )
    side.state = fallen
    text = refusal(runtime())
    assert '/robot has joints pole; wired are cart: it lacks cart' in text
    assert 'cart -10 to 10, the robot -2 to 2' in text
    for check in ('start_pose', 'controller_joints', 'limits'):
        assert f'[{check}; --override {check} begins' in text
    assert side.commands == []
