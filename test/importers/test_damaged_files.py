"""Every artifact cut off and altered: one of our errors that names a file, and nothing written."""

from __future__ import annotations

import json
import random
import re

import pytest
from linear_onnx import linear_onnx, weights

from fournex_runtime.errors import FournexError

DEPLOY = """\
joint_ids_map: [1, 0]
step_dt: 0.02
stiffness: [100.0, 150.0]
damping: [2.0, 4.0]
default_joint_pos: [0.1, -0.1]
actions:
  JointPositionAction:
    clip: null
    scale: [0.25, 0.5]
    offset: [0.1, -0.1]
    joint_ids: !!python/object/apply:builtins.slice [null, null, null]
observations:
  joint_pos_rel: {params: {}, clip: [-1.0, 1.0], scale: [1.0, 1.0], history_length: 2}
  last_action: {params: {}, clip: null, scale: [1.0, 1.0], history_length: 1}
"""
MJLAB = {
    'joint_names': 'hip,knee',
    'joint_stiffness': '40.000,60.000',
    'joint_damping': '1.000,1.500',
    'default_joint_pos': '-0.312,0.669',
    'observation_names': 'base_ang_vel,joint_vel',
    'observation_terms_scale': '0.200,0.050;0.100',
    'observation_terms_clip': '-inf;inf,-1.000;1.000',
    'action_scale': '0.500,0.250',
}
HOLOSOMA = {'dof_names': ['hip', 'knee'], 'kp': [1.0, 2.0], 'kd': [0.1, 0.2]}
TOKENS = [b'null', b'[]', b'{}', b'-1', b'1e400', b'.nan', b'[1]', b'true', b'9' * 40, b'!!x 1']


@pytest.fixture(scope='module')
def artifacts(saved):
    """Return the files of each artifact by kind; the first is the one that is imported."""
    return {
        'unitree_rl_lab': {
            'deploy.yaml': DEPLOY.encode(),
            'policy.onnx': linear_onnx(weights(6, 2)),
        },
        'onnx_metadata': {'policy.onnx': linear_onnx(weights(5, 2), MJLAB)},
        'holosoma': {
            'policy.onnx': linear_onnx(
                weights(5, 2), {key: json.dumps(value) for key, value in HOLOSOMA.items()}
            )
        },
        'onnx': {'policy.onnx': linear_onnx(weights(5, 2))},
        'stable_baselines3': {
            'policy.zip': (saved / 'ppo-2.0.0.zip').read_bytes(),
            'statistics.pkl': (saved / 'ppo-2.0.0.pkl').read_bytes(),
        },
    }


def altered(data: bytes, draw: random.Random) -> bytes:
    """Return a file cut off, with bytes changed or lost, or with a value replaced."""
    way = draw.randrange(4)
    at = draw.randrange(len(data))
    if way == 0:
        return data[:at]
    if way == 1:
        return data[:at] + bytes([draw.randrange(256)]) + data[at + 1 :]
    if way == 2:
        return data[:at] + data[at + draw.randrange(1, 60) :]
    values = list(re.finditer(rb'(?<=[ \[,;])[-\w.]+(?=[,\]\n; ])', data))
    if not values:
        return data[:-1]
    one = draw.choice(values)
    return data[: one.start()] + draw.choice(TOKENS) + data[one.end() :]


@pytest.mark.parametrize(
    'kind', ['unitree_rl_lab', 'onnx_metadata', 'holosoma', 'onnx', 'stable_baselines3']
)
def test_a_damaged_artifact_is_refused_in_our_words(artifacts, import_to, tmp_path, kind):
    draw = random.Random(kind)
    folder = tmp_path / 'run'
    folder.mkdir()
    files = artifacts[kind]
    refused = 0
    for _ in range(150):
        name = draw.choice(list(files))
        for one, data in files.items():
            (folder / one).write_bytes(altered(data, draw) if one == name else data)
        with pytest.raises(FournexError) as caught:
            import_to(folder / next(iter(files)), {})  # sound ones still have questions
        text = str(caught.value)
        assert str(folder) in text or any(one in text for one in files), text
        refused += 'that the contract needs' not in text
    assert refused > 10
    assert [one.name for one in tmp_path.iterdir()] == ['run']
