"""Zips that Stable-Baselines3 saved: imported, and driven against what its own predict() did."""

from __future__ import annotations

import shutil

import numpy as np
import pytest
from imported_session import ImportedSession
from ros_messages import joint_state

from fournex_runtime.errors import AnswerError, ArtifactError, OpenQuestions

JOINTS = ['hip', 'knee']
OBSERVATION = [
    {'term': 'joint_position', 'joints': JOINTS},
    {'term': 'joint_velocity', 'joints': 'same'},
]
ANSWERS = {
    'period': '20 ms',
    'inputs.obs': OBSERVATION,
    'outputs.actions': [{'term': 'joint_effort_target', 'joints': JOINTS}],
    'start_pose': [0.1, -0.2],
}
WIRED = {
    name: {'topic': 'joint_states', 'type': 'sensor_msgs/msg/JointState'}
    for name in ('joint_position', 'joint_velocity')
}


def measured(values: list[float]) -> dict[str, bytes]:
    """Return the joint states that read as an observation of four values."""
    return {'joint_states': joint_state(JOINTS, values[:2], velocity=values[2:])}


@pytest.mark.parametrize('model', ['ppo-1.6.2', 'ppo-2.0.0', 'sac-1.8.0'])
def test_an_imported_zip_commands_what_predict_returned(import_to, saved, model):
    bundle = import_to(saved / f'{model}.zip', ANSWERS, saved / f'{model}.pkl')
    reference = np.load(saved / f'{model}.npz')
    session = ImportedSession(bundle.folder, WIRED)
    for observation, action in zip(reference['observations'][:20], reference['actions']):
        sent = session.commands(measured(observation.tolist()))['joint_effort_target']
        np.testing.assert_allclose(sent, action, rtol=0, atol=2e-6)


def test_scale_and_offset_of_the_environment_come_after_the_action_space(import_to, saved):
    answers = {
        **ANSWERS,
        'outputs.actions': [
            {
                'term': 'joint_position_target',
                'joints': JOINTS,
                'scale': [10.0, -2.0],
                'offset': 'default_pose',
            }
        ],
        'default_pose': {'hip': 0.5, 'knee': -1.0},
    }
    bundle = import_to(saved / 'sac-1.8.0.zip', answers, saved / 'sac-1.8.0.pkl')
    assert bundle.contract.default_pose == {'hip': 0.5, 'knee': -1.0}
    reference = np.load(saved / 'sac-1.8.0.npz')
    session = ImportedSession(bundle.folder, WIRED)
    for observation, action in zip(reference['observations'][:5], reference['actions']):
        sent = session.commands(measured(observation.tolist()))['joint_position_target']
        expected = action * [10.0, -2.0] + [0.5, -1.0]
        np.testing.assert_allclose(sent, expected, rtol=0, atol=2e-5)


def test_what_refers_to_the_default_pose_makes_it_a_question(import_to, saved):
    terms = [{**OBSERVATION[0], 'relative_to': 'default_pose'}, OBSERVATION[1]]
    with pytest.raises(OpenQuestions, match=r"--set 'default_pose=\{hip: 0.0, …\}'"):
        import_to(
            saved / 'ppo-2.0.0.zip', {**ANSWERS, 'inputs.obs': terms}, saved / 'ppo-2.0.0.pkl'
        )


def test_each_fact_says_where_it_came_from(import_to, saved):
    facts = import_to(saved / 'ppo-2.0.0.zip', ANSWERS, saved / 'ppo-2.0.0.pkl').contract.facts
    assert facts['period'].source == 'user'
    assert str(facts['outputs.actions.clip']) == 'artifact: ppo-2.0.0.zip: action_space'
    assert facts['normalisation'].detail.endswith('ppo-2.0.0.pkl: obs_rms')


def test_a_clip_that_the_zip_says_is_not_the_users(import_to, saved):
    terms = [{'term': 'joint_effort_target', 'joints': JOINTS, 'clip': [-1, 1]}]
    with pytest.raises(AnswerError, match='leave out clip: the artifact says it'):
        import_to(
            saved / 'ppo-2.0.0.zip', {**ANSWERS, 'outputs.actions': terms}, saved / 'ppo-2.0.0.pkl'
        )


def test_a_vec_normalize_beside_the_zip_is_taken(import_to, saved, tmp_path):
    run = tmp_path / 'run'
    (run / 'Env-v1').mkdir(parents=True)  # as RL Zoo lays out its runs
    shutil.copy(saved / 'ppo-2.0.0.zip', run / 'best_model.zip')
    shutil.copy(saved / 'ppo-2.0.0.pkl', run / 'Env-v1' / 'vecnormalize.pkl')
    bundle = import_to(run, ANSWERS)
    assert bundle.contract.normalisation[0].clip == 10.0
    assert bundle.contract.name == 'run'  # best_model says nothing


def test_without_a_vec_normalize_it_is_asked_whether_there_was_one(import_to, saved, tmp_path):
    shutil.copy(saved / 'ppo-2.0.0.zip', tmp_path / 'walker.zip')
    with pytest.raises(OpenQuestions, match='--set normaliser=none'):
        import_to(tmp_path / 'walker.zip', ANSWERS)
    bundle = import_to(tmp_path / 'walker.zip', {**ANSWERS, 'normaliser': 'none'})
    assert bundle.contract.normalisation == ()
    assert bundle.contract.facts['normaliser'].source == 'user'


def test_several_that_could_be_its_vec_normalize_are_not_chosen_from(import_to, saved):
    with pytest.raises(ArtifactError, match='ppo-1.6.2.pkl.*Name the one with --also'):
        import_to(saved / 'ppo-2.0.0.zip', ANSWERS)


def test_the_vec_normalize_of_another_policy_is_refused(import_to, saved):
    with pytest.raises(ArtifactError, match=r'normalises state of \d+ values.*takes obs \[6\]'):
        import_to(saved / 'ppo.zip', ANSWERS_OF_SIX, saved / 'vec_normalize.pkl')


ANSWERS_OF_SIX = {**ANSWERS, 'inputs.obs': [*OBSERVATION, {'term': 'last_action'}]}


def test_terms_that_do_not_fill_the_observation_are_refused(import_to, saved):
    with pytest.raises(
        AnswerError, match=r'--set inputs.obs: .*is \[4\], the terms make it \[6\]'
    ):
        import_to(saved / 'ppo-2.0.0.zip', ANSWERS_OF_SIX, saved / 'ppo-2.0.0.pkl')


@pytest.mark.parametrize('kept', [10, 2000, -30])
def test_a_cut_off_zip_is_named_and_nothing_is_written(import_to, saved, tmp_path, kept):
    (tmp_path / 'cut.zip').write_bytes((saved / 'ppo-2.0.0.zip').read_bytes()[:kept])
    with pytest.raises(ArtifactError, match='cut.zip: begins like a zip archive, but is not'):
        import_to(tmp_path / 'cut.zip', ANSWERS)
    assert [one.name for one in tmp_path.iterdir()] == ['cut.zip']
