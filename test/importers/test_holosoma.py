"""ONNX of holosoma: JSON in its metadata, with the whole configuration or without."""

from __future__ import annotations

import copy
import json

import numpy as np
import pytest
from imported_session import ImportedSession
from linear_onnx import linear_onnx, weights
from ros_messages import IMU, cdr, joint_state

from fournex_runtime.errors import ArtifactError, OpenQuestions

JOINTS = ['hip', 'knee']
TERMS = 'holosoma.managers.observation.terms.locomotion:'
CONFIG = {
    'simulator': {'config': {'sim': {'fps': 200, 'control_decimation': 4}}},
    'robot': {
        'init_state': {'default_joint_angles': {'knee': 0.6, 'hip': -0.3}},
        'dof_effort_limit_list': [80.0, 40.0],
        'control': {
            'control_type': 'P',
            'action_scale': 0.25,
            'action_clip_value': 100.0,
            'clip_actions': True,
            'action_scales_by_effort_limit_over_p_gain': False,
        },
    },
    'observation': {
        'clip_observations': 100.0,
        'groups': {
            'actor_obs': {
                'concatenate': True,
                'history_length': 1,
                'terms': {
                    'projected_gravity': {'func': f'{TERMS}projected_gravity', 'scale': 1.0},
                    'base_ang_vel': {
                        'func': f'{TERMS}base_ang_vel',
                        'scale': 0.25,
                        'clip': [-0.5, 0.5],
                    },
                    'dof_vel': {'func': f'{TERMS}dof_vel', 'scale': 0.05},
                    'dof_pos': {'func': f'{TERMS}dof_pos', 'scale': 1.0, 'clip': None},
                    'command_lin_vel': {'func': f'{TERMS}command_lin_vel', 'scale': 1.0},
                    'command_ang_vel': {'func': f'{TERMS}command_ang_vel', 'scale': 1.0},
                    'actions': {'func': f'{TERMS}actions', 'scale': 1.0},
                },
            }
        },
    },
}
SIZE = 2 + 3 + 1 + 2 + 2 + 2 + 3
STATES = {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'}
INERTIAL = {'topic': 'imu', 'type': 'sensor_msgs/msg/Imu'}
COMMAND = {'topic': 'cmd_vel', 'type': 'geometry_msgs/msg/Twist'}
WIRED = {
    'base_angular_velocity': INERTIAL,
    'projected_gravity': INERTIAL,
    'command_lin_vel': COMMAND,
    'command_ang_vel': COMMAND,
    'joint_position': STATES,
    'joint_velocity': STATES,
}
MEASURED = {
    'imu': cdr(IMU, orientation={'w': 1.0}, angular_velocity={'x': 0.4, 'y': -3.0, 'z': 0.8}),
    'joint_states': joint_state(['knee', 'hip'], [0.5, -0.2], velocity=[2.0, -1.0]),
    'cmd_vel': cdr('geometry_msgs/msg/Twist', linear={'x': 0.4, 'y': 0.1}, angular={'z': 0.2}),
}


@pytest.fixture
def model(tmp_path):
    """Return a function that writes a model, its metadata as attach_onnx_metadata does."""

    def write(config=CONFIG, size: int = SIZE, **changes):
        metadata = {
            'dof_names': JOINTS,
            'kp': [100.0, 50.0],
            'kd': [2.5, 1.5],
            'command_ranges': {'lin_vel_x': [-1.0, 1.0]},
            **({} if config is None else {'experiment_config': config, 'iteration': 3}),
            **changes,
        }
        (tmp_path / 'run').mkdir(exist_ok=True)
        file = tmp_path / 'run' / 'walk.onnx'
        texts = {key: json.dumps(value) for key, value in metadata.items()}
        file.write_bytes(linear_onnx(weights(size, 2), texts, 'actor_obs', 'action'))
        return file

    return write


def test_a_policy_with_its_configuration_asks_nothing_and_does_as_trained(import_to, model):
    bundle = import_to(model(), {})
    assert bundle.contract.period_ns == 20_000_000
    assert bundle.contract.gains.stiffness == {'hip': 100.0, 'knee': 50.0}
    session = ImportedSession(bundle.folder, WIRED)
    matrix, action = weights(SIZE, 2).astype(np.float64), np.zeros(2)
    for _ in range(3):
        rate = np.clip(0.25 * np.array([0.4, -3.0, 0.8]), -0.5, 0.5)
        position = np.array([-0.2, 0.5]) - [-0.3, 0.6]
        # the terms stand in the order of the alphabet
        seen = [*action, *rate, 0.2, 0.4, 0.1, *position, -0.05, 0.1, 0, 0, -1]
        action = np.array(seen) @ matrix
        sent = session.commands(MEASURED)['joint_position_target']
        np.testing.assert_allclose(sent, 0.25 * action + [-0.3, 0.6], rtol=1e-5, atol=1e-5)


def test_scales_by_effort_are_those_of_each_joint(import_to, model):
    config = copy.deepcopy(CONFIG)
    config['robot']['control']['action_scales_by_effort_limit_over_p_gain'] = True
    (term,) = import_to(model(config), {}).contract.action_terms
    assert term.scale == (0.25 * 80.0 / 100.0, 0.25 * 40.0 / 50.0)


def test_a_term_of_its_own_is_asked(import_to, model):
    config = copy.deepcopy(CONFIG)
    terms = config['observation']['groups']['actor_obs']['terms']
    terms['sin_phase'] = {'func': f'{TERMS}sin_phase', 'scale': 1.0}
    with pytest.raises(OpenQuestions, match='--set .inputs.actor_obs.sin_phase='):
        import_to(model(config, SIZE + 2), {})
    said = {'inputs.actor_obs.sin_phase': [{'term': 'value', 'name': 'sin_phase', 'size': 2}]}
    bundle = import_to(model(config, SIZE + 2), said)
    assert bundle.contract.observation_terms[-1].name == 'sin_phase'


def test_older_files_say_joints_and_gains(import_to, model):
    file = model(None, size=6)
    with pytest.raises(OpenQuestions, match='joints: same stands for dof_names'):
        import_to(file, {})
    bundle = import_to(
        file,
        {
            'period': '20 ms',
            'inputs.actor_obs': [
                {'term': 'last_action'},
                {'term': 'joint_position', 'joints': 'same', 'relative_to': 'default_pose'},
                {'term': 'joint_velocity', 'joints': 'same', 'scale': 0.05},
            ],
            'outputs.action': [{'term': 'joint_position_target', 'joints': 'same', 'scale': 0.25}],
            'default_pose': [-0.3, 0.6],
            'start_pose': 'none',
        },
    )
    assert bundle.contract.action_terms[0].joints == ('hip', 'knee')
    assert bundle.contract.gains.damping == {'hip': 2.5, 'knee': 1.5}


@pytest.mark.parametrize(
    ('path', 'value', 'message'),
    [
        ('simulator.config.sim.fps', 0, 'sim.fps: expected a whole number of at least 1, found 0'),
        ('robot.control.control_type', 'X', 'control_type: expected one of P, V, T'),
        ('robot.init_state.default_joint_angles', {'hip': 1}, 'default_joint_angles: has no knee'),
        (
            'observation.groups.actor_obs.terms.actions.scale',
            2,
            'expected no scale and no clip for the last action',
        ),
    ],
)
def test_what_cannot_be_is_named(import_to, model, path, value, message):
    config = copy.deepcopy(CONFIG)
    *parents, last = path.split('.')
    place = config
    for one in parents:
        place = place[one]
    place[last] = value
    with pytest.raises(ArtifactError, match=f'walk.onnx: metadata experiment_config: .*{message}'):
        import_to(model(config), {})


def test_gains_of_another_number_are_refused(import_to, model):
    with pytest.raises(ArtifactError, match='metadata kp: expected a list of 2, found 3'):
        import_to(model(kp=[1.0, 2.0, 3.0]), {})
