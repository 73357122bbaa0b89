"""From a trained ``SAC`` to ``policy.onnx`` and ``obs_stats.safetensors``."""

from __future__ import annotations

import pathlib
import warnings

import numpy as np
import onnxruntime
import torch
from safetensors.numpy import load_file, save_file
from stable_baselines3 import SAC
from stable_baselines3.common.vec_env import VecNormalize

from .env import ArmEnv

POLICY = 'policy.onnx'
STATISTICS = 'obs_stats.safetensors'


class Actor(torch.nn.Module):
    """``obs → action``: the mean of the squashed distribution, so always within [-1, 1]."""

    def __init__(self, model: SAC) -> None:
        super().__init__()
        self.latent = model.actor.latent_pi
        self.mean = model.actor.mu

    def forward(self, obs: torch.Tensor) -> torch.Tensor:
        """Run for a batch of one."""
        return torch.tanh(self.mean(self.latent(obs)))


def export(model: SAC, normaliser: VecNormalize, folder: pathlib.Path) -> None:
    """
    Write actor (opset 17, weights inside) and observation statistics.

    The statistics stay outside the network: ``clip((x - mean) / sqrt(var + 1e-8), -10, 10)`` in
    float64 is the runtime's work, and can be read there.
    """
    folder.mkdir(parents=True, exist_ok=True)
    with warnings.catch_warnings():
        warnings.simplefilter('ignore')  # of the exporter's own deprecation
        torch.onnx.export(
            Actor(model).eval(),
            (torch.zeros(1, 21),),
            str(folder / POLICY),
            opset_version=17,
            input_names=['obs'],
            output_names=['action'],
            dynamo=False,
        )
    statistics = normaliser.obs_rms
    save_file(
        {
            'mean': np.asarray(statistics.mean, np.float64),
            'var': np.asarray(statistics.var, np.float64),
        },
        str(folder / STATISTICS),
    )


class OnnxPolicy:
    """
    The exported policy with its normalisation, as a loop uses it.

    :param folder: where ``policy.onnx`` and ``obs_stats.safetensors`` are.
    """

    def __init__(self, folder: pathlib.Path) -> None:
        options = onnxruntime.SessionOptions()
        options.intra_op_num_threads = 1
        self._session = onnxruntime.InferenceSession(
            str(folder / POLICY), options, providers=['CPUExecutionProvider']
        )
        statistics = load_file(str(folder / STATISTICS))
        self._mean = statistics['mean']
        self._deviation = np.sqrt(statistics['var'] + 1e-8)

    def __call__(self, observation: np.ndarray) -> np.ndarray:
        """Return the action."""
        normal = np.clip((observation - self._mean) / self._deviation, -10.0, 10.0)
        action = self._session.run(['action'], {'obs': normal.astype(np.float32)[None]})[0]
        return np.asarray(action)[0]


def largest_difference(
    model: SAC, normaliser: VecNormalize, folder: pathlib.Path, steps: int = 500
) -> float:
    """Return the greatest difference to ``SAC.predict`` over a run, in the action."""
    env = ArmEnv(delay_steps=0, stale=False)
    policy = OnnxPolicy(folder)
    observation, _ = env.reset(seed=1)
    worst = 0.0
    for _ in range(steps):
        expected, _ = model.predict(normaliser.normalize_obs(observation), deterministic=True)
        worst = max(worst, float(np.abs(policy(observation) - expected).max()))
        observation, _, _, truncated, _ = env.step(expected)
        if truncated:
            observation, _ = env.reset()
    return worst
