"""A session with frames: transforms are folded into its state, and their faults are its faults."""

import dataclasses

import pytest
from framed_session import CONTRACT, FRAMED
from ros_messages import POSE, cdr, header, pose
from tf_messages import UPRIGHT, tf
from tiny_session import MS, PERIOD_NS, WIRING, Run, edited, make_engine, result

from fournex_runtime.configuration import FOREVER_NS
from fournex_runtime.errors import WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.pipeline.ports import FramePort, Qos
from fournex_runtime.pipeline.told_transforms import TF_TYPE
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Mode, Received, TickInputs

GOAL, REWARD, TF, STATIC = range(4)


def goal_at(x, y, frame='map'):
    return cdr(POSE, header=header(0, frame), pose=pose((x, y, 0.0)))


def odom(x, y=0.0):
    return tf(('odom', 'base', (x, y, 0.0), UPRIGHT))


MAP = tf(('map', 'odom', (10.0, 0.0, 0.0), UPRIGHT))


@pytest.fixture
def run():
    return Run(make_engine(CONTRACT, FRAMED))


def tick(run, goal=(), moving=(), static=(), **more):
    return run.tick(list(goal), [], list(moving), list(static), **more)


def seen(record):
    return record.observation['obs'][0].tolist()


def test_the_wiring_names_both_topics_and_the_port_that_is_a_frame(run):
    wiring = run.engine.wiring
    assert [source.topic for source in wiring.sources] == ['goal', 'reward', '/tf', '/tf_static']
    assert wiring.sources[TF].type == wiring.sources[STATIC].type == TF_TYPE
    assert wiring.sources[STATIC].qos == Qos('reliable', 'transient_local', 100)
    assert wiring.frame_ports == (FramePort('goal_relative', 'base', 'base'),)
    assert wiring.tf_sources == (TF, STATIC)


def test_every_transform_of_a_tick_counts_and_stays(run):
    first = tick(run, [goal_at(12.0, 3.0)], [odom(1.0), odom(2.0, 1.0)], [MAP], episode='one')
    assert first.mode is Mode.POLICY and seen(first) == [0.0, 2.0]
    assert seen(tick(run, [], [odom(1.0, 1.0)])) == [1.0, 2.0]
    assert seen(run.tick()) == [1.0, 2.0]


def test_a_transform_grows_old_and_the_session_with_it_until_the_next_one(run):
    tick(run, [goal_at(12.0, 3.0)], [odom(1.0)], [MAP], episode='one')
    for _ in range(5):
        assert run.tick().mode is Mode.POLICY
    old = run.tick()
    assert old.mode is Mode.FALLBACK
    assert old.cause == (
        "stale: goal_relative: the goal is in frame 'map', the base in 'base': the transform "
        'odom → base is 120 ms old, budget 100 ms'
    )
    assert tick(run, [], [odom(2.0)]).mode is Mode.POLICY


def test_a_frame_that_is_not_there_is_invalid_and_an_undecodable_tf_too(run):
    record = tick(run, [goal_at(1.0, 1.0)], [odom(1.0)], episode='one')
    assert (record.mode, record.cause) == (
        Mode.STOPPED,
        "invalid: goal_relative: the goal is in frame 'map', the base in 'base': tf has no frame "
        "'map'. It has odom → base",
    )
    record = tick(run, [], [odom(1.0), b'garbage'], [MAP], episode='two')
    assert record.mode is Mode.STOPPED
    assert record.cause.startswith('invalid: /tf: 7 bytes are not a tf2_msgs/msg/TFMessage')
    assert tick(run, [], [odom(1.0)], episode='three').mode is Mode.POLICY


def test_the_tree_outlives_an_episode_and_a_stop(run):
    tick(run, [goal_at(12.0, 3.0)], [odom(1.0)], [MAP], episode='one')
    run.tick(stop='operator')
    tick(run, [], [odom(2.0)])
    assert seen(run.tick(episode='two')) == [0.0, 3.0]


def test_age_counts_from_the_newest_message_of_its_tick_as_a_record_has_it(run):
    received = [Received(1, run.now_ns - 90 * MS, odom(1.0)), Received(2, run.now_ns, MAP)]
    goal = Received(1, run.now_ns, goal_at(12.0, 3.0))
    inputs = TickInputs(((goal,), (), tuple(received), ()), *[run.now_ns] * 3)
    links = run.engine.observe(inputs, run.state).frames.links
    assert {child: link.arrival_ns for child, link in links.items()} == {
        'base': run.now_ns,
        'odom': run.now_ns,
    }


