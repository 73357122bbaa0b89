"""Policies of rl_sar against what its ``RL`` class computes, and what its files leave to guess."""

from __future__ import annotations

import copy

import numpy as np
import pytest
import yaml
from imported_session import ImportedSession
from linear_policy import LinearPolicy
from ros_messages import IMU, cdr, joint_state
from wrong_values import errors_of_wrong_values

from fournex_runtime.errors import ArtifactError, OpenQuestions

# Two legs of a hip and a wheel each. The policy has the left leg first, the motors the right one.
MOTORS = ['right_hip', 'right_wheel', 'left_hip', 'left_wheel']
POLICY = ['left_hip', 'left_wheel', 'right_hip', 'right_wheel']
OBSERVATIONS = ['lin_vel', 'ang_vel', 'gravity_vec', 'commands', 'dof_pos', 'dof_vel', 'actions']
BASE = {
    'dt': 0.005,
    'decimation': 4,
    'fixed_kp': [80.0] * 4,
    'num_of_dofs': 4,
    'wheel_indices': [],
    'default_dof_pos': [0.2, 0.0, 0.2, 0.0],
    'joint_names': MOTORS,
    'joint_controller_names': ['rh', 'rw', 'lh', 'lw'],
    'joint_mapping': [0, 1, 2, 3],
    'torque_limits': [33.5] * 4,
}
CONFIG = {
    'model_name': 'policy.onnx',
    'num_observations': 24,
    'observations': OBSERVATIONS,
    'observations_history': [],
    'observations_history_priority': 'time',
    'clip_obs': 3.0,
    'clip_actions_lower': [-1.0, -2.0, -1.0, -2.0],
    'clip_actions_upper': [1.5, 2.0, 1.5, 2.0],
    'rl_kp': [20.0, 0.0, 21.0, 0.0],
    'rl_kd': [0.5, 1.0, 0.5, 1.0],
    'num_of_dofs': 4,
    'action_scale': [0.25, 5.0, 0.5, 5.0],
    'wheel_indices': [1, 3],
    'lin_vel_scale': 2.0,
    'ang_vel_scale': 0.25,
    'dof_pos_scale': 1.0,
    'dof_vel_scale': 0.05,
    'commands_scale': [2.0, 2.0, 0.25],
    'default_dof_pos': [0.3, 0.0, -0.3, 0.0],
    'joint_mapping': [2, 3, 0, 1],
}
WIRED = {
    'base_linear_velocity': {'topic': 'odom', 'type': 'nav_msgs/msg/Odometry'},
    'base_angular_velocity': {'topic': 'imu', 'type': IMU},
    'projected_gravity': {'topic': 'imu', 'type': IMU},
    'velocity_command': {'topic': 'cmd_vel', 'type': 'geometry_msgs/msg/Twist'},
    'joint_position': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
    'joint_velocity': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
}


def written(tmp_path, policy=None, base=None, **config):
    """Write a policy of the robot ``bot`` as rl_sar has them; returns its folder."""
    folder = tmp_path / 'policy' / 'bot' / 'walk'
    folder.mkdir(parents=True)
    text = yaml.safe_dump({'bot/walk': {**CONFIG, **config}})
    (folder / 'config.yaml').write_text(text)
    (folder.parent / 'base.yaml').write_text(yaml.safe_dump({'bot': {**BASE, **(base or {})}}))
    frames = len(config.get('observations_history', [])) or 1
    (folder / 'policy.onnx').write_bytes((policy or LinearPolicy(24 * frames, 4)).onnx)
    return folder


