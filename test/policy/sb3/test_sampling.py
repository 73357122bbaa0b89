"""Actions that are drawn: torch's own distributions, with the same noise, say what is right."""

import os
import pathlib
import subprocess

import numpy as np
import pytest
from sb3_cases import CASES
from sb3_fidelity import TIE, TOLERANCE
from sb3_file import read_sb3

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.policy.onnx_backend import OnnxModel
from fournex_runtime.policy.sb3.actions import action_mapping
from fournex_runtime.policy.sb3.network import MASKS, build_onnx
from fournex_runtime.policy.sb3.spaces import Box

SAVED = pathlib.Path(__file__).with_name('saved')
DRAWN = (
    'PPO-Mlp-vector-box',
    'PPO-Mlp-Pendulum-v1-trained-normalised',
    'PPO-Mlp-vector-discrete',
    'PPO-Mlp-vector-multi_binary',
    'PPO-MultiInput-dict-box',
    'A2C-Mlp-vector-multi_discrete',
    'TRPO-Mlp-vector-box-deep',
    'RecurrentPPO-Mlp-vector-box',
    'RecurrentPPO-Mlp-vector-discrete',
    'MaskablePPO-Mlp-vector-discrete',
    'MaskablePPO-Mlp-vector-multi_discrete',
    'MaskablePPO-Mlp-vector-multi_binary',
    'SAC-Mlp-vector-box',
    'TQC-Mlp-vector-box',
)
REFUSED = {
    'PPO-Mlp-vector-box-sde': 'gSDE',
    'SAC-Mlp-vector-box-sde': 'gSDE',
    'TD3-Mlp-vector-box': 'its policy is deterministic',
    'DDPG-Mlp-vector-box': 'its policy is deterministic',
    'DQN-Mlp-vector-discrete': 'it takes the best choice',
    'QR-DQN-Mlp-vector-discrete': 'it takes the best choice',
}
BY_NAME = {case.name: case for case in CASES}


