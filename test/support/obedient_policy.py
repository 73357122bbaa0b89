"""A policy that commands twice the cart's position, in a worker that misbehaves when told to."""

from __future__ import annotations

import pathlib

import numpy as np
from backend_cases import model_of
from faulty_worker import interpreter
from onnx import helper

from fournex_runtime.policy.bundle import seal_bundle

CONTRACT = """\
name: obedient
version: 1
period: PERIOD ms
inputs:
  obs: [{term: joint_position, joints: [cart, pole, order], unit: "m, rad, 1"}]
outputs:
  action: [{term: joint_effort_target, joints: [cart], unit: N}]
artifact: {file: policy.onnx, sha256: ZEROS, backend: onnx}
"""
WIRING = """\
robot: obedient
realtime: {REALTIME}
sessions:
  obedient:
    policy: bundle
    inputs:
      joint_position: {topic: joint_states, type: sensor_msgs/msg/JointState, budget: BUDGET ms}
    outputs:
      joint_effort_target:
        topic: effort_controller/commands
        type: std_msgs/msg/Float64MultiArray
        joints: [cart]
        stop: zero
    limits: {joint_effort_target: {cart: {min: -9.0, max: 9.0, rate: unlimited}}}
    inference: {spare: true, memory: 512, python: PYTHON}
    reactions: {REACTIONS}
"""
LIMIT = 9.0
HELD = 'default: stop, ' + ', '.join(
    f'{one}: hold 500 ms then stop' for one in ('late', 'stale', 'invalid')
)
"""Reactions: what may be over in a moment is bridged."""


def obedient_wiring(
    folder: pathlib.Path,
    period_ms: int = 20,
    budget_ms: int = 100,
    reactions: str = HELD,
    realtime: str = '',
) -> pathlib.Path:
    """Make bundle and wiring in a folder, and return the wiring: ``action = 2 obs[0]``."""
    bundle = folder / 'bundle'
    bundle.mkdir()
    node = helper.make_node('MatMul', ['obs', 'gain'], ['action'])
    gain = np.array([[2.0], [0.0], [0.0]], np.float32)
    (bundle / 'policy.onnx').write_bytes(
        model_of([node], {'obs': 3}, {'action': 1}, {'gain': gain})
    )
    contract = CONTRACT.replace('ZEROS', repr('0' * 64)).replace('PERIOD', str(period_ms))
    (bundle / 'policy.yaml').write_text(contract)
    seal_bundle(bundle)
    wiring = folder / 'wiring.yaml'
    text = WIRING.replace('PYTHON', str(interpreter(folder))).replace('BUDGET', str(budget_ms))
    wiring.write_text(text.replace('REACTIONS', reactions).replace('REALTIME', realtime))
    return wiring
