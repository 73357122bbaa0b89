"""Contracts: the three of the examples, every option of every kind, and every refusal."""

import math

import pytest
from tiny_session import CONTRACT, edited

from fournex_runtime.errors import ContractError
from fournex_runtime.policy.backend import signature
from fournex_runtime.policy.contract import load_contract, parse_contract

ARM_JOINTS = ('shoulder_pan', 'shoulder_lift', 'elbow', 'wrist_1', 'wrist_2', 'wrist_3')


def term(yaml, outputs='- {term: value, size: 2}', more=''):
    """Return the first observation term of a contract that has this one."""
    text = f"""\
name: t
version: 1
period: 10 ms
default_pose: {{a: 0.5, b: -0.25}}
{more}
inputs:
  obs:
    {yaml}
outputs:
  action:
    {outputs}
artifact: {{file: policy.onnx, sha256: '{'0' * 64}', backend: onnx}}
"""
    return parse_contract(text).inputs['obs'][0]


def action(yaml):
    text = edited(
        CONTRACT,
        ('- {term: joint_velocity_target, joints: same, clip: [-1.0, 1.0], scale: 2.0}', yaml),
    )
    return parse_contract(text).outputs['action'][0]


# --- the examples --------------------------------------------------------------------------------


def test_rover(checkout):
    contract = load_contract(checkout / 'examples/rover/bundle/policy.yaml')
    assert contract.reference == 'rover-nav@1'
    assert contract.period_ns == 50_000_000
    names = [one.name for one in contract.observation_terms]
    assert names == [
        'range_scan',
        'goal_relative',
        'base_linear_velocity',
        'base_angular_velocity',
        'last_action',
    ]
    assert contract.input_size('obs') == 36 + 3 + 1 + 1 + 2
    assert contract.action_size == 2
    goal = contract.observation_terms[1]
    assert goal.labels == ('distance', 'cos_bearing', 'sin_bearing')
    assert goal.clip == ((0.0, -1.0, -1.0), (5.0, 1.0, 1.0))
    twist = contract.action_terms[0]
    assert (twist.labels, twist.offset) == (('linear_x', 'angular_z'), (0.35, 0.0))
    assert contract.observation_terms[4].labels == ('linear_x', 'angular_z')


def test_arm(checkout):
    contract = load_contract(checkout / 'examples/arm/bundle/policy.yaml')
    position, velocity, target, last = contract.observation_terms
    assert position.joints == velocity.joints == contract.action_terms[0].joints == ARM_JOINTS
    pose = tuple(contract.default_pose[joint] for joint in ARM_JOINTS)
    assert position.offset == contract.action_terms[0].offset == pose
    assert (target.labels, target.frame) == (('x', 'y', 'z'), 'base_link')
    assert last.size == contract.action_size == 6
    assert contract.input_size('obs') == 6 + 6 + 3 + 6


def test_pendulum(checkout):
    contract = load_contract(checkout / 'examples/pendulum/bundle/policy.yaml')
    assert contract.observation_terms[0].scale == (2.0, 10.0)
    spec = signature(contract)
    assert [(one.name, one.shape) for one in spec.inputs] == [('obs', (1, 2))]
    assert [one.name for one in spec.state_inputs] == ['h_in', 'c_in']
    assert [one.name for one in spec.state_outputs] == ['h_out', 'c_out']
    assert {one.shape for one in (*spec.state_inputs, *spec.state_outputs)} == {(1, 1, 32)}


