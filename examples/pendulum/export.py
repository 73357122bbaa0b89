"""From a trained ``RecurrentPPO`` to ``policy.onnx``, with its memory as inputs and outputs."""

from __future__ import annotations

import pathlib
import warnings

import numpy as np
import onnxruntime
import torch
from sb3_contrib import RecurrentPPO

from .env import PendulumEnv


class RecurrentActor(torch.nn.Module):
    """
    The actor alone: ``obs, h_in, c_in → action, h_out, c_out``.

    The action is the mean of the policy's distribution, not yet clipped. There is no
    ``episode_starts``: whoever runs it gives zeros for ``h_in`` and ``c_in`` at a start.
    """

    def __init__(self, model: RecurrentPPO) -> None:
        super().__init__()
        self.lstm = model.policy.lstm_actor
        self.mean = torch.nn.Sequential(
            model.policy.mlp_extractor.policy_net, model.policy.action_net
        )

    def forward(
        self, obs: torch.Tensor, h_in: torch.Tensor, c_in: torch.Tensor
    ) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Run one step for a batch of one."""
        out, (h_out, c_out) = self.lstm(obs.unsqueeze(0), (h_in, c_in))
        return self.mean(out.squeeze(0)), h_out, c_out


def export(model: RecurrentPPO, file: pathlib.Path) -> None:
    """Write the actor as ONNX, opset 17, weights inside."""
    actor = RecurrentActor(model).eval()
    memory = torch.zeros(1, 1, model.policy.lstm_actor.hidden_size)
    file.parent.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        # An LSTM in a graph of batch size one is what we want; the exporter warns of just that.
        warnings.simplefilter('ignore')
        torch.onnx.export(
            actor,
            (torch.zeros(1, 2), memory, memory),
            str(file),
            opset_version=17,
            input_names=['obs', 'h_in', 'c_in'],
            output_names=['action', 'h_out', 'c_out'],
            dynamo=False,
        )


class OnnxPolicy:
    """
    The exported policy with its memory, as a loop uses it.

    :param file: the ``policy.onnx``.
    """

    def __init__(self, file: pathlib.Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(file), options, providers=['CPUExecutionProvider']
        )
        self._shape = self._session.get_inputs()[1].shape
        self.reset()

    def reset(self) -> None:
        """Forget: an episode begins."""
        self._h = np.zeros(self._shape, np.float32)
        self._c = np.zeros(self._shape, np.float32)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Return the action, not clipped."""
        action, self._h, self._c = self._session.run(
            ['action', 'h_out', 'c_out'],
            {'obs': observation[None], 'h_in': self._h, 'c_in': self._c},
        )
        return np.asarray(action)[0]


def largest_difference(model: RecurrentPPO, file: pathlib.Path, steps: int = 500) -> float:
    """Return the greatest difference to ``RecurrentPPO.predict`` over a run, in clipped action."""
    env = PendulumEnv(delay_steps=0, stale=False)
    policy = OnnxPolicy(file)
    observation, _ = env.reset(seed=1)
    state, start, worst = None, np.ones(1, bool), 0.0
    for _ in range(steps):
        expected, state = model.predict(
            observation, state=state, episode_start=start, deterministic=True
        )
        found = np.clip(policy(observation), -1.0, 1.0)
        worst = max(worst, float(np.abs(found - expected).max()))
        start = np.zeros(1, bool)
        observation, _, terminated, truncated, _ = env.step(expected)
        if terminated or truncated:
            observation, _ = env.reset()
            policy.reset()
            start = np.ones(1, bool)
    return worst
