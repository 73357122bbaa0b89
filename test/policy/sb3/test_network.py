"""What is rebuilt as ONNX, what the model takes, and what cannot be rebuilt."""

from __future__ import annotations

import dataclasses
import subprocess
import sys

import numpy as np
import pytest
from pickle_code import Call, Global, pickled, with_setting
from sb3_file import read_sb3

from fournex_runtime.errors import ArtifactError, MissingDependencyError
from fournex_runtime.policy.backend import ArraySpec, Signature
from fournex_runtime.policy.onnx_backend import OnnxModel
from fournex_runtime.policy.sb3.actions import action_bounds, action_mapping
from fournex_runtime.policy.sb3.inert_pickle import Name
from fournex_runtime.policy.sb3.network import build_onnx
from fournex_runtime.policy.sb3.policy_classes import POLICY_CLASSES
from fournex_runtime.policy.sb3.saved_policy import Sb3Policy
from fournex_runtime.policy.sb3.spaces import (
    Box,
    Dict,
    Discrete,
    MultiBinary,
    MultiDiscrete,
    Space,
)

POLICIES = 'stable_baselines3.common.policies'
MASKABLE = 'sb3_contrib.common.maskable.policies.MaskableActorCriticPolicy'
RECURRENT = 'sb3_contrib.common.recurrent.policies.RecurrentActorCriticPolicy'
SAC = 'stable_baselines3.sac.policies.SACPolicy'
QUANTILES = 'sb3_contrib.qrdqn.policies.QRDQNPolicy'
UNIT = Box(-np.ones(2, np.float32), np.ones(2, np.float32), 'float32')


def vector(size: int) -> Box:
    return Box(np.full(size, -np.inf), np.full(size, np.inf), 'float32')


def image(*shape: int) -> Box:
    return Box(np.zeros(shape, np.uint8), np.full(shape, 255, np.uint8), 'uint8')


def linear(name: str, outputs: int, inputs: int, bias: float = 0.0) -> dict[str, np.ndarray]:
    """Return weights of a layer that adds its inputs, times 1, 2, 3, … for each output."""
    factors = np.arange(1, outputs + 1, dtype=np.float32)[:, None]
    return {
        f'{name}.weight': factors * np.ones((outputs, inputs), np.float32),
        f'{name}.bias': np.full(outputs, bias, np.float32),
    }


def policy(
    name: str, observation: Space, action: Space, weights: dict[str, np.ndarray], **keywords
) -> Sb3Policy:
    return Sb3Policy(
        'model.zip', 'any', name, POLICY_CLASSES[name], observation, action, weights, keywords, {}
    )


def actor_critic(observation: Space, action: Space, weights: dict, **keywords) -> Sb3Policy:
    return policy(f'{POLICIES}.ActorCriticPolicy', observation, action, weights, **keywords)


def run(built, state=None, **inputs) -> np.ndarray:
    model = OnnxModel(built.model, 'model.zip', built.signature, built.state)
    return model.run(inputs, state or {})[0]['actions']


def test_a_model_as_saved(model):
    built = build_onnx(read_sb3(model()))
    assert built.signature == Signature(
        (ArraySpec('obs', (1, 6), 'float32'),), (ArraySpec('actions', (1, 2), 'float32'),), (), ()
    )
    assert built.optional_inputs == () and built.state == ()


def test_the_same_policy_gives_the_same_bytes(model):
    first, second = (build_onnx(read_sb3(model())).model for _ in range(2))
    assert first == second


def test_a_network_by_hand():
    weights = linear('mlp_extractor.policy_net.0', 2, 3, 0.5) | linear('action_net', 2, 2)
    built = build_onnx(actor_critic(vector(3), UNIT, weights))
    hidden = np.tanh(np.array([1.0, 2.0]) * 0.6 + 0.5)
    actions = run(built, obs=np.array([[0.1, 0.2, 0.3]], np.float32))
    np.testing.assert_allclose(actions, [[hidden.sum(), 2 * hidden.sum()]], rtol=1e-6)