# --- kinds and options ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('yaml', 'labels', 'unit'),
    [
        ('- {term: joint_position, joints: [a, b]}', ('a', 'b'), 'rad'),
        ('- {term: joint_velocity, joints: [a]}', ('a',), 'rad/s'),
        ('- {term: joint_effort, joints: [a]}', ('a',), 'Nm'),
        ('- {term: base_linear_velocity}', ('x', 'y', 'z'), 'm/s'),
        ('- {term: base_angular_velocity, axes: [z]}', ('z',), 'rad/s'),
        ('- {term: projected_gravity}', ('x', 'y', 'z'), '1'),
        (
            '- {term: velocity_command, axes: [angular_z, linear_x]}',
            ('angular_z', 'linear_x'),
            'm/s, rad/s',
        ),
        ('- {term: goal_relative, layout: xy}', ('x', 'y'), 'm, 1'),
        (
            '- {term: target_pose, layout: position+quaternion_xyzw, frame: map}',
            ('x', 'y', 'z', 'qx', 'qy', 'qz', 'qw'),
            'm, 1',
        ),
        (
            '- {term: range_scan, sectors: 2, angle_min: -1, angle_max: 1, range_max: 5}',
            ('sector_0', 'sector_1'),
            'm',
        ),
        ('- {term: value, size: 2, unit: V}', ('value_0', 'value_1'), 'V'),
        ('- {term: last_action, of: raw}', ('value_0', 'value_1'), '1'),
    ],
)
def test_each_kind_of_observation(yaml, labels, unit):
    found = term(yaml)
    assert found.labels == labels
    assert found.unit == unit
    assert found.size == len(labels)


@pytest.mark.parametrize(
    ('yaml', 'labels'),
    [
        ('- {term: joint_position_target, joints: [b, a]}', ('b', 'a')),
        ('- {term: joint_velocity_target, joints: same}', ('a', 'b')),
        ('- {term: joint_effort_target, joints: [a]}', ('a',)),
        ('- {term: twist, axes: [linear_y]}', ('linear_y',)),
        ('- {term: value, size: 3}', ('value_0', 'value_1', 'value_2')),
    ],
)
def test_each_kind_of_action(yaml, labels):
    assert action(yaml).labels == labels


def test_arithmetic_is_one_number_for_all_or_one_each():
    one = term('- {term: joint_position, joints: [a, b], scale: 2, clip: [-1, 3]}')
    assert (one.scale, one.offset) == ((2.0, 2.0), (0.0, 0.0))
    assert one.clip == ((-1.0, -1.0), (3.0, 3.0))
    each = term(
        '- {term: joint_position, joints: [a, b], scale: [1, 2], relative_to: default_pose, '
        'clip: {high: [1, 2]}}'
    )
    assert (each.scale, each.offset) == ((1.0, 2.0), (0.5, -0.25))
    assert each.clip == ((-math.inf, -math.inf), (1.0, 2.0))
    plain = term('- {term: joint_position, joints: [a], relative_to: 0.75}')
    assert (plain.offset, plain.clip) == ((0.75,), ((-math.inf,), (math.inf,)))


def test_history_has_an_order_that_must_be_said():
    found = term('- {term: value, size: 1, history: 3, order: newest_first}')
    assert (found.history, found.newest_first) == (3, True)
    with pytest.raises(ContractError, match='order is missing: expected one of oldest_first'):
        term('- {term: value, size: 1, history: 3}')
    assert parse_contract(CONTRACT).input_size('obs') == 2 * 2 + 2


def test_same_is_the_latest_list_of_joints():
    contract = parse_contract(
        edited(
            CONTRACT,
            (
                '    - {term: last_action',
                '    - {term: joint_velocity, joints: [b]}\n'
                '    - {term: joint_effort, joints: same}\n    - {term: last_action',
            ),
        )
    )
    assert [one.joints for one in contract.observation_terms[:3]] == [('a', 'b'), ('b',), ('b',)]
    assert contract.action_terms[0].joints == ('b',)


def test_two_terms_of_one_kind_have_names_of_their_own():
    twice = '- {term: value, size: 1}\n    - {term: value, size: 2'
    with pytest.raises(ContractError, match='inputs: two terms are called value; give one of'):
        term(twice + '}')
    assert term(twice + ', name: other}').name == 'value'


