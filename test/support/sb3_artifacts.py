"""
Makes the zips of the conformance suite. Run by the Python that has Stable-Baselines3.

``sb3_artifacts.py FOLDER`` writes ``NETWORK.zip`` and ``NETWORK.npz``: questions, and what the
library itself answers, one after the other. The action space is so wide that nothing is clipped.
"""

import pathlib
import shutil
import sys

import gymnasium
import numpy as np
import torch
from gymnasium import spaces
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from torch_artifacts import ACTIONS, HIDDEN, QUESTIONS, SIZE


class Still(gymnasium.Env):
    observation_space = spaces.Box(-9.0, 9.0, (SIZE,), np.float32)
    action_space = spaces.Box(-100.0, 100.0, (ACTIONS,), np.float32)


def main(folder):
    torch.set_num_threads(1)
    common = {'seed': 3, 'device': 'cpu', 'n_steps': 8, 'batch_size': 8}
    random = np.random.default_rng(3)
    obs = random.standard_normal((QUESTIONS, SIZE)).astype(np.float32)
    noise = random.standard_normal((QUESTIONS, ACTIONS)).astype(np.float32)
    wide = {'net_arch': [16], 'ortho_init': False}  # actions of ordinary size
    policy = {'stateless': wide, 'lstm': {**wide, 'lstm_hidden_size': HIDDEN}}
    plain = PPO('MlpPolicy', Still(), policy_kwargs=policy['stateless'], **common)
    lstm = RecurrentPPO('MlpLstmPolicy', Still(), policy_kwargs=policy['lstm'], **common)
    plain.save(folder / 'stateless.zip')
    shutil.copy(folder / 'stateless.zip', folder / 'drawn.zip')
    lstm.save(folder / 'lstm.zip')
    answers = {'stateless': plain.predict(obs, deterministic=True)[0], 'lstm': []}
    state, start = None, np.ones(1, bool)
    for one in obs:
        action, state = lstm.predict(one, state, start, deterministic=True)
        start = np.zeros(1, bool)
        answers['lstm'].append(action)
    with torch.no_grad():
        part = plain.policy.get_distribution(torch.as_tensor(obs)).distribution
        answers['drawn'] = (part.mean + part.stddev * torch.as_tensor(noise)).numpy()
    for name, action in answers.items():
        rows = {'obs': obs, 'noise': noise, 'action': np.asarray(action)}
        kept = {key: one[:, np.newaxis] for key, one in rows.items()}  # a batch of one each
        np.savez(folder / f'{name}.npz', **kept)


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
