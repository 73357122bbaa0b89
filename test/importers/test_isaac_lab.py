"""IO descriptors of Isaac Lab against its managers; what they leave out, and what they garble."""

from __future__ import annotations

import math
import subprocess

import numpy as np
import pytest
import yaml
from imported_session import ImportedSession
from linear_policy import LinearPolicy
from ros_messages import IMU, cdr, joint_state
from wrong_values import errors_of_wrong_values

from fournex_runtime.errors import ArtifactError, OpenQuestions

JOINTS = ['hip', 'knee']
POSE = [0.4000000059604645, -0.800000011920929]  # float32, as torch's tolist() writes them


def observation(name, width, scale=None, clip=None, history=0, **more):
    """Return what the observation manager writes of a term."""
    axes = {'axes': ['X', 'Y', 'Z']} if width == 3 and 'joint' not in name else {}
    return {
        'dtype': 'torch.float32',
        'extras': {'description': f'{name}.', 'modifiers': None, 'units': 'rad', **axes},
        'full_path': f'isaaclab.envs.mdp.observations.{name}',
        'mdp_type': 'Observation',
        'name': name,
        'observation_type': 'RootState',
        'overloads': {
            'clip': clip,
            'flatten_history_dim': True,
            'history_length': history,
            'scale': scale,
        },
        'shape': [width],
        **more,
    }


def action(scale=0.5, offset=POSE, clip=None, kind='JointPositionAction', joints=JOINTS):
    """Return what the action manager writes of a term."""
    return {
        'action_type': 'JointAction',
        'clip': clip,
        'dtype': 'torch.float32',
        'extras': {'description': 'Joint action term.'},
        'full_path': f'isaaclab.envs.mdp.actions.joint_actions.{kind}',
        'joint_names': joints,
        'mdp_type': 'Action',
        'name': 'joint_position_action',
        'offset': offset,
        'scale': scale,
        'shape': [len(joints)],
    }


