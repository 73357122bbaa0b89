"""``deploy.yaml`` of unitree_rl_lab, in the schema of its exporter: every order, every trap."""

from __future__ import annotations

import math

import numpy as np
import pytest
from imported_session import ImportedSession
from linear_onnx import linear_onnx, weights
from ros_messages import IMU, cdr, joint_state

from fournex_runtime.errors import AnswerError, ArtifactError, ContractError, OpenQuestions

SDK = ['fr_hip', 'fr_knee', 'fl_hip', 'fl_knee']
MAP = [2, 0, 3, 1]
JOINTS = ['fl_hip', 'fr_hip', 'fl_knee', 'fr_knee']  # the policy's order
# As yaml.dump(default_flow_style=None, sort_keys=False) of export_deploy_cfg.py writes it.
DEPLOY = """\
joint_ids_map: [2, 0, 3, 1]
step_dt: 0.02
stiffness: [100.0, 150.0, 101.0, 151.0]
damping: [2.0, 4.0, 2.5, 4.5]
default_joint_pos: [0.1, -0.1, 0.8, 0.9]
commands:
  base_velocity:
    ranges:
      lin_vel_x: [-0.5, 1.0]
      lin_vel_y: [-0.3, 0.3]
      ang_vel_z: [-0.2, 0.2]
      heading: null
actions:
  JointPositionAction:
    clip: null
    joint_names: [.*]
    scale: [0.25, 0.5, 0.25, 0.5]
    offset: [0.1, -0.1, 0.8, 0.9]
    joint_ids: !!python/object/apply:builtins.slice [null, null, null]
observations:
  base_ang_vel:
    params: {}
    clip: [-2.0, 2.0]
    scale: [0.2, 0.2, 0.2]
    history_length: 2
  velocity_commands:
    params: {command_name: base_velocity}
    clip: null
    scale: [1.0, 1.0, 1.0]
    history_length: 1
  joint_pos_rel:
    params: {}
    clip: null
    scale: [1.0, 1.0, 1.0, 1.0]
    history_length: 2
  joint_vel_rel:
    params: {}
    clip: null
    scale: [0.05, 0.05, 0.05, 0.05]
    history_length: 1
  last_action:
    params: {}
    clip: null
    scale: [1.0, 1.0, 1.0, 1.0]
    history_length: 1
"""
SIZE = 6 + 3 + 8 + 4 + 4
ANSWERS = {'sdk_joints': SDK}
STATES = {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'}
WIRED = {
    'base_angular_velocity': {'topic': 'imu', 'type': 'sensor_msgs/msg/Imu'},
    'velocity_command': {'topic': 'cmd_vel', 'type': 'geometry_msgs/msg/Twist'},
    'joint_position': STATES,
    'joint_velocity': STATES,
}
ROBOT = {'fr_hip': 0.2, 'fr_knee': 0.3, 'fl_hip': -0.4, 'fl_knee': 1.5}
SPEED = {'fr_hip': 1.0, 'fr_knee': 2.0, 'fl_hip': -3.0, 'fl_knee': 4.0}


@pytest.fixture
def run(tmp_path):
    """Return a function that writes the folder of a run, with parts of its file replaced."""

    def write(*changes: tuple[str, str], size: int = SIZE, matrix=None):
        text = DEPLOY
        for before, after in changes:
            assert before in text
            text = text.replace(before, after)
        for folder in ('params', 'exported'):
            (tmp_path / 'go2' / folder).mkdir(parents=True, exist_ok=True)
        (tmp_path / 'go2' / 'params' / 'deploy.yaml').write_text(text)
        model = linear_onnx(weights(size, 4) if matrix is None else matrix)
        (tmp_path / 'go2' / 'exported' / 'policy.onnx').write_bytes(model)
        return tmp_path / 'go2'

    return write


def measured(rate: tuple[float, float, float], command: tuple[float, float, float]):
    """Return messages, the joint states in an order of the robot's own."""
    names = sorted(ROBOT)
    return {
        'imu': cdr(
            IMU,
            orientation={'w': 1.0},
            angular_velocity=dict(zip('xyz', rate)),
        ),
        'cmd_vel': cdr(
            'geometry_msgs/msg/Twist',
            linear={'x': command[0], 'y': command[1]},
            angular={'z': command[2]},
        ),
        'joint_states': joint_state(
            names, [ROBOT[one] for one in names], velocity=[SPEED[one] for one in names]
        ),
    }


def test_a_run_is_imported_and_commands_what_its_controller_would(import_to, run):
    bundle = import_to(run(), ANSWERS)
    assert bundle.contract.period_ns == 20_000_000
    assert bundle.contract.name == 'go2'
    assert bundle.contract.start_pose == bundle.contract.default_pose
    session = ImportedSession(bundle.folder, WIRED)
    matrix = weights(SIZE, 4).astype(np.float64)
    pose = np.array([0.1, -0.1, 0.8, 0.9])
    position = np.array([ROBOT[one] for one in JOINTS]) - pose
    speed = 0.05 * np.array([SPEED[one] for one in JOINTS])
    rates = [np.array([0.5, -0.25, 3.0]), np.array([1.0, 0.0, -3.0])]
    seen = [0.2 * np.clip(one, -2.0, 2.0) for one in rates]
    action = np.zeros(4)
    for tick, rate in enumerate(rates):
        before = seen[max(0, tick - 1)]
        # a speed of 2 m/s is beyond what was trained: the controller upstream limits it
        observation = np.concatenate(
            [before, seen[tick], [1.0, 0.1, -0.2], position, position, speed, action]
        )
        action = observation.astype(np.float32) @ matrix
        sent = session.commands(measured(tuple(rate), (2.0, 0.1, -0.5)))['joint_position_target']
        expected = action * [0.25, 0.5, 0.25, 0.5] + pose
        np.testing.assert_allclose(sent, expected, rtol=0, atol=1e-5)


def test_gains_are_taken_out_of_the_order_of_the_sdk(import_to, run):
    gains = import_to(run(), ANSWERS).contract.gains
    assert gains.stiffness == {'fr_hip': 100, 'fr_knee': 150, 'fl_hip': 101, 'fl_knee': 151}
    assert gains.damping == {'fr_hip': 2.0, 'fr_knee': 4.0, 'fl_hip': 2.5, 'fl_knee': 4.5}


def test_only_the_names_of_the_motors_are_asked(import_to, run):
    with pytest.raises(OpenQuestions) as caught:
        import_to(run(), {})
    assert str(caught.value).count('--set ') == 1
    assert "--set 'sdk_joints=[" in str(caught.value)


def test_every_fact_names_its_field(import_to, run):
    facts = import_to(run(), ANSWERS).contract.facts
    assert facts['period'].detail == 'deploy.yaml: step_dt'
    assert facts['gains.stiffness'].detail == 'deploy.yaml: stiffness, in the order of the SDK'
    assert facts['inputs.obs.joint_velocity.scale'].detail == (
        'deploy.yaml: observations.joint_vel_rel.scale'
    )
    assert facts['joints'].source == 'user'


def test_the_user_may_know_better(import_to, run):
    more = {
        'inputs.obs.joint_velocity.scale': 0.1,
        'default_pose': {'fr_hip': 0.0, 'fr_knee': 1.0, 'fl_hip': 0.0, 'fl_knee': 1.0},
    }
    contract = import_to(run(), ANSWERS, overrides=more).contract
    assert contract.observation_terms[3].scale == (0.1,) * 4
    assert contract.default_pose['fr_knee'] == 1.0
    assert contract.facts['default_pose'].detail.startswith('instead of {')
    with pytest.raises(AnswerError, match='write --override default_pose='):
        import_to(run(), ANSWERS | more)


def test_the_slice_is_data_and_a_list_picks_joints(import_to, run):
    ids = '!!python/object/apply:builtins.slice [null, null, null]'
    action = [
        (f'joint_ids: {ids}', 'joint_ids: [3, 1]'),
        ('scale: [0.25, 0.5, 0.25, 0.5]', 'scale: [0.25, 0.5]'),
        ('offset: [0.1, -0.1, 0.8, 0.9]', 'offset: [0.9, -0.1]'),
        (
            'last_action:\n    params: {}\n    clip: null\n    scale: [1.0, 1.0, 1.0, 1.0]',
            'last_action:\n    params: {}\n    clip: null\n    scale: [1.0, 1.0]',
        ),
    ]
    folder = run(*action, matrix=weights(SIZE - 2, 2))
    (term,) = import_to(folder, ANSWERS).contract.action_terms
    assert term.joints == ('fr_knee', 'fr_hip')


def test_a_clip_of_the_target_is_one_of_the_action(import_to, run):
    bounds = 'clip: [[-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0], [-1.0, 1.0]]\n    joint_names'
    folder = run(('clip: null\n    joint_names', bounds))
    (term,) = import_to(folder, ANSWERS).contract.action_terms
    low, high = (np.array(side) * term.scale + term.offset for side in term.clip)
    np.testing.assert_allclose(low, -1.0)
    np.testing.assert_allclose(high, 1.0)


def test_frames_one_after_the_other_are_a_history_by_time(import_to, run):
    frames = [
        ('history_length: 1', 'history_length: 2'),
        ('observations:', 'observations:\n  use_gym_history: true'),
    ]
    bundle = import_to(run(*frames, size=2 * (3 + 3 + 4 + 4 + 4)), ANSWERS)
    layout = bundle.contract.input_layouts['obs']
    assert (layout.history, layout.newest_first, layout.frame) == (2, False, (18,))
    assert all(term.history == 1 for term in bundle.contract.observation_terms)


def test_a_scale_that_comes_first_moves_the_clip(import_to, run):
    folder = run(('observations:', 'observations:\n  scale_first: true'))
    bundle = import_to(folder, ANSWERS)
    rate = bundle.contract.observation_terms[0]
    np.testing.assert_allclose(rate.clip[1], [10.0, 10.0, 10.0])  # 2.0 after a scale of 0.2


def test_a_gait_phase_has_its_period(import_to, run):
    phase = (
        '  gait_phase:\n    params: {period: 0.6}\n    clip: null\n    scale: [1.0, 1.0]\n'
        '    history_length: 1\n'
    )
    bundle = import_to(run(('  last_action:', f'{phase}  last_action:'), size=SIZE + 2), ANSWERS)
    session = ImportedSession(bundle.folder, WIRED)
    still = measured((0.0, 0.0, 0.0), (0.0, 0.0, 0.0))
    session.tick(still)
    seen = session.tick(still).observation['obs'][0, -6:-4]
    np.testing.assert_allclose(
        seen, [math.sin(math.tau * 0.02 / 0.6), math.cos(math.tau * 0.02 / 0.6)], atol=1e-6
    )


def test_a_term_that_is_not_known_by_name_is_asked(import_to, run):
    folder = run(('velocity_commands:', 'foot_clearance:'))
    with pytest.raises(OpenQuestions, match=r'--set .inputs.obs.foot_clearance='):
        import_to(folder, ANSWERS)
    answer = {'inputs.obs.foot_clearance': [{'term': 'value', 'name': 'clearance', 'size': 3}]}
    terms = import_to(folder, {**ANSWERS, **answer}).contract.observation_terms
    assert [one.name for one in terms][1] == 'clearance'


@pytest.mark.parametrize(
    ('change', 'message'),
    [
        (
            ('[2, 0, 3, 1]', '[2, 0, 3, 4]'),
            'deploy.yaml: joint_ids_map: expected different motors',
        ),
        (('step_dt: 0.02', 'step_dt: 0'), 'deploy.yaml: step_dt: expected a time above 0 s'),
        (('damping: [2.0, ', 'damping: ['), 'deploy.yaml: damping: expected a list of 4, found 3'),
        (
            ('0.8, 0.9]\ncommands', '.nan, 0.9]\ncommands'),
            r'default_joint_pos\[2\]: expected a fin',
        ),
        (
            ('JointPositionAction', 'DiffDriveAction'),
            'actions.DiffDriveAction: expected an action',
        ),
        (
            ('builtins.slice', 'os.system'),
            'joint_ids: expected a list, found a value with the tag',
        ),
        (('[null, null, null]', '[null, null, 0]'), 'joint_ids: expected a slice with a step'),
        (('clip: [-2.0, 2.0]', 'clip: [2.0]'), 'base_ang_vel.clip: expected a list of 2'),
        (('scale: [0.05, 0.05, ', 'scale: ['), '--set .inputs.obs.joint_vel_rel='),
        (
            ('history_length: 2', 'history_length: 3'),
            r'inputs.obs.shape: is \[25\], the terms make it',
        ),
    ],
)
def test_what_cannot_be_is_named_by_file_and_field(import_to, run, tmp_path, change, message):
    folder = run(change)
    with pytest.raises((ArtifactError, OpenQuestions, ContractError), match=message):
        import_to(folder, ANSWERS)
    assert sorted(one.name for one in tmp_path.iterdir()) == ['go2']


def test_without_its_network_it_says_where_it_looked(import_to, run):
    folder = run()
    (folder / 'exported' / 'policy.onnx').unlink()
    with pytest.raises(
        ArtifactError, match='its network is missing.*exported.*Name it with --also'
    ):
        import_to(folder, ANSWERS)


@pytest.mark.parametrize(
    ('names', 'message'),
    [
        (SDK[:3], 'expected a list of 4 names, found 3'),
        (['a', 'a', 'b', 'c'], 'expected a name of its own'),
    ],
)
def test_motor_names_are_checked(import_to, run, names, message):
    with pytest.raises(AnswerError, match=f'--set sdk_joints: {message}'):
        import_to(run(), {'sdk_joints': names})