def test_several_robots_at_once(model):
    built = build_onnx(read_sb3(model()))
    observations = np.random.default_rng(0).normal(size=(7, 6)).astype(np.float32)
    model = OnnxModel(built.model, 'model.zip', built.signature, built.state)
    together = model.run_batch([({'obs': one[None]}, {}) for one in observations])
    apart = np.concatenate([run(built, obs=one[None]) for one in observations])
    actions = np.concatenate([outputs['actions'] for outputs, _ in together])
    np.testing.assert_allclose(actions, apart, atol=1e-6)


def test_choices_are_one_hot_and_others_are_errors():
    built = build_onnx(actor_critic(Discrete(3), UNIT, linear('action_net', 2, 3)))
    assert built.signature.inputs == (ArraySpec('obs', (1, 1), 'int64'),)
    for index in range(3):
        np.testing.assert_array_equal(run(built, obs=np.array([[index]])), [[1.0, 2.0]])
    for index in (-1, 3, 1 << 40):
        with pytest.raises(ArtifactError, match='inference failed'):
            run(built, obs=np.array([[index]]))


def test_several_choices_are_one_hot_one_after_the_other():
    weights = linear('action_net', 2, 5)
    weights['action_net.weight'] = np.array([[1, 2, 3, 4, 5]] * 2, np.float32)
    built = build_onnx(actor_critic(MultiDiscrete((2, 3)), UNIT, weights))
    actions = run(built, obs=np.array([[1, 2]]))
    np.testing.assert_array_equal(actions, [[7.0, 7.0]])


@pytest.mark.parametrize(
    ('action', 'expected'),
    [
        (Discrete(4), [[3]]),
        (MultiDiscrete((2, 2)), [[1, 1]]),
        (MultiBinary((4,)), [[1, 1, 1, 1]]),
    ],
)
def test_actions_that_are_choices_are_int64(action, expected):
    built = build_onnx(actor_critic(vector(1), action, linear('action_net', 4, 1)))
    actions = run(built, obs=np.ones((1, 1), np.float32))
    assert actions.dtype == np.int64
    np.testing.assert_array_equal(actions, expected)


def test_masks_may_be_left_out():
    built = build_onnx(policy(MASKABLE, vector(1), Discrete(4), linear('action_net', 4, 1)))
    assert built.optional_inputs == (ArraySpec('action_masks', (1, 4), 'bool'),)
    one = np.ones((1, 1), np.float32)
    assert run(built, obs=one) == 3
    mask = np.array([[True, True, False, False]])
    assert run(built, obs=one, action_masks=mask) == 1
    # a contract may name them among its inputs
    spec = dataclasses.replace(
        built.signature, inputs=(*built.signature.inputs, *built.optional_inputs)
    )
    assert OnnxModel(built.model, 'model.zip', spec, ()).run(
        {'obs': one, 'action_masks': mask}, {}
    )[0]['actions'] == [[1]]


def recurrent_weights(layers: int) -> dict[str, np.ndarray]:
    random = np.random.default_rng(1)
    weights = {
        f'lstm_actor.{kind}_l{layer}': random.normal(size=(12, 3)).astype(np.float32)
        for layer in range(layers)
        for kind in ('weight_ih', 'weight_hh')
    }
    return weights | linear('action_net', 2, 3)


def test_recurrent_state_and_episode_starts():
    built = build_onnx(policy(RECURRENT, vector(3), UNIT, recurrent_weights(2)))
    assert [(one.name, one.shape, one.input, one.output) for one in built.state] == [
        ('h', (2, 1, 3), 'h_in', 'h_out'),
        ('c', (2, 1, 3), 'c_in', 'c_out'),
    ]
    assert built.optional_inputs == (ArraySpec('episode_starts', (1,), 'float32'),)
    model = OnnxModel(built.model, 'model.zip', built.signature, built.state)
    zeros = {name: np.zeros((2, 1, 3), np.float32) for name in 'hc'}
    seen = {'obs': np.array([[0.1, -0.4, 0.9]], np.float32)}
    first, state = model.run(seen, zeros)
    second, _ = model.run(seen, state)
    assert not np.array_equal(first['actions'], second['actions'])
    again, _ = model.run({**seen, 'episode_starts': np.ones(1, np.float32)}, state)
    np.testing.assert_array_equal(again['actions'], first['actions'])


