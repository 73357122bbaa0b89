"""What a check makes of readings that no simulated robot gives: surveys made up, no ROS."""

from __future__ import annotations

import dataclasses
import math
import pathlib

import numpy as np
import pytest
from linear_policy import LinearPolicy
from ros_messages import FLOAT64, IMU, cdr, joint_state
from tiny_session import CONTRACT, WIRING, edited, make_bundle

from fournex_runtime.doctor.examination import examine
from fournex_runtime.doctor.finding import Finding, Level
from fournex_runtime.doctor.survey import (
    Case,
    Clock,
    Controller,
    Endpoint,
    JointReading,
    Sample,
    Survey,
    Topic,
    second_name,
)
from fournex_runtime.doctor.tick_time import measure_tick
from fournex_runtime.errors import MessageError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.onnx_backend import OnnxBackend
from fournex_runtime.safety.urdf import read_urdf
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.wiring import fallback_key, parse_wiring

MS = 1_000_000
BEGIN_NS = 5_000_000_000
URDF = """<robot name="tiny">
  <joint name="a" type="revolute"><limit lower="-2" upper="2" velocity="3" effort="0"/></joint>
  <joint name="b" type="continuous"><limit velocity="3" effort="5"/></joint>
</robot>"""
START = edited(CONTRACT, ('inputs:\n', 'start_pose: {a: 1.0, b: -1.0}\ninputs:\n'))


def case(contract: str = CONTRACT, wiring: str = WIRING, statistics=()) -> Case:
    bundle = make_bundle(contract, statistics)
    read = parse_wiring(wiring, pathlib.Path('wiring.yaml'), {'tiny': bundle})
    return Case(bundle, read.sessions[0], messages())


def topic(name: str, kind: str, data: list[bytes], stamped: bool = True) -> Topic:
    """Return a topic whose messages come each 10 ms, each stamped when it comes."""
    times = [BEGIN_NS + index * 10 * MS for index in range(len(data))]
    return Topic(
        name,
        (Endpoint('/driver', kind),),
        (),
        tuple(Sample(now, now, now if stamped else None, one) for now, one in zip(times, data)),
    )


def survey(positions: list[list[float]], **more) -> Survey:
    """Return what is seen of a robot of the joints a and b that goes through some positions."""
    states = [joint_state(['a', 'b'], one, BEGIN_NS) for one in positions]
    kind = 'sensor_msgs/msg/JointState'
    topics = {
        'joint_states': topic('/joint_states', kind, states),
        'reward': Topic('/reward'),
        'commands': Topic(
            '/commands', (), (Endpoint('/controller', 'std_msgs/msg/Float64MultiArray'),)
        ),
    }
    end_ns = BEGIN_NS + 10 * MS * len(positions)
    seen = Survey(end_ns - BEGIN_NS, end_ns, topics, {}, clock=Clock(system_ns=end_ns))
    return dataclasses.replace(seen, **more)


def standing(a: float, b: float, **more) -> Survey:
    return survey([[a, b + 1e-6 * index] for index in range(50)], **more)


def only(findings: list[Finding], check: str) -> Finding:
    (found,) = [one for one in findings if one.check == check]
    return found


@pytest.mark.parametrize(
    ('a', 'b', 'level', 'words'),
    [
        (1.0, -1.0, Level.PASS, 'within a turn'),
        (57.3, -57.3, Level.FAILURE, 'in degrees that is the start_pose'),
        (0.0, 0.0, Level.PASS, 'within a turn'),
        (2.9, -2.9, Level.PASS, 'within a turn'),
        (40.0, 0.0, Level.WARNING, 'more than a turn'),
    ],
)
def test_degrees_take_evidence(a, b, level, words):
    found = only(examine(case(START), standing(a, b)), 'units')
    assert (found.level, words in found.found) == (level, True), found


@pytest.mark.parametrize(
    ('a', 'level'),
    [(1.9, Level.PASS), (2.5, Level.WARNING), (100.0, Level.FAILURE), (300.0, Level.WARNING)],
)
def test_limits_of_the_robot_are_evidence(a, level):
    joints = URDF.replace('type="continuous"', 'type="revolute"').replace(
        '<limit velocity="3" effort="5"/>', '<limit lower="-3" upper="3" velocity="3"/>'
    )
    found = only(examine(case(), standing(a, 0.1, robot_description=joints)), 'units')
    assert found.level is level, found