# --- refusals ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ('change', 'words'),
    [
        (('period: 20 ms', 'period: 0 ms'), "policy.yaml:3: period: '0 ms' is not a duration "
         'greater than zero'),
        (('period: 20 ms', 'period: -20 ms'), "period: '-20 ms' is not a duration"),
        (('period: 20 ms', 'period: forever'), 'period: expected a duration such as 20 ms'),
        (('period: 20 ms', 'peroid: 20 ms'), 'period is missing: expected a duration such as 30 '
         'ms; the nearest key given is peroid, line 3'),
        (('version: 1', 'version: 0'), 'version: expected a whole number of at least 1, found 0'),
        (('version: 1', 'version: v1'), "version: expected a whole number, found 'v1'"),
        (('name: tiny', 'name: a tiny'), "name: 'a tiny' is not a name"),
        (('name: tiny', 'author: me\nname: tiny'), 'policy.yaml:1: author: unknown key.'),
        (('joint_position\n', 'joint_postion\n'), 'inputs.obs[0].term: expected one of '),
        (('joint_position\n', 'joint_postion\n'), 'Did you mean joint_position?'),
        (('joints: [a, b]', 'joints: [a, a]'), 'joints: expected at least one joint, each only'),
        (('joints: [a, b]', 'joints: []'), 'joints: expected at least one joint, each only once'),
        (('joints: [a, b]', 'joints: same'), 'joints: no term before this one lists its joints'),
        (('joints: [a, b]', 'joints: a'), "joints: expected a list of names, found 'a'"),
        (('      history: 2\n', '      historry: 2\n'), 'unknown key'),
        (('history: 2', 'history: 0'), 'history: expected a whole number of at least 1, found 0'),
        (('clip: [-1.0, 1.0]', 'clip: [1.0, -1.0]'), 'clip: a low bound lies above its high'),
        (('clip: [-1.0, 1.0]', 'clip: 1.0'), 'clip: expected [low, high], found 1 numbers'),
        (('clip: [-1.0, 1.0]', 'clip: [-1.0, nan]'), "clip: expected a finite number, found 'nan"),
        (('clip: [-1.0, 1.0]', 'clip: {lo: 1}'), 'outputs.action[0].clip.lo: unknown key. Did you '
         'mean low?'),
        (
            ('scale: 2.0', 'scale: [1, 2, 3]'),
            'scale: expected a number for all, or a list of 2; found a list of 3',
        ),
        (('scale: 2.0', 'scale: [2.0]'), 'scale: expected a number for all, or a list of 2'),
        (('scale: 2.0', 'offset: [1]'), 'offset: expected a number for all, or a list of 2'),
        (('clip: [-1.0, 1.0]', 'clip: {low: [0]}'), 'clip.low: expected a number for all, or a'),
        (
            ('history: 2', 'relative_to: [1]\n      history: 2'),
            'relative_to: expected a number for all, or a list of 2; found a list of 1',
        ),
        (('scale: 2.0', 'offset: default_pose'), 'offset: default_pose lacks a, b'),
        (('scale: 2.0', 'relative_to: 1'), 'outputs.action[0].relative_to: unknown key.'),
        (('scale: 2.0', 'history: 2'), 'outputs.action[0].history: unknown key.'),
        (('of: clipped', 'of: cliped'), "of: expected one of raw, clipped, found 'cliped'. Did"),
        (('of: clipped', 'scale: 2'), 'scale: last_action takes no such key'),
        (('outputs:\n', 'outputs: {}\nothers:\n'), 'outputs: expected at least one, each with'),
        (('shape: [1, 2]', 'shape: [1, 0]'), 'state.h.shape: expected whole numbers above 0'),
        (('shape: [1, 2]', 'shape: [1, 1.5]'), 'state.h.shape: expected whole numbers above 0'),
        (('initial: zeros', 'initial: ones'), "state.h.initial: expected zeros, found 'ones'."),
        (('reset: episode', 'reset: often'), 'state.h.reset: expected one of episode, never'),
        (('input: h_in', 'input: obs'), 'state: the artifact cannot have two inputs called obs'),
        (('output: h_out', 'output: action'), 'state: the artifact cannot have two outputs called '
         'action'),
        (('backend: onnx', 'backend: pickle'), 'artifact.backend: expected one of onnx, stable_b'),
        (("'0000", "'000"), 'artifact.sha256: expected 64 lower-case hexadecimal digits'),
        (('file: policy.onnx', 'file: ../policy.onnx'), "artifact.file: '../policy.onnx' is not "
         'the name of a file in the bundle'),
        (('file: policy.onnx', 'file: /etc/passwd'), 'is not the name of a file in the bundle'),
        (('file: policy.onnx', 'file: ..'), 'is not the name of a file in the bundle'),
        (('file: policy.onnx', 'file: "a\\0b"'), 'is not the name of a file in the bundle'),
        (('file: policy.onnx', 'file: ""'), 'expected a file name, found an empty text'),
    ],
)  # fmt: skip
def test_refusals_name_line_field_expected_and_found(change, words):
    with pytest.raises(ContractError) as caught:
        parse_contract(edited(CONTRACT, change))
    message = str(caught.value)
    assert message.startswith('policy.yaml:')
    assert words in message


