"""Wirings: those of the examples, what each key means, and every refusal."""

import pathlib

import numpy as np
import pytest
from tiny_session import CONTRACT, WIRING, edited, make_bundle, make_engine

from fournex_runtime.configuration import FOREVER_NS
from fournex_runtime.errors import WiringError
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.bundle import Bundle
from fournex_runtime.policy.contract import load_contract
from fournex_runtime.policy.inference import Inference
from fournex_runtime.safety.reactions import Fault, parse_reaction
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.wiring import StopCommand, parse_wiring

EXAMPLES = {
    'rover': 'examples/rover/wiring.yaml',
    'arm': 'examples/arm/wiring.yaml',
    'arm by trajectory': 'examples/arm/wiring-trajectory.yaml',
    'pendulum': 'examples/pendulum/wiring.yaml',
}


def read(text, contract=CONTRACT):
    return parse_wiring(text, pathlib.Path('wiring.yaml'), {'tiny': make_bundle(contract)})


def session(*changes, contract=CONTRACT):
    return read(edited(WIRING, *changes), contract).sessions[0]


@pytest.fixture(scope='module')
def example(checkout):
    """Return the engine of an example; its artifact is not needed to read a wiring."""

    def make(name):
        file = checkout / EXAMPLES[name]
        folder = file.parent / 'bundle'
        contract = load_contract(folder / 'policy.yaml')
        size = contract.input_size('obs')
        statistics = np.zeros(size), np.ones(size)
        bundle = Bundle(folder, contract, '0' * 64, b'', {'obs': statistics})
        wiring = parse_wiring(file.read_text(), file, {name.split()[0]: bundle})
        return Engine(bundle, wiring.sessions[0], messages())

    return make


def test_rover(example):
    wiring = example('rover').wiring
    assert [source.topic for source in wiring.sources] == ['scan', 'goal', 'odom', 'reward']
    assert [(port.label, port.source) for port in wiring.ports] == [
        ('range_scan', 0),
        ('goal_relative.goal', 1),
        ('goal_relative.base', 2),
        ('base_linear_velocity', 2),
        ('base_angular_velocity', 2),
    ]
    assert wiring.ports[1].budget_ns == FOREVER_NS
    assert wiring.stops == (StopCommand((0.0, 0.0)),)
    assert (wiring.limits[0].low, wiring.limits[0].high) == ((-0.2, -1.5), (0.7, 1.5))
    assert wiring.reward == (3, 'data')


def test_arm(example):
    wiring = example('arm').wiring
    assert wiring.stops == (StopCommand(None),)
    assert wiring.targets[0].joints == tuple(wiring.limits[0].labels)
    trajectory = example('arm by trajectory').wiring.targets[0]
    assert trajectory.time_from_start_ns == 60_000_000


def test_pendulum(example):
    wiring = example('pendulum').wiring
    bridged = (Fault.STALE, Fault.LATE)
    assert {wiring.reactions.to[fault] for fault in bridged} == {
        parse_reaction('hold 60 ms then stop')
    }
    others = {wiring.reactions.to[fault] for fault in Fault if fault not in bridged}
    assert others == {parse_reaction('stop')}
    assert wiring.lockstep == ()


# --- what the keys mean --------------------------------------------------------------------------


def test_limits_of_a_value_come_before_those_of_all():
    limits = session(
        (
            'all: {min: -1.5, max: 1.5, rate: unlimited}',
            'all: {min: -1.5, max: 1.5, rate: 10}\n        b: {max: 0.5}',
        )
    ).limits[0]
    assert limits.labels == ('a', 'b')
    assert (limits.low, limits.high, limits.rate) == ((-1.5, -1.5), (1.5, 0.5), (10.0, 10.0))


def test_a_stop_command_can_be_given_value_by_value():
    assert session(('stop: zero', 'stop: {b: 0.5, a: -0.5}')).stops == (
        StopCommand((-0.5, 0.5)),  # in the order of the contract
    )