@pytest.mark.parametrize(
    ('kind', 'unit', 'words'),
    [
        ('prismatic', 'rad', 'b is prismatic in the URDF (m), rad in the contract'),
        ('prismatic', '"rad, m"', ''),
        ('continuous', '"rad, m"', 'b is continuous in the URDF (rad), m in the contract'),
        ('continuous', 'rad', ''),
    ],
)
def test_a_joint_slides_or_turns_in_the_urdf_as_in_the_contract(kind, unit, words):
    contract = edited(CONTRACT, ('joints: [a, b]\n', f'joints: [a, b]\n      unit: {unit}\n'))
    joints = URDF.replace('continuous', kind)
    found = only(examine(case(contract), standing(0.1, 0.1, robot_description=joints)), 'units')
    assert (found.level is Level.FAILURE) is bool(words) and words in found.found, found
    if words:
        assert ('unit: "rad, m"' in found.mend) is (kind == 'prismatic'), found


def test_a_renamed_joint_is_not_that_of_the_robot_with_its_old_name():
    wiring = edited(
        WIRING, ('    inputs:\n', '    joint_names: {b: b_of_the_robot}\n    inputs:\n')
    )
    joints = URDF.replace('type="continuous"', 'type="prismatic"')
    states = [joint_state(['a', 'b_of_the_robot'], [0.1, 0.1], BEGIN_NS)] * 50
    seen = standing(0.1, 0.1, robot_description=joints)
    robot = topic('/joint_states', 'sensor_msgs/msg/JointState', states)
    seen = dataclasses.replace(seen, topics={**seen.topics, 'joint_states': robot})
    assert only(examine(case(wiring=wiring), seen), 'units').level is not Level.FAILURE
    there = dataclasses.replace(
        seen, robot_description=joints.replace('name="b"', 'name="b_of_the_robot"')
    )
    assert only(examine(case(wiring=wiring), there), 'units').level is Level.FAILURE


def test_who_listens_elsewhere_is_named():
    seen = standing(0.0, 0.0)
    array = 'std_msgs/msg/Float64MultiArray'
    alone = dataclasses.replace(
        seen,
        topics={**seen.topics, 'commands': Topic('/commands')},
        subscribed={'/command': ('std_msgs/msg/String',), '/arm/commands': (array,)},
    )
    found = only(examine(case(), alone), 'listener')
    assert found.level is Level.WARNING and '/arm/commands' in found.found, found
    assert '/command (' not in found.found


def test_a_wheel_may_turn_and_turn():
    contract = edited(CONTRACT, ('joints: [a, b]', 'joints: [b]'))
    wiring = edited(WIRING, ('[b, a]', '[b]'))
    found = examine(case(contract, wiring), standing(0.0, 200.0, robot_description=URDF))
    assert only(found, 'units').level is Level.PASS


def test_what_training_saw_is_compared_with_the_newest_frame_of_a_history():
    mean, var = np.array([0.0, 0.0, 1.0, -1.0, 0.0, 0.0]), np.full(6, 0.01)
    contract = edited(
        CONTRACT,
        ('state:\n', 'normalisation: {kind: mean_std, file: s.safetensors, sha256: '
         f"'{'0' * 64}', clip: 10.0, epsilon: 1.0e-8}}\nstate:\n"),
    )  # fmt: skip
    bundle = {'obs': (mean, var)}
    near, off = (
        only(examine(case(contract, statistics=bundle), standing(a, -1.0)), 'range')
        for a in (1.1, 2.5)
    )
    assert near.level is Level.PASS and '1.0 standard deviations' in near.found
    assert off.level is Level.FAILURE and 'a is 2.5; trained on 1 ± 0.1 (15' in off.found


def test_without_a_tolerance_the_default_warns_and_is_named():
    found = only(examine(case(START), standing(1.0, -0.5)), 'start_pose')
    assert found.level is Level.WARNING and 'tolerance 0.2 (the default)' in found.found
    near = only(examine(case(START), standing(1.0, -0.95)), 'start_pose')
    assert near.level is Level.PASS and 'the default' in near.found
    ruled = edited(
        WIRING, ('    reactions:', '    start: {tolerance: {all: 0.1, b: 0.4}}\n    reactions:')
    )
    found = only(examine(case(START, ruled), standing(1.0, -0.5)), 'start_pose')
    assert found.level is Level.FAILURE and '0.5 apart, tolerance 0.4' in found.found


def test_a_joint_that_turns_without_end_is_near_after_a_whole_turn():
    seen = standing(1.0, -1.0 + 2 * math.pi, robot_description=URDF)
    assert only(examine(case(START), seen), 'start_pose').level is Level.PASS


