"""Who commands a robot beside its policy, over DDS: operators, a stop topic, a second policy."""

from __future__ import annotations

import shutil

from rclpy.qos import QoSProfile
from robot_side import JOINT_STATE, joint_state
from std_msgs.msg import Bool, Float64MultiArray
from tiny_session import edited

from fournex_msgs.msg import SessionEvent, SessionStatus
from fournex_msgs.srv import ResetEpisode, UsePolicy
from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.replay import verify
from fournex_runtime.record.tick_record import TICK_TYPE, decode_tick
from fournex_runtime.ros.graph import message_class
from fournex_runtime.session.tick import Mode

KEYS = """\
      return: {after: 100 ms}
    overrides:
      joystick: {topic: joy, priority: 1, timeout: 300 ms}
    stop_topics:
      button: {topic: e_stop, timeout: forever}
    soft_start: 200 ms
    fallback:
      calm:
        policy: CALM
        inputs:
          joint_position: {topic: spare_states, type: sensor_msgs/msg/JointState, budget: 1 s}
        inference: {isolation: inline}
    reward:"""


def leaning() -> bytes:
    return joint_state((0.0, 0.05))


def test_they_take_over_and_give_back_and_all_of_it_is_replayed(
    robot, runtime, wiring_file, checkout, tmp_path
):
    calm = shutil.copytree(checkout / 'examples/pendulum/bundle', tmp_path / 'calm')
    text = (calm / 'policy.yaml').read_text()
    (calm / 'policy.yaml').write_text(edited(text, ('name: pendulum-balance', 'name: calm')))
    seal_bundle(calm)
    file = wiring_file(
        ('stale: hold 60 ms then stop', 'stale: hold 40 ms then policy calm then stop'),
        ('    reward:', KEYS.replace('CALM', str(calm))),
    )
    side = robot()
    side.state = leaning
    qos = QoSProfile(depth=10)
    joy = side.node.create_publisher(Float64MultiArray, 'joy', qos)
    button = side.node.create_publisher(Bool, 'e_stop', qos)
    spare = side.node.create_publisher(message_class(JOINT_STATE), 'spare_states', qos)
    timer = side.node.create_timer(0.02, lambda: spare.publish(leaning()))
    process = runtime(file, record=tmp_path / 'runs')
    side.wait_for_commands(20)

    side.state = lambda: None  # the first policy sees nothing any more
    process.wait_for('pendulum: fallback: stale')
    side.wait_for_commands(10)
    assert side.commands[-1].values != (0.0,)
    side.state = leaning
    side.wait(lambda: _modes(process)[-1] == 'policy', what='the first policy acts again')

    def steer() -> None:
        joy.publish(Float64MultiArray(data=[99.0]))

    steering = side.node.create_timer(0.05, steer)
    process.wait_for('pendulum: manual: joystick: joy')
    side.wait(lambda: side.commands[-1].values == (10.0,), what='his command within the limits')
    side.node.destroy_timer(steering)
    side.wait(lambda: _modes(process)[-1] == 'policy', what='he has given back')

    _swaps(side, process)

    button.publish(Bool(data=True))
    process.wait_for('pendulum: stopped: button: e_stop asks for a stop')
    side.wait(lambda: side.commands[-1].values == (0.0,), what='the stop command')
    side.call(ResetEpisode, '/fournex/reset_episode', ResetEpisode.Request())
    side.wait_for_commands(5)
    assert {one.values for one in side.commands[-2:]} == {(0.0,)}  # it still asks for a stop
    button.publish(Bool(data=False))
    side.wait_for_commands(3)
    side.call(ResetEpisode, '/fournex/reset_episode', ResetEpisode.Request())
    side.wait(lambda: _modes(process)[-1] == 'policy', what='the policy acts again')
    side.wait_for_commands(5)
    side.node.destroy_timer(timer)
    process.signal(2)
    assert process.wait(10) == 0

    (bag,) = (tmp_path / 'runs').iterdir()
    records = _ticks(bag)
    assert {one.mode for one in records} == set(Mode) - {Mode.STANDBY}
    acted = {(one.policy, one.chosen) for one in records if one.mode is Mode.POLICY}
    assert acted == {('pendulum-balance@1', ''), ('calm@1', 'calm')}
    acted = [one for one in records if one.policy == 'calm@1' and not one.chosen]
    assert acted and all(one.mode is Mode.FALLBACK and one.raw_action for one in acted)
    (verification,) = verify(bag)
    assert verification.all_equal, verification


def _swaps(side, process) -> None:
    """Let the second policy act, and the session's own again, while the robot is driven."""

    def use(policy: str, cause: str = '') -> UsePolicy.Response:
        request = UsePolicy.Request(policy=policy, cause=cause)
        return side.call(UsePolicy, '/fournex/use_policy', request)

    status, events = [], []
    side.node.create_subscription(SessionStatus, '/fournex/pendulum/status', status.append, 5)
    side.node.create_subscription(SessionEvent, '/fournex/pendulum/event', events.append, 20)
    refused = use('clam')
    assert not refused.success
    assert refused.message == (
        "session pendulum has no policy 'clam'; expected calm, or nothing, for its own policy "
        'pendulum-balance@1. Did you mean calm?'
    )
    answer = use('calm', 'a person')
    assert (answer.success, answer.message) == (True, 'calm@1 acts from the next tick on')
    process.wait_for('calm@1 is chosen in place of pendulum-balance@1: a person')
    state, side.state = side.state, lambda: None  # which its own could not do without
    side.wait_for_commands(20)
    side.wait(lambda: status and status[-1].acting == 'calm@1', what='the status')
    assert (status[-1].mode, status[-1].chosen) == (Mode.POLICY, 'calm')
    assert status[-1].policy == 'pendulum-balance@1'
    side.state = state
    side.wait_for_commands(3)
    assert use('').message == 'pendulum-balance@1 acts from the next tick on'
    process.wait_for('pendulum-balance@1 is chosen in place of calm@1')
    chosen = [one for one in events if one.kind == SessionEvent.POLICY_CHOSEN]
    assert {entry.key: entry.value for entry in chosen[0].values} == {
        'chosen': 'calm', 'policy': 'calm@1', 'before': 'pendulum-balance@1', 'cause': 'a person',
    }  # fmt: skip


def _modes(process) -> list[str]:
    lines = [line for line in process.text().splitlines() if 'pendulum: ' in line]
    return [line.split('pendulum: ')[1].split(':')[0] for line in lines]


def _ticks(bag):
    with BagReader(bag) as reader:
        types = reader.types()
        topics = [one.topic for one in reader.channels if one.type == TICK_TYPE]
        return [decode_tick(types.decode(one.data, TICK_TYPE)) for one in reader.messages(topics)]
