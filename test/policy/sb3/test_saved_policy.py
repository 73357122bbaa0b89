"""What is read out of saved models and saved statistics."""

from __future__ import annotations

import json
import pathlib

import numpy as np
import pytest
from pickle_code import (
    Call,
    Global,
    members,
    pickled,
    tensor,
    torch_file,
    with_setting,
    zipped,
)
from sb3_file import read_sb3

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.onnx_backend import OnnxModel
from fournex_runtime.policy.sb3.actions import action_mapping
from fournex_runtime.policy.sb3.inert_pickle import Name
from fournex_runtime.policy.sb3.network import build_onnx
from fournex_runtime.policy.sb3.policy_classes import POLICY_CLASSES, algorithm
from fournex_runtime.policy.sb3.spaces import Box, Dict, Discrete, MultiBinary, MultiDiscrete
from fournex_runtime.policy.sb3.torch_weights import read_weights
from fournex_runtime.policy.sb3.vec_normalize import read_vec_normalize

SAVED = pathlib.Path(__file__).parent / 'saved'


def array(values, code: str = 'f4', shape: tuple | None = None) -> Call:
    """Return an array as numpy pickles it."""
    numbers = np.array(values, np.dtype(code))
    dtype = Call(Global('numpy', 'dtype'), (code, False, True), (3, '<', None, None, None, -1, -1))
    arguments = (numbers.tobytes(), dtype, shape or numbers.shape, 'C')
    return Call(Global('numpy.core.numeric', '_frombuffer'), arguments)


def space(name: str, module: str, library: str = 'gymnasium', **state) -> Call:
    return Call(Global(f'{library}.spaces.{module}', name), (), state)


def observation_space(model, saved, value) -> object:
    data = with_setting(saved['data'], 'observation_space', pickled(value))
    return read_sb3(model(data=data)).observation_space


def test_a_saved_model(model):
    policy = read_sb3(model())
    assert policy.algorithm == 'PPO'
    assert policy.policy_class == 'stable_baselines3.common.policies.ActorCriticPolicy'
    assert policy.versions['Stable-Baselines3'] == '2.9.2'
    assert policy.versions['PyTorch'].startswith('2.13.0')
    assert policy.keywords == {'net_arch': [16, 8], 'ortho_init': False}
    assert policy.observation_space.shape == (6,)
    np.testing.assert_array_equal(policy.action_space.low, [-1.0, -2.0])
    np.testing.assert_array_equal(policy.action_space.high, [1.0, 3.0])
    assert policy.weights['action_net.weight'].shape == (2, 8)
    assert not policy.weights['action_net.weight'].flags.writeable
    with pytest.raises(TypeError):
        policy.weights['action_net.weight'] = np.zeros(1)


def test_a_model_that_was_zipped_again(saved, tmp_path):
    file = tmp_path / 'model.zip'
    file.write_bytes(zipped(saved, method=8))
    assert set(members(file)) == set(saved)
    assert read_sb3(file).algorithm == 'PPO'


@pytest.mark.parametrize(
    ('name', 'algorithm_name', 'version'),
    [('ppo-1.6.2', 'PPO', '1.6.2'), ('sac-1.8.0', 'SAC', '1.8.0'), ('ppo-2.0.0', 'PPO', '2.0.0')],
)
def test_models_of_older_versions_do_what_they_did(name, algorithm_name, version):
    policy = read_sb3(SAVED / f'{name}.zip')
    assert (policy.algorithm, policy.versions['Stable-Baselines3']) == (algorithm_name, version)
    statistics = read_vec_normalize(SAVED / f'{name}.pkl')
    built = build_onnx(policy)
    model = OnnxModel(built.model, name, built.signature, built.state)
    with np.load(SAVED / f'{name}.npz') as answers:
        observations, expected = answers['observations'], answers['actions']
    assert len(observations) == 100
    normalised = statistics.normalise(observations)
    given = model.run_batch([({'obs': one[None]}, {}) for one in normalised])
    raw = np.concatenate([outputs['actions'] for outputs, _ in given])
    np.testing.assert_allclose(action_mapping(policy).apply(raw), expected, rtol=0, atol=1e-6)


@pytest.mark.parametrize('missing', ['system_info.txt', '_stable_baselines3_version'])
def test_older_files_say_less_about_versions(missing, model):
    assert read_sb3(model(**{missing: None})).algorithm == 'PPO'


