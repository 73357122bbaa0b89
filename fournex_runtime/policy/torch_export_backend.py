"""``torch.export`` artifacts (``.pt2``); see ``torch_module.py`` for arguments and results."""

from __future__ import annotations

import io
import os
from typing import Any

from ..errors import ArtifactError
from .backend import Signature
from .bundle import MOST_BYTES
from .contract_types import RecurrentState
from .inference import DEFAULT_INFERENCE, Inference
from .torch_device import torch, use_device
from .torch_module import TorchModule
from .zip_members import check_archive


class TorchExportModel(TorchModule):
    """
    An exported program, in inference mode.

    :param model: the archive. It is a program: load it in a worker only.
    :param file: where it comes from, for errors.
    :param spec: what the contract says that it takes and gives.
    :param state: its recurrent state.
    :param inference: providers and threads.
    :raises ArtifactError: it does not load, does not run, or does not fit the contract, or none of
        the providers can be used.
    """

    def __init__(
        self,
        model: bytes,
        file: str,
        spec: Signature,
        state: tuple[RecurrentState, ...],
        inference: Inference = DEFAULT_INFERENCE,
    ) -> None:
        check_archive(model, file, MOST_BYTES)  # torch compares no checksum
        # torch.export.load() unpickles what it needs, and runs what is in a pickle where reading
        # it as numbers fails. This makes torch stop there.
        os.environ.pop('TORCH_FORCE_NO_WEIGHTS_ONLY_LOAD', None)
        os.environ['TORCH_FORCE_WEIGHTS_ONLY_LOAD'] = '1'
        device = use_device('torch.export', inference, file)
        try:
            program = torch.export.load(io.BytesIO(model))
            module = program.module().to(device.name)
        except Exception as problem:  # torch's errors share no base but Exception
            raise ArtifactError(
                f'{file}: not a loadable torch.export program: {problem}'
            ) from problem
        super().__init__(module, _arguments(program, file), device, file, spec, state, inference)


def _arguments(program: Any, file: str) -> list[str]:
    """Return the names of the program's arguments, which must all be tensors by position."""
    names = [str(name) for name in program.graph_signature.user_inputs]
    flat = torch.utils._pytree.tree_structure((tuple(names), {}))
    if program.call_spec.in_spec != flat:
        raise ArtifactError(
            f'{file}: was exported with keyword, nested or constant arguments '
            f'({", ".join(names)}); export it with a tuple of tensors as its arguments'
        )
    used = {
        str(node.name) for node in program.graph.nodes if node.op == 'placeholder' and node.users
    }
    unused = [name for name in names if name not in used]
    if unused:
        raise ArtifactError(
            f'{file}: does not use its argument {", ".join(unused)}. If one tensor was given for '
            'several arguments when it was exported, they became one: export it with a tensor of '
            'its own for each'
        )
    return names