class RlSar:
    """``RL::ComputeObservation``, ``Forward`` and ``ComputeOutput``, in their words."""

    def __init__(self, config, policy):
        self.params = config
        self.policy = policy
        self.actions = np.zeros(4, np.float32)
        self.frames = []

    def observation(self, state):
        p = self.params
        position = state['dof_pos'] - np.array(p['default_dof_pos'])
        position[p['wheel_indices']] = 0.0
        made = {
            'lin_vel': state['lin_vel'] * p['lin_vel_scale'],
            'ang_vel': state['ang_vel'] * p['ang_vel_scale'],
            'gravity_vec': state['gravity'],
            'commands': state['commands'] * np.array(p['commands_scale']),
            'dof_pos': position * p['dof_pos_scale'],
            'dof_vel': state['dof_vel'] * p['dof_vel_scale'],
            'actions': self.actions,
        }
        parts = [made[name] for name in p['observations']]
        return [np.clip(part, -p['clip_obs'], p['clip_obs']) for part in parts]

    def step(self, state):
        frame = self.observation(state)
        history = self.params['observations_history']
        # a session begins with the first frame, rl_sar with zeros
        self.frames = [frame, *(self.frames or [frame] * 10)][:10]
        if not history:
            given = np.concatenate(frame)
        elif self.params['observations_history_priority'] == 'time':
            given = np.concatenate([np.concatenate(self.frames[age]) for age in history])
        else:
            terms = range(len(frame))
            given = np.concatenate([self.frames[age][term] for term in terms for age in history])
        raw = self.policy(given)
        low, high = self.params['clip_actions_lower'], self.params['clip_actions_upper']
        self.actions = np.clip(raw, low, high)
        scaled = self.actions * np.array(self.params['action_scale'])
        wheels = self.params['wheel_indices']
        legs = [i for i in range(4) if i not in wheels]
        return (scaled + np.array(self.params['default_dof_pos']))[legs], scaled[wheels]


def states(count):
    random = np.random.default_rng(5)
    for _ in range(count):
        yield {
            'lin_vel': random.normal(size=3),
            'ang_vel': random.normal(size=3) * 8.0,
            'gravity': np.array([0.0, 0.0, -1.0]),
            'commands': random.normal(size=3),
            'dof_pos': random.normal(size=4),
            'dof_vel': random.normal(size=4) * 50.0,
        }


def messages_of(state):
    """Return the state as messages, with the joints in the order of the robot's motors."""
    order = [POLICY.index(name) for name in MOTORS]
    x, y, z = state['lin_vel'].tolist()
    a, b, c = state['commands'].tolist()
    velocity = {'linear': {'x': x, 'y': y, 'z': z}}
    return {
        'odom': cdr('nav_msgs/msg/Odometry', twist={'twist': velocity}),
        'imu': cdr(
            IMU,
            orientation={'x': 0.0, 'y': 0.0, 'z': 0.0, 'w': 1.0},
            angular_velocity=dict(zip('xyz', state['ang_vel'].tolist())),
        ),
        'cmd_vel': cdr('geometry_msgs/msg/Twist', linear={'x': a, 'y': b}, angular={'z': c}),
        'joint_states': joint_state(
            MOTORS, state['dof_pos'][order].tolist(), velocity=state['dof_vel'][order].tolist()
        ),
    }


@pytest.mark.parametrize(
    ('history', 'priority'),
    [([], 'time'), ([2, 1, 0], 'time'), ([0, 1, 2], 'time'), ([2, 1, 0], 'term')],
    ids=['none', 'oldest first', 'newest first', 'by term'],
)
def test_an_imported_policy_commands_what_rl_sar_does(import_to, tmp_path, history, priority):
    policy = LinearPolicy(24 * (len(history) or 1), 4)
    stacked = {'observations_history': history, 'observations_history_priority': priority}
    bundle = import_to(written(tmp_path, policy, **stacked), {})
    assert bundle.contract.period_ns == 20_000_000
    session = ImportedSession(bundle.folder, WIRED)
    upstream = RlSar({**CONFIG, **stacked}, policy)
    for state in states(6):
        sent = session.commands(messages_of(state))
        legs, wheels = upstream.step(copy.deepcopy(state))
        found = sent['joint_position_target'] + sent['joint_position_target_2']
        np.testing.assert_allclose(found, legs, atol=2e-6)
        found = sent['joint_velocity_target'] + sent['joint_velocity_target_2']
        np.testing.assert_allclose(found, wheels, atol=2e-5)


def test_joints_gains_and_poses_are_by_name(import_to, tmp_path):
    contract = import_to(written(tmp_path), {}).contract
    assert list(contract.default_pose) == POLICY
    assert contract.default_pose['right_hip'] == -0.3
    assert contract.start_pose['right_hip'] == 0.2  # where base.yaml has it stand up to
    assert contract.gains.stiffness['right_hip'] == 21.0
    assert contract.gains.damping['left_wheel'] == 1.0
    assert [term.joints for term in contract.action_terms] == [(name,) for name in POLICY]


