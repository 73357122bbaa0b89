"""A bundle whose policy is one matrix, and the wiring beside it."""

from __future__ import annotations

import hashlib
import pathlib

import numpy as np
from linear_onnx import linear_onnx


def write_linear(folder: pathlib.Path, size: int, contract: str, wiring: str) -> pathlib.Path:
    """
    Write a policy that commands the first value of its observation, and a wiring for it.

    :param folder: gets ``bundle`` and ``wiring.yaml``.
    :param size: how many values the observation has.
    :param contract: ``policy.yaml``; ``{sha256}`` is filled in.
    :param wiring: the wiring.
    :returns: the wiring's file.
    """
    model = linear_onnx(np.eye(size, 1, dtype=np.float32))
    bundle = folder / 'bundle'
    bundle.mkdir()
    (bundle / 'policy.onnx').write_bytes(model)
    filled = contract.format(sha256=hashlib.sha256(model).hexdigest())
    (bundle / 'policy.yaml').write_text(filled)
    file = folder / 'wiring.yaml'
    file.write_text(wiring)
    return file
