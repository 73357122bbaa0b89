"""
A ``MultiInputPolicy`` with ``VecNormalize`` over several keys, through the whole session.

The messages of a robot go in; what comes out is compared with ``predict(normalize_obs(x))``.
"""

from __future__ import annotations

import pathlib
import subprocess

import numpy as np
import pytest
from ros_messages import ARRAY, cdr, joint_state
from safetensors.numpy import save_file

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import Bundle, seal_bundle
from fournex_runtime.policy.sb3.vec_normalize import read_vec_normalize
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import Answer, AnswerKind, Received, TickInputs
from fournex_runtime.session.wiring import parse_wiring

OBSERVATIONS = 1000
TRAIN = """
import json, pathlib, sys
import gymnasium, numpy as np, torch
from gymnasium import spaces
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv, VecNormalize

folder, keys = pathlib.Path(sys.argv[1]), json.loads(sys.argv[2])
torch.set_num_threads(1)

class Follow(gymnasium.Env):
    observation_space = spaces.Dict({
        'goal': spaces.Box(-np.inf, np.inf, (3,), np.float64),
        'joints': spaces.Box(-np.inf, np.inf, (2,), np.float32),
        'touch': spaces.Box(-np.inf, np.inf, (2, 2), np.float32),
    })
    action_space = spaces.Box(-1.0, 1.0, (2,), np.float32)

    def sense(self):
        random = self.np_random
        self.seen = {
            'goal': random.normal([5.0, -40.0, 0.01], [1.0, 30.0, 0.002]),
            'joints': random.normal(0.3, 2.0, 2).astype(np.float32),
            'touch': random.gamma(1.0, 20.0, (2, 2)).astype(np.float32),
        }
        return self.seen

    def reset(self, *, seed=None, options=None):
        super().reset(seed=seed)
        return self.sense(), {}

    def step(self, action):
        error = float(np.abs(action - np.tanh(self.seen['joints'])).sum())
        return self.sense(), -error, bool(self.np_random.random() < 0.05), False, {}

env = VecNormalize(DummyVecEnv([Follow]), norm_obs_keys=keys, clip_obs=3.0)
model = PPO('MultiInputPolicy', env, seed=0, device='cpu', n_steps=256, batch_size=64, n_epochs=2,
            policy_kwargs={'net_arch': [16, 16], 'ortho_init': False})
model.learn(1024)
model.save(folder / 'policy.zip')
env.save(folder / 'vec_normalize.pkl')
plain = Follow()
plain.reset(seed=9)
seen = [plain.sense() for _ in range(int(sys.argv[3]))]
given = {key: np.stack([one[key] for one in seen]) for key in seen[0]}
actions = model.predict(env.normalize_obs(given), deterministic=True)[0]
np.savez(folder / 'answers.npz', actions=actions, **given)
"""
CONTRACT = """
name: follow
version: 1
period: 20 ms
inputs:
  goal: [{term: value, name: goal, size: 3}]
  joints: [{term: joint_position, joints: [left, right]}]
  touch: [{term: value, name: touch, size: 4}]
outputs:
  actions: [{term: joint_velocity_target, joints: same, clip: [-1.0, 1.0]}]
"""
WIRING = """
robot: follower
sessions:
  follow:
    policy: bundle
    inputs:
      goal: {topic: goal, type: std_msgs/msg/Float64MultiArray, budget: 50 ms}
      joint_position: {topic: joints, type: sensor_msgs/msg/JointState, budget: 50 ms}
      touch: {topic: touch, type: std_msgs/msg/Float64MultiArray, budget: 50 ms}
    outputs:
      joint_velocity_target:
        {topic: cmd, type: std_msgs/msg/Float64MultiArray, joints: [left, right], stop: zero}
    limits: {joint_velocity_target: {all: {min: -9, max: 9, rate: unlimited}}}
    reactions: {default: stop}
"""


def make_bundle(folder: pathlib.Path) -> Bundle:
    """Return the bundle: the zip as it is, a file of statistics for each normalised key."""
    statistics = read_vec_normalize(folder / 'vec_normalize.pkl')
    zeros = f"'{'0' * 64}'"
    text = CONTRACT + 'normalisation:\n'
    for key in statistics.norm_obs_keys:
        mean, var = statistics.mean[key].ravel(), statistics.var[key].ravel()
        save_file({'mean': mean, 'var': var}, folder / f'{key}.safetensors')
        text += (
            f'  - {{kind: mean_std, input: {key}, file: {key}.safetensors, sha256: {zeros}, '
            f'clip: {statistics.clip_obs}, epsilon: {statistics.epsilon}}}\n'
        )
    text += f'artifact: {{file: policy.zip, sha256: {zeros}, backend: stable_baselines3}}\n'
    (folder / 'policy.yaml').write_text(text)
    return seal_bundle(folder)


@pytest.mark.torch
@pytest.mark.timeout(120)
@pytest.mark.parametrize(
    ('keys', 'normalised'),
    [('["goal", "touch"]', ['goal', 'touch']), ('null', ['goal', 'joints', 'touch'])],
    ids=['some keys', 'every key'],
)
def test_commands_are_those_of_predict(
    keys, normalised, torch_python, torch_environment, tmp_path
):
    subprocess.run(
        [torch_python, '-c', TRAIN, tmp_path, keys, str(OBSERVATIONS)],
        check=True,
        env=torch_environment,
        timeout=110,
    )
    bundle = make_bundle(tmp_path)
    assert sorted(bundle.statistics) == normalised
    session = parse_wiring(WIRING, pathlib.Path('wiring.yaml'), {'follow': bundle}).sessions[0]
    engine, backend = Engine(bundle, session, messages()), load_backend(bundle)
    state, now_ns = engine.initial_state(), 1_000_000_000
    answers = np.load(tmp_path / 'answers.npz')
    differences = []
    for index, expected in enumerate(answers['actions']):
        goal, joints, touch = (answers[key][index].ravel() for key in ('goal', 'joints', 'touch'))
        data = (
            cdr(ARRAY, data=goal),
            joint_state(['right', 'left'], joints.astype(np.float64)[::-1], now_ns),
            cdr(ARRAY, data=touch),
        )
        inputs = TickInputs(
            messages=tuple((Received(index + 1, now_ns, one),) for one in data),
            due_ns=now_ns,
            steady_ns=now_ns,
            ros_ns=now_ns,
        )
        request = engine.observe(inputs, state)
        outputs, _ = backend.run(request.observation.inputs, {})
        answer = Answer(AnswerKind.RESULT, outputs, {})
        record, state = engine.conclude(request, answer, state)
        command = messages().decode(record.commands[0], 'std_msgs/msg/Float64MultiArray').data
        differences.append(np.abs(command - expected).max())
        now_ns += 20_000_000
    assert len(differences) == OBSERVATIONS
    assert max(differences) <= 1e-6
    assert answers['actions'].std() > 0.1  # answers that depend on what is seen
