"""
Train the rover's policy with PPO and write ``bundle/policy.onnx``.

Run from the checkout, in the environment that has torch::

    .venv-torch/bin/python -m examples.rover.train

Stable-Baselines3's PPO, without normalisation: the observations are scaled already.
"""

from __future__ import annotations

import argparse
import dataclasses
import functools
import pathlib
import time

import torch
from stable_baselines3 import PPO
from stable_baselines3.common.callbacks import BaseCallback
from stable_baselines3.common.vec_env import DummyVecEnv

from .env import STEPS, Costs, RoverEnv
from .evaluate import evaluate
from .export import POLICY, export, largest_difference

ENVIRONMENTS = 32
HIDDEN = (128, 128)
ACTOR = ('mlp_extractor.policy_net', 'action_net')
BUNDLE = pathlib.Path(__file__).with_name('bundle')


class Curve(BaseCallback):
    """Print the share of successful episodes every now and then."""

    def __init__(self, every: int = 250_000) -> None:
        super().__init__()
        self._every = every
        self._ended: list[bool] = []

    def _on_step(self) -> bool:
        for done, info in zip(self.locals['dones'], self.locals['infos'], strict=True):
            if done:
                self._ended.append(bool(info['is_success']))
        if self.num_timesteps % self._every < ENVIRONMENTS and self._ended:
            share = 100.0 * sum(self._ended) / len(self._ended)
            print(f'{self.num_timesteps:9d} steps: {share:.1f} % of episodes succeed', flush=True)
            self._ended.clear()
        return True


@dataclasses.dataclass(frozen=True)
class Lesson:
    """
    One part of the training.

    :param share: of all steps.
    :param learning_rate: at its start; it falls to zero.
    :param gamma: discount of the reward a control period.
    :param log_std: logarithm of the exploration's standard deviation at its start.
    :param costs: of the reward.
    """

    share: float
    learning_rate: float
    gamma: float
    log_std: float
    costs: Costs


LESSONS = (
    # To find the goal at all, and quickly.
    Lesson(0.75, 5e-4, 0.99, -0.5, Costs()),
    # To keep away from things. Discounting makes haste worth a risk, so there is less of it.
    Lesson(0.25, 3e-4, 0.997, -1.0, Costs(near_m=0.3, near=0.1, contact=20.0)),
)


def train(steps: int, seed: int) -> PPO:
    """
    Return a trained model.

    :param steps: control periods over all environments and lessons.
    :param seed: of the networks, the rooms and the exploration.
    """
    torch.set_num_threads(1)
    actor: dict[str, torch.Tensor] = {}
    for number, lesson in enumerate(LESSONS, 1):
        print(f'lesson {number} of {len(LESSONS)}', flush=True)
        model = make_model(lesson, seed + number - 1)
        model.policy.load_state_dict(actor, strict=False)
        model.learn(round(lesson.share * steps), callback=Curve(), progress_bar=True)
        # The next critic starts anew, for its lesson has another reward.
        parameters = model.policy.state_dict()
        actor = {name: parameters[name] for name in parameters if name.startswith(ACTOR)}
    return model


def make_model(lesson: Lesson, seed: int) -> PPO:
    """Return an untrained model with its environments."""
    # Half the episodes go on after a goal: the next one then appears while the rover drives.
    goals = [1 if index % 2 == 0 else 3 for index in range(ENVIRONMENTS)]
    return PPO(
        'MlpPolicy',
        DummyVecEnv([functools.partial(RoverEnv, count, costs=lesson.costs) for count in goals]),
        learning_rate=lambda remaining: lesson.learning_rate * remaining,
        n_steps=128,
        batch_size=1024,
        n_epochs=10,
        gamma=lesson.gamma,
        gae_lambda=0.95,
        clip_range=0.2,
        ent_coef=0.0,
        policy_kwargs={
            'net_arch': list(HIDDEN),
            'activation_fn': torch.nn.Tanh,
            'log_std_init': lesson.log_std,
        },
        seed=seed,
        device='cpu',
        verbose=0,
    )


def main() -> None:
    """Train, compare the ONNX file with the model, and print how well it does."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--steps', type=int, default=4_000_000, help='control periods')
    parser.add_argument('--out', type=pathlib.Path, default=BUNDLE, help='folder to write to')
    arguments = parser.parse_args()
    start = time.monotonic()
    model = train(arguments.steps, arguments.seed)
    print(f'trained {arguments.steps} steps in {(time.monotonic() - start) / 60:.1f} min')
    file = arguments.out / POLICY
    export(model, file)
    print(
        f'{file}: {file.stat().st_size} bytes, differs from PPO.predict by at most '
        f'{largest_difference(model, file):.1e} over 500 observations'
    )
    for goals in (1, 3):
        for delay in (0, STEPS):
            print(evaluate(file, 100, goals, delay), flush=True)


if __name__ == '__main__':
    main()
