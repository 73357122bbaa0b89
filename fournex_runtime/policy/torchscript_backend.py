"""TorchScript artifacts (``.pt``); see ``torch_module.py`` for what arguments and results mean."""

from __future__ import annotations

import io
from typing import Any

from ..errors import ArtifactError
from .backend import Signature
from .bundle import MOST_BYTES
from .contract_types import RecurrentState
from .inference import DEFAULT_INFERENCE, Inference
from .torch_device import torch, use_device
from .torch_module import TorchModule
from .zip_members import check_archive


class TorchScriptModel(TorchModule):
    """
    A TorchScript module, in inference mode.

    It is frozen where nothing in it changes and freezing does not change its results. The compiler
    fuses no operations while it runs: a fused run need not have the bits of those before it.

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
        device = use_device('TorchScript', inference, file)
        torch.jit.set_fusion_strategy([])
        try:
            module = torch.jit.load(io.BytesIO(model), map_location=device.name).eval()
        except Exception as problem:  # torch's errors share no base but Exception
            raise ArtifactError(
                f'{file}: not a loadable TorchScript archive: {problem}'
            ) from problem
        super().__init__(module, _arguments(module, file), device, file, spec, state, inference)
        if not self.changes:
            self._freeze(spec)

    def _freeze(self, spec: Signature) -> None:
        plain = self._module
        before = self._bits(spec)
        try:
            self._module = torch.jit.freeze(plain)
            same = self._bits(spec) == before
        except Exception:  # what cannot be frozen runs as it is
            same = False
        if not same:
            self._module = plain

    def _bits(self, spec: Signature) -> list[bytes]:
        return [one.tobytes() for one in self._answer(spec).values()]


def _arguments(module: Any, file: str) -> list[str]:
    """Return the names of the arguments of ``forward``, which must all be tensors."""
    found = []
    for one in module.forward.schema.arguments[1:]:
        if one.has_default_value():
            continue
        if str(one.type) != 'Tensor':
            raise ArtifactError(
                f'{file}: argument {one.name} of forward() is a {one.type}; expected a Tensor. '
                'Export a wrapper that takes tensors one by one'
            )
        found.append(one.name)
    return found