def test_images_come_with_channels_last_or_first():
    weights = linear('action_net', 2, 3 * 5 * 4)
    weights['action_net.weight'] = np.arange(120, dtype=np.float32).reshape(2, 60)
    saved = actor_critic(image(3, 5, 4), UNIT, weights)
    seen = np.random.default_rng(3).integers(0, 256, (1, 5, 4, 3), np.uint8)
    last = build_onnx(saved)
    first = build_onnx(saved, 'channels_first')
    assert last.signature.inputs == (ArraySpec('obs', (1, 5, 4, 3), 'uint8'),)
    assert first.signature.inputs == (ArraySpec('obs', (1, 3, 5, 4), 'uint8'),)
    actions = run(last, obs=seen)
    np.testing.assert_array_equal(actions, run(first, obs=seen.transpose(0, 3, 1, 2)))
    expected = weights['action_net.weight'] @ (seen.transpose(0, 3, 1, 2).reshape(60) / 255.0)
    np.testing.assert_allclose(actions, [expected], rtol=1e-5)
    with pytest.raises(ValueError, match='channels_middle'):
        build_onnx(saved, 'channels_middle')


def test_keys_name_the_inputs_but_for_names_that_are_taken():
    spaces = Dict({'actions': vector(1), 'state': vector(2)})
    name = f'{POLICIES}.MultiInputActorCriticPolicy'
    built = build_onnx(policy(name, spaces, UNIT, linear('action_net', 2, 3)))
    assert [one.name for one in built.signature.inputs] == ['obs_actions', 'state']


def test_the_mean_of_quantiles_is_compared():
    weights = linear('quantile_net.quantile_net.0', 6, 1)
    # two quantiles of three choices: 0 5 1, 9 1 1; on average 4.5 3 1
    weights['quantile_net.quantile_net.0.weight'] = np.array(
        [[0], [5], [1], [9], [1], [1]], np.float32
    )
    built = build_onnx(policy(QUANTILES, vector(1), Discrete(3), weights))
    assert run(built, obs=np.ones((1, 1), np.float32)) == 0


def test_clipped_actions():
    space = Box(np.array([-1, -np.inf], np.float32), np.array([1, 3], np.float32), 'float32')
    saved = actor_critic(vector(1), space, linear('action_net', 2, 1))
    assert not saved.is_squashed
    low, high = action_bounds(saved)
    np.testing.assert_array_equal(low, [-1.0, -np.inf])
    np.testing.assert_array_equal(high, [1.0, 3.0])
    mapping = action_mapping(saved)
    raw = np.array([[-5.0, -5.0], [5.0, 5.0], [0.5, 0.5]], np.float32)
    np.testing.assert_array_equal(mapping.apply(raw), [[-1.0, -5.0], [1.0, 3.0], [0.5, 0.5]])


def test_squashed_actions_are_spread_over_the_space():
    space = Box(np.array([-1, 0], np.float32), np.array([1, 4], np.float32), 'float32')
    saved = policy(SAC, vector(1), space, linear('actor.mu', 2, 1))
    assert saved.is_squashed
    mapping = action_mapping(saved)
    np.testing.assert_array_equal(mapping.scale, [1.0, 2.0])
    np.testing.assert_array_equal(mapping.offset, [0.0, 2.0])
    actions = run(build_onnx(saved), obs=np.full((1, 1), 100.0, np.float32))
    np.testing.assert_array_equal(mapping.apply(actions), [[1.0, 4.0]])


