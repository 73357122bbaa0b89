"""Artifacts that upstream's own exporters made, imported and driven against what upstream did."""

from __future__ import annotations

import numpy as np
import pytest
from imported_session import ImportedSession
from ros_messages import joint_state

from fournex_runtime.errors import AnswerError, ArtifactError, OpenQuestions
from fournex_runtime.policy.onnx_header import read_onnx_header

pytestmark = pytest.mark.torch
JOINTS = ['hip', 'knee']
FOUR = [
    {'term': 'joint_position', 'joints': JOINTS},
    {'term': 'joint_velocity', 'joints': 'same'},
]
TWO = [{'term': 'joint_effort_target', 'joints': JOINTS}]
STATES = {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'}
WIRED = {'joint_position': STATES, 'joint_velocity': STATES}


@pytest.fixture(scope='module')
def exported(with_torch, tmp_path_factory):
    """Return the folder with what upstream left behind."""
    folder = tmp_path_factory.mktemp('exported')
    with_torch('exported_policies.py', folder)
    return folder


def driven(folder, seen, commanded='joint_effort_target'):
    """Return what a session commands, one observation of four values after the other."""
    session = ImportedSession(folder, WIRED)
    found = [
        session.commands({'joint_states': joint_state(JOINTS, one[:2], velocity=one[2:])})
        for one in seen.tolist()
    ]
    session.close()
    return np.array([one[commanded] for one in found])


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ('artifact', 'answers'),
    [
        ('recurrent', {'inputs.obs': FOUR, 'outputs.actions': TWO}),
        (
            'documented.onnx',
            {
                'actions': ['NAME'],
                'inputs.input': FOUR,
                'outputs.NAME': [{**TWO[0], 'clip': [-0.5, 0.5]}],  # what the export leaves out
                'normaliser': 'nowhere',
            },
        ),
        (
            'lstm.onnx',
            {'inputs.obs': FOUR, 'outputs.actions': TWO, 'normaliser': 'in_network'},
        ),
    ],
)
def test_a_session_does_what_upstream_did(exported, import_to, artifact, answers):
    path = exported / artifact
    if artifact == 'documented.onnx':  # the export names no outputs; the first are the actions
        name = read_onnx_header(path.read_bytes()).outputs[0].name
        answers = {
            key.replace('NAME', name): [name] if value == ['NAME'] else value
            for key, value in answers.items()
        }
    bundle = import_to(path, {'period': '20 ms', 'start_pose': 'none', **answers})
    reference = np.load(path.with_suffix('.npz'))
    np.testing.assert_allclose(
        driven(bundle.folder, reference['seen']), reference['did'], rtol=0, atol=2e-6
    )


TURN = {'term': 'discrete', 'as': 'joint_velocity_target', 'joints': ['wheel']}


@pytest.mark.timeout(120)
def test_a_choice_commands_what_is_in_its_place_in_the_table(exported, import_to):
    answers = {'period': '20 ms', 'inputs.obs': FOUR, 'normaliser': 'none', 'start_pose': 'none'}
    table = [[-1.0], [0.0], [1.0]]
    bundle = import_to(
        exported / 'choices', {**answers, 'outputs.actions': [{**TURN, 'actions': table}]}
    )
    reference = np.load(exported / 'choices.npz')
    assert len(set(reference['did'].tolist())) > 1
    found = driven(bundle.folder, reference['seen'], 'discrete')
    np.testing.assert_array_equal(found, np.array(table)[reference['did']])


def test_a_table_of_another_length_is_refused(exported, import_to):
    answers = {'period': '20 ms', 'inputs.obs': FOUR, 'normaliser': 'none', 'start_pose': 'none'}
    with pytest.raises(AnswerError, match='expected 3 actions to choose from, found 2'):
        table = [[-1.0], [1.0]]
        said = {'outputs.actions': [{**TURN, 'actions': table}]}
        import_to(exported / 'choices', {**answers, **said})


SIX = [*FOUR, {'term': 'joint_effort', 'joints': JOINTS}]


@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ('artifact', 'takes', 'more'),
    [
        ('stateless.pt2', 'obs', {}),
        ('lstm-buffers-in-mid-episode.pt', 'x', {}),
        ('lstm.pt', 'obs', {'state.h.shape': [1, 1, 4], 'state.c.shape': [1, 1, 4]}),
    ],
)
def test_a_program_of_torch_is_read_and_runs_in_a_worker(
    torch_artifacts, import_to, artifact, takes, more
):
    answers = {
        'period': '20 ms',
        f'inputs.{takes}': SIX,
        'outputs.actions': TWO,
        'start_pose': 'none',
        'normaliser': 'nowhere',
        **more,
    }
    bundle = import_to(torch_artifacts / artifact, answers)
    stem = artifact.partition('.')[0].removesuffix('-in-mid-episode')
    reference = np.load(torch_artifacts / f'{stem}.npz')
    session = ImportedSession(bundle.folder, {**WIRED, 'joint_effort': STATES})
    for seen, did in zip(reference['obs'][:5, 0].tolist(), reference['action'][:5, 0]):
        message = joint_state(JOINTS, seen[:2], velocity=seen[2:4], effort=seen[4:])
        sent = session.commands({'joint_states': message})['joint_effort_target']
        np.testing.assert_allclose(sent, did, rtol=0, atol=1e-6)
    session.close()


@pytest.mark.timeout(120)
def test_a_program_is_compared_with_its_contract_when_the_user_lets_it_run(
    torch_artifacts, import_to
):
    answers = {
        'period': '20 ms',
        'inputs.obs': FOUR,  # it takes six values
        'outputs.actions': TWO,
        'start_pose': 'none',
        'normaliser': 'nowhere',
    }
    with pytest.raises(ArtifactError, match=r'stateless.pt: .*gives it obs float32 \[1, 4\]'):
        import_to(torch_artifacts / 'stateless.pt', answers, runs_programs=True)


def test_what_an_archive_of_torch_leaves_open_is_asked(torch_artifacts, import_to):
    with pytest.raises(OpenQuestions) as caught:
        import_to(torch_artifacts / 'lstm.pt', {})
    for key in ('period', 'inputs.obs', 'outputs.actions', 'state.h.shape', 'normaliser'):
        assert f'--set {key}=' in str(caught.value) or f"--set '{key}=" in str(caught.value)


@pytest.mark.parametrize(
    ('artifact', 'message'),
    [
        ('truncated.pt', 'truncated.pt: begins like a zip archive, but is not a complete one'),
        ('truncated.pt2', 'truncated.pt2: begins like a zip archive, but is not'),
        ('tupled.pt', 'argument state of forward.. is a Tuple'),
    ],
)
def test_archives_that_cannot_be_are_refused(torch_artifacts, import_to, artifact, message):
    with pytest.raises(ArtifactError, match=message):
        import_to(torch_artifacts / artifact, {})