def test_qos_is_what_the_wiring_fixes_and_empty_elsewhere():
    budget = 'JointState, budget: 50 ms}'
    source = session((budget, 'JointState, budget: 50 ms, qos: {depth: 7}}')).sources[0]
    assert (source.qos.reliability, source.qos.durability, source.qos.depth) == ('', '', 7)
    source = session(
        (budget, 'JointState, budget: 50 ms, qos: {reliability: best_effort}}')
    ).sources[0]
    assert source.qos.reliability == 'best_effort'


def test_a_robot_can_have_its_own_names_and_units_for_joints():
    wiring = session(
        ('    inputs:', '    joint_names: {a: motor_1}\n    inputs:'),
        ('budget: 50 ms}', 'budget: 50 ms, unit: deg}'),
    )
    assert wiring.joint_names.of(('a', 'b')) == ('motor_1', 'b')
    assert (wiring.ports[0].names, wiring.ports[0].unit) == (wiring.joint_names, 'deg')


def test_a_term_can_be_read_value_by_value():
    port = session(
        ('{topic: joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}',
         '{topic: t, type: geometry_msgs/msg/Twist, budget: 50 ms, unit: {b: deg, a: mrad}, '
         'fields: {b: linear.x, a: linear.y}}')
    ).ports[0]  # fmt: skip
    assert port.fields == (('b', 'linear.x'), ('a', 'linear.y'))
    assert port.unit == 'mrad, deg'  # in the order of the contract


def test_a_command_can_be_of_any_type():
    (target,) = session(
        ('std_msgs/msg/Float64MultiArray\n        joints: [b, a]',
         'sensor_msgs/msg/BatteryState\n        fields: {a: voltage, b: current}\n'
         '        unit: deg/s\n        set: {present: true, location: up, cell_voltage: [1, 2]}'),
    ).targets  # fmt: skip
    assert target.fields == (('a', 'voltage'), ('b', 'current'))
    assert (target.unit, target.rounding) == ('deg/s', '')
    assert target.constants == (
        ('present', 'true'), ('location', 'up'), ('cell_voltage', ('1', '2')),
    )  # fmt: skip


def test_lockstep_names_the_trigger_first():
    wiring = session(
        ('    limits:\n', '    pacing: {lockstep: joint_states, with: [reward]}\n    limits:\n')
    )
    assert wiring.lockstep == (0, 1)


def test_reactions_fall_back_on_the_default():
    reactions = session(('default: stop', 'default: hold 1 s then stop')).reactions.to
    assert reactions[Fault.LATE] == parse_reaction('hold 1 s then stop')
    assert reactions[Fault.STALE] == parse_reaction('hold 60 ms then stop')


# --- refusals ------------------------------------------------------------------------------------

