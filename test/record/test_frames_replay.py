"""A session with frames is re-run to the bit from the transforms in the bag."""

import dataclasses

import numpy as np
import pytest
from ros_messages import POSE, cdr, header, pose
from tf_messages import tf, yaw
from tiny_session import PERIOD_NS, make_engine

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.told_transforms import TF_TYPE
from fournex_runtime.record.manifest import SessionManifest
from fournex_runtime.record.selection import ALL_TICKS
from fournex_runtime.record.session_comparison import SessionComparison
from fournex_runtime.record.session_replay import SessionReplay
from fournex_runtime.record.tick_record import TickCodec
from fournex_runtime.session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    Mode,
    Received,
    TickInputs,
    Timing,
)

CONTRACT = """\
name: tiny
version: 1
period: 20 ms
inputs: {obs: [{term: goal_pose, layout: position+quaternion_xyzw}]}
outputs: {action: [{term: joint_velocity_target, joints: [a, b]}]}
artifact: {file: policy.onnx, sha256: '%s', backend: onnx}
""" % ('0' * 64)
WIRING = """\
robot: tiny
sessions:
  tiny:
    policy: bundle
    inputs:
      goal_pose:
        goal: {topic: goal, type: geometry_msgs/msg/PoseStamped, budget: forever}
        base: {frame: base}
    outputs:
      joint_velocity_target:
        topic: commands
        type: std_msgs/msg/Float64MultiArray
        joints: [b, a]
        stop: zero
    limits: {joint_velocity_target: {all: {min: -1.5, max: 1.5, rate: unlimited}}}
    reactions: {default: hold 1 s then stop}
    frames: {budget: 100 ms}
"""
TICKS = 40
TOPICS = ('/goal', '/tf', '/tf_static')
MANIFEST = SessionManifest(
    'tiny', 'tiny@1', '', '', '', CONTRACT, TOPICS, (), ('/commands',), (), '/tick'
)


class Policy:
    """A policy that is a formula of what it sees."""

    description = 'a formula'

    def run(self, inputs, state):
        return {'action': inputs['obs'][:, :2] * np.float32(0.1)}, {}


def told(tick, now_ns):
    """Return what a tick is told: two odometries, at times none, and at first the fixed frames."""
    if tick == 0:
        fixed = tf(('odom', 'map', (1.0, -2.0, 0.0), yaw(0.4)))
        return [[cdr(POSE, header=header(0, 'map'), pose=pose((3.0, 1.0, 0.0)))], [], [fixed]]
    moving = [
        tf(
            ('odom', 'base', (0.01 * (2 * tick + half), 0.1, 0.0), yaw(0.02 * tick)),
            stamp_ns=now_ns,
        )
        for half in (0, 1)
    ]
    return [[], [] if 20 <= tick < 28 else moving, []]


def recorded(missing=(), lost_ticks=()):
    """Yield what a bag would hold, as topic, number and bytes, without some messages."""
    engine, policy = make_engine(CONTRACT, WIRING), Policy()
    state, codec = engine.initial_state(), TickCodec(messages(), 'tiny', TOPICS, ('/commands',))
    counts, modes = dict.fromkeys(TOPICS, 0), []
    for tick in range(TICKS):
        now_ns = 1_000_000_000 + tick * PERIOD_NS
        taken = []
        for topic, given in zip(TOPICS, told(tick, now_ns)):
            received = []
            for age, data in zip(range(len(given), 0, -1), given):
                counts[topic] += 1
                received.append(Received(counts[topic], now_ns - age * 1_000_000, data))
                if (topic, counts[topic]) not in missing:
                    yield topic, counts[topic], data
            taken.append(tuple(received))
        start = EpisodeStart('one', 1) if tick in (0, 1) else None
        inputs = TickInputs(tuple(taken), now_ns, now_ns, now_ns, start)
        request = engine.observe(inputs, state)
        answer = Answer(AnswerKind.NONE)
        if request.observation is not None:
            answer = Answer(AnswerKind.RESULT, *policy.run(request.observation.inputs, {}))
        record, state = engine.conclude(request, answer, state)
        modes.append(record.mode)
        for data, index in zip(record.commands, record.command_indices):
            yield '/commands', index, data
        if tick not in lost_ticks:
            yield '/tick', tick, codec.encode(record, Timing())
    assert modes[1:24] == [Mode.POLICY] * 23 and Mode.FALLBACK in modes[24:28]
    assert modes[28:] == [Mode.POLICY] * (TICKS - 28)


def replayed(**options):
    replay = SessionReplay(MANIFEST, make_engine(CONTRACT, WIRING), Policy(), messages())
    for topic, number, data in recorded(**options):
        replay.take(topic, number, data)
    replay.finish()
    return replay.result


def test_every_tick_is_equal_while_frames_move_grow_old_and_come_back():
    result = replayed()
    assert result.ticks == TICKS and result.all_equal, result.first_difference


@pytest.mark.parametrize(
    ('missing', 'unverifiable'),
    [
        (('/tf', 11), 6),  # for as long as its link could have been used: the budget
        (('/tf', 12), 6),
        (('/tf_static', 1), TICKS),  # its links hold for ever
    ],
)
def test_what_followed_from_a_transform_that_is_not_there_is_unverifiable(missing, unverifiable):
    result = replayed(missing=(missing,))
    assert result.observations.unequal == result.safe_actions.unequal == 0
    assert result.observations.unverifiable == unverifiable
    assert f'message {missing[1]} of {missing[0]} is not there' in result.first_difference


def test_ticks_that_are_not_there_make_those_after_them_unverifiable_and_none_unequal():
    result = replayed(lost_ticks=(18, 19))
    assert [count.unequal for count in result.stages.values()] == [0] * 4, result.first_difference
    assert 2 <= result.observations.unverifiable <= 9


@pytest.mark.parametrize(('missing', 'unknown'), [((), 0), ((('/tf', 11),), 6)])
def test_another_wiring_is_compared_with_the_frames_of_the_bag(missing, unknown):
    types = ('geometry_msgs/msg/PoseStamped', TF_TYPE, TF_TYPE)
    halved = make_engine(CONTRACT, WIRING.replace('max: 1.5', 'max: 0.05'))
    comparison = SessionComparison(
        dataclasses.replace(MANIFEST, input_types=types),
        make_engine(CONTRACT, WIRING),
        halved,
        Policy(),
        {},
        messages(),
        ALL_TICKS,
    )
    for topic, number, data in recorded(missing=missing):
        comparison.take(topic, number, data)
    result = comparison.result
    assert (result.ticks, result.unknown, result.refused) == (TICKS, unknown, 0)
    assert max(result.values[0].other) == 0.05 < max(result.values[0].recorded)