def test_spaces_of_gymnasium_and_of_gym(model, saved):
    for library in ('gym', 'gymnasium'):
        found = observation_space(
            model,
            saved,
            space(
                'Dict',
                'dict',
                library,
                spaces={
                    'z': space(
                        'Box',
                        'box',
                        library,
                        low=array([[0.0], [1.0]]),
                        high=array([[1.0], [2.0]]),
                        dtype=Global('numpy', 'float32'),
                    ),
                    'choice': space('Discrete', 'discrete', library, n=3),
                    'choices': space(
                        'MultiDiscrete', 'multi_discrete', library, nvec=array([2, 3], 'i8')
                    ),
                    'flags': space('MultiBinary', 'multi_binary', library, n=4),
                    'more_flags': space(
                        'MultiBinary', 'multi_binary', library, n=array([2, 3], 'i8')
                    ),
                },
            ),
        )
        assert isinstance(found, Dict)
        assert list(found.spaces) == ['z', 'choice', 'choices', 'flags', 'more_flags']
        box = found.spaces['z']
        assert isinstance(box, Box) and box.shape == (2, 1) and box.size == 2
        assert not box.is_image
        assert found.spaces['choice'] == Discrete(3)
        assert found.spaces['choices'] == MultiDiscrete((2, 3))
        assert found.spaces['flags'] == MultiBinary((4,))
        assert found.spaces['more_flags'] == MultiBinary((2, 3))


@pytest.mark.parametrize(
    ('low', 'high', 'code', 'is_image'),
    [(0, 255, 'u1', True), (0, 254, 'u1', False), (1, 255, 'u1', False), (0, 255, 'f4', False)],
)
def test_what_counts_as_an_image(low, high, code, is_image, model, saved):
    box = space(
        'Box',
        'box',
        low=array(np.full((3, 2, 2), low), code),
        high=array(np.full((3, 2, 2), high), code),
        dtype=Call(Global('numpy', 'dtype'), (code, False, True)),
    )
    assert observation_space(model, saved, box).is_image is is_image


@pytest.mark.parametrize(
    ('value', 'problem'),
    [
        (space('Discrete', 'discrete', n=3, start=1), 'counted from 1'),
        (
            space(
                'MultiDiscrete', 'multi_discrete', nvec=array([2], 'i8'), start=array([1], 'i8')
            ),
            'counted from 1',
        ),
        (space('MultiDiscrete', 'multi_discrete', nvec=array([[2]], 'i8')), 'one axis'),
        (space('Discrete', 'discrete'), "without its 'n'"),
        (space('Dict', 'dict', spaces={}), 'at least one space'),
        (
            space('Dict', 'dict', spaces={'a': space('Dict', 'dict', spaces={})}),
            'a: expected at least one|a: a Dict in a Dict',
        ),
        (
            space('Box', 'box', low=array([1.0]), high=array([0.0]), dtype='float32'),
            'low <= high',
        ),
        (
            space('Box', 'box', low=array([1.0]), high=array([2.0, 2.0]), dtype='float32'),
            'bounds of one shape',
        ),
        (Call(Global('collections', 'OrderedDict'), ()), 'expected a space'),
        ({'n': 3}, 'expected a space .* found a dict'),
    ],
)
def test_spaces_that_cannot_be_used(value, problem, model, saved):
    with pytest.raises(ArtifactError, match=f'data: observation_space.*({problem})'):
        observation_space(model, saved, value)


@pytest.mark.parametrize(
    ('policy_class', 'settings', 'name'),
    [
        ('stable_baselines3.common.policies.ActorCriticPolicy', {'clip_range': 0.2}, 'PPO'),
        ('stable_baselines3.common.policies.ActorCriticPolicy', {'gae_lambda': 1.0}, 'A2C'),
        ('stable_baselines3.common.policies.ActorCriticPolicy', {'cg_max_steps': 15}, 'TRPO'),
        (
            'stable_baselines3.td3.policies.TD3Policy',
            {'policy_delay': 2, 'target_noise_clip': 0.5},
            'TD3',
        ),
        (
            'stable_baselines3.td3.policies.TD3Policy',
            {'policy_delay': 1, 'target_noise_clip': 0.0},
            'DDPG',
        ),
        ('sb3_contrib.tqc.policies.TQCPolicy', {}, 'TQC'),
        ('stable_baselines3.sac.policies.CnnPolicy', {}, 'SAC'),
    ],
)
def test_the_algorithm_follows_from_class_and_settings(policy_class, settings, name):
    assert algorithm(policy_class, settings) == name


def test_every_class_has_an_algorithm():
    assert len(POLICY_CLASSES) == 24
    assert len({algorithm(name, {'clip_range': 1}) for name in POLICY_CLASSES}) == 8


def test_choices_are_not_spread_over_a_range(model, saved):
    choices = pickled(space('Discrete', 'discrete', n=3))
    data = with_setting(saved['data'], 'action_space', choices)
    settings = json.loads(data)
    settings['policy_kwargs'] = {'squash_output': True}
    with pytest.raises(ArtifactError, match='needs a Box, found Discrete'):
        read_sb3(model(data=json.dumps(settings).encode()))