TERM = 'joint_position: {topic: joint_states, type: sensor_msgs/msg/JointState, budget: 50 ms}'
LIMITS = 'all: {min: -1.5, max: 1.5, rate: unlimited}'


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('robot: tiny', 'robt: tiny'), 'wiring.yaml:1: robot is missing: expected a text; the '
         'nearest key given is robt, line 1'),
        (('robot: tiny', 'robot: tiny\nrate: 50'), 'wiring.yaml:2: rate: unknown key.'),
        (('sessions:\n  tiny:', 'sessions: {}\nx:\n  tiny:'), 'x: unknown key'),
        (('  tiny:\n', '  tiny session:\n'), "'tiny session' cannot be part of a topic name"),
        (('      joint_position:', '      joint_postion:'), 'wiring.yaml:6: sessions.tiny.inputs.'
         'joint_postion: the contract tiny@1 has no such term. Did you mean joint_position?'),
        ((TERM, 'joint_position: {}'), 'sessions.tiny.inputs.joint_position: topic is missing: '
         'expected a topic name'),
        ((TERM, TERM.replace('topic', 'tpoic')), 'the nearest key given is tpoic, line 6'),
        ((TERM, TERM.replace(', budget: 50 ms', '')), 'inputs.joint_position: budget is missing'),
        ((TERM, TERM.replace('50 ms', '50')), "budget: '50' is not a duration: write a number"),
        ((TERM, TERM.replace('topic: joint_states', 'topic:')), 'topic: expected a topic name, '
         'found nothing'),
        ((TERM, TERM.replace('budget', 'buget: 1, budget')), 'inputs.joint_position.buget: unknown'
         ' key'),
        ((TERM, TERM.replace('}', ', qos: {reliability: relaible}}')), 'qos.reliability: expected '
         "one of reliable, best_effort, found 'relaible'. Did you mean reliable?"),
        ((TERM, TERM.replace('}', ', qos: {dept: 5}}')), 'qos.dept: unknown key. Did you mean '
         'depth?'),
        ((TERM, 'x: 1'), 'the contract tiny@1 has no such term. Known here: joint_position.'),
        (('      joint_velocity_target:\n        topic', '      joint_velocity:\n        topic'),
         'outputs.joint_velocity: the contract tiny@1 has no such action term. Did you mean'),
        (('stop: zero', 'stop: brake'), "stop: expected one of zero, hold, found 'brake'."),
        (('        stop: zero\n', ''), 'outputs.joint_velocity_target: stop is missing: expected '
         'one of zero, hold'),
        (('stop: zero', 'stop: hold'), 'stop: hold would keep a joint_velocity_target moving'),
        (('stop: zero', 'stop: {a: 0}'), 'stop: b is missing: expected a number'),
        (('stop: zero', 'stop: {a: 0, b: 0, c: 0}'), 'stop.c: unknown key'),
        (('stop: zero', 'stop: zero\n        joint: [a]'), 'joint: unknown key. Known here'),
        ((LIMITS, 'all: {min: -1.5, max: 1.5}'), 'limits.joint_velocity_target: a has no rate: '
         'give it under a: or under all: (a change per second, or unlimited)'),
        ((LIMITS, 'a: {min: -1, max: 1, rate: 1}'), 'b has no min: give it under b: or'),
        ((LIMITS, 'all: {min: 1, max: 1, rate: 1}'), 'a: min 1.0 is not below max 1.0'),
        ((LIMITS, 'all: {min: 2, max: 1, rate: 1}'), 'a: min 2.0 is not below max 1.0'),
        ((LIMITS, 'all: {min: 1, max: 2, rate: 1, velocity: 0.5}'), 'a: nothing is within its '
         'limits: they are at least 1 (range) and at most 0.5 (velocity)'),
        ((LIMITS, 'all: {min: -1, max: 1, rate: 1, effort: 2}'), 'all.effort: is for joint_effort'
         '_target; a joint_velocity_target has min, max and rate'),
        ((LIMITS, 'all: {velocity: -1, rate: 1}'), 'all.velocity: -1.0 is not above 0'),
        ((LIMITS, 'all: {velocity: 1}'), 'a has no rate: give it under a: or under all:'),
        ((LIMITS, LIMITS + '\n        workspace: {x: [0, 1]}'), 'workspace: is for pose_target; a '
         'joint_velocity_target has min and max'),
        ((LIMITS, 'all: {min: -1, max: 1, rate: 0}'), 'all.rate: 0.0 is not above 0'),
        ((LIMITS, 'all: {min: -inf, max: 1, rate: 1}'), "all.min: expected a finite number, found "
         "'-inf'"),
        ((LIMITS, 'all: {min: nan, max: 1, rate: 1}'), 'all.min: expected a finite number, found'),
        ((LIMITS, 'all: {min: -1, max: 1, rate: 1, mx: 2}'), 'all.mx: unknown key'),
        ((LIMITS, f'{LIMITS}\n        c: {{min: 0}}'), 'c: unknown key'),
        (('    limits:\n', '    limit:\n'), 'limits is missing: expected a mapping; the nearest '
         'key given is limit, line'),
        (('default: stop', 'default: halt'), 'reactions.default: expected "stop", or steps '
         'that end in it: "hold 100 ms then ramp 1 s to POSE then stop", found \'halt\''),
        (('stale: hold 60 ms then stop', 'stale: hold 60 ms'), 'reactions.stale: expected "stop"'),
        (('stale: hold 60 ms then stop', 'stale: hold forever then stop'), 'reactions.stale: '),
        (('stale: hold', 'stail: hold'), 'reactions.stail: unknown key. Did you mean stale?'),
        (('      default: stop\n', ''), 'reactions: default is missing: expected "stop", or'),
        (('    reward:', '    pacing: {lockstep: joint_state}\n    reward:'), 'pacing.lockstep: '
         'joint_state is no topic of this session. Did you mean joint_states?'),
        (('    reward:', '    pacing: {lockstep: reward, with: [x]}\n    reward:'), 'pacing.with: '
         'x is no topic of this session.'),
        (('    reward: {topic: reward, type: std_msgs/msg/Float64}',
          '    reward: {topic: joint_states, type: std_msgs/msg/Float64}'),
         'reward.topic: joint_states is wired as sensor_msgs/msg/JointState before and as '
         'std_msgs/msg/Float64 here'),
    ],
)  # fmt: skip
def test_refusals_name_line_field_expected_and_found(change, words):
    with pytest.raises(WiringError) as caught:
        session(change)
    message = str(caught.value)
    assert message.startswith('wiring.yaml:')
    assert words in message


