"""
The side that has torch: makes the models of ``sb3_cases`` and asks their own ``predict()``.

Run by a Python with torch, Stable-Baselines3 and sb3-contrib, with ``test/support`` on its path:
``reference.py FOLDER [CASE …]``. Writes, for each case, the model (``.zip``), its VecNormalize
(``.pkl``) and what ``predict(deterministic=True)`` answers (``.npz``); and the observations, once
for each space.
"""

from __future__ import annotations

import pathlib
import sys
import warnings
import zlib

import gymnasium
import numpy as np
import sb3_cases
import stable_baselines3
import torch
from gymnasium import spaces
from sb3_contrib import QRDQN, TQC, TRPO, MaskablePPO, RecurrentPPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

CLASSES = {
    'QR-DQN': QRDQN,
    'TQC': TQC,
    'TRPO': TRPO,
    'MaskablePPO': MaskablePPO,
    'RecurrentPPO': RecurrentPPO,
}
VECTOR = spaces.Box(-2.0, 2.0, (6,), np.float32)
IMAGE = spaces.Box(0, 255, (36, 40, 3), np.uint8)
OBSERVATIONS = {
    'vector': VECTOR,
    'matrix': spaces.Box(-2.0, 2.0, (2, 3), np.float32),
    'bytes': spaces.Box(0, 100, (5,), np.uint8),
    'doubles': spaces.Box(-np.inf, np.inf, (4,), np.float64),
    'discrete': spaces.Discrete(5),
    'multi_discrete': spaces.MultiDiscrete([3, 2, 4]),
    'multi_binary': spaces.MultiBinary(4),
    'image': IMAGE,
    'image_first': spaces.Box(0, 255, (3, 36, 40), np.uint8),
    'float_image': spaces.Box(0.0, 1.0, (3, 36, 40), np.float32),
    'dict': spaces.Dict(
        {
            'state': VECTOR,
            'camera': IMAGE,
            'mode': spaces.Discrete(3),
            'modes': spaces.MultiDiscrete([2, 3]),
            'flags': spaces.MultiBinary(3),
        }
    ),
    'plain_dict': spaces.Dict({'state': VECTOR, 'camera': IMAGE, 'mode': spaces.Discrete(3)}),
    'float_dict': spaces.Dict(
        {'state': VECTOR, 'camera': spaces.Box(0.0, 1.0, (3, 36, 40), np.float32)}
    ),
}
ACTIONS = {
    'box': spaces.Box(np.array([-1.0, -2.0], np.float32), np.array([1.0, 3.0], np.float32)),
    'matrix': spaces.Box(-0.5, 0.5, (2, 2), np.float32),
    'discrete': spaces.Discrete(4),
    'multi_discrete': spaces.MultiDiscrete([3, 4]),
    'multi_binary': spaces.MultiBinary(3),
}
OFF_POLICY = (*sb3_cases.SQUASHED, *sb3_cases.VALUES)


class Noise(gymnasium.Env):
    """Observations at random; for models that are not trained."""

    def __init__(self, observation: str, action: str) -> None:
        self.observation_space = OBSERVATIONS[observation]
        self.action_space = ACTIONS[action]

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


def environment(case: sb3_cases.Case) -> gymnasium.Env:
    """Return the environment of a case."""
    if not case.action:
        return gymnasium.make(case.observation)
    return Noise(case.observation, case.action)


