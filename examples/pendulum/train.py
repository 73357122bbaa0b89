"""
Train the pendulum's policy and write ``bundle/policy.onnx``.

Run from the checkout, in the environment that has torch::

    .venv-torch/bin/python -m examples.pendulum.train

The cart-pole's velocities are hidden, so the policy is recurrent: sb3-contrib's RecurrentPPO with
one small LSTM for the actor and one for the critic.
"""

from __future__ import annotations

import argparse
import pathlib
import tempfile
import time

import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.env_util import make_vec_env
from stable_baselines3.common.vec_env import VecNormalize

from .env import STEPS, PendulumEnv
from .export import OnnxPolicy, export, largest_difference

EVALUATION_SEEDS = range(10_000, 10_100)
BUNDLE = pathlib.Path(__file__).with_name('bundle')


def count_up(file: pathlib.Path, seeds: range, delay_steps: int, stale: bool) -> tuple[int, float]:
    """Return in how many starts the pole stayed up 20 s, and the mean return."""
    env = PendulumEnv(delay_steps, stale)
    policy = OnnxPolicy(file)
    up, total = 0, 0.0
    for seed in seeds:
        observation, _ = env.reset(seed=0, options={'robot_seed': seed})
        policy.reset()
        done = False
        while not done:
            observation, reward, terminated, truncated, _ = env.step(policy(observation))
            total += reward
            done = terminated or truncated
        up += truncated
    return up, total / len(seeds)


class KeepBest(BaseCallback):
    """
    Every so many steps, try the policy with the longest delay and keep the best one.

    :param every: environment steps between two trials.
    :param file: where the best policy is kept, as ONNX.
    """

    def __init__(self, every: int, file: pathlib.Path) -> None:
        super().__init__()
        self._every = every
        self._file = file
        self._next = every
        self._best = (-1, 0.0)
        self.parameters: dict[str, dict[str, torch.Tensor]] = {}

    def _on_step(self) -> bool:
        return True

    def _on_rollout_start(self) -> None:
        if self.num_timesteps >= self._next:
            self._next += self._every
            self.trial()

    def trial(self) -> None:
        """Try the policy as it is now, on seeds that the final table does not use."""
        with tempfile.TemporaryDirectory() as folder:
            file = pathlib.Path(folder) / 'policy.onnx'
            export(self.model, file)
            found = count_up(file, range(500_000, 500_020), STEPS, stale=True)
        print(
            f'\n{self.num_timesteps} steps: {found[0]} of 20 up, return {found[1]:.1f}', flush=True
        )
        if found > self._best:
            self._best = found
            export(self.model, self._file)
            self.parameters = {
                'policy': {
                    name: value.clone() for name, value in self.model.policy.state_dict().items()
                }
            }


def train(seed: int, steps: int, out: pathlib.Path) -> RecurrentPPO:
    """Train, write the best policy to ``out/policy.onnx`` and return its model."""
    envs = VecNormalize(
        make_vec_env(PendulumEnv, n_envs=16, seed=seed, env_kwargs={'noise': 0.001}),
        norm_obs=False,
        gamma=0.99,
    )
    model = RecurrentPPO(
        'MlpLstmPolicy',
        envs,
        n_steps=128,
        batch_size=512,
        n_epochs=8,
        gamma=0.99,
        gae_lambda=0.95,
        learning_rate=lambda left: 1e-3 * max(left, 0.05),
        clip_range=0.2,
        target_kl=0.03,
        seed=seed,
        device='cpu',
        policy_kwargs={'lstm_hidden_size': 32, 'net_arch': [32], 'log_std_init': -0.5},
    )
    keep = KeepBest(25_000, out / 'policy.onnx')
    model.learn(steps, callback=keep, progress_bar=True)
    keep.trial()
    model.set_parameters(keep.parameters, exact_match=False)
    return model


def main() -> None:
    """Train, compare the ONNX file with the model, and print how well it does."""
    parser = argparse.ArgumentParser(description='Train the policy of the pendulum.')
    parser.add_argument('--seed', type=int, default=7)
    parser.add_argument('--steps', type=int, default=400_000, help='environment steps')
    parser.add_argument('--out', type=pathlib.Path, default=BUNDLE, help='folder to write to')
    arguments = parser.parse_args()
    torch.set_num_threads(1)
    began = time.monotonic()
    model = train(arguments.seed, arguments.steps, arguments.out)
    file = arguments.out / 'policy.onnx'
    print(f'trained {arguments.steps} steps in {(time.monotonic() - began) / 60:.1f} min')
    print(
        f'{file}: {file.stat().st_size} bytes, differs from RecurrentPPO.predict by at most '
        f'{largest_difference(model, file):.1e} over 500 steps'
    )
    for name, delay_steps, stale in (
        ('no delay', 0, False),
        ('one control period of delay', STEPS, False),
        ('and observations 10 ms old', STEPS, True),
    ):
        up, total = count_up(file, EVALUATION_SEEDS, delay_steps, stale)
        print(
            f'{name}: up for 20 s in {up} of 100 starts, mean return {total:.1f} of '
            f'{np.ceil(20e9 / PendulumEnv().robot.control_ns):.0f}'
        )


if __name__ == '__main__':
    main()