OBSERVATIONS = [
    observation('base_ang_vel', 3, scale=0.25, clip=[-2.0, 2.0]),
    observation('projected_gravity', 3),
    observation('generated_commands', 3, scale=[2.0, 2.0, 0.25]),
    observation('joint_pos_rel', 2, history=3, joint_names=JOINTS, joint_pos_offsets=POSE),
    observation(
        'joint_vel_rel',
        2,
        scale=0.05000000074505806,
        joint_names=JOINTS,
        joint_vel_offsets=[0.0, 0.0],
    ),  # fmt: skip
    observation('last_action', 2, history=2),
]
ROBOT = {
    'default_joint_armature': [0.0, 0.0],
    'default_joint_damping': [0.5, 0.6],
    'default_joint_friction': [0.0, 0.0],
    'default_joint_pos': POSE,
    'default_joint_pos_limits': [[-1.0, 1.0], [-2.0, 2.0]],
    'default_joint_stiffness': [25.0, 26.0],
    'default_joint_vel': [0.0, 0.0],
    'joint_names': JOINTS,
}
SCENE = {'decimation': 4, 'dt': 0.02, 'physics_dt': 0.005}
COMMAND = {'term': 'velocity_command', 'axes': ['linear_x', 'linear_y', 'angular_z']}
ANSWERS = {'inputs.obs.2.generated_commands': COMMAND, 'normaliser': 'inside'}
WIRED = {
    'base_angular_velocity': {'topic': 'imu', 'type': IMU},
    'projected_gravity': {'topic': 'imu', 'type': IMU},
    'velocity_command': {'topic': 'cmd_vel', 'type': 'geometry_msgs/msg/Twist'},
    'joint_position': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
    'joint_velocity': {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'},
}


def written(
    tmp_path, policy=None, observations=OBSERVATIONS, actions=None, robot=None, scene=None
):
    """Write a run of training with descriptors and export; returns the run's folder."""
    run = tmp_path / 'logs' / 'bot_flat'
    (run / 'io_descriptors').mkdir(parents=True)
    (run / 'exported').mkdir()
    tree = {
        'actions': [action()] if actions is None else actions,
        'articulations': {'robot': {**ROBOT, **(robot or {})}},
        'observations': {'policy': observations},
        'scene': {**SCENE, **(scene or {})},
    }
    (run / 'io_descriptors' / 'IO_descriptors.yaml').write_text(yaml.safe_dump(tree))
    (run / 'exported' / 'policy.onnx').write_bytes((policy or LinearPolicy(21, 2)).onnx)
    return run


class Managers:
    """The observation and the action manager of Isaac Lab, for these terms."""

    def __init__(self, policy, observations=OBSERVATIONS, scale=0.5, clip=None):
        self.policy, self.observations = policy, observations
        self.scale, self.clip = scale, clip
        self.action = np.zeros(2, np.float32)
        self.buffers = {}

    def step(self, state):
        made = {
            'base_ang_vel': state['gyroscope'],
            'projected_gravity': np.array([0.0, 0.0, -1.0]),
            'generated_commands': state['command'],
            'joint_pos_rel': state['q'] - POSE,
            'joint_vel_rel': state['dq'],
            'last_action': self.action,
        }
        parts = []
        for term in self.observations:
            overloads, value = term['overloads'], made[term['name']]
            if overloads['clip'] is not None:
                value = np.clip(value, *overloads['clip'])
            if overloads['scale'] is not None:
                value = value * np.array(overloads['scale'])
            length = overloads['history_length']
            if length:
                buffer = self.buffers.setdefault(term['name'], [value] * length)
                buffer[:] = [*buffer[1:], value]
                value = np.concatenate(buffer)
            parts.append(value)
        self.action = self.policy(np.concatenate(parts))
        processed = self.action * self.scale + POSE
        return processed if self.clip is None else np.clip(processed, *np.array(self.clip).T)


def states(count):
    random = np.random.default_rng(2)
    for _ in range(count):
        yield {
            'gyroscope': random.normal(size=3) * 3.0,
            'command': random.normal(size=3),
            'q': random.normal(size=2),
            'dq': random.normal(size=2) * 10.0,
        }


def messages_of(state):
    a, b, c = state['command'].tolist()
    return {
        'imu': cdr(
            IMU,
            orientation={'x': 0.0, 'y': 0.0, 'z': 0.0, 'w': 1.0},
            angular_velocity=dict(zip('xyz', state['gyroscope'].tolist())),
        ),
        'cmd_vel': cdr('geometry_msgs/msg/Twist', linear={'x': a, 'y': b}, angular={'z': c}),
        'joint_states': joint_state(JOINTS, state['q'].tolist(), velocity=state['dq'].tolist()),
    }


@pytest.mark.parametrize(
    ('scale', 'clip'),
    [(0.5, None), ([0.5, -0.25], [[0.3, 0.5], [-math.inf, -0.7]])],
    ids=['plain', 'clipped after the offset'],
)
def test_an_imported_policy_commands_what_isaac_lab_does(import_to, tmp_path, scale, clip):
    policy = LinearPolicy(21, 2)
    run = written(tmp_path, policy, actions=[action(scale, clip=clip)])
    session = ImportedSession(import_to(run, ANSWERS).folder, WIRED)
    upstream = Managers(policy, scale=np.array(scale), clip=clip)
    for state in states(6):
        sent = session.commands(messages_of(state))['joint_position_target']
        np.testing.assert_allclose(sent, upstream.step(state), atol=2e-6)


def test_the_step_of_the_policy_is_dt_and_not_that_of_the_solver(import_to, tmp_path):
    assert import_to(written(tmp_path), ANSWERS).contract.period_ns == 20_000_000


def test_each_fact_is_where_its_term_is(import_to, tmp_path):
    facts = import_to(written(tmp_path), ANSWERS).contract.facts
    assert facts['inputs.obs.velocity_command'].source == 'user'
    assert facts['inputs.obs.joint_velocity.scale'].detail.endswith('policy[4].overloads.scale')
    assert facts['outputs.actions.joint_position_target.offset'].detail.endswith('[0].offset')


def test_gains_of_zero_are_unknown_and_said_so(import_to, tmp_path):
    zeros = {'default_joint_stiffness': [0.0, 0.0], 'default_joint_damping': [0.0, 0.0]}
    contract = import_to(written(tmp_path, robot=zeros), ANSWERS).contract
    assert contract.gains is None
    assert contract.facts['gains'].source == 'unknown'
    assert 'an actuator model has them' in contract.facts['gains'].detail


def test_gains_that_are_said_are_by_joint(import_to, tmp_path):
    gains = import_to(written(tmp_path), ANSWERS).contract.gains
    assert (gains.stiffness, gains.damping) == (
        {'hip': 25.0, 'knee': 26.0},
        {'hip': 0.5, 'knee': 0.6},
    )


def test_which_command_it_is_is_asked(import_to, tmp_path):
    with pytest.raises(OpenQuestions) as caught:
        import_to(written(tmp_path), {})
    assert '--set inputs.obs.2.generated_commands=' in str(caught.value).replace("'", '')
    assert '--set normaliser=inside' in str(caught.value)


def test_what_the_exporter_left_out_is_noticed_by_the_width_of_the_network(import_to, tmp_path):
    run = written(tmp_path, LinearPolicy(21 + 6, 2))
    with pytest.raises(OpenQuestions, match=r'after which observation the 6 values stand'):
        import_to(run, ANSWERS)
    scan = {
        'term': 'height_scan', 'frame': 'base_footprint', 'size': [0.2, 0.1], 'resolution': 0.1,
        'grid_order': 'x_fastest', 'reduce': 'max', 'fill': 0.0, 'relative_to': -0.5, 'scale': -1,
    }  # fmt: skip
    given = {'inputs.obs.missing.after': '5.last_action', 'inputs.obs.missing.terms': scan}
    terms = import_to(run, {**ANSWERS, **given}).contract.observation_terms
    assert [term.kind for term in terms][-2:] == ['last_action', 'height_scan']


def test_clip_and_scale_come_after_those_of_the_answer(import_to, tmp_path):
    scan = observation('height_scan', 6, scale=5.0, clip=[-1.0, 0.5])
    run = written(tmp_path, LinearPolicy(6, 2), observations=[scan])
    answer = {
        'term': 'height_scan', 'frame': 'base_footprint', 'size': [0.2, 0.1], 'resolution': 0.1,
        'grid_order': 'x_fastest', 'reduce': 'max', 'fill': 0.0, 'relative_to': -0.5, 'scale': -1,
    }  # fmt: skip
    given = {'inputs.obs.0.height_scan': answer, 'normaliser': 'none'}
    (term,) = import_to(run, given).contract.observation_terms
    assert (term.offset[0], term.scale[0]) == (-0.5, -5.0)
    assert (term.clip[0][0], term.clip[1][0]) == (-0.5, 1.0)  # of -(z + 0.5), seen before the -1


def test_numbers_of_every_environment_are_one_row(import_to, tmp_path):
    run = written(tmp_path, actions=[action([[0.5, 0.25]] * 4)])
    (term,) = import_to(run, ANSWERS).contract.action_terms
    assert term.scale == (0.5, 0.25)


def test_an_action_that_its_descriptor_does_not_explain_is_asked_for(import_to, tmp_path):
    run = written(tmp_path, actions=[action(kind='RelativeJointPositionAction')])
    with pytest.raises(OpenQuestions, match=r'outputs\.actions\.0\.joint_position_action'):
        import_to(run, ANSWERS)


@pytest.mark.parametrize(
    ('parts', 'message'),
    [
        ({'scene': {'dt': 0.005}}, 'scene.dt: expected physics_dt × decimation = 0.02 s'),
        ({'robot': {'default_joint_pos': [0.1]}}, 'default_joint_pos: expected a list of 2'),
        ({'actions': [action(offset=[0.0])]}, 'offset: expected a list of 2, found 1'),
        ({'actions': [action(offset=[0.0], joints=['hip'])]}, 'describes 1 values of action'),
        ({'actions': [action(clip=[[1.0, -1.0]] * 2)]}, r'clip\[0\]: expected \[low, high\]'),
        ({'policy': LinearPolicy(9, 2)}, 'policy: expected 9 values, which the network takes'),
        (
            {'observations': [observation('last_action', 2, scale=0.5)]},
            'overloads: expected no clip and no scale',
        ),
        (
            {'observations': [observation('base_ang_vel', 10**30)]},
            'shape: expected at most 1048576 values',
        ),
        (
            {'observations': [observation('last_action', 1)]},
            'shape: expected all 2 values of the action',
        ),
        (
            {'observations': [observation('joint_pos_rel', 2, joint_names=JOINTS)]},
            'has neither joint_pos_offsets nor joint_vel_offsets',
        ),
        (
            {'observations': [observation('joint_pos', 3, joint_names=JOINTS)]},
            'joint_names: expected a list of 3, found 2',
        ),
        (
            {'observations': [observation('base_ang_vel', 3, extras={'modifiers': ['bias']})]},
            'extras.modifiers: expected no modifiers',
        ),
    ],
)
def test_what_does_not_fit_is_named(import_to, tmp_path, parts, message):
    with pytest.raises(ArtifactError, match=message):
        import_to(written(tmp_path, **parts), ANSWERS)
    assert not (tmp_path / 'bundle').exists()


EXPORT = """
import sys, torch
program = torch.export.export(torch.nn.Linear(21, 2).eval(), (torch.zeros(1, 21),))
torch.export.save(program, sys.argv[1])
"""


@pytest.mark.torch
def test_the_sizes_of_an_exported_program_are_known(
    import_to, tmp_path, torch_python, torch_environment
):
    run = written(tmp_path)
    (run / 'exported' / 'policy.onnx').unlink()
    program = run / 'exported' / 'policy.pt2'
    command = [torch_python, '-c', EXPORT, program]
    subprocess.run(command, env=torch_environment, check=True, timeout=120)
    bundle = import_to(run, ANSWERS)
    assert bundle.contract.artifact.backend == 'torch_export'
    session = ImportedSession(bundle.folder, WIRED)
    try:
        sent = session.commands(messages_of(next(states(1))))
        assert len(sent['joint_position_target']) == 2
    finally:
        session.close()


def test_no_value_makes_it_crash(tmp_path):
    errors = errors_of_wrong_values(
        written(tmp_path), 'IO_descriptors.yaml', ANSWERS, 'isaac_lab', every=3
    )
    assert len(errors) > 20
    assert all('IO_descriptors.yaml' in error for error in errors)
