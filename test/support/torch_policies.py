"""
The policies of ``torch_cases``, trained or initialised, and what their libraries answer.

Imported by ``torch_reference.py`` alone, under a Python with torch.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable

import gymnasium
import numpy as np
import rsl_rl_models
import sb3_contrib
import stable_baselines3
import torch
from gymnasium import spaces
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn
from torch_cases import OBSERVATIONS, Policy

from examples.pendulum.export import RecurrentActor

IMAGE = (36, 40, 3)
NOISE = spaces.Box(-3.0, 3.0, (6,), np.float32)
ACTIONS = spaces.Box(np.array([-1.0, -2.0], np.float32), np.array([1.0, 3.0], np.float32))
CHOICES = 4


@dataclasses.dataclass
class Made:
    """
    A policy, what it is exported from, its contract, and what its library answers.

    :param exported: what each kind of artifact is made of.
    :param scripted: TorchScript is compiled; else it is traced, as Stable-Baselines3 says.
    :param seen: the observations.
    :param contract: ``inputs`` and ``outputs``.
    :param answer: asks the library: observation, whether an episode starts; gives the action, what
        the network gave, and the state after it.
    :param state: shape of each state, by name.
    :param in_buffers: the state is in buffers of what torch runs.
    :param normaliser: statistics that the contract names.
    """

    exported: nn.Module
    seen: np.ndarray
    contract: str
    answer: Callable[[np.ndarray, bool], tuple[np.ndarray, np.ndarray, list[np.ndarray]]]
    scripted: nn.Module | None = None
    state: dict[str, tuple[int, ...]] = dataclasses.field(default_factory=dict)
    in_buffers: nn.Module | None = None
    normaliser: VecNormalize | None = None


# --- Stable-Baselines3 ---------------------------------------------------------------------------


class Noise(gymnasium.Env):
    """Observations at random, for models that are not trained."""

    def __init__(self, observation: spaces.Space, action: spaces.Space = ACTIONS) -> None:
        self.observation_space, self.action_space = observation, action

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


class OnnxableSB3Policy(nn.Module):
    """As its documentation has it for PPO and A2C: actions, values, log_prob."""

    def __init__(self, policy: nn.Module) -> None:
        super().__init__()
        self.policy = policy

    def forward(self, obs: torch.Tensor):
        return self.policy(obs, deterministic=True)


class Actor(nn.Module):
    """As its documentation has it for SAC."""

    def __init__(self, model) -> None:
        super().__init__()
        self.actor = model.policy.actor

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.actor(obs, deterministic=True)


class Choice(nn.Module):
    def __init__(self, model) -> None:
        super().__init__()
        self.q_net = model.policy.q_net

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        return self.q_net._predict(obs).reshape(1, 1)


class Normalised(nn.Module):
    """``VecNormalize`` before a network, in float64 as it computes."""

    def __init__(self, inner: nn.Module, normaliser: VecNormalize) -> None:
        super().__init__()
        self.inner, self.most = inner, normaliser.clip_obs
        spread = np.sqrt(normaliser.obs_rms.var + normaliser.epsilon)
        self.register_buffer('mean', torch.tensor(normaliser.obs_rms.mean))
        self.register_buffer('spread', torch.tensor(spread))

    def forward(self, obs: torch.Tensor):
        seen = torch.clamp((obs.double() - self.mean) / self.spread, -self.most, self.most)
        return self.inner(seen.float())


def sample(environment: gymnasium.Env) -> np.ndarray:
    """Return observations under random actions."""
    environment.action_space.seed(1)
    environment.observation_space.seed(1)
    found = [environment.reset(seed=1)[0]]
    while len(found) < OBSERVATIONS:
        seen, _, terminated, truncated, _ = environment.step(environment.action_space.sample())
        found.append(environment.reset()[0] if terminated or truncated else seen)
    return np.stack(found)


def learned(kind, policy: str, environment, steps: int, normalise: bool, **options):
    """Return a model and its VecNormalize, or None."""
    vector = DummyVecEnv([environment])
    if normalise:
        vector = VecNormalize(vector)
    model = kind(policy, vector, seed=3, device='cpu', **options)
    if steps:
        model.learn(steps)
    elif normalise:
        vector.reset()
        for _ in range(50):
            vector.step(np.array([vector.action_space.sample()]))
    model.policy.set_training_mode(False)
    return model, vector if normalise else None


def sb3_answer(model, normaliser: VecNormalize | None):
    """Return a function that asks a model without a state."""

    def ask(observation: np.ndarray, _start: bool):
        if normaliser is not None:
            observation = normaliser.normalize_obs(observation)
        action, _ = model.predict(observation, deterministic=True)
        tensor, _ = model.policy.obs_to_tensor(observation)
        with torch.no_grad():
            raw = model.policy._predict(tensor, deterministic=True)
        return np.reshape(action, -1), raw.numpy().reshape(-1), []

    return ask


def values(size: int, actions: int, arithmetic: str) -> str:
    """Return the contract of a vector to vector policy."""
    return (
        f'inputs:\n  obs:\n    - {{term: value, name: seen, size: {size}}}\n'
        f'outputs:\n  actions:\n    - {{term: value, name: act, size: {actions}{arithmetic}}}\n'
    )


ON_POLICY = {'n_steps': 256, 'n_epochs': 3, 'batch_size': 64}


def ppo(policy: Policy) -> Made:
    model, normaliser = learned(
        stable_baselines3.PPO,
        'MlpPolicy',
        lambda: gymnasium.make('Pendulum-v1'),
        policy.steps,
        'VecNormalize' in policy.name,
        policy_kwargs={'net_arch': [32, 32]},
        **ON_POLICY,
    )
    with torch.no_grad():  # so short a training gives small actions: these go beyond the bounds
        model.policy.action_net.weight *= 30.0 if normaliser else 60.0
    exported: nn.Module = OnnxableSB3Policy(model.policy)
    answer = sb3_answer(model, normaliser)
    if 'in the network' in policy.name:
        assert normaliser is not None
        exported, normaliser = Normalised(exported, normaliser), None
    seen = sample(gymnasium.make('Pendulum-v1'))
    contract = values(3, 1, ', clip: [-2.0, 2.0]')
    return Made(exported, seen, contract, answer, normaliser=normaliser)


def sac(policy: Policy) -> Made:
    pendulum = bool(policy.steps)

    def environment():
        return gymnasium.make('Pendulum-v1') if pendulum else Noise(NOISE)

    model, normaliser = learned(
        stable_baselines3.SAC,
        'MlpPolicy',
        environment,
        policy.steps,
        'VecNormalize' in policy.name,
        policy_kwargs={'net_arch': [32, 32]},
        buffer_size=1000,
        learning_starts=100,
    )
    spread = 'scale: 2.0' if pendulum else 'scale: [1.0, 2.5], offset: [0.0, 0.5]'
    size, actions = (3, 1) if pendulum else (6, 2)
    contract = values(size, actions, f', clip: [-1.0, 1.0], {spread}')
    answer = sb3_answer(model, normaliser)
    return Made(Actor(model), sample(environment()), contract, answer, normaliser=normaliser)


def dqn(policy: Policy) -> Made:
    def environment():
        return Noise(NOISE, spaces.Discrete(CHOICES))

    model, _ = learned(stable_baselines3.DQN, 'MlpPolicy', environment, 0, False)
    contract = (
        'inputs:\n  obs:\n    - {term: value, name: seen, size: 6}\n'
        'outputs:\n  actions:\n    dtype: int64\n    terms:\n'
        '      - {term: discrete, name: act, as: twist, axes: [linear_x], '
        f'actions: {[[number] for number in range(CHOICES)]}}}\n'
    )
    return Made(Choice(model), sample(environment()), contract, sb3_answer(model, None))


def cnn(policy: Policy) -> Made:
    def environment():
        return Noise(spaces.Box(0, 255, IMAGE, np.uint8))

    extractor = {'features_extractor_kwargs': {'features_dim': 32}, 'ortho_init': False}
    model, _ = learned(
        stable_baselines3.PPO, 'CnnPolicy', environment, 0, False, policy_kwargs=extractor
    )
    with torch.no_grad():
        model.policy.action_net.weight *= 20.0
    height, width, _ = IMAGE
    contract = (
        f'inputs:\n  obs:\n    shape: [3, {height}, {width}]\n    dtype: uint8\n    terms:\n'
        f'      - {{term: image, name: seen, height: {height}, width: {width}, channels: rgb, '
        'layout: chw, range: 0-255, resize: none}\n'
        'outputs:\n  actions:\n'
        '    - {term: value, name: act, size: 2, clip: {low: [-1, -2], high: [1, 3]}}\n'
    )
    exported = OnnxableSB3Policy(model.policy)
    return Made(exported, sample(environment()), contract, sb3_answer(model, None))


# --- recurrent -----------------------------------------------------------------------------------


class InBuffers(nn.Module):
    """An actor with its memory in buffers, as rsl_rl and Isaac Lab export theirs."""

    def __init__(self, actor: nn.Module, shape: tuple[int, ...]) -> None:
        super().__init__()
        self.actor = actor
        self.register_buffer('hidden_state', torch.zeros(shape))
        self.register_buffer('cell_state', torch.zeros(shape))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        action, hidden, cell = self.actor(x, self.hidden_state, self.cell_state)
        self.hidden_state[:] = hidden
        self.cell_state[:] = cell
        return action

    @torch.jit.export
    def reset(self) -> None:
        self.hidden_state[:] = 0.0
        self.cell_state[:] = 0.0


def recurrent_ppo(policy: Policy) -> Made:
    layers = 2 if 'two layers' in policy.name else 1

    def environment():
        return gymnasium.make('Pendulum-v1')

    model, normaliser = learned(
        sb3_contrib.RecurrentPPO,
        'MlpLstmPolicy',
        environment,
        policy.steps,
        'VecNormalize' in policy.name,
        policy_kwargs={'net_arch': [16], 'lstm_hidden_size': 8, 'n_lstm_layers': layers},
        **ON_POLICY,
    )
    with torch.no_grad():
        model.policy.action_net.weight *= 30.0
    memory: dict = {'state': None}

    def answer(observation: np.ndarray, start: bool):
        if normaliser is not None:
            observation = normaliser.normalize_obs(observation)
        before, starts = memory['state'], np.array([start])
        action, memory['state'] = model.predict(observation, before, starts, deterministic=True)
        if before is None:
            before = (np.zeros((layers, 1, 8), np.float32),) * 2
        with torch.no_grad():
            raw, _ = model.policy._predict(
                model.policy.obs_to_tensor(observation)[0],
                tuple(torch.as_tensor(one) for one in before),
                torch.as_tensor(starts, dtype=torch.float32),
                deterministic=True,
            )
        return action, raw.numpy().reshape(-1), list(memory['state'])

    shape = (layers, 1, 8)
    actor = RecurrentActor(model)
    buffers = InBuffers(actor, shape) if 'in buffers' in policy.name else None
    contract = values(3, 1, ', clip: [-2.0, 2.0]')
    seen, state = sample(environment()), {'h': shape, 'c': shape}
    return Made(actor, seen, contract, answer, actor, state, buffers, normaliser)


def rsl_rl(policy: Policy) -> Made:
    kind = policy.name.partition(' ')[0].partition(',')[0].lower()
    size, actions = 6, 2
    model = rsl_rl_models.make(kind, size, actions)
    names = {'mlp': '', 'lstm': 'hc', 'gru': 'h'}[kind]

    def answer(observation: np.ndarray, start: bool):
        if start:
            model.reset()
        with torch.inference_mode():
            raw = rsl_rl_models.ask(model, torch.from_numpy(observation)[None])
        raw = raw.numpy().reshape(-1)
        if not names:
            return raw, raw, []
        held = (model.rnn if rsl_rl_models.VERSION else model).hidden_state
        return raw, raw, [one.numpy().copy() for one in (held if names == 'hc' else (held,))]

    shape = (rsl_rl_models.LAYERS, 1, rsl_rl_models.HIDDEN)
    jit = model.as_jit().eval().requires_grad_(False)
    seen = np.random.default_rng(5).standard_normal((OBSERVATIONS, size)).astype(np.float32) * 2
    state = dict.fromkeys(names, shape)
    exported = model.as_onnx(verbose=False).eval() if names else jit
    return Made(exported, seen, values(size, actions, ''), answer, jit, state, jit)


MAKERS = {
    'PPO': ppo,
    'SAC': sac,
    'DQN': dqn,
    'RecurrentPPO': recurrent_ppo,
    'MLP': rsl_rl,
    'LSTM': rsl_rl,
    'GRU': rsl_rl,
}


def make(policy: Policy) -> Made:
    """Return a policy."""
    first = policy.name.replace(',', ' ').split()[0]
    return cnn(policy) if 'CNN' in policy.name else MAKERS[first](policy)
