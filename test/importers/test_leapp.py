"""LEAPP bundles, in the schema of leapp 0.7.2, against a runtime that passes state on itself."""

from __future__ import annotations

import copy
import hashlib

import numpy as np
import onnx
import pytest
import yaml
from imported_session import ImportedSession
from onnx import TensorProto, helper, numpy_helper
from ros_messages import IMU, cdr, joint_state
from safetensors.numpy import save
from wrong_values import errors_of_wrong_values

from fournex_runtime.errors import ArtifactError, BundleError, OpenQuestions

JOINTS = ['hip', 'knee']
SIZES = {'robot_quat': 4, 'base_ang_vel': 3, 'joint_pos': 2, 'joint_vel': 2, 'cmd': 3}
STATE = {'last_action_in': 2, 'h_in': 4}
RANDOM = np.random.default_rng(6)
WEIGHTS = {
    'W': RANDOM.normal(size=(20, 4)).astype(np.float32),
    'V': RANDOM.normal(size=(4, 2)).astype(np.float32),
    'pose': np.array([[0.1, -0.2]], np.float32),
    'kp': np.array([[20.0, 25.0]], np.float32),
    'kd': np.array([[0.5, 0.6]], np.float32),
}
FIRST = np.full((1, 4), 0.5, np.float32)


