"""
Makes policies as trainings leave them behind, by upstream's own means. Run by the Python of torch.

``exported_policies.py FOLDER`` writes, each with an ``.npz`` of what was seen and what upstream
itself did:

- ``recurrent/``: a RecurrentPPO of sb3-contrib (``model.save()``) with its ``VecNormalize``;
- ``choices/``: a PPO that chooses one of three (``model.save()``);
- ``documented.onnx``: a PPO, exported as the documentation of Stable-Baselines3 says;
- ``lstm.onnx``: a recurrent actor with its normaliser, exported as rsl_rl and Isaac Lab do.
"""

import pathlib
import sys

import gymnasium
import numpy as np
import torch
from sb3_contrib import RecurrentPPO
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize
from torch import nn

STEPS, SIZE, ACTIONS, HIDDEN = 12, 4, 2, 5


class Plain(gymnasium.Env):
    """Sees four numbers, takes two; what it does is nothing."""

    observation_space = gymnasium.spaces.Box(-4.0, 4.0, (SIZE,))
    action_space = gymnasium.spaces.Box(-0.5, 0.5, (ACTIONS,))

    def reset(self, seed=None, options=None):
        super().reset(seed=seed)
        return self.observation_space.sample(), {}

    def step(self, action):
        return self.observation_space.sample(), 0.0, False, False, {}


class Choosing(Plain):
    """Takes one of three."""

    action_space = gymnasium.spaces.Discrete(3)


class Documented(nn.Module):
    """The wrapper of the documentation, for policies of actor and critic."""

    def __init__(self, policy):
        super().__init__()
        self.policy = policy

    def forward(self, observation):
        return self.policy(observation, deterministic=True)


class Normaliser(nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer('mean', torch.randn(1, SIZE))
        self.register_buffer('std', torch.rand(1, SIZE) + 0.5)

    def forward(self, x):
        return (x - self.mean) / (self.std + 1e-2)


class Exporter(nn.Module):
    """What rsl_rl's exporter exports for an LSTM: normaliser, memory and actor, state passed."""

    def __init__(self):
        super().__init__()
        self.normalizer = Normaliser()
        self.rnn = nn.LSTM(SIZE, HIDDEN, 1)
        self.actor = nn.Sequential(nn.Linear(HIDDEN, 8), nn.ELU(), nn.Linear(8, ACTIONS))

    def forward(self, x_in, h_in, c_in):
        x, (h, c) = self.rnn(self.normalizer(x_in).unsqueeze(0), (h_in, c_in))
        return self.actor(x.squeeze(0)), h, c


def recurrent(folder, seen):
    folder.mkdir()
    env = VecNormalize(DummyVecEnv([Plain]))
    env.obs_rms.mean, env.obs_rms.var = np.linspace(-1.0, 1.0, SIZE), np.linspace(0.5, 2.0, SIZE)
    model = RecurrentPPO(
        'MlpLstmPolicy', env, n_steps=8, seed=3, policy_kwargs={'lstm_hidden_size': 6}
    )
    with torch.no_grad():
        model.policy.action_net.weight.normal_(0.0, 0.5)
    model.save(folder / 'best_model.zip')
    env.save(str(folder / 'vecnormalize.pkl'))
    state, start, did = None, np.ones(1, bool), []
    for one in seen:
        action, state = model.predict(env.normalize_obs(one[np.newaxis]), state, start, True)
        did.append(action[0])
        start = np.zeros(1, bool)
    np.savez(folder.with_suffix('.npz'), seen=seen, did=np.stack(did))


def choices(folder, seen):
    folder.mkdir()
    model = PPO('MlpPolicy', Choosing(), seed=5)
    with torch.no_grad():
        model.policy.action_net.weight.normal_(0.0, 0.5)
    model.save(folder / 'turner.zip')
    did = np.array([model.predict(one, deterministic=True)[0] for one in seen])
    np.savez(folder.with_suffix('.npz'), seen=seen, did=did)


def documented(file, seen):
    model = PPO('MlpPolicy', Plain(), seed=5)
    with torch.no_grad():
        model.policy.action_net.weight.normal_(0.0, 0.5)
    torch.onnx.export(
        Documented(model.policy), torch.zeros(1, SIZE), file, opset_version=17,
        input_names=['input'], dynamo=False,
    )  # fmt: skip
    did = np.stack([model.predict(one, deterministic=True)[0] for one in seen])
    np.savez(file.with_suffix('.npz'), seen=seen, did=did)


def lstm(file, seen):
    actor = Exporter().eval()
    state = torch.zeros(1, 1, HIDDEN), torch.zeros(1, 1, HIDDEN)
    torch.onnx.export(
        actor, (torch.zeros(1, SIZE), *state), file, export_params=True, opset_version=17,
        input_names=['obs', 'h_in', 'c_in'], output_names=['actions', 'h_out', 'c_out'],
        dynamic_axes={}, dynamo=False,
    )  # fmt: skip
    did = []
    with torch.inference_mode():
        for one in seen:
            action, *state = actor(torch.from_numpy(one[np.newaxis]), *state)
            did.append(action[0].numpy())
    np.savez(file.with_suffix('.npz'), seen=seen, did=np.stack(did))


def main(folder):
    torch.manual_seed(3)
    torch.set_num_threads(1)
    seen = np.random.default_rng(7).normal(size=(STEPS, SIZE)).astype(np.float32)
    recurrent(folder / 'recurrent', seen)
    choices(folder / 'choices', seen)
    documented(folder / 'documented.onnx', seen)
    lstm(folder / 'lstm.onnx', seen)


if __name__ == '__main__':
    main(pathlib.Path(sys.argv[1]))
