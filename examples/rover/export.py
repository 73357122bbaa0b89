"""From a trained ``PPO`` to ``policy.onnx``: the mean of the policy, not yet clipped."""

from __future__ import annotations

import pathlib

import numpy as np
import onnx
import onnxruntime
import torch
from onnx import TensorProto, helper, numpy_helper
from stable_baselines3 import PPO

from .observation import ACTIONS, OBSERVATIONS

POLICY = 'policy.onnx'
OPSET = 17
IR_VERSION = 8
"""The first that has opset 17, for the sake of old readers."""


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


def largest_difference(model: PPO, file: pathlib.Path) -> float:
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