def test_classes_in_arguments_stay_names(model, saved):
    keywords = {'activation_fn': Global('torch.nn.modules.activation', 'ELU')}
    data = with_setting(saved['data'], 'policy_kwargs', pickled(keywords))
    assert read_sb3(model(data=data)).keywords['activation_fn'] == Name(
        'torch.nn.modules.activation', 'ELU'
    )


def test_tensors_are_views_of_their_storage():
    numbers = np.arange(12, dtype=np.float32)
    file = torch_file(
        {
            'all': tensor('0', 12, (3, 4), (4, 1)),
            'transposed': tensor('0', 12, (4, 3), (1, 4)),
            'part': tensor('0', 12, (2, 2), (4, 1), 5),
            'one': tensor('0', 12, (), (), 11),
        },
        {'0': numbers.tobytes()},
    )
    weights = read_weights(file, 'policy.pth')
    table = numbers.reshape(3, 4)
    np.testing.assert_array_equal(weights['all'], table)
    np.testing.assert_array_equal(weights['transposed'], table.T)
    np.testing.assert_array_equal(weights['part'], table[1:, 1:3])
    np.testing.assert_array_equal(weights['one'], 11.0)


def test_statistics(tmp_path, vec_normalize):
    file = tmp_path / 'vec_normalize.pkl'
    file.write_bytes(vec_normalize)
    statistics = read_vec_normalize(file)
    assert statistics.norm_obs and statistics.norm_obs_keys == ('state',)
    assert (statistics.clip_obs, statistics.epsilon) == (10.0, 1e-8)
    assert statistics.mean['state'].shape == statistics.var['state'].shape == (6,)
    assert statistics.count['state'] == pytest.approx(51.0, abs=0.1)


RUNNING = Global('stable_baselines3.common.running_mean_std', 'RunningMeanStd')
WRAPPER = Global('stable_baselines3.common.vec_env.vec_normalize', 'VecNormalize')


def statistics_file(tmp_path, **changes) -> object:
    running = {'mean': array([1.0], 'f8'), 'var': array([4.0], 'f8'), 'count': 10.0}
    changed = {**running, **{key: changes.pop(key) for key in running if key in changes}}
    state = {
        'obs_rms': Call(RUNNING, (), changed),
        'norm_obs': True,
        'clip_obs': 2.0,
        'epsilon': 0.0001,
    }
    file = tmp_path / 'vec_normalize.pkl'
    file.write_bytes(pickled(Call(WRAPPER, (), {**state, **changes})))
    return file


def test_normalisation_is_that_of_vec_normalize(tmp_path):
    statistics = read_vec_normalize(statistics_file(tmp_path))
    values = statistics.normalise(np.array([[3.0], [100.0]], np.float32))
    assert values.dtype == np.float32
    np.testing.assert_allclose(values, [[2.0 / np.sqrt(4.0001)], [2.0]], rtol=1e-7)


def test_without_normalisation_of_observations(tmp_path):
    statistics = read_vec_normalize(statistics_file(tmp_path, norm_obs=False, obs_rms=None))
    assert not statistics.norm_obs and statistics.norm_obs_keys == ()


@pytest.mark.parametrize(
    ('changes', 'problem'),
    [
        ({'var': array([-1.0], 'f8')}, 'obs_rms: expected mean and var'),
        ({'var': array([1.0, 1.0], 'f8')}, r'found shapes \[1\] and \[2\]'),
        ({'mean': array([np.nan], 'f8')}, 'obs_rms: mean: expected finite numbers'),
        ({'mean': 1.0}, 'obs_rms: mean: expected an array, found 1.0'),
        ({'count': 'many'}, "obs_rms: count: expected a number, found 'many'"),
        ({'epsilon': 0.0}, 'epsilon: expected a number above 0'),
        ({'clip_obs': None}, 'clip_obs: expected a number, found None'),
        ({'obs_rms': None}, 'obs_rms: expected statistics, found None'),
        ({'obs_rms': {'a': 1}}, 'obs_rms: a: expected a .*RunningMeanStd'),
        ({'obs_rms': {}, 'norm_obs_keys': ['b']}, r'expected statistics of \[.b.\]'),
    ],
)
def test_statistics_that_cannot_be_used(changes, problem, tmp_path):
    with pytest.raises(ArtifactError, match=problem) as caught:
        read_vec_normalize(statistics_file(tmp_path, **changes))
    assert 'vec_normalize.pkl' in str(caught.value)


def test_something_else_than_statistics(tmp_path):
    file = tmp_path / 'other.pkl'
    file.write_bytes(pickled({'mean': [0.0]}))
    with pytest.raises(ArtifactError, match='expected a .*VecNormalize, found a dict'):
        read_vec_normalize(file)