def test_observing_changes_nothing_that_it_was_given(run):
    tick(run, [goal_at(12.0, 3.0)], [odom(1.0)], [MAP], episode='one')
    state, before = run.state, dict(run.state.frames.links)
    tick(run, [], [odom(5.0)], [MAP])
    assert state.frames.links == before
    assert run.state.frames.links['base'].transform().translation.x == 5.0


def test_two_robots_from_one_contract_by_prefix():
    run = Run(make_engine(CONTRACT, FRAMED, frame_prefix='r2/'))
    both = [
        tf(
            ('map', 'r1/base', (1.0, 0.0, 0.0), UPRIGHT),
            ('map', 'r2/base', (2.0, 0.0, 0.0), UPRIGHT),
        )
    ]
    assert seen(tick(run, [goal_at(5.0, 0.0)], both, episode='one')) == [3.0, 0.0]


def test_what_is_not_resolved_yet_is_told_for_the_messages_that_have_come(run):
    def unresolved(*messages):
        received = tuple((Received(1, run.now_ns, one),) if one else () for one in messages)
        return run.engine.unresolved(TickInputs(received, *[run.now_ns] * 3))

    assert unresolved(None, None, None, None) == ()
    (words,) = unresolved(goal_at(1.0, 1.0), None, odom(1.0), None)
    assert words.endswith("tf has no frame 'map'. It has odom → base")
    assert unresolved(goal_at(1.0, 1.0), None, odom(1.0), MAP) == ()


def test_old_transforms_without_end(run):
    frames = dataclasses.replace(run.engine.wiring.frames, budget_ns=FOREVER_NS)
    wiring = dataclasses.replace(run.engine.wiring, frames=frames)
    forever = Run(Engine(run.engine.bundle, wiring, messages()))
    tick(forever, [goal_at(12.0, 3.0)], [odom(1.0)], [MAP], episode='one')
    forever.now_ns += 1000 * PERIOD_NS
    assert forever.tick(answer=result(0.0, 0.0)).mode is Mode.POLICY


@pytest.mark.parametrize(
    ('changes', 'words'),
    [
        (
            [('    frames: {budget: 100 ms}\n', '')],
            'frames: is missing: goal_relative.base is a frame to be looked up; expected {budget',
        ),
        ([('{budget: 100 ms}', '{}')], 'frames: budget is missing'),
        ([('{budget: 100 ms}', '{budget: 100 ms, tf_topic: x}')], 'tf_topic: unknown key.'),
        (
            [('{budget: 100 ms}', '{budget: 100 ms, tf: /tf_static}')],
            'frames.tf_static: /tf_static is wired with another qos before',
        ),
        (
            [('{budget: 100 ms}', '{budget: 100 ms, tf: goal}')],
            'frames.tf: goal is wired as geometry_msgs/msg/PoseStamped before and as tf2_msgs',
        ),
        ([('{frame: base}', '{frame: base, in: map}')], 'base.in: unknown key.'),
        ([('{frame: base}', '{frame: base, budget: 50 ms}')], 'base.budget: unknown key.'),
    ],
)
def test_refusals(changes, words):
    with pytest.raises(WiringError) as refusal:
        make_engine(CONTRACT, edited(FRAMED, *changes))
    assert words in str(refusal.value)


def test_a_frame_stands_for_poses_only_and_some_need_another_to_be_seen_in():
    port = '{topic: joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}'
    with pytest.raises(WiringError, match='a joint_position is no pose; a frame can stand for a'):
        make_engine(wiring=edited(WIRING, (port, '{frame: base}')))
    height = edited(CONTRACT, ('{term: goal_relative, layout: xy}', '{term: base_height}'))
    start, end = FRAMED.index('      goal_rel'), FRAMED.index('    outputs:')
    wired = FRAMED[:start] + '      base_height: {frame: base, in: map}\n' + FRAMED[end:]
    with pytest.raises(WiringError, match='base_height: in is missing: expected the frame to see'):
        make_engine(height, edited(wired, (', in: map', '')))
    run = Run(make_engine(height, wired))
    up = [tf(('map', 'base', (0.0, 0.0, 0.5), UPRIGHT))]
    assert run.tick([], up, episode='one').observation['obs'].tolist() == [[0.5]]