@pytest.mark.parametrize(
    ('controller', 'check', 'level', 'words'),
    [
        (Controller('/controller', 'active', ('b', 'a'), ('velocity',)),
         'controller', Level.PASS, 'is active'),
        (Controller('/controller', 'inactive', ('b', 'a'), ('velocity',)),
         'controller', Level.FAILURE, 'ros2 control set_controller_state controller active'),
        (Controller('/controller', 'active', ('b', 'a'), ('position',)),
         'controller', Level.FAILURE, 'commands position'),
        (Controller('/controller', 'active', ('a', 'b')),
         'controller_joints', Level.FAILURE, 'Write joints: [a, b]'),
        (Controller('/controller', 'active', ('a', 'c')),
         'controller_joints', Level.FAILURE, 'it lacks b'),
        (Controller('/controller'), 'controller_joints', Level.NOT_CHECKED, 'parameter joints'),
    ],
)  # fmt: skip
def test_the_controller(controller, check, level, words):
    found = only(examine(case(), standing(0, 0, controllers={'commands': (controller,)})), check)
    assert found.level is level and words in f'{found.found} {found.mend}', found


@pytest.mark.parametrize(
    ('times_ms', 'level'),
    [([1.0] * 50, Level.PASS), ([12.0] * 50, Level.WARNING), ([17.0] * 50, Level.FAILURE),
     ([], Level.NOT_CHECKED)],
)  # fmt: skip
def test_inference_against_the_period_of_20_ms(times_ms, level):
    times = {'tiny': tuple(round(one * MS) for one in times_ms)}
    found = only(examine(case(), standing(0, 0, inference_ns=times)), 'inference')
    assert found.level is level


@pytest.mark.parametrize(
    ('observe_ms', 'infer_ms', 'level', 'words'),
    [(1.0, 2.0, Level.PASS, 'a tick takes 3.5 ms (observe 1 ms, infer 2 ms, conclude 0.5 ms)'),
     (12.0, 5.0, Level.WARNING, 'spare observe: fewer or simpler observation terms'),
     (4.0, 25.0, Level.FAILURE, 'spare infer: a smaller network')],
)  # fmt: skip
def test_a_whole_tick_against_the_period_of_20_ms(observe_ms, infer_ms, level, words):
    stages = {'observe': observe_ms, 'infer': infer_ms, 'conclude': 0.5}
    times = {'tiny': {stage: (round(one * MS),) * 5 for stage, one in stages.items()}}
    found = only(examine(case(), standing(0, 0, tick_ns=times)), 'tick')
    assert found.level is level and words in f'{found.found} {found.mend}', found
    assert only(examine(case(), standing(0, 0)), 'tick').level is Level.NOT_CHECKED


def test_ticks_are_made_of_the_newest_messages_and_each_stage_is_timed():
    state = '  h: {shape: [1, 2], input: h_in, output: h_out, initial: zeros, reset: episode}\n'
    contract = edited(CONTRACT, (f'state:\n{state}', ''), ('  action:', '  actions:'))
    one = case(contract)
    backend = OnnxBackend(dataclasses.replace(one.bundle, artifact=LinearPolicy(6, 2).onnx))
    engine = Engine(one.bundle, one.wiring, messages())
    times = measure_tick(engine, survey([[0.1, 0.2]]), backend, messages())
    assert set(times) == {'observe', 'infer', 'conclude', 'record'}
    assert all(len(taken) >= 3 and min(taken) > 0 for taken in times.values())
    assert measure_tick(engine, survey([]), backend, messages()) == {}
    assert measure_tick(engine, survey([[math.nan, 0.2]]), backend, messages()) == {}


def test_an_array_in_the_order_of_the_robot_and_in_another():
    contract = CONTRACT
    wiring = edited(
        WIRING,
        (
            'type: sensor_msgs/msg/JointState',
            'type: std_msgs/msg/Float64MultiArray, joints: [b, a]',
        ),
    )
    arrays = [cdr('std_msgs/msg/Float64MultiArray', data=[-1.0, 1.0])] * 20
    seen = standing(0, 0)
    wired = topic('/joint_states', 'std_msgs/msg/Float64MultiArray', arrays, stamped=False)
    for by_name, level in (
        ({'a': 1.0, 'b': -1.0}, Level.PASS),
        ({'a': -1.0, 'b': 1.0}, Level.FAILURE),
        ({'a': 0.3, 'b': 0.2}, Level.NOT_CHECKED),
    ):
        now = dataclasses.replace(
            seen,
            topics={**seen.topics, 'joint_states': wired},
            joint_states={'/names': JointReading(by_name, {})},
        )
        found = only(examine(case(contract, wiring), now), 'joint_order')
        assert found.level is level, found
        assert ('joints: [a, b]' in found.mend) is (level is Level.FAILURE)


