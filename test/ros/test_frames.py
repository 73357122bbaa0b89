"""Frames over DDS: transforms that robots publish are found, waited for, recorded and replayed."""

from __future__ import annotations

import importlib.util
import signal
import sys
import time

import pytest
import rclpy.qos
from linear_bundle import write_linear
from ros_messages import POSE, cdr, header, pose
from tf_messages import UPRIGHT, tf

from fournex_runtime.errors import GraphError
from fournex_runtime.pipeline.told_transforms import TF_TYPE
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.ros.graph import message_class

needs_tf2_msgs = pytest.mark.skipif(
    importlib.util.find_spec('tf2_msgs') is None,
    reason='needs the package tf2_msgs, which comes with apt ROS and not from PyPI',
)
CONTRACT = """\
name: reach
version: 1
period: 20 ms
inputs: {{obs: [{{term: target_pose, layout: position, frame: base}}]}}
outputs: {{actions: [{{term: joint_effort_target, joints: [cart]}}]}}
artifact: {{file: policy.onnx, sha256: {sha256}, backend: onnx}}
"""
WIRING = """\
robot: reacher
sessions:
  reach:
    policy: bundle
    inputs:
      target_pose: {topic: target, type: geometry_msgs/msg/PoseStamped, budget: 1 s}
    outputs:
      joint_effort_target:
        topic: effort_controller/commands
        type: std_msgs/msg/Float64MultiArray
        joints: [cart]
        stop: zero
    limits: {joint_effort_target: {all: {min: -10, max: 10, rate: unlimited}}}
    reactions: {default: stop}
    frames: {budget: 1 s}
"""
STATIC = rclpy.qos.QoSProfile(depth=1, durability=rclpy.qos.DurabilityPolicy.TRANSIENT_LOCAL)


@pytest.fixture
def reach(tmp_path, runtime):
    """Return a function that starts the runtime with a policy: its action is the target's x."""
    wiring = write_linear(tmp_path, 3, CONTRACT, WIRING)
    return lambda **options: runtime(wiring, **options)


class Frames:
    """A robot whose target is at (5, 0, 0) of the map, and that is at x = 2 of the odometry."""

    def __init__(self, side, prefix='', tf_topic='/tf'):
        self.side, self.prefix = side, prefix
        self.moves = False
        self._target = side.node.create_publisher(message_class(POSE), 'target', 10)
        self._moving = side.node.create_publisher(message_class(TF_TYPE), tf_topic, 10)
        self._static = side.node.create_publisher(
            message_class(TF_TYPE), f'{tf_topic}_static', STATIC
        )
        side.node.create_timer(0.02, self._publish)

    def say_static(self, x=1.0):
        self._static.publish(tf((f'{self.prefix}map', f'{self.prefix}odom', (x, 0, 0), UPRIGHT)))

    def _publish(self):
        frame, now_ns = f'{self.prefix}map', time.time_ns()
        self._target.publish(cdr(POSE, header=header(now_ns, frame), pose=pose((5.0, 0.0, 0.0))))
        if self.moves:
            link = (f'{self.prefix}odom', f'{self.prefix}base', (2.0, 0.0, 0.0), UPRIGHT)
            self._moving.publish(tf(link, stamp_ns=now_ns))


def ended(process):
    process.signal(signal.SIGINT)
    assert process.wait(10) == 0
    return process.text()


@needs_tf2_msgs
def test_frames_said_once_long_before_and_frames_that_move_are_replayed(robot, reach, tmp_path):
    frames = Frames(robot(rate_hz=0))
    frames.moves = True
    frames.say_static()
    time.sleep(0.5)
    process = reach(record=tmp_path / 'bags')
    frames.side.wait_for_commands(30)
    assert frames.side.commands[-1].values == (2.0,)
    frames.say_static(x=-1.0)
    frames.side.wait(lambda: frames.side.commands[-1].values == (4.0,), what='the moved frame')
    ended(process)
    (bag,) = (tmp_path / 'bags').iterdir()
    with BagReader(bag) as reader:
        assert reader.counts['/tf'] > 20 and reader.counts['/tf_static'] == 2
    (verification,) = verify(bag)
    assert verification.ticks > 30 and verification.all_equal, verification


@needs_tf2_msgs
def test_activation_waits_for_frames_and_stops_when_they_grow_old(robot, reach):
    frames = Frames(robot(rate_hz=0))
    process = reach()
    time.sleep(2.5)
    assert frames.side.commands == [] and process.process.poll() is None
    frames.say_static()
    frames.moves = True
    frames.side.wait_for_commands(5)
    frames.moves = False
    frames.side.wait(lambda: frames.side.commands[-1].values == (0.0,), what='the stop command')
    assert 'the transform odom → base is' in ended(process)


@needs_tf2_msgs
def test_frames_that_stay_away_refuse_activation_and_are_named(robot, reach):
    frames = Frames(robot(rate_hz=0))
    frames.say_static()
    process = reach(graph_timeout=4.0)
    assert process.wait(30) == 2
    assert frames.side.commands == []
    words = (
        "target_pose: the pose is in frame 'map', the contract wants 'base': tf has no frame "
        "'base'. It has map → odom"
    )
    assert words in process.text()


@needs_tf2_msgs
def test_two_robots_share_tf_by_their_prefixes(robot, reach):
    sides = {name: Frames(robot(namespace=name, rate_hz=0), f'{name}/') for name in ('r1', 'r2')}
    started = []
    for x, (name, frames) in enumerate(sides.items()):
        frames.say_static(x=float(x))
        frames.moves = True
        started.append(reach(name=name, remap=[f'__ns:=/{name}'], frame_prefix=f'{name}/'))
    for x, frames in enumerate(sides.values()):
        frames.side.wait_for_commands(10)
        assert frames.side.commands[-1].values == (3.0 - x,), started[x].text()


@needs_tf2_msgs
def test_tf_of_a_namespace_by_remapping(robot, reach):
    frames = Frames(robot(namespace='r1', rate_hz=0), tf_topic='tf')
    frames.say_static()
    frames.moves = True
    reach(remap=['__ns:=/r1', '/tf:=tf', '/tf_static:=tf_static'])
    frames.side.wait_for_commands(10)
    assert frames.side.commands[-1].values == (2.0,)


def test_without_tf2_msgs_a_wiring_with_frames_is_refused_before_anything(monkeypatch):
    monkeypatch.setitem(sys.modules, 'tf2_msgs.msg', None)
    monkeypatch.setenv('ROS_DISTRO', 'jazzy')
    with pytest.raises(GraphError, match='or sudo apt install ros-jazzy-tf2-msgs'):
        message_class(TF_TYPE)