TWO_CONTRACT = edited(
    CONTRACT,
    ('    - {term: last_action', '    - {term: joint_velocity, joints: same}\n    - {term: last_a'
     'ction'),
    ('    - {term: joint_velocity_target', '    - {term: joint_effort_target, joints: [a]}\n    - '
     '{term: joint_velocity_target'),
)  # fmt: skip


def two_terms(velocity='', effort_topic='efforts'):
    return edited(
        WIRING,
        (
            '    outputs:\n',
            '      joint_velocity: {topic: joint_states, type: sensor_msgs/msg/JointState, '
            f'budget: 1 s{velocity}}}\n    outputs:\n      joint_effort_target:\n'
            f'        {{topic: {effort_topic}, type: std_msgs/msg/Float64, stop: zero}}\n',
        ),
        (
            '    limits:\n',
            '    limits:\n      joint_effort_target: {a: {min: -1, max: 1, rate: 1}}\n',
        ),
    )


def test_two_terms_share_a_topic_as_one_source():
    wiring = read(two_terms(), TWO_CONTRACT).sessions[0]
    assert [port.source for port in wiring.ports] == [0, 0]
    assert [target.term for target in wiring.targets] == [
        'joint_effort_target',
        'joint_velocity_target',
    ]


def test_two_terms_cannot_ask_for_two_kinds_of_qos_on_one_topic():
    with pytest.raises(WiringError, match='joint_states is wired with another qos before'):
        read(two_terms(velocity=', qos: {depth: 3}'), TWO_CONTRACT)


def test_two_action_terms_cannot_command_one_topic():
    with pytest.raises(WiringError, match=r'topic: commands is commanded by two action terms'):
        read(two_terms(effort_topic='commands'), TWO_CONTRACT)


def test_a_term_of_the_contract_cannot_be_left_out():
    with pytest.raises(WiringError, match=r'inputs: joint_velocity is missing: tiny@1 has it as'):
        read(WIRING, TWO_CONTRACT)


@pytest.mark.parametrize(
    ('names', 'words'),
    [
        ('{aa: x}', 'joint_names.aa: the contract tiny@1 has no such joint. Did you mean a?'),
        ('{a: b}', "joint_names.a: a and b would both be 'b'"),
        ('{a: x, b: x}', "joint_names.b: a and b would both be 'x'"),
        ('{a: }', "joint_names.a: expected the robot's name of the joint, found nothing"),
    ],
)
def test_names_of_joints_that_cannot_be(names, words):
    with pytest.raises(WiringError) as caught:
        session(('    inputs:', f'    joint_names: {names}\n    inputs:'))
    assert words in str(caught.value)


def test_zero_is_no_stop_for_a_position():
    contract = edited(CONTRACT, ('joint_velocity_target', 'joint_position_target'))
    text = WIRING.replace('joint_velocity_target', 'joint_position_target')
    with pytest.raises(WiringError, match=r'stop: zero is a position to move to; write hold, or'):
        read(text, contract)
    assert read(text.replace('stop: zero', 'stop: hold'), contract)


