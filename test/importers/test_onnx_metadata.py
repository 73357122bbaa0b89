"""ONNX with the metadata that mjlab, whole_body_tracking and legged_control2 attach."""

from __future__ import annotations

import numpy as np
import pytest
from imported_session import ImportedSession
from linear_onnx import finished, linear_onnx, weights
from onnx import TensorProto, helper, numpy_helper
from ros_messages import ARRAY, IMU, cdr, joint_state

from fournex_runtime.errors import ArtifactError, OpenQuestions

JOINTS = ['hip', 'knee']


def csv(values: list) -> str:
    """Write a list as the exporters do (list_to_csv_str): three decimals; rows by semicolons."""

    def scalar(x):
        return f'{x:.3f}' if isinstance(x, (int, float)) else str(x)

    return ','.join(';'.join(map(scalar, x)) if isinstance(x, list) else scalar(x) for x in values)


VELOCITY = {
    'run_path': 'lab/walk/1a2b3c',
    'joint_names': csv(JOINTS),
    'joint_stiffness': csv([40.0, 60.0]),
    'joint_damping': csv([1.0, 1.5]),
    'default_joint_pos': csv([-0.3121, 0.669]),
    'command_names': csv(['twist']),
    'observation_names': csv(
        ['base_ang_vel', 'projected_gravity', 'joint_pos', 'joint_vel', 'actions', 'command']
    ),
    'action_scale': csv([0.5, 0.25]),
}
LATER = {
    'observation_terms_scale': csv([0.2, 1.0, 1.0, [0.05, 0.1], 1.0, 2.0]),
    'observation_terms_clip': csv([[-2.0, 2.0], *[[-np.inf, np.inf]] * 5]),
    'observation_terms_history_length': csv([2, 0, 0, 0, 0, 0]),
    'observation_terms_flatten_history_dim': csv([True] * 6),
}
SIZE = 3 + 3 + 2 + 2 + 2 + 3
ANSWERS = {
    'period': '20 ms',
    'gains': 'joint_order',
    'inputs.obs.joint_position.relative_to': 'default_pose',
    'outputs.actions.offset': 'default_pose',
}
STATES = {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'}
INERTIAL = {'topic': 'imu', 'type': 'sensor_msgs/msg/Imu'}
WIRED = {
    'base_angular_velocity': INERTIAL,
    'projected_gravity': INERTIAL,
    'joint_position': STATES,
    'joint_velocity': STATES,
    'velocity_command': {'topic': 'cmd_vel', 'type': 'geometry_msgs/msg/Twist'},
}
MEASURED = {
    'imu': cdr(IMU, orientation={'w': 1.0}, angular_velocity={'x': 0.1, 'y': -3.0, 'z': 0.3}),
    'joint_states': joint_state(['knee', 'hip'], [0.5, -0.2], velocity=[2.0, -1.0]),
    'cmd_vel': cdr('geometry_msgs/msg/Twist', linear={'x': 0.4}, angular={'z': 0.2}),
}
POSITION = np.array([-0.2, 0.5]) - [-0.312, 0.669]


@pytest.fixture
def model(tmp_path):
    """Return a function that writes a model with metadata; keys with None are left out."""

    def write(size: int = SIZE, **changes):
        metadata = {key: value for key, value in (VELOCITY | changes).items() if value is not None}
        (tmp_path / 'run').mkdir(exist_ok=True)
        file = tmp_path / 'run' / 'walker.onnx'
        file.write_bytes(linear_onnx(weights(size, 2), metadata))
        return file

    return write


def test_a_velocity_policy_commands_what_training_would(import_to, model):
    session = ImportedSession(import_to(model(), ANSWERS).folder, WIRED)
    matrix, action = weights(SIZE, 2).astype(np.float64), np.zeros(2)
    for _ in range(3):
        seen = [0.1, -3.0, 0.3, 0, 0, -1, *POSITION, -1.0, 2.0, *action, 0.4, 0.0, 0.2]
        action = np.array(seen) @ matrix
        sent = session.commands(MEASURED)['joint_position_target']
        expected = action * [0.5, 0.25] + [-0.312, 0.669]
        np.testing.assert_allclose(sent, expected, rtol=1e-4, atol=1e-5)


def test_scales_clips_and_histories_of_later_versions_are_read(import_to, model):
    session = ImportedSession(import_to(model(SIZE + 3, **LATER), ANSWERS).folder, WIRED)
    seen = session.tick(MEASURED).observation['obs'][0]
    rate = 0.2 * np.clip([0.1, -3.0, 0.3], -2.0, 2.0)
    expected = [*rate, *rate, 0, 0, -1, *POSITION, -0.05, 0.2, 0, 0, 0.8, 0.0, 0.4]
    np.testing.assert_allclose(seen, expected, atol=1e-6)


def test_what_the_metadata_leave_open_is_asked(import_to, model):
    with pytest.raises(OpenQuestions) as caught:
        import_to(model(), {})
    for key in ANSWERS:
        assert f'--set {key}=' in str(caught.value) or f"--set '{key}=" in str(caught.value)
    assert str(caught.value).count('--set ') == len(ANSWERS)


def test_gains_of_an_order_that_is_not_certain_are_left_out(import_to, model):
    bundle = import_to(model(), {**ANSWERS, 'gains': 'leave_out'})
    assert bundle.contract.gains is None


def test_gains_that_are_all_the_same_need_no_order(import_to, model):
    file = model(joint_stiffness=csv([40, 40]), joint_damping=csv([1, 1]))
    answers = {key: value for key, value in ANSWERS.items() if key != 'gains'}
    assert import_to(file, answers).contract.gains.stiffness == {'hip': 40.0, 'knee': 40.0}


def test_a_scale_for_all_joints_is_one_number(import_to, model):
    bundle = import_to(model(action_scale='0.25'), ANSWERS)
    assert bundle.contract.action_terms[0].scale == (0.25, 0.25)


def test_a_term_that_is_not_known_by_name_has_the_rest_of_the_input(import_to, model):
    file = model(SIZE + 4, observation_names=VELOCITY['observation_names'] + ',height_scan')
    with pytest.raises(OpenQuestions, match='what the 4 values of the observation term height_'):
        import_to(file, ANSWERS)


def tracking_model(frames: int = 4, metadata: dict | None = None) -> bytes:
    """Return a model as export_motion_policy_as_onnx makes it: a motion by time step beside it."""
    random = np.random.default_rng(5)
    size = 4 + 3 + 6 + 3 + 2 + 2 + 2
    motion = {
        'joint_pos': random.normal(size=(frames, 2)).astype(np.float32),
        'joint_vel': random.normal(size=(frames, 2)).astype(np.float32),
        'body_pos_w': random.normal(size=(frames, 3, 3)).astype(np.float32),
        'body_quat_w': random.normal(size=(frames, 3, 4)).astype(np.float32),
    }
    nodes = [
        helper.make_node('MatMul', ['obs', 'matrix'], ['actions']),
        helper.make_node('Cast', ['time_step'], ['long'], to=TensorProto.INT64),
        helper.make_node('Squeeze', ['long', 'last'], ['flat']),
        helper.make_node('Min', ['flat', 'end'], ['step']),
        *(helper.make_node('Gather', [f'{name}s', 'step'], [name], axis=0) for name in motion),
    ]
    tensors = {
        'matrix': weights(size, 2),
        'last': np.array([-1]),
        'end': np.array([frames - 1]),
        **{f'{name}s': value for name, value in motion.items()},
    }
    info = helper.make_tensor_value_info
    graph = helper.make_graph(
        nodes,
        'policy',
        [info('obs', TensorProto.FLOAT, [1, size]), info('time_step', TensorProto.FLOAT, [1, 1])],
        [
            info('actions', TensorProto.FLOAT, [1, 2]),
            *(info(k, TensorProto.FLOAT, [1, *v.shape[1:]]) for k, v in motion.items()),
        ],
        [numpy_helper.from_array(value, name) for name, value in tensors.items()],
    )
    return finished(graph, metadata)


TRACKING = {
    **VELOCITY,
    'command_names': 'motion',
    'observation_names': csv(
        ['command', 'motion_anchor_pos_b', 'motion_anchor_ori_b', 'base_ang_vel']
        + ['joint_pos', 'joint_vel', 'actions']
    ),
    'observation_history_lengths': csv([1] * 7),
    'anchor_body_name': 'torso_link',
    'body_names': 'pelvis,torso_link,foot',
}


def test_a_tracking_policy_counts_its_time_step(import_to, tmp_path):
    (tmp_path / 'run').mkdir()
    (tmp_path / 'run' / 'dance.onnx').write_bytes(tracking_model(metadata=TRACKING))
    bundle = import_to(tmp_path / 'run' / 'dance.onnx', ANSWERS)
    assert list(bundle.contract.inputs) == ['obs', 'time_step']
    assert bundle.contract.start_pose == {}  # the motion begins elsewhere
    numbers = {'type': ARRAY, 'field': 'data'}
    wired = {key: WIRED[key] for key in ('base_angular_velocity', 'joint_position')}
    motion = {'command': 4, 'motion_anchor_pos_b': 3, 'motion_anchor_ori_b': 6}
    session = ImportedSession(
        bundle.folder,
        {
            **wired,
            'joint_velocity': STATES,
            **{name: {'topic': name, **numbers} for name in motion},
        },
    )
    sent = {name: cdr(ARRAY, data=[0.1] * size) for name, size in motion.items()}
    session.tick({**MEASURED, **sent}, episode='first')
    record = session.tick({**MEASURED, **sent})
    np.testing.assert_array_equal(record.observation['time_step'], [[1.0]])
    np.testing.assert_allclose(record.observation['obs'][0, :13], 0.1, atol=1e-7)


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        (
            {'default_joint_pos': '0.1'},
            'walker.onnx: metadata default_joint_pos: expected 2 values',
        ),
        (
            {'default_joint_pos': '0.1,nan'},
            'default_joint_pos: expected finite numbers, found nan',
        ),
        ({'joint_names': 'hip,hip'}, 'joint_names: expected different names'),
        ({'action_scale': '0.1,0.2,0.3'}, 'action_scale: expected 1 or 2 numbers, found 3'),
        ({'action_scale': '0.1,x'}, "action_scale: expected numbers, found 'x'"),
        ({'observation_names': 'base_ang_vel'}, 'expected terms of 15 values, found 3'),
        (
            {'size': SIZE + 3, **LATER, 'observation_terms_clip': '-1;1'},
            'observation_terms_clip: expected 6 values',
        ),
        (
            {**LATER, 'observation_terms_flatten_history_dim': csv([False] * 6)},
            'expected flattened histories',
        ),
        (
            {**LATER, 'observation_terms_history_length': csv([1.5, 0, 0, 0, 0, 0])},
            'observation_terms_history_length: expected whole numbers',
        ),
    ],
)
def test_what_cannot_be_is_named_by_key(import_to, model, tmp_path, changes, message):
    with pytest.raises(ArtifactError, match=message):
        import_to(model(**changes), ANSWERS)
    assert sorted(one.name for one in tmp_path.iterdir()) == ['run']
