"""A policy for the cart-pole whose action is the noise that it is given."""

from __future__ import annotations

import pathlib

import numpy as np
from backend_cases import model_of
from onnx import helper

from fournex_runtime.policy.bundle import seal_bundle

CONTRACT = """\
name: trembling
version: 1
period: 20 ms
start_pose: {cart: 0.0, pole: 0.0}
inputs:
  obs: [{term: joint_position, joints: [cart, pole], unit: "m, rad"}]
  noise: [{term: noise, size: 1, distribution: normal}]
outputs:
  action: [{term: joint_effort_target, joints: [cart], unit: N, clip: [-9.0, 9.0]}]
artifact: {file: policy.onnx, sha256: ZEROS, backend: onnx}
"""


def trembling_bundle(folder: pathlib.Path) -> pathlib.Path:
    """Make the bundle in a folder, which is returned: ``action = noise + 0 obs``."""
    folder.mkdir()
    nodes = [
        helper.make_node('MatMul', ['obs', 'zero'], ['nothing']),
        helper.make_node('Add', ['nothing', 'noise'], ['action']),
    ]
    numbers = {'zero': np.zeros((2, 1), np.float32)}
    model = model_of(nodes, {'obs': 2, 'noise': 1}, {'action': 1}, numbers)
    (folder / 'policy.onnx').write_bytes(model)
    (folder / 'policy.yaml').write_text(CONTRACT.replace('ZEROS', '0' * 64))
    seal_bundle(folder)
    return folder