def test_squashed_actions_need_bounds():
    saved = policy(SAC, vector(1), vector(2), linear('actor.mu', 2, 1))
    with pytest.raises(ArtifactError, match='expected finite bounds'):
        action_mapping(saved)
    with pytest.raises(ArtifactError, match='expected a Box.*found Discrete'):
        action_bounds(actor_critic(vector(1), Discrete(2), {}))


@pytest.mark.parametrize(
    ('weights', 'problem'),
    [
        (linear('action_net', 3, 4), 'last layer gives 3 values, the action space needs 2'),
        (linear('action_net', 2, 5), r"action_net.weight: expected shape \['any', 4\].*\[2, 5\]"),
        ({}, 'action_net.weight: no such tensor'),
        (linear('mlp_extractor.policy_net.0', 3, 4), 'action_net.weight: no such tensor'),
        (linear('mlp_extractor.value_nets.0', 4, 4), 'mlp_extractor.value_nets.0.*does not have'),
        (linear('attention', 2, 2), 'attention.weight: a tensor that .* does not have.*export'),
        ({'action_net.bias': np.zeros(3, np.float32)}, r'expected shape \[2\].*found \[3\]'),
        ({'action_net.bias': np.zeros(2, np.int64)}, 'of floating point, found .* int64'),
        ({'action_net.bias': np.array([0, np.nan])}, 'action_net.bias: holds values that are not'),
    ],
)
def test_weights_that_are_not_those_of_the_class(weights, problem):
    base = {} if 'no such tensor' in problem else linear('action_net', 2, 4)
    with pytest.raises(ArtifactError, match=problem) as caught:
        build_onnx(actor_critic(vector(4), UNIT, base | weights))
    assert str(caught.value).startswith('model.zip: policy.pth: ')


@pytest.mark.parametrize(
    ('keywords', 'problem'),
    [
        (
            {'activation_fn': Name('torch.nn.modules.activation', 'Threshold')},
            'activation_fn: Threshold is not supported .*Tanh',
        ),
        (
            {'features_extractor_class': Name('torch.nn.modules.activation', 'ReLU')},
            'features_extractor_class: expected FlattenExtractor, NatureCNN',
        ),
        (
            {'features_extractor_kwargs': {'depth': 3}},
            "features_extractor_kwargs: 'depth' is none of features_dim.*export",
        ),
    ],
)
def test_what_is_not_supported_is_named(keywords, problem):
    weights = linear('mlp_extractor.policy_net.0', 2, 4) | linear('action_net', 2, 2)
    with pytest.raises(ArtifactError, match=problem):
        build_onnx(actor_critic(vector(4), UNIT, weights, **keywords))


def test_an_lstm_of_another_kind_is_refused():
    weights = recurrent_weights(1)
    with pytest.raises(ArtifactError, match="lstm_kwargs: .*'proj_size'.* not supported"):
        build_onnx(policy(RECURRENT, vector(3), UNIT, weights, lstm_kwargs={'proj_size': 2}))
    weights['lstm_actor.weight_ih_l0_reverse'] = weights['lstm_actor.weight_ih_l0']
    with pytest.raises(ArtifactError, match='weight_ih_l0_reverse: a tensor that'):
        build_onnx(policy(RECURRENT, vector(3), UNIT, weights))


def test_a_policy_and_a_space_that_do_not_go_together():
    spaces = Dict({'state': vector(1)})
    with pytest.raises(ArtifactError, match='FlattenExtractor does not take a Dict'):
        build_onnx(actor_critic(spaces, UNIT, {}))
    name = f'{POLICIES}.ActorCriticCnnPolicy'
    with pytest.raises(ArtifactError, match=r'NatureCNN takes images, found shape \[4\]'):
        build_onnx(policy(name, vector(4), UNIT, {}))


