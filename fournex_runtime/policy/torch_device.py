"""Where torch computes. The only module that imports ``torch``."""

from __future__ import annotations

import dataclasses
import os

from ..errors import MissingDependencyError
from .inference import Inference, Refusal, describe, none_left

try:
    import torch as torch
except ImportError as problem:
    raise MissingDependencyError(
        'torch', 'running a TorchScript or torch.export policy', 'pip install torch'
    ) from problem


@dataclasses.dataclass(frozen=True)
class Device:
    """
    Where torch computes.

    :param name: as torch and the wiring call it.
    :param description: library with version, device, threads, and what was refused.
    """

    name: str
    description: str


def use_device(library: str, inference: Inference, file: str) -> Device:
    """
    Set where torch computes and with how many threads, and have sums made in the same order.

    :param library: the part of torch that runs the artifact.
    :param inference: providers and threads.
    :param file: the artifact, for errors.
    :raises ArtifactError: none of the providers can be used.
    """
    torch.set_num_threads(inference.threads)
    torch.use_deterministic_algorithms(True, warn_only=True)
    refused: list[Refusal] = []
    for one in inference.providers:
        reason = _not_usable(one)
        if not reason:
            break
        refused.append(Refusal(one, reason))
    else:
        raise none_left(file, refused)
    if one == 'cuda':  # float32 in full and in one order, as on the CPU
        os.environ.setdefault('CUBLAS_WORKSPACE_CONFIG', ':4096:8')
        torch.backends.cudnn.allow_tf32 = torch.backends.cuda.matmul.allow_tf32 = False
    words = describe(f'torch {torch.__version__} {library}', one, inference.threads, refused)
    return Device(one, words)


def _not_usable(provider: str) -> str:
    """Return why torch cannot compute with a provider; empty if it can."""
    if provider == 'cpu':
        return ''
    if provider != 'cuda':
        return 'torch does not compute with it'
    if torch.version.cuda is None:
        return f'torch {torch.__version__} is built without CUDA'
    return '' if torch.cuda.is_available() else 'torch finds no CUDA device'
