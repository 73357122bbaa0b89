"""Terms read out of the bytes of messages against the same terms read from message objects."""

import math

import numpy as np
import pytest
from both_ways import outcome, plain
from ros_messages import IMU, JOINT_STATE, ODOMETRY, POSE, SCAN, header, make, pose
from tf_messages import transforms

from fournex_runtime.pipeline.messages import Messages, messages
from fournex_runtime.pipeline.newest_messages import NewestMessages, SourceDecoder
from fournex_runtime.pipeline.observation import LastAction, ObservationPipeline
from fournex_runtime.pipeline.ports import Port, Source
from fournex_runtime.pipeline.told_transforms import told
from fournex_runtime.pipeline.transforms import FrameTree, TickFrames
from fournex_runtime.policy.contract import parse_contract

CONTRACT = f"""\
name: everything
version: 1
period: 10 ms
inputs:
  obs:
    dtype: float64
    terms:
      - {{term: joint_position, joints: [a, b, c], unit: rad, scale: 0.5}}
      - {{term: joint_velocity, joints: same, unit: rad/s, clip: [-1.0, 1.0]}}
      - {{term: range_scan, unit: m, sectors: 12, angle_min: -2.0, angle_max: 2.0, range_max: 6.0}}
      - {{term: projected_gravity}}
      - {{term: base_angular_velocity, frame: base}}
      - {{term: orientation, layout: roll_pitch_yaw}}
      - {{term: orientation, name: rows, layout: rotation_6d_rows}}
      - {{term: base_linear_velocity, frame: base}}
      - {{term: target_pose, name: in_map, layout: position+quaternion_xyzw, frame: map,
         unit: m}}
      - {{term: target_pose, name: as_told, layout: position, frame: odom}}
      - {{term: goal_relative, layout: polar}}
      - {{term: goal_pose, layout: position+quaternion_xyzw}}
outputs: {{action: [{{term: value, size: 1}}]}}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
"""
WIRED = {
    ('joint_position', ''): (0, {'field': 'position'}),
    ('joint_velocity', ''): (0, {'field': 'velocity', 'unit': 'deg/s'}),
    ('range_scan', ''): (1, {}),
    ('projected_gravity', ''): (2, {}),
    ('base_angular_velocity', ''): (2, {}),
    ('orientation', ''): (2, {}),
    ('rows', ''): (3, {'fields': tuple((f'q{v}', f'pose.pose.orientation.{v}') for v in 'xyzw')}),
    ('base_linear_velocity', ''): (3, {}),
    ('in_map', ''): (4, {}),
    ('as_told', ''): (3, {'field': 'pose.pose'}),
    ('goal_relative', 'goal'): (4, {}),
    ('goal_relative', 'base'): (3, {}),
    ('goal_pose', 'goal'): (4, {}),
    ('goal_pose', 'base'): (3, {}),
}  # fmt: skip
TYPES = (JOINT_STATE, SCAN, IMU, ODOMETRY, POSE)
NOTHING = LastAction(np.zeros(1), np.zeros(1))


def pipeline():
    """Return the pipeline of the contract, which remembers nothing yet."""
    ports = [
        Port(**{'term': term, 'port': port, 'source': source, 'field': '', 'joints': (),
                'budget_ns': 1, **more})
        for (term, port), (source, more) in WIRED.items()
    ]  # fmt: skip
    sources = [Source(f'topic_{index}', kind) for index, kind in enumerate(TYPES)]
    return ObservationPipeline(parse_contract(CONTRACT), sources, ports, messages(), None)


