"""
Train the rover's policy with PPO and write it as ONNX.

From the root of the checkout::

    PYTHONPATH=. .venv-torch/bin/python examples/rover/train.py

The ONNX file maps ``obs`` (float32 [1, 43]) to ``action`` (float32 [1, 2]), the mean of the
policy's distribution before clipping; ``env.py`` says what the numbers are.
"""

from __future__ import annotations

import argparse
import functools
import pathlib
import time

import numpy as np
import onnx
import onnxruntime
import torch
from env import ACTIONS, OBSERVATIONS, STEPS, RoverEnv
from evaluate import POLICY, evaluate
from onnx import TensorProto, helper, numpy_helper
from stable_baselines3 import PPO
from stable_baselines3.common.vec_env import DummyVecEnv

ENVIRONMENTS = 16
HIDDEN = (128, 128)
LEARNING_RATE = 4e-4
OPSET = 17
IR_VERSION = 8


def train(steps: int, seed: int) -> PPO:
    """
    Return a trained model.

    :param steps: control steps over all environments.
    :param seed: of the networks, the rooms and the exploration.
    """
    torch.set_num_threads(1)
    # Half the episodes go on after a goal: the next one then appears while the rover drives.
    goals = [1 if index % 2 == 0 else 3 for index in range(ENVIRONMENTS)]
    model = PPO(
        'MlpPolicy',
        DummyVecEnv([functools.partial(RoverEnv, count) for count in goals]),
        learning_rate=lambda remaining: LEARNING_RATE * remaining,
        n_steps=256,
        batch_size=1024,
        n_epochs=10,
        gamma=0.99,
        gae_lambda=0.95,
        clip_range=0.2,
        ent_coef=0.0,
        policy_kwargs={
            'net_arch': list(HIDDEN),
            'activation_fn': torch.nn.Tanh,
            'log_std_init': -0.5,
        },
        seed=seed,
        device='cpu',
        verbose=0,
    )
    return model.learn(total_timesteps=steps, progress_bar=True)


def export(model: PPO, file: pathlib.Path) -> None:
    """Write the mean of the policy as ONNX, with nothing in it but the network."""
    policy = model.policy
    layers = [
        module
        for part in (policy.mlp_extractor.policy_net, policy.action_net)
        for module in part.modules()
        if isinstance(module, torch.nn.Linear)
    ]
    nodes, weights, value = [], [], 'obs'
    for index, layer in enumerate(layers):
        last = index == len(layers) - 1
        names = (f'weight_{index}', f'bias_{index}')
        for name, parameter in zip(names, (layer.weight, layer.bias), strict=True):
            weights.append(numpy_helper.from_array(parameter.detach().numpy(), name))
        out = 'action' if last else f'linear_{index}'
        nodes.append(helper.make_node('Gemm', [value, *names], [out], transB=1))
        value = out
        if not last:
            value = f'hidden_{index}'
            nodes.append(helper.make_node('Tanh', [out], [value]))
    graph = helper.make_graph(
        nodes,
        'policy',
        [helper.make_tensor_value_info('obs', TensorProto.FLOAT, [1, OBSERVATIONS])],
        [helper.make_tensor_value_info('action', TensorProto.FLOAT, [1, ACTIONS])],
        weights,
    )
    opset = helper.make_opsetid('', OPSET)
    made = helper.make_model(graph, opset_imports=[opset], ir_version=IR_VERSION)
    onnx.checker.check_model(made, full_check=True)
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_bytes(made.SerializeToString())


def export_error(model: PPO, file: pathlib.Path) -> float:
    """Return the greatest difference between the file and the model on random observations."""
    session = onnxruntime.InferenceSession(file, providers=['CPUExecutionProvider'])
    observations = np.random.default_rng(0).uniform(-1.0, 1.0, (500, OBSERVATIONS))
    worst = 0.0
    for observation in observations.astype(np.float32):
        (action,) = session.run(['action'], {'obs': observation[np.newaxis]})
        with torch.no_grad():
            latent = model.policy.mlp_extractor.forward_actor(torch.from_numpy(observation))
            expected = model.policy.action_net(latent).numpy()
        worst = max(worst, float(np.abs(action[0] - expected).max()))
    return worst


def main() -> None:
    """Run from the command line."""
    parser = argparse.ArgumentParser(description=__doc__.strip().splitlines()[0])
    parser.add_argument('--seed', type=int, default=1)
    parser.add_argument('--steps', type=int, default=3_000_000)
    parser.add_argument('--out', type=pathlib.Path, default=POLICY)
    arguments = parser.parse_args()
    start = time.monotonic()
    model = train(arguments.steps, arguments.seed)
    export(model, arguments.out)
    print(f'trained in {time.monotonic() - start:.0f} s, written to {arguments.out}')
    print(f'ONNX against the model: at most {export_error(model, arguments.out):.1e} apart')
    for goals in (1, 3):
        for delay in (0, STEPS):
            print(evaluate(arguments.out, 100, goals, delay), flush=True)


if __name__ == '__main__':
    main()
