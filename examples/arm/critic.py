"""
A critic that knows the arm's geometry.

The value of a joint position target depends sharply on where it brings the tip, a function of ten
numbers that a small network learns slowly. In training the geometry is at hand, so the critic is
simply told: besides observation and action it sees the way from the target to the tip, now and
where the action would bring it. The policy itself is a plain network and knows none of this (an
asymmetric critic).
"""

from __future__ import annotations

from typing import Any

import numpy as np
import torch
from stable_baselines3.common.policies import ContinuousCritic
from stable_baselines3.sac.policies import SACPolicy

from fournex_runtime.sim.arm import DEFAULT_POSE, ArmRobot

from .env import ACTION_SCALE

_TOLD = 8
_LENGTH_SCALE = 5.0


class Geometry(torch.nn.Module):
    """Where the tip is for given joint positions; lengths are read from the robot's model."""

    def __init__(self) -> None:
        super().__init__()
        model = ArmRobot().model
        self.height = float(model.body('shoulder').pos[2])
        self.side = float(model.body('upper_arm').pos[1] + model.body('wrist_1').pos[1])
        self.upper = float(model.body('forearm').pos[0])
        self.fore = float(model.body('wrist_1').pos[0])
        self.wrist = float(model.body('wrist_2').pos[0])
        self.tool = float(model.body('wrist_3').pos[0] + model.site('tip').pos[0])

    def forward(self, position: torch.Tensor) -> torch.Tensor:
        """
        Return tip positions in ``base_link``.

        :param position: joint positions, rad, shape (n, 6).
        :return: shape (n, 3), m.
        """
        pan, yaw = position[:, 0], position[:, 4]
        pitch = torch.cumsum(position[:, 1:4], dim=1)
        last = self.wrist + self.tool * torch.cos(yaw)
        lengths = (self.upper, self.fore, last)
        ahead = sum(n * torch.cos(pitch[:, i]) for i, n in enumerate(lengths))
        below = sum(n * torch.sin(pitch[:, i]) for i, n in enumerate(lengths))
        side = self.side + self.tool * torch.sin(yaw)
        cos, sin = torch.cos(pan), torch.sin(pan)
        return torch.stack(
            (ahead * cos - side * sin, ahead * sin + side * cos, self.height - below), dim=1
        )


class ToldCritic(ContinuousCritic):
    """
    Stable-Baselines3's critic, told where the tip is and where the action would bring it.

    :param mean: what the normalisation subtracts from observations.
    :param deviation: what it divides them by.
    """

    def __init__(
        self,
        *args: Any,
        mean: np.ndarray,
        deviation: np.ndarray,
        features_dim: int,
        **kwargs: Any,
    ) -> None:
        super().__init__(*args, features_dim=features_dim + _TOLD, **kwargs)
        self.geometry = Geometry()
        for name, values in (
            ('mean', mean),
            ('deviation', deviation),
            ('pose', DEFAULT_POSE),
            ('action_scale', ACTION_SCALE),
        ):
            self.register_buffer(name, torch.tensor(values, dtype=torch.float32))

    def forward(self, obs: torch.Tensor, actions: torch.Tensor) -> tuple[torch.Tensor, ...]:
        """Return the value by each of the networks."""
        plain = obs * self.deviation + self.mean
        target = plain[:, 12:15]
        told = []
        for joints in (plain[:, :6], self.action_scale * actions):
            away = self.geometry(self.pose + joints) - target
            told += [away, torch.linalg.vector_norm(away, dim=1, keepdim=True)]
        known = torch.cat([obs, actions, _LENGTH_SCALE * torch.cat(told, dim=1)], dim=1)
        return tuple(network(known) for network in self.q_networks)


class ToldCriticPolicy(SACPolicy):
    """
    SAC's policy with that critic.

    :param mean: see :class:`ToldCritic`.
    :param deviation: see :class:`ToldCritic`.
    """

    def __init__(self, *args: Any, mean: np.ndarray, deviation: np.ndarray, **kwargs: Any) -> None:
        self._told = {'mean': mean, 'deviation': deviation}
        super().__init__(*args, **kwargs)

    def make_critic(self, features_extractor: Any = None) -> ContinuousCritic:
        """Return one critic; called twice, for the critic and its target."""
        known = self._update_features_extractor(self.critic_kwargs, features_extractor)
        return ToldCritic(**known, **self._told).to(self.device)
