"""A stop before the first command: each topic for itself, in the record and in the replay."""

import numpy as np
import pytest
from ros_messages import make
from tiny_session import CONTRACT, WIRING, Run, edited, make_engine

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.record.manifest import SessionManifest
from fournex_runtime.record.session_replay import SessionReplay
from fournex_runtime.record.tick_record import TICK_TYPE, TickCodec, decode_tick
from fournex_runtime.session.commands import SessionCommands
from fournex_runtime.session.tick import Answer, AnswerKind, Mode, Timing

BOTH = edited(
    CONTRACT, ('- {term: joint_velocity_target, joints: same, clip: [-1.0, 1.0], scale: 2.0}',
               '- {term: joint_position_target, joints: same}\n'
               '    - {term: joint_velocity_target, joints: same}'),
    ('state:\n  h: {shape: [1, 2], input: h_in, output: h_out, initial: zeros, reset: episode}\n',
     ''))  # fmt: skip
WIRED = edited(
    WIRING,
    ('    outputs:\n', '    outputs:\n      joint_position_target:\n        topic: positions\n'
     '        type: std_msgs/msg/Float64MultiArray\n        joints: [a, b]\n'
     '        stop: hold\n'),
    ('    limits:\n', '    limits:\n      joint_position_target: {all: {min: -1, max: 1, rate: '
     'unlimited}}\n'),
)  # fmt: skip
TOPICS, COMMANDS = ('/joint_states', '/reward'), ('/positions', '/commands')
ACTION = Answer(AnswerKind.RESULT, {'action': np.array([[0.5, -0.5, 0.25, -0.25]], np.float32)})
ANGLES = 'std_msgs/msg/Float64MultiArray'
JOINT_STATE = 'sensor_msgs/msg/JointState'
ONE_TOPIC = edited(
    WIRED,
    (f'topic: positions\n        type: {ANGLES}\n        joints: [a, b]\n',
     f'topic: commands\n        type: {JOINT_STATE}\n'),
    (f'topic: commands\n        type: {ANGLES}\n        joints: [b, a]\n',
     f'topic: commands\n        type: {JOINT_STATE}\n'),
)  # fmt: skip


def stopped_run():
    """Return the ticks of a stop before the first command, of an episode, and of its stop."""
    run = Run(make_engine(BOTH, WIRED))
    return [
        run.tick(answer=ACTION),
        run.tick(stop='asked to', answer=ACTION),
        run.tick(run.joints(), answer=ACTION),
        run.tick(run.joints(), episode='one', answer=ACTION),
        run.tick(run.joints(), stop='again', answer=ACTION),
    ]


def values(record, target):
    return messages().decode(record.commands[target], ANGLES).data.tolist()


def test_who_has_a_stop_command_gets_it_and_who_has_none_gets_nothing():
    waiting, *stopped, acting, last = stopped_run()
    assert waiting.commands == ()
    for number, record in enumerate(stopped, 1):
        assert record.mode is Mode.STOPPED
        assert record.commands[0] is None and values(record, 1) == [0.0, 0.0]
        assert record.command_indices == (0, number)
        assert list(record.safe_action) == ['joint_velocity_target']
    assert (values(acting, 0), values(acting, 1)) == ([0.5, -0.5], [-0.25, 0.25])
    assert acting.command_indices == (1, 3)
    assert (values(last, 0), values(last, 1)) == ([0.5, -0.5], [0.0, 0.0])  # now it can hold
    assert last.command_indices == (2, 4)


def test_a_message_of_two_terms_needs_both():
    run = Run(make_engine(BOTH, ONE_TOPIC))
    record = run.tick(stop='asked to')
    assert (record.mode, record.commands, record.safe_action) == (Mode.STOPPED, (), {})


def test_of_a_message_of_both_who_knows_it_alone_holds_the_one_and_stops_the_other():
    engine = make_engine(BOTH, ONE_TOPIC)
    commands = SessionCommands(engine.contract, engine.wiring, messages(), '')
    run = Run(engine)
    (said,) = run.tick(run.joints(), answer=ACTION).commands
    before = messages().decode(said, JOINT_STATE)
    assert (before.position.tolist(), before.velocity.tolist()) == ([0.5, -0.5], [0.25, -0.25])
    (stop,), _, _ = commands.encode(commands.stop(commands.held([said])), 7_000_000_000, (0,))
    after = messages().decode(stop, JOINT_STATE)
    assert (after.position.tolist(), after.velocity.tolist()) == ([0.5, -0.5], [0.0, 0.0])
    assert after.header.stamp.sec == 7


def test_what_cannot_be_read_or_is_not_finite_is_not_held():
    engine = make_engine(BOTH, ONE_TOPIC)
    commands = SessionCommands(engine.contract, engine.wiring, messages(), '')
    nan = make(JOINT_STATE, name=['a', 'b'], position=[0.5, np.nan], velocity=[0.0, 0.0])
    for said in (None, b'garbage', messages().encode(nan, JOINT_STATE)):
        assert commands.stop(commands.held([said])) is None


def test_the_record_names_the_topics_that_got_a_command():
    codec = TickCodec(messages(), 'tiny', TOPICS, COMMANDS)
    record = stopped_run()[1]
    message = messages().decode(codec.encode(record, Timing()), TICK_TYPE)
    assert message.command_topics == ['/commands']
    assert message.command_indices.tolist() == [1]
    assert decode_tick(message, COMMANDS).command_indices == (0, 1)
    assert decode_tick(message).command_indices == (1,)


class Policy:
    """Answers as the run above was answered."""

    description = 'always the same'

    def run(self, inputs, state):
        return ACTION.outputs, {}


@pytest.mark.parametrize('lost', [None, ('/commands', 2)])
def test_it_is_replayed(lost):
    manifest = SessionManifest(
        'tiny', 'tiny@1', '', '', '', BOTH, TOPICS, (), COMMANDS, (), '/tick'
    )
    engine = make_engine(BOTH, WIRED)
    codec = TickCodec(messages(), 'tiny', TOPICS, COMMANDS)
    replay = SessionReplay(manifest, engine, Policy(), messages())
    run = Run(make_engine(BOTH, WIRED))
    for options in ({'stop': 's'}, {}, {'episode': 'one'}, {'stop': 's'}, {}):
        joints = run.joints()
        record = run.tick(joints, answer=ACTION, **options)
        replay.take('/joint_states', record.tick + 1, joints[0])
        for topic, number, data in zip(COMMANDS, record.command_indices, record.commands):
            if data is not None and (topic, number) != lost:
                replay.take(topic, number, data)
        replay.take('/tick', record.tick, codec.encode(record, Timing()))
    replay.finish()
    if lost is None:
        assert replay.result.all_equal, replay.result.first_difference
    else:
        assert replay.result.commands.unverifiable == 1
        assert replay.result.first_difference == 'tick 1: command 2 on /commands is not there'