def arguments(case: sb3_cases.Case) -> tuple[dict, dict]:
    """Return arguments of the algorithm and of the policy."""
    on_policy = case.algorithm not in OFF_POLICY
    algorithm: dict = {'seed': 0, 'device': 'cpu'}
    if on_policy:
        algorithm['n_steps'] = 512 if case.steps else 8
    else:
        algorithm |= {'buffer_size': max(case.steps, 10), 'learning_starts': 100}
    if on_policy and case.algorithm != 'A2C':
        algorithm['batch_size'] = 128 if case.steps else 8
    if case.steps and case.algorithm in ('PPO', 'RecurrentPPO'):
        algorithm['n_epochs'] = 3
    policy: dict = {'net_arch': [16, 8]}
    if on_policy and not case.steps:
        policy['ortho_init'] = False  # actions of ordinary size
    if case.is_recurrent:
        policy |= {'lstm_hidden_size': 8}
    if case.policy == 'Cnn':
        policy['features_extractor_kwargs'] = {'features_dim': 16}
    elif case.policy == 'MultiInput':
        policy['features_extractor_kwargs'] = {'cnn_output_dim': 16}
    name, _, value = case.variant.partition('=')
    separate = {'SAC': 'qf', 'TQC': 'qf', 'TD3': 'qf', 'DDPG': 'qf'}.get(case.algorithm, 'vf')
    deep = [12, 8, 4] if case.algorithm in sb3_cases.VALUES else {'pi': [12, 8, 4], separate: [5]}
    chosen: dict = {
        '': {},
        'linear': {'net_arch': []},
        'deep': {'net_arch': deep},
        'unscaled': {'normalize_images': False},
        'separate': {'share_features_extractor': False},
        'shared': {'share_features_extractor': True},
        'activation': {'activation_fn': getattr(torch.nn, value, None)},
        'quantiles': {'n_quantiles': 7},
        'sde': {},
        'sde_squashed': {'squash_output': True},
        'sde_expln': {'use_expln': True, 'full_std': False},
        'sde_narrow': {'clip_mean': 0.1},
        'sde_unlimited': {'clip_mean': 0.0},
        'layers': {'n_lstm_layers': 3},
        'shared_lstm': {'shared_lstm': True, 'enable_critic_lstm': False},
        'no_critic_lstm': {'enable_critic_lstm': False},
        'no_bias': {'lstm_kwargs': {'bias': False}},
    }[name]
    if name.startswith('sde'):
        algorithm['use_sde'] = True
    return algorithm, policy | chosen


def make(case: sb3_cases.Case):
    """Return model and VecNormalize (or None)."""
    vector = DummyVecEnv([lambda: environment(case)])
    if case.normalise:
        keys = ['state'] if case.observation == 'dict' else None
        vector = VecNormalize(vector, norm_obs_keys=keys)
    algorithm, policy = arguments(case)
    lstm = 'Lstm' if case.is_recurrent else ''
    kind = CLASSES.get(case.algorithm) or getattr(stable_baselines3, case.algorithm)
    model = kind(f'{case.policy}{lstm}Policy', vector, policy_kwargs=policy, **algorithm)
    if case.steps:
        model.learn(case.steps)
    elif hasattr(model.policy, 'action_net'):
        # actions that reach the bounds and choices that differ, also from inputs of 0 to 255
        large = case.variant == 'unscaled' and case.observation == 'image'
        with torch.no_grad():
            model.policy.action_net.weight *= 0.02 if large else 2.0
    if case.normalise and not case.steps:
        vector.reset()
        for _ in range(50):
            vector.step(np.array([vector.action_space.sample()]))
    return model, vector if case.normalise else None


def observations(case: sb3_cases.Case) -> dict[str, np.ndarray]:
    """Return observations by key; by '' where there are no keys."""
    count = sb3_cases.OBSERVATIONS
    space = OBSERVATIONS.get(case.observation)
    if space is None:
        env = gymnasium.make(case.observation)
        env.action_space.seed(1)
        seen = [env.reset(seed=1)[0]]
        while len(seen) < count:
            observation, _, terminated, truncated, _ = env.step(env.action_space.sample())
            seen.append(env.reset()[0] if terminated or truncated else observation)
        return {'': np.array(seen)}
    space.seed(1)
    samples = [space.sample() for _ in range(count)]
    if isinstance(space, spaces.Dict):
        return {key: np.array([one[key] for one in samples]) for key in space.spaces}
    return {'': np.array(samples)}


def _gaps(distribution) -> np.ndarray:
    """Return by how much the chosen action is ahead, a column for each branch; none for a Box."""
    parts = getattr(distribution, 'distributions', None) or distribution.distribution
    parts = parts if isinstance(parts, list) else [parts]
    if not hasattr(parts[0], 'logits'):
        return np.zeros(0)
    if isinstance(parts[0], torch.distributions.Bernoulli):
        return parts[0].logits.abs().numpy()
    return np.stack([_lead(part.logits) for part in parts], axis=1)


