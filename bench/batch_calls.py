"""What a batch of one ONNX artifact costs beside as many separate calls, in this process."""

from __future__ import annotations

import dataclasses
import pathlib
import time
from collections.abc import Callable

import numpy as np
from workloads import OBSERVED

from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.policy.inference import INLINE

ROUNDS, RUNS, ROWS = 20, 100, 64


def batch_us(folder: pathlib.Path) -> list[tuple[float, float]]:
    """
    Return the processor time of a batch and of separate calls, in microseconds, for each round.

    :param folder: the bundle of the workload ``arms_64``.
    """
    backend = load_backend(load_bundle(folder), dataclasses.replace(INLINE, rows=ROWS))
    assert backend.batch_size >= ROWS
    random = np.random.default_rng(0)
    size = (ROWS, 1, OBSERVED['arm'])
    requests = [({'obs': one}, {}) for one in random.normal(size=size).astype(np.float32)]

    def separately() -> None:
        for one in requests:
            backend.run(*one)

    together = [*requests, *[None] * (backend.batch_size - ROWS)]
    found = [
        (_cpu_us(lambda: backend.run_batch(together)), _cpu_us(separately)) for _ in range(ROUNDS)
    ]
    backend.close()
    return found


def _cpu_us(call: Callable[[], object]) -> float:
    began_ns = time.process_time_ns()
    for _ in range(RUNS):
        call()
    return (time.process_time_ns() - began_ns) / RUNS / 1e3
