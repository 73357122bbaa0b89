"""
Policies of LeRobot, run by its own package; see ``torch_module.py`` for arguments and results.

The artifact is a zip archive of ``config.json`` and ``model.safetensors`` as LeRobot saves them.
Inputs are the policy's features by name, normalised by the contract; the output is the chunk of
actions that ``predict_action_chunk`` gives, before it is brought back into units. These files hold
no code, but the package that reads them is large: it is imported in a worker only, offline.

The policy keeps nothing from one call to the next. One that draws random numbers (diffusion) draws
the same ones at every call.
"""

from __future__ import annotations

import importlib
import json
import os
import pathlib
import tempfile
from typing import Any

from ..errors import ArtifactError, MissingDependencyError
from .backend import Signature
from .bundle import MOST_BYTES
from .contract_types import RecurrentState
from .inference import DEFAULT_INFERENCE, Inference
from .torch_device import torch, use_device
from .torch_module import TorchModule
from .zip_members import ZipMembers

_CONFIG, _WEIGHTS = 'config.json', 'model.safetensors'
_POLICIES = {
    'act': ('lerobot.policies.act.modeling_act', 'ACTPolicy'),
    'diffusion': ('lerobot.policies.diffusion.modeling_diffusion', 'DiffusionPolicy'),
}
_SEED = 20


class LeRobotModel(TorchModule):
    """
    A policy of LeRobot, in inference mode.

    :param model: the archive.
    :param file: where it comes from, for errors.
    :param spec: what the contract says that it takes and gives.
    :param state: its recurrent state; it has none.
    :param inference: providers and threads.
    :raises ArtifactError: it does not load, does not run, or does not fit the contract, or none of
        the providers can be used.
    :raises MissingDependencyError: lerobot is not installed.
    """

    batches = False  # it draws one sequence of numbers for all rows, and queues frames

    def __init__(
        self,
        model: bytes,
        file: str,
        spec: Signature,
        state: tuple[RecurrentState, ...],
        inference: Inference = DEFAULT_INFERENCE,
    ) -> None:
        device = use_device('lerobot', inference, file)
        policy = _load(ZipMembers(model, file, MOST_BYTES), file).to(device.name)
        names = [one.name for one in spec.inputs]
        features = list(policy.config.input_features)
        if sorted(names) != sorted(features):
            raise ArtifactError(
                f'{file}: takes {", ".join(features)}; the contract gives {", ".join(names)}'
            )
        super().__init__(_Chunks(policy, names), names, device, file, spec, state)


class _Chunks:
    """
    The policy as a function: its features in, a chunk of actions out.

    :param policy: the policy.
    :param names: its features in the order of the arguments.
    """

    def __init__(self, policy: Any, names: list[str]) -> None:
        self._policy = policy
        self._names = names
        self.named_buffers = policy.named_buffers

    def __call__(self, *arrays: Any) -> Any:
        """Return the chunk, of shape (1, actions in it, values of one)."""
        policy, frames = self._policy, self._policy.config.n_obs_steps
        given = dict(zip(self._names, arrays))
        torch.manual_seed(_SEED)
        policy.reset()
        if policy.name == 'act':
            return policy.predict_action_chunk(given)
        for frame in range(frames):
            self._remember(
                given if frames == 1 else {name: one[:, frame] for name, one in given.items()}
            )
        remembered = [name for name in policy._queues if name != 'action']
        return policy.predict_action_chunk(dict.fromkeys(remembered))

    def _remember(self, frame: dict[str, Any]) -> None:
        """Put a frame into the queues of the policy, as its ``select_action`` does."""
        images = [frame[name] for name in self._policy.config.image_features]
        if images:
            frame = {**frame, 'observation.images': torch.stack(images, dim=-4)}
        populate = importlib.import_module('lerobot.policies.utils').populate_queues
        self._policy._queues = populate(self._policy._queues, frame)


def _load(members: ZipMembers, file: str) -> Any:
    """Return the policy, on the CPU; nothing is looked up in the network."""
    for name in (_CONFIG, _WEIGHTS):
        if name not in members:
            raise ArtifactError(f'{file}: has no {name}; found {", ".join(members)}')
    config = json.loads(members[_CONFIG])
    if config.get('type') not in _POLICIES:
        raise ArtifactError(
            f'{file}: {_CONFIG}: type: expected one of {", ".join(_POLICIES)}, found '
            f'{config.get("type")!r}'
        )
    config['device'] = 'cpu'
    config['pretrained_backbone_weights'] = None  # they are among the weights
    os.environ['HF_HUB_OFFLINE'] = '1'
    module, name = _POLICIES[config['type']]
    try:
        policy = getattr(importlib.import_module(module), name)
    except ImportError as problem:
        raise MissingDependencyError(
            'lerobot', f'running {file}', 'pip install lerobot'
        ) from problem
    with tempfile.TemporaryDirectory(prefix='fournex-lerobot-') as folder:
        (pathlib.Path(folder) / _CONFIG).write_text(json.dumps(config))
        (pathlib.Path(folder) / _WEIGHTS).write_bytes(members[_WEIGHTS])
        try:
            return policy.from_pretrained(folder, strict=True).eval()
        except Exception as problem:  # its errors share no base but Exception
            raise ArtifactError(f'{file}: LeRobot does not load it: {problem}') from problem
