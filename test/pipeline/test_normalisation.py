"""Normalisation is that of Stable-Baselines3's VecNormalize, in float64, after the history."""

import numpy as np
import pytest
from ros_messages import joint_state
from tiny_session import CONTRACT, Run, edited, make_engine

STATISTICS = (np.array([0.5, -1.0, 0.0, 2.0, 0.0, 0.0]), np.array([4.0, 0.0, 1.0, 1e-4, 1.0, 1.0]))
NORMALISED = edited(
    CONTRACT,
    (
        'state:\n',
        'normalisation: {kind: mean_std, file: s.safetensors, clip: 5, epsilon: 1e-8, sha256: '
        f"'{'0' * 64}'}}\nstate:\n",
    ),
)


def test_by_hand():
    run = Run(make_engine(NORMALISED, statistics={'obs': STATISTICS}))
    record = run.tick([joint_state(['a', 'b'], [1.5, 2.0])])
    observed = record.observation['obs'][0]
    expected = [
        (1.5 - 0.5) / np.sqrt(4.0 + 1e-8),
        5.0,  # (2 + 1) / 1e-4 = 30000, clipped
        1.5 / np.sqrt(1.0 + 1e-8),
        0.0,
        0.0,
        0.0,
    ]
    assert observed.tolist() == np.array(expected).astype(np.float32).tolist()


@pytest.mark.torch
def test_like_stable_baselines3(torch_python, torch_environment, tmp_path):
    import subprocess

    rng = np.random.default_rng(3)
    samples = rng.normal(0.0, 3.0, (50, 6))
    mean, var = rng.normal(0.0, 1.0, 6), rng.uniform(0.1, 2.0, 6)
    np.savez(tmp_path / 'in.npz', samples=samples, mean=mean, var=var)
    program = """
import sys, numpy as np, gymnasium
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
class Nothing(gymnasium.Env):
    observation_space = gymnasium.spaces.Box(-np.inf, np.inf, (6,), np.float64)
    action_space = gymnasium.spaces.Discrete(2)
given = np.load(sys.argv[1])
normalise = VecNormalize(DummyVecEnv([Nothing]), clip_obs=5.0, epsilon=1e-8)
normalise.obs_rms.mean, normalise.obs_rms.var = given['mean'], given['var']
np.save(sys.argv[2], normalise.normalize_obs(given['samples']))
"""
    subprocess.run(
        [torch_python, '-c', program, tmp_path / 'in.npz', tmp_path / 'out.npy'],
        check=True,
        env=torch_environment,
        timeout=50,
    )
    from fournex_runtime.pipeline.observation import normalise
    from fournex_runtime.policy.contract import Normalisation

    settings = Normalisation('s', '0' * 64, 'obs', 5.0, 1e-8)
    ours = np.stack([normalise(one, mean, var, settings) for one in samples]).astype(np.float32)
    assert ours.tobytes() == np.load(tmp_path / 'out.npy').astype(np.float32).tobytes()
