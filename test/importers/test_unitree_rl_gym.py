"""Deployment files of unitree_rl_gym against its controller; what only its code says is asked."""

from __future__ import annotations

import subprocess

import numpy as np
import pytest
import yaml
from imported_session import ImportedSession
from linear_policy import LinearPolicy
from ros_messages import IMU, cdr, joint_state
from wrong_values import errors_of_wrong_values

from fournex_runtime.errors import AnswerError, ArtifactError, OpenQuestions

JOINTS = ['left_hip', 'right_hip']
# deploy_real/configs/*.yaml, for a robot of two joints in the legs and one in the waist
REAL = {
    'control_dt': 0.02,
    'msg_type': 'hg',
    'imu_type': 'pelvis',
    'lowcmd_topic': 'rt/lowcmd',
    'lowstate_topic': 'rt/lowstate',
    'policy_path': '{LEGGED_GYM_ROOT_DIR}/deploy/pre_train/bot/motion.onnx',
    'leg_joint2motor_idx': [3, 0],
    'kps': [100, 150],
    'kds': [2, 4],
    'default_angles': [-0.1, 0.3],
    'arm_waist_joint2motor_idx': [1],
    'arm_waist_kps': [300],
    'arm_waist_kds': [3],
    'arm_waist_target': [0],
    'ang_vel_scale': 0.25,
    'dof_pos_scale': 1.0,
    'dof_vel_scale': 0.05,
    'action_scale': 0.25,
    'cmd_scale': [2.0, 2.0, 0.25],
    'num_actions': 2,
    'num_obs': 17,
    'max_cmd': [0.8, 0.5, 1.57],
}
REAL_ONLY = ('control_dt', 'leg_joint2motor_idx', 'msg_type', 'imu_type', 'max_cmd')
MUJOCO = {
    **{key: value for key, value in REAL.items() if key not in REAL_ONLY},
    'xml_path': '{LEGGED_GYM_ROOT_DIR}/resources/robots/bot/scene.xml',
    'simulation_duration': 60.0,
    'simulation_dt': 0.002,
    'control_decimation': 10,
    'cmd_init': [0.5, 0, 0],
}
ANSWERS = {'joints': JOINTS, 'inputs.obs': 'as_deployed'}
WIRED = {
    'base_angular_velocity': {'topic': 'imu', 'type': IMU},
    'projected_gravity': {'topic': 'imu', 'type': IMU},
    'velocity_command': {'topic': 'cmd_vel', 'type': 'geometry_msgs/msg/Twist'},
    'joint_position': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
    'joint_velocity': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
}


def written(tmp_path, config, policy=b''):
    """Write a checkout of unitree_rl_gym with one robot; returns its deployment file."""
    folder = tmp_path / 'unitree_rl_gym' / 'deploy' / 'deploy_real' / 'configs'
    folder.mkdir(parents=True)
    network = tmp_path / 'unitree_rl_gym' / 'deploy' / 'pre_train' / 'bot'
    network.mkdir(parents=True)
    (network / 'motion.onnx').write_bytes(policy or LinearPolicy(17, 2).onnx)
    (folder / 'bot.yaml').write_text(yaml.safe_dump(config))
    return folder / 'bot.yaml'


class Controller:
    """``Controller.run`` of ``deploy_real.py``, in its words."""

    def __init__(self, config, policy):
        self.config, self.policy = config, policy
        self.action = np.zeros(2, np.float32)
        self.counter = 0

    def run(self, state):
        self.counter += 1
        config, default = self.config, np.array(self.config['default_angles'])
        w, x, y, z = state['quat']
        gravity = [2 * (-z * x + w * y), -2 * (z * y + w * x), 1 - 2 * (w * w + z * z)]
        phase = self.counter * config['control_dt'] % 0.8 / 0.8
        obs = np.zeros(17, np.float32)
        obs[:3] = state['gyroscope'] * config['ang_vel_scale']
        obs[3:6] = gravity
        obs[6:9] = state['stick'] * np.array(config['cmd_scale']) * np.array(config['max_cmd'])
        obs[9:11] = (state['q'] - default) * config['dof_pos_scale']
        obs[11:13] = state['dq'] * config['dof_vel_scale']
        obs[13:15] = self.action
        obs[15], obs[16] = np.sin(2 * np.pi * phase), np.cos(2 * np.pi * phase)
        self.action = self.policy(obs)
        return default + self.action * config['action_scale']


def states(count):
    random = np.random.default_rng(9)
    for _ in range(count):
        quat = random.normal(size=4)
        yield {
            'quat': quat / np.linalg.norm(quat),
            'gyroscope': random.normal(size=3),
            'stick': random.uniform(-1.0, 1.0, 3),
            'q': random.normal(size=2),
            'dq': random.normal(size=2) * 3.0,
        }


def messages_of(state, limits):
    w, x, y, z = state['quat'].tolist()
    a, b, c = (state['stick'] * limits).tolist()
    return {
        'imu': cdr(
            IMU,
            orientation={'x': x, 'y': y, 'z': z, 'w': w},
            angular_velocity=dict(zip('xyz', state['gyroscope'].tolist())),
        ),
        'cmd_vel': cdr('geometry_msgs/msg/Twist', linear={'x': a, 'y': b}, angular={'z': c}),
        'joint_states': joint_state(JOINTS, state['q'].tolist(), velocity=state['dq'].tolist()),
    }


