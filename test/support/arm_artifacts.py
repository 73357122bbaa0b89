"""
The arm's trained policy as ``SAC`` saves it. Run by the Python that has torch.

The actor is put back into the ``SAC`` that it was trained in, from the weights of
``examples/arm/bundle/policy.onnx``; the critic, which knows the arm's geometry, is a plain one::

    arm_artifacts.py export FOLDER    policy.zip, policy.onnx
    arm_artifacts.py predict FOLDER   what predict() answers to obs.npy, as actions.npy

Observations are those that the contract has normalised: ``VecNormalize`` is in the bundle.
"""

import pathlib
import shutil
import sys

import numpy as np
import onnx
import torch
from onnx import numpy_helper
from stable_baselines3 import SAC

from examples.arm.env import ArmEnv

BUNDLE = pathlib.Path(__file__).resolve().parents[2] / 'examples' / 'arm' / 'bundle'
LAYERS = {'latent.0': 'latent_pi.0', 'latent.2': 'latent_pi.2', 'mean': 'mu'}


def trained() -> SAC:
    """Return the model as ``examples/arm/train.py`` had it in the end, as far as it acts."""
    kept = {
        one.name: torch.tensor(numpy_helper.to_array(one))
        for one in onnx.load(BUNDLE / 'policy.onnx').graph.initializer
    }
    model = SAC(
        'MlpPolicy',
        ArmEnv(),
        seed=1,
        device='cpu',
        buffer_size=1,
        policy_kwargs={'net_arch': [128, 128]},
    )
    weights = {
        f'actor.{inside}.{kind}': kept[f'{outside}.{kind}']
        for outside, inside in LAYERS.items()
        for kind in ('weight', 'bias')
    }
    model.policy.load_state_dict({**model.policy.state_dict(), **weights})
    return model


def write(folder: pathlib.Path) -> None:
    """Write the artifacts."""
    trained().save(folder / 'policy.zip')
    shutil.copy(BUNDLE / 'policy.onnx', folder)


def predict(folder: pathlib.Path) -> None:
    """Answer observations."""
    model = trained()
    found = [model.predict(one, deterministic=True)[0] for one in np.load(folder / 'obs.npy')]
    np.save(folder / 'actions.npy', np.stack(found))


if __name__ == '__main__':
    torch.set_num_threads(1)
    {'export': write, 'predict': predict}[sys.argv[1]](pathlib.Path(sys.argv[2]))