class Robot:
    """
    Makes messages of random numbers; now and then of what is out of the ordinary.

    :param seed: of the numbers.
    :param odd: how often something is.
    """

    def __init__(self, seed, odd):
        self.random = np.random.default_rng(seed)
        self.odd = odd

    def now_and_then(self):
        return self.random.random() < self.odd

    def numbers(self, count):
        found = self.random.normal(size=count)
        if self.now_and_then():
            found[self.random.integers(count)] = self.random.choice([np.nan, np.inf, -np.inf])
        return found.tolist()

    def quaternion(self):
        found = self.random.normal(size=4)
        if self.now_and_then():
            return tuple(found.tolist())  # no rotation
        return tuple((found / math.sqrt((found * found).sum())).tolist())

    def frame(self, usual, *others):
        return str(self.random.choice(others)) if self.now_and_then() else usual

    def joint_state(self):
        names = (
            list(self.random.permutation(list('abcd'))) if self.now_and_then() else list('dcab')
        )
        names = names[: -1 if self.now_and_then() else None]
        names = [str(one) for one in names]
        size = len(names) - self.now_and_then()
        numbers = {name: self.numbers(size) for name in ('position', 'velocity')}
        return make(JOINT_STATE, header=header(1, ''), name=names, **numbers)

    def scan(self):
        beams = 40 if self.now_and_then() else 90
        ranges = np.abs(self.random.normal(3.0, 2.0, beams)).astype(np.float32)
        if self.now_and_then():
            ranges[self.random.integers(beams)] = self.random.choice([np.nan, np.inf])
        first = -1.0 if self.now_and_then() else -2.0
        step = np.float32(4.0 / (beams - 1))
        return make(SCAN, header=header(2, 'laser'), angle_min=first, angle_increment=float(step),
                    ranges=ranges)  # fmt: skip

    def imu(self):
        frame = self.frame('imu', 'base', 'nowhere')
        turn = dict(zip('xyzw', self.quaternion()))
        speed = dict(zip('xyz', self.numbers(3)))
        return make(IMU, header=header(3, frame), orientation=turn, angular_velocity=speed)

    def odometry(self):
        there = {'pose': pose(self.numbers(3), self.quaternion())}
        twist = {part: dict(zip('xyz', self.numbers(3))) for part in ('linear', 'angular')}
        child = self.frame('imu', 'base', 'camera')
        return make(ODOMETRY, header=header(4, self.frame('odom', 'map')), child_frame_id=child,
                    pose=there, twist={'twist': twist})  # fmt: skip

    def target(self):
        frame = self.frame('odom', 'map', 'camera')
        return make(POSE, header=header(5, frame), pose=pose(self.numbers(3), self.quaternion()))

    def message(self, source):
        """Return the bytes of a new message of a source."""
        parts = (self.joint_state, self.scan, self.imu, self.odometry, self.target)
        little = not self.now_and_then()
        made = messages().typestore.serialize_cdr(
            parts[source](), TYPES[source], little_endian=little
        )
        return bytes(made)

    def frames(self):
        """Return map → odom → base, which move, and base → imu, which does not."""
        moving = transforms(
            ('map', 'odom', tuple(self.random.normal(size=3).tolist()), self.quaternion()),
            ('odom', 'base', (0.1, 0.2, 0.3), (0.0, 0.0, 0.6, 0.8)),
        )
        fixed = transforms(('base', 'imu', (0.3, 0.1, -0.2), (0.6, 0.0, 0.0, 0.8)))
        tree = FrameTree().updated(told(moving), 1, False).updated(told(fixed), 0, True)
        return TickFrames(tree, 1, 1, 10)


@pytest.mark.parametrize('odd', [0.0, 0.01, 0.05])
def test_the_bits_and_the_words_of_bytes_are_those_of_objects(odd):
    robot, of_bytes = Robot(7, odd), pipeline()
    decoders = [SourceDecoder(messages(), kind) for kind in TYPES]
    data, whole = [robot.message(source) for source in range(len(TYPES))], 0
    for tick in range(120):
        for source in range(len(TYPES)):
            if robot.random.random() < 0.6:  # else the one before is still the newest
                data[source] = robot.message(source)
        frames = robot.frames()
        objects = [messages().decode(one, kind) for one, kind in zip(data, TYPES)]
        more = (NOTHING, {}, tick, frames)
        expected = plain(outcome(pipeline(), objects, *more))
        newest = NewestMessages(decoders, list(data))
        assert plain(outcome(of_bytes, newest, *more)) == expected
        whole += isinstance(expected, list)
    assert whole == 120 if odd == 0.0 else 10 < whole < 120


class CountedMessages(Messages):
    """Message types that count what they decode."""

    decoded = 0

    def decode(self, data, name):
        """Return the message; see the base."""
        self.decoded += 1
        return super().decode(data, name)


def test_messages_that_are_laid_out_alike_become_no_objects():
    robot, types, of_bytes = Robot(8, 0.0), CountedMessages(), pipeline()
    decoders = [SourceDecoder(types, kind) for kind in TYPES]
    for tick in range(20):
        data = [robot.message(source) for source in range(len(TYPES))]
        built = outcome(
            of_bytes, NewestMessages(decoders, data), NOTHING, {}, tick, robot.frames()
        )
        assert built.inputs['obs'].shape == (1, 56), built
    assert types.decoded == len(TYPES)
