"""A bundle whose artifact is the zip file that Stable-Baselines3 saved."""

from __future__ import annotations

import pathlib
import shutil

import numpy as np
import pytest
from sb3_file import read_sb3

from fournex_runtime.errors import ArtifactError
from fournex_runtime.policy.backend import load_backend, warm_up
from fournex_runtime.policy.bundle import seal_bundle
from fournex_runtime.policy.sb3.network import build_onnx

SAVED = pathlib.Path(__file__).with_name('saved')
CONTRACT = """
name: saved
version: 1
period: 20 ms
inputs:
  obs:
    - {{term: value, size: {size}}}
outputs:
  actions:
    - {{term: value, size: {actions}, clip: [-1.0, 1.0]}}
artifact: {{file: policy.zip, sha256: {zeros}, backend: stable_baselines3}}
"""


def bundle(folder: pathlib.Path, saved: str, **sizes: int):
    shutil.copy(SAVED / saved, folder / 'policy.zip')
    text = CONTRACT.format(zeros='0' * 64, **sizes)
    (folder / 'policy.yaml').write_text(text)
    return seal_bundle(folder)


def sizes_of(saved: str) -> dict[str, int]:
    built = build_onnx(read_sb3(SAVED / saved))
    return {
        'size': built.signature.inputs[0].shape[1],
        'actions': built.signature.outputs[0].shape[1],
    }


@pytest.mark.parametrize('saved', ['ppo-2.0.0', 'sac-1.8.0'])
def test_a_saved_model_is_an_artifact(tmp_path, saved):
    found = bundle(tmp_path, f'{saved}.zip', **sizes_of(f'{saved}.zip'))
    backend = load_backend(found)
    warm_up(backend, found.contract)
    reference = np.load(SAVED / f'{saved}.npz')
    observations = reference['observations'].astype(np.float32)
    raw = np.concatenate(
        [backend.run({'obs': one[np.newaxis]}, {})[0]['actions'] for one in observations]
    )
    assert raw.shape == (len(observations), found.contract.action_size)
    assert np.isfinite(raw).all() and raw.std() > 0.0
    backend.close()


def test_a_contract_of_another_size_is_refused(tmp_path):
    sizes = sizes_of('ppo-2.0.0.zip')
    found = bundle(tmp_path, 'ppo-2.0.0.zip', **{**sizes, 'size': sizes['size'] + 1})
    with pytest.raises(ArtifactError, match='input obs is float32'):
        load_backend(found)