IMU_CONTRACT = edited(
    CONTRACT,
    ('    - term: joint_position\n      joints: [a, b]\n', '    - term: projected_gravity\n'),
    ('joints: same', 'joints: [a, b]'),
)
IMU_WIRING = edited(
    WIRING,
    ('joint_position: {topic: joint_states, type: sensor_msgs/msg/JointState',
     f'projected_gravity: {{topic: imu, type: {IMU}'),
)  # fmt: skip
LEANING = (0.0, math.sin(0.35), 0.0, math.cos(0.35))
"""Pitched forward by 0.7 rad; up is then (-sin, 0, cos) of that in the body."""
UP = (-math.sin(0.7) * 9.81, 0.0, math.cos(0.7) * 9.81)


def imu(quaternion, acceleration, **more) -> Survey:
    fields = {
        'orientation': dict(zip('xyzw', quaternion)),
        'linear_acceleration': dict(zip('xyz', acceleration)),
        **more,
    }
    seen = standing(0, 0)
    return dataclasses.replace(
        seen, topics={**seen.topics, 'imu': topic('/imu', IMU, [cdr(IMU, **fields)] * 20)}
    )


def wxyz(quaternion):
    return (quaternion[3], *quaternion[:3])


@pytest.mark.parametrize(
    ('seen', 'level', 'words'),
    [
        (imu(LEANING, UP), Level.PASS, 'agree within 0°'),
        (imu(wxyz(LEANING), UP), Level.FAILURE, 'looks in the order w, x, y, z'),
        (imu((0, -LEANING[1], 0, LEANING[3]), UP), Level.FAILURE, 'turned round'),
        (imu(LEANING, [-one for one in UP]), Level.FAILURE, 'the sign of gravity'),
        (imu(LEANING, [one / 9.81 for one in UP]), Level.WARNING, 'in g'),
        (imu((0, math.sin(0.15), 0, math.cos(0.15)), UP), Level.WARNING, '23° apart'),
        (imu(LEANING, (0, 0, 0)), Level.NOT_CHECKED, 'no accelerations'),
        (imu(LEANING, (0, 0, 20)), Level.NOT_CHECKED, 'not at rest'),
    ],
)
def test_gravity_by_orientation_and_by_acceleration(seen, level, words):
    found = only(examine(case(IMU_CONTRACT, IMU_WIRING), seen), 'gravity')
    assert found.level is level and words in found.found, found


def test_an_imu_that_has_no_orientation_says_so():
    seen = imu((0, 0, 0, 1), UP, orientation_covariance=[-1.0] + [0.0] * 8)
    found = only(examine(case(IMU_CONTRACT, IMU_WIRING), seen), 'quaternion')
    assert found.level is Level.FAILURE and 'covariance -1' in found.found


@pytest.mark.parametrize(
    ('text', 'words'),
    [
        ('<robot', 'not readable as XML'),
        ('<!DOCTYPE r [<!ENTITY a "a">]><robot>&a;</robot>', 'declares entities'),
        ('<sdf/>', 'expected <robot>'),
        (
            '<robot><joint name="a" type="revolute"><limit upper="x"/></joint></robot>',
            'limit upper',
        ),
    ],
)
def test_a_description_that_is_none(text, words):
    with pytest.raises(MessageError, match=words):
        read_urdf(text)
    found = examine(case(), standing(0, 0, robot_description=text))
    assert [one.level for one in found if one.check == 'limits'] == [Level.NOT_CHECKED]


# --- who stops the robot when commands end -------------------------------------------------------

ARRAY = 'std_msgs/msg/Float64MultiArray'
SAYS_WHEN = edited(WIRING, ('stop: zero', 'stop: zero\n        consumer_timeout: 500 ms'))
HOLDS = edited(
    WIRING.replace('joint_velocity_target', 'joint_position_target'), ('stop: zero', 'stop: hold')
)
POSITIONS = CONTRACT.replace('joint_velocity_target', 'joint_position_target')