def network() -> bytes:
    """Return a policy with all its arithmetic inside, as LEAPP traces it; gains are outputs."""
    names = [*SIZES, *STATE]
    nodes = [
        helper.make_node('Concat', names, ['obs'], axis=1),
        helper.make_node('MatMul', ['obs', 'W'], ['x']),
        helper.make_node('Tanh', ['x'], ['h_out']),
        helper.make_node('MatMul', ['h_out', 'V'], ['last_action_out']),
        helper.make_node('Add', ['last_action_out', 'pose'], ['joint_targets']),
        helper.make_node('Identity', ['kp'], ['kp_out']),
        helper.make_node('Identity', ['kd'], ['kd_out']),
    ]
    outputs = ['joint_targets', 'kp_out', 'kd_out', 'last_action_out', 'h_out']
    sizes = {**SIZES, **STATE, **dict.fromkeys(outputs, 2), 'h_out': 4}

    def value(name):
        return helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, sizes[name]])

    graph = helper.make_graph(
        nodes,
        'walk',
        [value(name) for name in names],
        [value(name) for name in outputs],
        [numpy_helper.from_array(array, name) for name, array in WEIGHTS.items()],
    )
    opset = [helper.make_opsetid('', 17)]
    model = helper.make_model(graph, opset_imports=opset, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def array(name, size, kind='', elements=(), **more):
    found = {'name': name, 'dtype': 'float32', 'shape': [1, size], 'type': 'tensor'}
    if kind:
        found['kind'] = kind
    if elements:
        found['element_names'] = [list(elements)]
    return {**found, **more}


QUATERNION = array('robot_quat', 4, 'state/body/rotation', 'xyzw')
INPUTS = [
    QUATERNION,
    array('base_ang_vel', 3, 'state/body/angular_velocity', 'xyz'),
    array('joint_pos', 2, 'state/joint/position', JOINTS),
    array('joint_vel', 2, 'state/joint/velocity', JOINTS),
    array('cmd', 3, 'command/body/velocity', ['lin_vel_x', 'lin_vel_y', 'ang_vel_z']),
    array('last_action_in', 2),
    array('h_in', 4),
]
OUTPUTS = [
    array('joint_targets', 2, 'target/joint/position', JOINTS),
    array('kp_out', 2, 'kp', JOINTS),
    array('kd_out', 2, 'kd', JOINTS),
    array('last_action_out', 2),
    array('h_out', 4),
]
PIPELINE = {
    'configs': {'frequency': 50.0},
    'data_flow': {},
    'feedback_flow': {
        'walk/h_out': ['walk/h_in'],
        'walk/last_action_out': ['walk/last_action_in'],
    },
    'initial_values': 'walk_initial_values.safetensors',
    'inputs': {'walk': list(SIZES)},
    'outputs': {'walk': ['joint_targets', 'kp_out', 'kd_out']},
}
WIRED = {
    'orientation': {'topic': 'imu', 'type': IMU},
    'base_angular_velocity': {'topic': 'imu', 'type': IMU},
    'joint_position': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
    'joint_velocity': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
    'velocity_command': {'topic': 'cmd_vel', 'type': 'geometry_msgs/msg/Twist'},
}


def written(tmp_path, change=lambda tree: None):
    """Write a bundle as ``leapp.compile_graph()`` does; returns its folder."""
    folder = tmp_path / 'walk'
    folder.mkdir()
    model = network()
    (folder / 'walk.onnx').write_bytes(model)
    first = {'walk/h_in': FIRST, 'walk/last_action_in': np.zeros((1, 2), np.float32)}
    (folder / 'walk_initial_values.safetensors').write_bytes(save(first))
    parameters = {
        'model_path': 'walk.onnx',
        'md5sum': hashlib.md5(model, usedforsecurity=False).hexdigest(),
        'sha256sum': hashlib.sha256(model).hexdigest(),
        'backend': 'onnx',
        'warp_segments': 0,
        'opset_version': 17,
    }
    tree = {
        'models': {'walk': {'inputs': INPUTS, 'outputs': OUTPUTS, 'parameters': parameters}},
        'pipeline': PIPELINE,
        'system information': {'leapp version': '0.7.2', 'leapp config version': '1.3'},
    }
    tree = copy.deepcopy(tree)
    change(tree)
    (folder / 'walk.yaml').write_text(yaml.safe_dump(tree, sort_keys=False))
    return folder


class Runtime:
    """What LEAPP's own inference manager does: every state is fed back, beginning as saved."""

    def __init__(self):
        self.last_action, self.h = np.zeros((1, 2), np.float32), FIRST

    def step(self, *values):
        obs = np.concatenate([*values, self.last_action[0], self.h[0]]).astype(np.float32)
        self.h = np.tanh(obs[None] @ WEIGHTS['W'])
        self.last_action = self.h @ WEIGHTS['V']
        return (self.last_action + WEIGHTS['pose'])[0]


def test_an_imported_bundle_commands_what_the_graph_gives(import_to, tmp_path):
    bundle = import_to(written(tmp_path), {})
    assert bundle.contract.period_ns == 20_000_000
    session, upstream = ImportedSession(bundle.folder, WIRED), Runtime()
    random = np.random.default_rng(3)
    for _ in range(5):
        quaternion = random.normal(size=4)
        quaternion /= np.linalg.norm(quaternion)
        gyroscope, command, q, dq = (random.normal(size=n) for n in (3, 3, 2, 2))
        x, y, z, w = quaternion.tolist()
        a, b, c = command.tolist()
        sent = session.commands(
            {
                'imu': cdr(
                    IMU,
                    orientation={'x': x, 'y': y, 'z': z, 'w': w},
                    angular_velocity=dict(zip('xyz', gyroscope.tolist())),
                ),
                'joint_states': joint_state(JOINTS, q.tolist(), velocity=dq.tolist()),
                'cmd_vel': cdr(
                    'geometry_msgs/msg/Twist', linear={'x': a, 'y': b}, angular={'z': c}
                ),
            }
        )
        expected = upstream.step(quaternion, gyroscope, q, dq, command)
        np.testing.assert_allclose(sent['joint_position_target'], expected, atol=2e-6)
        np.testing.assert_allclose(sent['joint_stiffness'], [20.0, 25.0])
        np.testing.assert_allclose(sent['joint_damping'], [0.5, 0.6], rtol=1e-6)


def test_state_begins_with_its_initial_values(import_to, tmp_path):
    bundle = import_to(written(tmp_path), {})
    assert {one.name for one in bundle.contract.state} == {'h', 'last_action'}
    np.testing.assert_array_equal(bundle.initial_state['h'], FIRST)


def test_a_rate_that_is_not_said_is_asked_for(import_to, tmp_path):
    folder = written(tmp_path, lambda tree: tree['pipeline'].pop('configs'))
    with pytest.raises(OpenQuestions, match="--set 'period=20 ms'"):
        import_to(folder, {})
    assert import_to(folder, {'period': '20 ms'}).contract.period_ns == 20_000_000


@pytest.mark.parametrize(
    ('index', 'change'),
    [
        (1, {'kind': 'state/vector3d'}),
        (1, {'isaaclab_connection': 'state:robot:root_ang_vel_w'}),
        (0, {'element_names': None}),
        (0, {'element_names': [['qx', 'qy', 'qz', 'qw']], 'kind': 'state/body/pose'}),
        (2, {'element_names': None}),
        (4, {'element_names': [['a', 'b', 'c']]}),
    ],
    ids=['vector', 'in the world', 'unnamed', 'other kind', 'no joints', 'no axes'],
)
def test_what_a_kind_leaves_open_is_asked_for(import_to, tmp_path, index, change):
    def edit(tree):
        tree['models']['walk']['inputs'][index].update(change)

    name = INPUTS[index]['name']
    with pytest.raises(OpenQuestions, match=f'inputs.{name}='):
        import_to(written(tmp_path, edit), {})


def test_a_quaternion_is_in_the_order_of_its_names(import_to, tmp_path):
    def edit(tree):
        tree['models']['walk']['inputs'][0]['element_names'] = [['w', 'x', 'y', 'z']]

    term = import_to(written(tmp_path, edit), {}).contract.observation_terms[0]
    assert term.labels == ('qw', 'qx', 'qy', 'qz')


def test_the_words_of_isaac_ros_deploy_are_read_too(import_to, tmp_path):
    def edit(tree):
        pipeline, model = tree['pipeline'], tree['models']['walk']
        pipeline['feedback_connections'] = pipeline.pop('feedback_flow')
        model['outputs'][0]['kind'] = 'joint_pos_targets'
        model['inputs'][2]['element_names'] = [[], JOINTS]  # of the batch axis, and of the joints
        for one in (*model['inputs'], *model['outputs']):
            del one['dtype']
        del model['parameters']['sha256sum']

    contract = import_to(written(tmp_path, edit), {}).contract
    assert contract.action_terms[0].kind == 'joint_position_target'
    assert contract.inputs['joint_pos'][0].joints == tuple(JOINTS)


def change(*path, to):
    def edit(tree):
        place = tree
        for key in path[:-1]:
            place = place[key]
        place[path[-1]] = to

    return edit


def second_model(tree):
    tree['models']['eyes'] = tree['models']['walk']
    tree['pipeline']['data_flow'] = {'eyes/joint_targets': ['walk/joint_pos']}


MODEL = ('models', 'walk')
FLOW = ('pipeline', 'feedback_flow')


@pytest.mark.parametrize(
    ('edit', 'message'),
    [
        (
            second_model,
            r'expected one model, found 2 \(walk, eyes\), joined by eyes/joint',
        ),
        (
            change(*MODEL, 'parameters', 'sha256sum', to='0' * 64),
            'sha256sum is 000000000000…, the file has .* not the network that this description',
        ),
        (
            change(*MODEL, 'parameters', 'model_path', to='x.onnx'),
            r'network \(x.onnx\) is miss',
        ),
        (
            change(*MODEL, 'inputs', 2, 'shape', to=[1, 3]),
            r'shape: expected \[1, 2\] of joint',
        ),
        (change(*MODEL, 'inputs', 2, 'name', to='joints'), 'name: expected one of robot_quat'),
        (change(*MODEL, 'inputs', 2, 'dtype', to='float64'), 'dtype: expected float32'),
        (
            change(*MODEL, 'inputs', 2, 'element_names', to=[['a']]),
            'expected a list of 2, found',
        ),
        (change(*MODEL, 'inputs', to=INPUTS[:-1]), 'expected all inputs of .*none called h_in'),
        (change(*MODEL, 'outputs', 4, 'kind', to='kp'), 'kind: expected no kind, since it is fed'),
        (change(*FLOW, 'walk/h_out', to=['walk/cmd']), r'expected the shape \[1, 4\] of h_out'),
        (change(*FLOW, 'walk/h_out', to=['walk/none']), 'expected an output and an input of walk'),
        (change('pipeline', 'configs', 'frequency', to=0), 'expected a frequency above 0 Hz'),
        (change('pipeline', 'initial_values', to='x.st'), r'initial values \(x.st\) is missing'),
        (change(*FLOW, to={}), 'has an initial value for h_in, last_action_in, to which nothing'),
        (
            change(*MODEL, 'inputs', 2, 'history_length', to=3),
            'expected 2 values in 3 frames of equal size',
        ),
    ],
)
def test_what_does_not_fit_is_named(import_to, tmp_path, edit, message):
    with pytest.raises(ArtifactError, match=message):
        import_to(written(tmp_path, edit), {})
    assert not (tmp_path / 'bundle').exists()


@pytest.mark.parametrize('name', ['walk.onnx', 'walk_initial_values.safetensors'])
def test_a_truncated_file_is_refused(import_to, tmp_path, name):
    def forget_the_hash(tree):
        del tree['models']['walk']['parameters']['sha256sum']

    folder = written(tmp_path, forget_the_hash)
    (folder / name).write_bytes((folder / name).read_bytes()[:-50])
    with pytest.raises(BundleError, match=name):
        import_to(folder, {})
    assert not (tmp_path / 'bundle').exists()


def test_no_value_makes_it_crash(tmp_path):
    errors = errors_of_wrong_values(written(tmp_path), 'walk.yaml', {}, 'leapp', every=3)
    assert len(errors) > 20
    assert all('walk.yaml' in error for error in errors)