# --- what shows when bundle and wiring are put together ------------------------------------------


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('stop: zero', 'stop: {a: 0, b: 2}'), 'outputs.joint_velocity_target.stop: b 2.0 is '
         'outside its limits -1.5 to 1.5'),
        (('        joints: [b, a]\n', ''), 'std_msgs/msg/Float64MultiArray names no joints: give '
         'joints: the names in the order of the array'),
        (('joints: [b, a]', 'joints: [b, c]'), 'joints: lists b, c; the contract commands a, b'),
        (('joints: [b, a]', 'joints: [b, a, a]'), 'joints: lists b, a, a; the contract commands'),
        (('joints: [b, a]', 'joints: [b, a]\n        frame: map'), 'frame: a std_msgs/msg/Float64'
         'MultiArray has no header'),
        (('joints: [b, a]', 'joints: [b, a]\n        time_from_start: 1 s'), 'time_from_start: is '
         'for trajectory_msgs/msg/JointTrajectory only'),
        (('std_msgs/msg/Float64MultiArray\n        joints: [b, a]', 'geometry_msgs/msg/Twist'),
         'a joint_velocity_target cannot be sent as geometry_msgs/msg/Twist; expected one of'),
        (('std_msgs/msg/Float64MultiArray\n        joints: [b, a]', 'std_msgs/msg/Float64'),
         'std_msgs/msg/Float64 takes one value, the term has 2'),
        (('std_msgs/msg/Float64MultiArray\n        joints: [b, a]',
          'trajectory_msgs/msg/JointTrajectory'), 'needs time_from_start: how long'),
        (('std_msgs/msg/Float64MultiArray', 'sensor_msgs/msg/JointState'), 'joints: is for '
         'nameless arrays; sensor_msgs/msg/JointState is none'),
        ((TERM, TERM.replace('JointState', 'JointStat')), 'inputs.joint_position: message type '
         'sensor_msgs/msg/JointStat is unknown'),
        ((TERM, TERM.replace('sensor_msgs/msg/', '')), "'JointState' is not a message type"),
        ((TERM, TERM.replace('}', ', joints: [a, b]}')), 'joints: is for nameless arrays; a Joint'
         'State names its joints itself'),
        ((TERM, TERM.replace('}', ', field: positions}')), "has no field 'positions': "),
        ((TERM, TERM.replace('}', ', field: name}')), "field 'name' of sensor_msgs/msg/JointState "
         'is an array of string, not made of numbers'),
        ((TERM, TERM.replace('}', ', field: header.stamp.sec}')), 'is a single int32, expected '
         'an array of numbers'),
        ((TERM, TERM.replace('}', ', unit: N}')), 'unit: a: N is a force, the contract has rad'),
        ((TERM, TERM.replace('}', ', fields: {a: position[0]}}').replace('[0]', '')),
         'fields: name the joints one by one'),
        ((TERM, TERM.replace('sensor_msgs/msg/JointState', 'std_msgs/msg/Float64MultiArray')),
         'names no joints: give joints'),
        ((TERM, TERM.replace('sensor_msgs/msg/JointState', 'std_msgs/msg/Float64MultiArray').
          replace('}', ', joints: [b, c]}')), "the list has no joint 'a'; it has b, c."),
    ],
)  # fmt: skip
def test_refusals_of_the_engine_say_where_in_the_wiring(change, words):
    with pytest.raises(WiringError) as caught:
        make_engine(wiring=edited(WIRING, change))
    message = str(caught.value)
    assert message.startswith('wiring.yaml:')
    assert 'sessions.tiny.' in message
    assert words in message


def test_a_topic_cannot_carry_a_reward_that_is_no_number():
    for kind, words in (
        ('std_msgs/msg/String', 'is a single string, not made of numbers'),
        ('std_msgs/msg/Float64MultiArray', 'is an array of float64, expected a single number'),
        ('sensor_msgs/msg/Imu', "sensor_msgs/msg/Imu has no field 'data'"),
    ):
        with pytest.raises(WiringError, match=r'sessions\.tiny\.reward: ') as caught:
            make_engine(wiring=edited(WIRING, ('type: std_msgs/msg/Float64}', f'type: {kind}}}')))
        assert words in str(caught.value)