def listened(*publishers: str, **timeouts: float) -> Survey:
    """Return a survey with a controller that has these parameters, and with these commanders."""
    seen = standing(0, 0)
    commands = Topic(
        '/commands',
        tuple(Endpoint(one, ARRAY) for one in publishers),
        (Endpoint('/controller', ARRAY),),
    )
    return dataclasses.replace(
        seen,
        topics={**seen.topics, 'commands': commands},
        controllers={'commands': (Controller('/controller', timeouts=timeouts),)},
    )


@pytest.mark.parametrize(
    ('examined', 'seen', 'level', 'words'),
    [
        (case(), listened(), Level.FAILURE, 'nothing says that /controller stops'),
        (case(), listened(cmd_vel_timeout=0.0), Level.FAILURE, 'nothing says that /controller'),
        (case(), listened(cmd_vel_timeout=0.5), Level.PASS, 'after 0.5 s (cmd_vel_timeout)'),
        (case(), listened('/fournex_guard'), Level.PASS, '/fournex_guard takes over'),
        (case(wiring=SAYS_WHEN), listened(), Level.PASS, 'after 500 ms, as the wiring says'),
        (case(POSITIONS, HOLDS), listened(), Level.PASS, 'keeps the last one, as stop: hold'),
    ],
)
def test_a_robot_that_goes_on_when_commands_end_fails(examined, seen, level, words):
    found = examine(examined, seen)
    judged = only(found, 'command_timeout')
    assert judged.level is level and words in judged.found, judged
    assert only(found, 'commander').level is Level.PASS, 'a guard is no other commander'


CALM = edited(
    CONTRACT,
    ('name: tiny', 'name: calm'),
    (
        '    - {term: last_action',
        '    - {term: value, name: slope, size: 1}\n    - {term: last_action',
    ),
)
BESIDE = (
    '    reward:',
    """\
    fallback:
      calm:
        policy: calm
        inputs:
          slope: {topic: slope, type: std_msgs/msg/Float64, field: data, budget: 15 ms}
    reward:""",
)


def test_what_a_second_policy_sees_is_examined_too_and_what_both_see_is_told_once():
    bundles = {'tiny': make_bundle(), fallback_key('tiny', 0): make_bundle(CALM)}
    read = parse_wiring(edited(WIRING, BESIDE), pathlib.Path('wiring.yaml'), bundles).sessions[0]
    two = Case(bundles['tiny'], read, messages())
    alone = standing(0.5, 0.5)

    def seen(*slopes):
        data = [cdr(FLOAT64, data=one) for one in slopes]
        slope = topic('/slope', 'std_msgs/msg/Float64', data, stamped=False)
        return dataclasses.replace(alone, topics={**alone.topics, 'slope': slope})

    of_one = examine(case(), alone)
    told = examine(two, seen(*np.linspace(0.0, 1.0, 50)))
    more = [one for one in told if one.subject.startswith('fallback.')]
    assert {one.subject for one in more} == {'fallback.calm.inputs.slope', 'fallback.calm.timing'}
    assert {one.check for one in more} > {'message', 'rate', 'finite', 'shape', 'unchanged'}
    assert all(one.level in (Level.PASS, Level.NOT_CHECKED) for one in more)
    assert [one for one in told if one in of_one] == of_one
    broken = only(
        [one for one in examine(two, seen(*[math.nan] * 50)) if one.level is Level.FAILURE],
        'finite',
    )
    assert broken.subject == 'fallback.calm.inputs.slope'


def test_a_second_policy_has_to_answer_in_its_own_time_too():
    bundles = {'tiny': make_bundle(), fallback_key('tiny', 0): make_bundle(CALM)}
    beside = (BESIDE[0], BESIDE[1].replace('policy: calm', 'policy: calm\n        INFERENCE'))
    text = edited(WIRING, beside, ('INFERENCE', 'inference: {budget: 5 ms}'))
    read = parse_wiring(text, pathlib.Path('wiring.yaml'), bundles).sessions[0]
    slope = topic('/slope', 'std_msgs/msg/Float64', [cdr(FLOAT64, data=0.0)], stamped=False)

    def told(calm_ms):
        times = {'tiny': (1 * MS,), second_name('tiny', 'calm'): (calm_ms * MS,)}
        survey = standing(0.5, 0.5, inference_ns=times)
        survey = dataclasses.replace(survey, topics={**survey.topics, 'slope': slope})
        found = examine(Case(bundles['tiny'], read, messages()), survey)
        return [(one.subject, one.level) for one in found if one.check == 'inference']

    own = ('timing', Level.PASS)
    assert told(4) == [own, ('fallback.calm.timing', Level.PASS)]
    assert told(6) == [own, ('fallback.calm.timing', Level.FAILURE)]