@pytest.fixture(scope='module')
def references(checkout, torch_python, torch_environment, tmp_path_factory):
    """Return the folder with the models, noise, and what torch draws with it."""
    folder = tmp_path_factory.mktemp('draws')
    path = os.pathsep.join([str(checkout / 'test/support'), torch_environment['PYTHONPATH']])
    program = checkout / 'test/policy/sb3/draws.py'
    done = subprocess.run(
        [torch_python, program, folder, *DRAWN],
        env={**torch_environment, 'PYTHONPATH': path, 'OMP_NUM_THREADS': '1'},
        capture_output=True,
        text=True,
        timeout=240,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder


@pytest.mark.torch
@pytest.mark.timeout(300)
@pytest.mark.parametrize('name', DRAWN)
def test_a_draw_is_that_of_the_distribution_with_the_same_noise(name, references):
    policy = read_sb3(references / f'{name}.zip')
    built = build_onnx(policy, samples=True)
    model = OnnxModel(built.model, name, built.signature, built.state)
    with np.load(references / f'{name}.npz') as loaded:
        given = {key: loaded[key] for key in loaded.files}
    expected = given['actions'].reshape(len(given['noise']), -1)
    state = {one.name: np.zeros(one.shape, np.float32) for one in built.state}
    drawn = []
    for i, noise in enumerate(given['noise']):
        inputs = {'noise': noise[np.newaxis]}
        for one in built.signature.inputs[:-1]:
            seen = given['obs' + ('' if one.name == 'obs' else one.name)][i]
            inputs[one.name] = np.asarray(seen).astype(one.dtype).reshape(one.shape)
        if 'masks' in given:
            inputs[MASKS] = given['masks'][i][np.newaxis]
        drawn.append(model.run(inputs, state)[0]['actions'][0])
    found = np.stack(drawn)
    assert found.shape == expected.shape == (1000, found.shape[1])
    if isinstance(policy.action_space, Box):
        found = action_mapping(policy).apply(found)
        assert np.abs(found - expected).max() <= TOLERANCE
        assert found.std(axis=0).min() > 0.01
        return
    differ = found != expected
    assert not (differ & (given['gaps'] >= TIE)).any()
    assert differ.sum() <= 5
    assert all(len(np.unique(column)) > 1 for column in found.T)


@pytest.mark.torch
@pytest.mark.timeout(300)
@pytest.mark.parametrize('dtype', ['uint8', 'float32', 'int64'])
def test_a_contract_gives_the_masks_as_numbers(dtype, references, tmp_path):
    """Contracts know no bool."""
    name = 'MaskablePPO-Mlp-vector-discrete'
    (tmp_path / 'policy.zip').write_bytes((references / f'{name}.zip').read_bytes())
    (tmp_path / 'policy.yaml').write_text(MASKED.format(dtype=dtype, zeros='0' * 64))
    backend = load_backend(seal_bundle(tmp_path))
    with np.load(references / f'{name}.npz') as loaded:
        seen = loaded['obs'][:50].astype(np.float32)
    only = [index % 4 for index in range(len(seen))]

    def choices(masks):
        asked = zip(seen[:, np.newaxis], masks[:, np.newaxis].astype(dtype))
        answers = [backend.run({'obs': obs, MASKS: mask}, {}) for obs, mask in asked]
        return [int(outputs['actions'][0, 0]) for outputs, _ in answers]

    assert choices(np.eye(4)[only]) == only
    free = choices(np.ones((len(seen), 4)))
    assert free != only
    assert all(one != other for one, other in zip(choices(1.0 - np.eye(4)[free]), free))


MASKED = """
name: masked
version: 1
period: 20 ms
inputs:
  obs: [{{term: value, size: 6}}]
  action_masks: {{dtype: {dtype}, terms: [{{term: value, name: allowed, size: 4}}]}}
outputs:
  actions:
    dtype: int64
    terms: [{{term: discrete, as: twist, axes: [linear_x], actions: [0, 1, 2, 3]}}]
artifact: {{file: policy.zip, sha256: {zeros}, backend: stable_baselines3}}
"""


@pytest.mark.torch
@pytest.mark.timeout(300)
@pytest.mark.parametrize(('name', 'why'), REFUSED.items())
def test_what_draws_nothing_or_in_another_way_is_refused(name, why, refused_models):
    policy = read_sb3(refused_models / f'{name}.zip')
    build_onnx(policy)  # its deterministic actions are there
    with pytest.raises(ArtifactError, match=f'cannot be given noise: .*{why}') as caught:
        build_onnx(policy, samples=True)
    assert 'Leave the input noise out of the contract' in str(caught.value)


@pytest.fixture(scope='module')
def refused_models(torch_python, torch_environment, tmp_path_factory):
    from sb3_fidelity import make_references

    folder = tmp_path_factory.mktemp('refused')
    make_references(torch_python, torch_environment, folder, *REFUSED)
    return folder


CONTRACT = """
name: saved
version: 1
period: 20 ms
inputs:
  obs: [{{term: value, size: {size}}}]
  noise: [{noise}]
outputs:
  actions: [{{term: value, size: {actions}, clip: [-1.0, 1.0]}}]
artifact: {{file: policy.zip, sha256: {zeros}, backend: stable_baselines3}}
"""


def load(folder, saved, noise):
    """Return the backend of a bundle with noise, and the one of the same without."""
    policy = read_sb3(SAVED / saved)
    built = build_onnx(policy)
    sizes = built.signature.inputs[0].shape[1], built.signature.outputs[0].shape[1]
    (folder / 'policy.zip').write_bytes((SAVED / saved).read_bytes())
    text = CONTRACT.format(size=sizes[0], actions=sizes[1], noise=noise, zeros='0' * 64)
    text = text.replace('SIZE', str(sizes[1]))
    (folder / 'policy.yaml').write_text(text)
    made = load_backend(seal_bundle(folder))
    return made, OnnxModel(built.model, 'plain', built.signature, ()), sizes


@pytest.mark.parametrize('saved', ['ppo-2.0.0.zip', 'sac-1.8.0.zip'])
def test_a_contract_with_noise_draws_around_the_most_probable_action(tmp_path, saved):
    drawing, plain, (size, actions) = load(
        tmp_path, saved, '{term: noise, size: SIZE, distribution: normal}'
    )
    obs = np.full((1, size), 0.3, np.float32)
    likely = plain.run({'obs': obs}, {})[0]['actions']

    def drawn(noise):
        given = {'obs': obs, 'noise': np.full((1, actions), noise, np.float32)}
        return drawing.run(given, {})[0]['actions']

    np.testing.assert_allclose(drawn(0.0), likely, rtol=0, atol=1e-6)
    assert (drawn(1.0) > likely).all() and (drawn(-1.0) < likely).all()
    assert drawn(1.0).tobytes() == drawn(1.0).tobytes()


@pytest.mark.parametrize(
    ('noise', 'words'),
    [
        (
            '{term: noise, size: SIZE, distribution: gumbel}',
            'draws its actions with normal noise; the contract has gumbel in term noise',
        ),
        (
            '{term: noise, size: 1, distribution: normal}, {term: value, name: other, size: 1}',
            'the contract has a value in term other',
        ),
        ('{term: noise, size: 9, distribution: normal}', r'input noise is float32 .*\[1, 9\]'),
    ],
)
def test_noise_of_another_kind_is_refused(tmp_path, noise, words):
    with pytest.raises(ArtifactError, match=words):
        load(tmp_path, 'ppo-2.0.0.zip', noise)