def test_a_trajectory_cannot_take_longer_than_its_message_can_say():
    change = (
        'std_msgs/msg/Float64MultiArray\n        joints: [b, a]',
        'trajectory_msgs/msg/JointTrajectory\n        time_from_start: forever',
    )
    with pytest.raises(WiringError, match='time_from_start: expected a duration such as 60 ms'):
        session(change)


def test_limits_must_fit_the_numbers_of_the_command():
    wiring = edited(
        WIRING,
        ('Float64MultiArray', 'Float32MultiArray'),
        (LIMITS, 'all: {min: -1, max: 1e39, rate: 1}'),
    )
    with pytest.raises(WiringError, match=r'Float32MultiArray cannot hold all values of a up'):
        make_engine(wiring=wiring)


def test_lockstep_needs_stamps():
    wiring = edited(WIRING, ('    reward:', '    pacing: {lockstep: reward}\n    reward:'))
    with pytest.raises(
        WiringError, match=r'sessions\.tiny\.pacing: std_msgs/msg/Float64 has no h'
    ):
        make_engine(wiring=wiring)


def test_with_what_a_policy_is_run():
    assert session().inference == Inference(('cpu',), 1, None)
    reward = '    reward:'
    block = '    inference: {providers: [cuda, cpu], threads: 2, python: venv/bin/python}\n'
    found = session((reward, block + reward)).inference
    assert found == Inference(('cuda', 'cpu'), 2, pathlib.Path('venv/bin/python'))
    absolute = session((reward, '    inference: {python: /opt/python}\n' + reward)).inference
    assert absolute == Inference(python=pathlib.Path('/opt/python'))
    inline = '    inference: {isolation: inline}\n'
    assert session((reward, inline + reward)).inference == Inference(isolation='inline')
    assert session((reward, '    inference: {budget: 5 ms}\n' + reward)).inference.budget_ns == 5e6
    worker = '    inference: {cores: [2, 3], memory: 64, spare: true}\n'
    found = session((reward, worker + reward)).inference
    assert found == Inference(cores=(2, 3), memory_bytes=64 << 20, spare=True)


def test_a_program_runs_in_a_worker_only():
    inline = '    inference: {isolation: inline}\n    reward:'
    contract = edited(CONTRACT, ('backend: onnx', 'backend: torchscript'))
    with pytest.raises(
        WiringError, match=r'inference\.isolation: a torchscript artifact is a pro'
    ):
        make_engine(contract, edited(WIRING, ('    reward:', inline)))


@pytest.mark.parametrize(
    ('block', 'words'),
    [
        ('{providers: [gpu]}', r"inference\.providers: 'gpu' is not one of cpu, cuda, tensorrt"),
        ('{providers: []}', r'inference\.providers: expected at least one, each only once'),
        ('{providers: [cpu, cpu]}', r'inference\.providers: expected at least one, each only'),
        ('{providers: [cpu, cuda]}', r'inference\.providers: cpu computes everything, so what'),
        ('{isolation: thread}', r'inference\.isolation: expected one of process, inline, found'),
        ('{budget: 21 ms}', r'inference\.budget: expected at most the period of the policy, 20'),
        ('{isolation: inline, budget: 5 ms}', r'inference\.budget: is for a worker, and isola'),
        ('{isolation: inline, cores: [1]}', r'inference\.cores: is for a worker, and isola'),
        ('{isolation: inline, python: p}', r'inference\.python: is for a worker, and isola'),
        ('{isolation: inline, memory: 9}', r'inference\.memory: is for a worker, and isola'),
        ('{cores: [0.5]}', r'inference\.cores: expected numbers of processor cores'),
        ('{threads: 0}', r'inference\.threads: expected a whole number of at least 1'),
        ('{threads: 100000}', r'inference\.threads: .* of at most 1024, found 100000'),
        (
            '{memory: 99999999999999}',
            r'inference\.memory: .* at most 1048576, found 9{14}',
        ),
        ('{provider: cuda}', r'provider.*providers'),
    ],
)
def test_an_inference_that_cannot_be(block, words):
    reward = '    reward:'
    with pytest.raises(WiringError, match=words):
        session((reward, f'    inference: {block}\n' + reward))