@pytest.mark.parametrize(
    ('yaml', 'words'),
    [
        ('- {term: base_linear_velocity, axes: [w]}', "axes: 'w' is not one of x, y, z"),
        ('- {term: base_linear_velocity, axes: [x, x]}', 'axes: expected at least one, each only'),
        ('- {term: velocity_command}', 'axes is missing'),
        ('- {term: goal_relative, layout: polr}', 'Did you mean polar?'),
        ('- {term: value, size: 0}', 'size: expected a whole number of at least 1, found 0'),
        (
            '- {term: range_scan, sectors: 2, angle_min: 1, angle_max: 1, range_max: 5}',
            'angle_max: expected an angle above angle_min 1.0 rad',
        ),
        (
            '- {term: range_scan, sectors: 2, angle_min: -1, angle_max: 1, range_max: 0}',
            'range_max: expected a range above 0 m, found 0.0',
        ),
        ('- {term: value, size: 1, relative_to: default_pose}', 'needs a term with joints'),
        ('- {term: joint_position, joints: [a, q], relative_to: default_pose}', 'lacks q'),
        ('- {term: value, size: 1, relative_to: defualt_pose}', "found 'defualt_pose'"),
        ('- {term: value, size: 1, order: oldest_first}', 'order: unknown key'),
    ],
)
def test_refusals_of_options(yaml, words):
    with pytest.raises(ContractError) as caught:
        term(yaml)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ('normalisation', 'words'),
    [
        ('kind: minmax', "normalisation.kind: expected mean_std, found 'minmax'."),
        ('kind: mean_std, clip: 0', 'normalisation.clip: expected a number above 0'),
        ('kind: mean_std, epsilon: -1', 'normalisation.epsilon: expected a number above 0'),
        ('kind: mean_std, input: image', "normalisation.input: expected obs, found 'image'."),
    ],
)
def test_refusals_of_normalisation(normalisation, words):
    given = {'file': 's.safetensors', 'sha256': f"'{'1' * 64}'", 'clip': '10', 'epsilon': '1e-8'}
    given.update(part.split(': ') for part in normalisation.split(', '))
    entry = ', '.join(f'{key}: {value}' for key, value in given.items())
    with pytest.raises(ContractError) as caught:
        term('- {term: value, size: 2}', more=f'normalisation: {{{entry}}}')
    assert words in str(caught.value)


def test_the_text_is_kept_as_it_was_read(tmp_path):
    file = tmp_path / 'policy.yaml'
    file.write_text(CONTRACT)
    assert load_contract(file).text == CONTRACT
    with pytest.raises(ContractError, match='cannot be read: No such file'):
        load_contract(tmp_path / 'other.yaml')