def test_images_smaller_than_the_convolutions(model):
    name = f'{POLICIES}.ActorCriticCnnPolicy'
    weights = {}
    for layer, size, channels, filters in ((0, 8, 3, 32), (2, 4, 32, 64), (4, 3, 64, 64)):
        prefix = f'features_extractor.cnn.{layer}'
        weights[f'{prefix}.weight'] = np.zeros((filters, channels, size, size), np.float32)
        weights[f'{prefix}.bias'] = np.zeros(filters, np.float32)
    with pytest.raises(ArtifactError, match=r'NatureCNN takes images of at least 36 by 36'):
        build_onnx(policy(name, image(3, 20, 36), UNIT, weights))


def test_onnx_is_named_where_it_is_not_installed(monkeypatch):
    module = 'fournex_runtime.policy.sb3.onnx_graph'
    monkeypatch.setitem(sys.modules, 'onnx', None)
    monkeypatch.delitem(sys.modules, module)
    with pytest.raises(MissingDependencyError, match='needs onnx.*pip install onnx'):
        __import__(module)


def test_neither_torch_nor_the_library_is_imported(model):
    code = (
        'import pathlib, sys\n'
        'for name in ("torch", "stable_baselines3", "gymnasium", "cloudpickle", "rclpy"):\n'
        '    sys.modules[name] = None\n'
        'from fournex_runtime.policy.sb3.saved_policy import parse_sb3\n'
        'file = pathlib.Path(sys.argv[1])\n'
        'policy = parse_sb3(file.read_bytes(), file)\n'
        'assert not {"onnx", "onnxruntime", "pickle"} & set(sys.modules) - before\n'
        'from fournex_runtime.policy.sb3.network import build_onnx\n'
        'print(len(build_onnx(policy).model))\n'
    )
    code = 'import numpy, sys; before = set(sys.modules)\n' + code
    answer = subprocess.run(
        [sys.executable, '-c', code, model()], capture_output=True, text=True, timeout=60
    )
    assert answer.returncode == 0, answer.stderr
    assert int(answer.stdout) > 1000


def test_classes_of_others_are_refused_with_what_to_do(model, saved):
    crossq = pickled(Global('sb3_contrib.crossq.policies', 'CrossQPolicy'))
    with pytest.raises(ArtifactError, match='CrossQPolicy.*export the policy to ONNX'):
        read_sb3(model(data=with_setting(saved['data'], 'policy_class', crossq)))
    by_value = pickled(Call(Global('cloudpickle.cloudpickle', '_make_skeleton_class'), (1,)))
    with pytest.raises(ArtifactError, match='_make_skeleton_class.*export the policy to ONNX'):
        read_sb3(model(data=with_setting(saved['data'], 'policy_class', by_value)))
    other = pickled(Global('torch.nn.modules.activation', 'ReLU'))
    with pytest.raises(ArtifactError, match='policy_class: .*ReLU is not supported'):
        read_sb3(model(data=with_setting(saved['data'], 'policy_class', other)))


@pytest.mark.parametrize(
    ('keywords', 'problem'),
    [
        ({'net_arhc': [8]}, 'net_arhc.*Did you mean net_arch'),
        ({'sde_net_arch': [8]}, 'sde_net_arch: expected NoneType, found a list.*ONNX'),
        ({'activation_fn': 'ReLU'}, "activation_fn: expected Name, NoneType, found 'ReLU'"),
        ({'normalize_images': 0}, 'normalize_images: expected bool, found 0'),
        ({'squash_output': None}, 'squash_output: expected bool, found None'),
        ({'lstm_kwargs': [1]}, 'lstm_kwargs: expected dict'),
        ({'clip_mean': 'wide'}, 'clip_mean: expected int, float'),
        ([1], 'expected settings by name, found a list'),
    ],
)
def test_policy_arguments_that_are_not_known(keywords, problem, model, saved):
    data = with_setting(saved['data'], 'policy_kwargs', pickled(keywords))
    with pytest.raises(ArtifactError, match=f'data: policy_kwargs: .*{problem}'):
        read_sb3(model(data=data))