def test_each_fact_names_the_file_that_says_it(import_to, tmp_path):
    facts = import_to(written(tmp_path), {}).contract.facts
    assert str(facts['period']) == 'file: base.yaml: bot.dt × decimation'
    assert 'in the order of config.yaml: bot/walk.joint_mapping' in str(facts['joints'])
    scale = facts['inputs.obs.joint_velocity.scale']
    assert str(scale) == 'file: config.yaml: bot/walk.dof_vel_scale'


def test_what_rl_sar_takes_from_a_motion_file_is_asked_for(import_to, tmp_path):
    listed = [*OBSERVATIONS[1:], 'RoboMimic_Deploy/phase']
    folder = written(tmp_path, LinearPolicy(22, 4), observations=listed, num_observations=22)
    with pytest.raises(OpenQuestions, match="--set 'inputs.obs.RoboMimic_Deploy/phase="):
        import_to(folder, {})
    answer = {'term': 'value', 'size': 1, 'name': 'phase'}
    contract = import_to(folder, {'inputs.obs.RoboMimic_Deploy/phase': answer}).contract
    assert contract.observation_terms[-1].name == 'phase'


@pytest.mark.parametrize(
    ('config', 'base', 'message'),
    [
        (
            {'observations': ['ang_vel', 'height_scan'], 'num_observations': 3},
            {},
            'bot/walk.observations: expected some of lin_vel.* found height_scan, which rl_sar',
        ),
        ({'num_observations': 45}, {}, 'num_observations: expected 24, as many as .*found 45'),
        (
            {'joint_mapping': [0, 0, 1, 2]},
            {},
            'joint_mapping: expected 4 different motors below 4',
        ),
        (
            {'joint_mapping': [0, 1, 2, 7]},
            {},
            'joint_mapping: expected 4 different motors below 4',
        ),
        ({'action_scale': [0.25] * 3}, {}, 'action_scale: expected a list of 4, found 3'),
        ({'rl_kp': [20.0] * 12}, {}, 'rl_kp: expected a list of 4, found 12'),
        ({'wheel_indices': [4]}, {}, 'wheel_indices: expected indices below 4'),
        ({'clip_actions_upper': []}, {}, 'expected clip_actions_lower and clip_actions_upper'),
        ({'observations_history': [0, 2]}, {}, r'expected 0, 1, 2 … or .*found \[0, 2\]'),
        (
            {'observations_history': [1, 0]},
            {},
            'describes 48 values of observation, obs',
        ),
        ({'clip_obs': 'none'}, {}, "clip_obs: expected a number, found 'none'"),
        ({}, {'dt': '0.005 s'}, "base.yaml: bot.dt: expected a number, found '0.005 s'"),
        ({}, {'decimation': None}, 'bot/walk: has no decimation, and so has base.yaml: bot'),
    ],
)
def test_what_does_not_fit_is_named(import_to, tmp_path, config, base, message):
    folder = written(tmp_path, LinearPolicy(24, 4), base, **config)
    with pytest.raises(ArtifactError, match=message):
        import_to(folder, {})
    assert not (tmp_path / 'bundle').exists()


def test_the_base_of_another_robot_is_refused(import_to, tmp_path):
    folder = written(tmp_path)
    (folder.parent / 'base.yaml').write_text(yaml.safe_dump({'dog': BASE}))
    with pytest.raises(ArtifactError, match=r'base.yaml: expected the robot .*bot, found dog'):
        import_to(folder, {})


@pytest.mark.parametrize('missing', ['policy.onnx', '../base.yaml'])
def test_a_file_that_is_missing_is_named(import_to, tmp_path, missing):
    folder = written(tmp_path)
    (folder / missing).unlink()
    message = 'network .policy.onnx. is missing' if 'onnx' in missing else 'walk: has no dt'
    with pytest.raises(ArtifactError, match=message):
        import_to(folder, {})


def test_a_truncated_network_is_refused(import_to, tmp_path):
    folder = written(tmp_path)
    whole = (folder / 'policy.onnx').read_bytes()
    (folder / 'policy.onnx').write_bytes(whole[:-100])
    with pytest.raises(ArtifactError, match=r'policy\.onnx'):
        import_to(folder, {})
    assert not (tmp_path / 'bundle').exists()


def test_no_value_makes_it_crash(tmp_path):
    errors = errors_of_wrong_values(written(tmp_path), 'config.yaml', {}, 'rl_sar')
    assert len(errors) > 20
    assert all('config.yaml' in error for error in errors)