def test_an_imported_policy_commands_what_the_controller_does(import_to, tmp_path):
    policy = LinearPolicy(17, 2)
    bundle = import_to(written(tmp_path, REAL, policy.onnx), ANSWERS)
    session = ImportedSession(bundle.folder, WIRED)
    controller = Controller(REAL, policy)
    for state in states(50):  # beyond one turn of the gait's clock
        sent = session.commands(messages_of(state, REAL['max_cmd']))['joint_position_target']
        np.testing.assert_allclose(sent, controller.run(state), atol=2e-6)


def test_a_command_beyond_the_stick_is_clipped_to_it(import_to, tmp_path):
    bundle = import_to(written(tmp_path, REAL), ANSWERS)
    command = bundle.contract.inputs['obs'][2]
    assert command.clip == ((-0.8, -0.5, -1.57), (0.8, 0.5, 1.57))


def test_the_order_is_asked_for_with_what_is_known_of_it(import_to, tmp_path):
    with pytest.raises(OpenQuestions) as caught:
        import_to(written(tmp_path, REAL), {})
    text = str(caught.value)
    assert '--set inputs.obs=as_deployed' in text
    assert 'deploy/deploy_real/deploy_real.py at 276801e' in text
    assert 'motors [3, 0]' in text  # in the order of the policy


def test_the_same_facts_are_in_the_file_for_mujoco(import_to, tmp_path):
    contract = import_to(written(tmp_path, MUJOCO), ANSWERS).contract
    assert contract.period_ns == 20_000_000
    assert contract.gains.stiffness == {'left_hip': 100.0, 'right_hip': 150.0}
    assert contract.inputs['obs'][2].clip == ((-np.inf,) * 3, (np.inf,) * 3)  # it has no max_cmd


def test_another_observation_is_said_term_by_term(import_to, tmp_path):
    config = {**REAL, 'num_obs': 5}
    terms = [
        {'term': 'projected_gravity'},
        {'term': 'joint_position', 'joints': JOINTS, 'relative_to': 'default_pose'},
    ]
    file = written(tmp_path, config, LinearPolicy(5, 2).onnx)
    with pytest.raises(AnswerError, match='as_deployed has 17 values, not 5'):
        import_to(file, ANSWERS)
    contract = import_to(file, {**ANSWERS, 'inputs.obs': terms}).contract
    assert [term.kind for term in contract.observation_terms] == [one['term'] for one in terms]
    assert contract.observation_terms[1].offset == (-0.1, 0.3)


def test_an_imu_above_the_waist_makes_the_frame_a_fact(import_to, tmp_path):
    contract = import_to(written(tmp_path, {**REAL, 'imu_type': 'torso'}), ANSWERS).contract
    assert [term.frame for term in contract.observation_terms[:3]] == ['pelvis', 'pelvis', '']


@pytest.mark.parametrize(
    ('changes', 'message'),
    [
        ({'kps': [100]}, 'bot.yaml: kps: expected a list of 2, found 1'),
        ({'leg_joint2motor_idx': [1]}, 'leg_joint2motor_idx: expected a list of 2, found 1'),
        ({'num_obs': 47}, 'describes 47 values of observation, obs of .* has 17'),
        ({'num_actions': 12}, 'expected a list of 12, found 2'),
        ({'num_actions': 10**12}, 'expected a list of 1000000000000, found 2'),
        ({'control_dt': -0.02}, 'control_dt: expected a time above 0 s'),
        ({'imu_type': 'head'}, 'imu_type: expected one of torso, pelvis'),
        ({'policy_path': '../../../../etc/passwd'}, r'its network \(passwd\) is missing'),
    ],
)
def test_what_does_not_fit_is_named(import_to, tmp_path, changes, message):
    with pytest.raises(ArtifactError, match=message):
        import_to(written(tmp_path, {**REAL, **changes}), ANSWERS)
    assert not (tmp_path / 'bundle').exists()


@pytest.mark.torch
def test_the_state_of_a_recurrent_export_is_found(
    import_to, tmp_path, checkout, torch_python, torch_environment
):
    network = tmp_path / 'motion.pt'
    script = checkout / 'test' / 'support' / 'legged_gym_lstm.py'
    subprocess.run(
        [torch_python, script, network, '5', '2'], env=torch_environment, check=True, timeout=120
    )
    file = written(tmp_path, {**REAL, 'num_obs': 5, 'policy_path': 'motion.pt'})
    answers = {**ANSWERS, 'inputs.obs': [{'term': 'value', 'size': 5}]}
    bundle = import_to(file, answers, network)
    assert [state.buffer for state in bundle.contract.state] == ['hidden_state', 'cell_state']
    session = ImportedSession(
        bundle.folder, {'value': {'topic': 'v', 'type': 'std_msgs/msg/Float64MultiArray'}}
    )
    reference = np.load(f'{network}.npz')
    try:
        for asked, answered in zip(reference['asked'], reference['answered']):
            data = cdr('std_msgs/msg/Float64MultiArray', data=asked.astype(float).tolist())
            sent = session.commands({'v': data})['joint_position_target']
            np.testing.assert_allclose(sent, [-0.1, 0.3] + answered * 0.25, atol=1e-6)
    finally:
        session.close()


def test_no_value_makes_it_crash(tmp_path):
    errors = errors_of_wrong_values(written(tmp_path, REAL), 'bot.yaml', ANSWERS, 'unitree_rl_gym')
    assert len(errors) > 20
    assert all('bot.yaml' in error for error in errors)
