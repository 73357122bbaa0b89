"""
Train the arm's policy and write ``bundle/policy.onnx`` and ``bundle/obs_stats.safetensors``.

Run from the checkout, in the environment that has torch::

    .venv-torch/bin/python -m examples.arm.train

Stable-Baselines3's SAC with a critic that knows the arm's geometry (``critic.py``), observations
normalised by ``VecNormalize``.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import time

import numpy as np
import torch
from stable_baselines3 import SAC
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from .critic import ToldCriticPolicy
from .env import STEPS, ArmEnv
from .export import POLICY, OnnxPolicy, export, largest_difference

EVALUATION_SEEDS = range(10_000, 10_100)
TRIAL_SEEDS = range(500_000, 500_050)
BUNDLE = pathlib.Path(__file__).with_name('bundle')


def count_reached(
    folder: pathlib.Path, seeds: range, delay_steps: int, stale: bool
) -> tuple[int, float]:
    """Return how many targets were reached and held, and the mean distance at the end, m."""
    env = ArmEnv(task=True, delay_steps=delay_steps, stale=stale)
    policy = OnnxPolicy(folder)
    reached, errors = 0, 0.0
    for seed in seeds:
        observation, _ = env.reset(seed=0, options={'robot_seed': seed})
        done = False
        while not done:
            observation, _, terminated, truncated, info = env.step(policy(observation))
            done = terminated or truncated
        reached += info['is_success']
        errors += info['tip_error_m']
    return reached, errors / len(seeds)


class KeepBest(BaseCallback):
    """
    Every so many steps, try the policy with the longest delay and keep the best one.

    :param every: environment steps between two trials.
    """

    def __init__(self, every: int) -> None:
        super().__init__()
        self._every = every
        self._next = every
        self._score = (-1, 0.0)
        self.best: dict[str, torch.Tensor] = {}

    def _on_step(self) -> bool:
        if self.num_timesteps >= self._next:
            self._next += self._every
            self.trial()
        return True

    def trial(self) -> None:
        """Try the policy as it is now, on seeds that the final table does not use."""
        normaliser = self.model.get_vec_normalize_env()
        with tempfile.TemporaryDirectory() as name:
            folder = pathlib.Path(name)
            export(self.model, normaliser, folder)
            reached, error = count_reached(folder, TRIAL_SEEDS, STEPS, stale=True)
        print(
            f'\n{self.num_timesteps} steps: {reached} of {len(TRIAL_SEEDS)} targets '
            f'reached, {error * 100:.1f} cm away at the end',
            flush=True,
        )
        if (reached, -error) > self._score:
            self._score = (reached, -error)
            self.best = {
                name: value.clone() for name, value in self.model.policy.state_dict().items()
            }


def measure_statistics(envs: VecNormalize, periods: int = 1_500) -> None:
    """
    Measure mean and variance of the observations under random actions, and freeze them.

    Each action is kept for a while, so that the arm gets around in all of its workspace.
    """
    envs.reset()
    random = np.random.default_rng(0)
    shape = (envs.num_envs, *envs.action_space.shape)
    actions = random.uniform(-1.0, 1.0, shape)
    for _ in range(periods):
        others = random.uniform(-1.0, 1.0, shape)
        actions = np.where(random.random((envs.num_envs, 1)) < 0.04, others, actions)
        envs.step(actions.astype(np.float32))
    envs.training = False


def train(seed: int, steps: int) -> tuple[SAC, VecNormalize]:
    """Train and return the best model on the way, with its normaliser."""
    envs = VecNormalize(make_vec_env(ArmEnv, n_envs=16, seed=seed), norm_reward=False)
    measure_statistics(envs)
    model = SAC(
        ToldCriticPolicy,
        envs,
        learning_rate=lambda left: 1e-3 * max(left, 0.1),
        batch_size=256,
        gamma=0.9,
        tau=0.01,
        train_freq=1,
        gradient_steps=4,
        learning_starts=8_000,
        target_entropy=-9.0,
        buffer_size=150_000,
        seed=seed,
        device='cpu',
        policy_kwargs={
            'net_arch': [128, 128],
            'mean': envs.obs_rms.mean,
            'deviation': np.sqrt(envs.obs_rms.var + envs.epsilon),
        },
    )
    keep = KeepBest(20_000)
    model.learn(steps, callback=keep, progress_bar=True)
    keep.trial()
    model.policy.load_state_dict(keep.best)
    return model, envs


def main() -> None:
    """Train, compare the ONNX file with the model, and print how well it does."""
    parser = argparse.ArgumentParser(description='Train the policy of the arm.')
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--steps', type=int, default=150_000, help='environment steps')
    parser.add_argument('--out', type=pathlib.Path, default=BUNDLE, help='folder to write to')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    model, normaliser = train(arguments.seed, arguments.steps)
    minutes = (time.monotonic() - began) / 60
    export(model, normaliser, arguments.out)
    file = arguments.out / POLICY
    print(f'trained {arguments.steps} steps in {minutes:.1f} min')
    print(
        f'{file}: {file.stat().st_size} bytes, differs from SAC.predict by at most '
        f'{largest_difference(model, normaliser, arguments.out):.1e} over 500 steps'
    )
    for label, delay_steps, stale in (
        ('no delay', 0, False),
        ('one control period of delay', STEPS, False),
        ('and observations 10 ms old', STEPS, True),
    ):
        reached, error = count_reached(arguments.out, EVALUATION_SEEDS, delay_steps, stale)
        print(
            f'{label}: {reached} of 100 targets reached and held, '
            f'{error * 100:.1f} cm away at the end'
        )


if __name__ == '__main__':
    main()
