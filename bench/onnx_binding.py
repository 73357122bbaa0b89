"""
What it costs to hand arrays to ONNX Runtime: taken anew at each run, or bound to memory.

``python bench/onnx_binding.py`` prints a line for the policy of each example, and for inputs of
growing size: the median time of a run, blocks of both kinds in turn.
"""

from __future__ import annotations

import pathlib
import statistics
import time
from collections.abc import Callable, Mapping

import numpy as np
from onnx import TensorProto, helper

from fournex_runtime.policy.backend import ArraySpec, Signature, signature
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.policy.inference import DEFAULT_INFERENCE
from fournex_runtime.policy.onnx_session import OnnxSession

EXAMPLES = pathlib.Path(__file__).resolve().parents[1] / 'examples'
ROUNDS, RUNS = 10, 500


def took_us(call: Callable[[], object]) -> float:
    """Return the median time of many calls."""
    found = []
    for _ in range(RUNS):
        began_ns = time.perf_counter_ns()
        call()
        found.append((time.perf_counter_ns() - began_ns) / 1000)
    return statistics.median(found)


def compare(name: str, model: bytes, spec: Signature) -> None:
    """Print what both ways cost for one model."""
    takes, gives = (*spec.inputs, *spec.state_inputs), (*spec.outputs, *spec.state_outputs)
    session = OnnxSession(model, name, DEFAULT_INFERENCE)
    bound, outputs = session.bind(takes, gives), [one.name for one in gives]
    random = np.random.default_rng(0)
    feed: Mapping[str, np.ndarray] = {
        one.name: random.standard_normal(one.shape).astype(one.dtype) for one in takes
    }
    size = sum(array.nbytes for array in feed.values())
    both = [
        (took_us(lambda: session.run(outputs, feed)), took_us(lambda: bound.run(feed)))
        for _ in range(ROUNDS)
    ]
    anew, kept = (statistics.median(one[side] for one in both) for side in (0, 1))
    print(f'{name:12}{size:12}{anew:12.1f}{kept:12.1f}')


def of_size(values: int) -> tuple[bytes, Signature]:
    """Return a model that looks at one of so many values."""
    nodes = [helper.make_node('Gather', ['x', 'first'], ['y'], axis=1)]
    graph = helper.make_graph(
        nodes,
        'first',
        [helper.make_tensor_value_info('x', TensorProto.FLOAT, [1, values])],
        [helper.make_tensor_value_info('y', TensorProto.FLOAT, [1, 1])],
        [helper.make_tensor('first', TensorProto.INT64, [1], [0])],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid('', 17)], ir_version=8)
    takes, gives = ArraySpec('x', (1, values), 'float32'), ArraySpec('y', (1, 1), 'float32')
    return bytes(model.SerializeToString()), Signature((takes,), (gives,), (), ())


def main() -> None:
    """Measure and print."""
    print(f'{"":12}{"bytes":>12}{"anew [us]":>12}{"bound [us]":>12}')
    for name in ('arm', 'pendulum', 'rover'):
        bundle = load_bundle(EXAMPLES / name / 'bundle')
        compare(name, bundle.artifact, signature(bundle.contract))
    for values in (16, 256, 1024, 4096, 16384, 65536, 262144):
        compare('', *of_size(values))


if __name__ == '__main__':
    main()