def _lead(values: torch.Tensor) -> np.ndarray:
    best = values.topk(2, dim=1).values
    return (best[:, 0] - best[:, 1]).numpy()


@torch.no_grad()
def ask(case: sb3_cases.Case, model, vector, seen: dict[str, np.ndarray]) -> dict:
    """Return the model's own answers, and what they depend on beside the observations."""
    given = seen[''] if '' in seen else seen
    if vector is not None:
        given = vector.normalize_obs(given)
    policy, random = model.policy, np.random.default_rng(2)
    if case.is_recurrent:
        return _ask_recurrent(policy, given, random)
    if case.is_masked:
        masks = random.random((sb3_cases.OBSERVATIONS, policy.action_net.out_features)) < 0.6
        masks[:10] = True
        tensor, _ = policy.obs_to_tensor(given)
        return {
            'actions': model.predict(given, deterministic=True)[0],
            'gaps': _gaps(policy.get_distribution(tensor)),
            'masks': masks,
            'masked_actions': model.predict(given, deterministic=True, action_masks=masks)[0],
            'masked_gaps': _gaps(policy.get_distribution(tensor, action_masks=masks)),
        }
    actions, _ = model.predict(given, deterministic=True)
    tensor, _ = policy.obs_to_tensor(given)
    if case.algorithm == 'DQN':
        return {'actions': actions, 'gaps': _lead(policy.q_net(tensor))[:, None]}
    if case.algorithm == 'QR-DQN':
        return {'actions': actions, 'gaps': _lead(policy.quantile_net(tensor).mean(1))[:, None]}
    gaps = _gaps(policy.get_distribution(tensor)) if hasattr(policy, 'action_net') else np.zeros(0)
    return {'actions': actions, 'gaps': gaps}


def _ask_recurrent(policy, given, random) -> dict:
    """Sequences side by side; observation ``i`` is step ``i // SEQUENCES`` of one of them."""
    steps = sb3_cases.OBSERVATIONS // sb3_cases.SEQUENCES
    starts = random.random((steps, sb3_cases.SEQUENCES)) < 0.1
    starts[0] = True
    state, actions, gaps, states = None, [], [], []
    for step in range(steps):
        rows = slice(step * sb3_cases.SEQUENCES, (step + 1) * sb3_cases.SEQUENCES)
        some = (
            {key: one[rows] for key, one in given.items()}
            if isinstance(given, dict)
            else given[rows]
        )
        before = state
        if before is None:
            layers, _, width = policy.lstm_hidden_state_shape
            before = (np.zeros((layers, sb3_cases.SEQUENCES, width), np.float32),) * 2
        tensor, _ = policy.obs_to_tensor(some)
        distribution, _ = policy.get_distribution(
            tensor,
            tuple(torch.as_tensor(one) for one in before),
            torch.as_tensor(starts[step], dtype=torch.float32),
        )
        answer, state = policy.predict(some, state, starts[step], deterministic=True)
        actions.append(answer)
        gaps.append(_gaps(distribution))
        states.append(np.stack(state))
    return {
        'actions': np.concatenate(actions),
        'gaps': np.concatenate(gaps),
        'starts': starts,
        'states': np.stack(states),
    }


def main() -> None:
    """Write what was asked for."""
    folder = pathlib.Path(sys.argv[1])
    chosen = set(sys.argv[2:])
    torch.set_num_threads(1)
    warnings.simplefilter('ignore')
    for case in sb3_cases.CASES:
        if chosen and case.name not in chosen:
            continue
        torch.manual_seed(zlib.crc32(case.name.encode()))
        seen_file = folder / f'{case.observation}.npz'
        if not seen_file.exists():
            np.savez(seen_file, **{f'obs{key}': one for key, one in observations(case).items()})
        with np.load(seen_file) as loaded:
            seen = {key[3:]: loaded[key] for key in loaded.files}
        model, vector = make(case)
        model.save(folder / f'{case.name}.zip')
        if vector is not None:
            vector.save(folder / f'{case.name}.pkl')
        np.savez(folder / f'{case.name}.npz', **ask(case, model, vector, seen))


if __name__ == '__main__':
    main()
