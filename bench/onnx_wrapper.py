"""What Fournex adds to a raw call of ONNX Runtime: blocks of both in turn, in this process."""

from __future__ import annotations

import pathlib
import time
from collections.abc import Callable

import numpy as np
import onnxruntime
from workloads import OBSERVED

from fournex_runtime.policy.backend import load_backend
from fournex_runtime.policy.bundle import load_bundle

ROUNDS, RUNS = 20, 2000


def wrapper_us(folder: pathlib.Path) -> list[tuple[float, float]]:
    """
    Return the median of the raw call and of ours, in microseconds, for each round.

    :param folder: the bundle of the workload ``arm``.
    """
    backend = load_backend(load_bundle(folder))
    options = onnxruntime.SessionOptions()
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    raw = onnxruntime.InferenceSession(
        str(folder / 'policy.onnx'), options, providers=['CPUExecutionProvider']
    )
    inputs = {'obs': np.random.default_rng(0).normal(size=(1, OBSERVED['arm'])).astype(np.float32)}
    found = [
        (_median_us(lambda: raw.run(None, inputs)), _median_us(lambda: backend.run(inputs, {})))
        for _ in range(ROUNDS)
    ]
    backend.close()
    return found


def _median_us(call: Callable[[], object]) -> float:
    took_ns = np.zeros(RUNS, np.int64)
    for index in range(RUNS):
        began_ns = time.perf_counter_ns()
        call()
        took_ns[index] = time.perf_counter_ns() - began_ns
    return float(np.median(took_ns)) / 1e3
