"""
What a worker costs: the pendulum's policy in this process and in a worker, in turn.

``python bench/worker_cost.py`` keeps this process to one processor core and prints a line for each
place of the worker: on the same core, on another one (asleep until the answer comes, or spinning),
and wherever the kernel likes. A hop is the
floor: an eventfd there and one back, between two processes that do nothing else. Each block in a
worker lies beside a block of the policy in this process; what is added is the difference of
their medians, block by block. ``--json FILE`` also writes these differences, by place.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import time
from collections.abc import Callable, Collection

import numpy as np

from fournex_runtime.kernel import SHORTEST_TURN_NS, take_turns
from fournex_runtime.policy.backend import Backend, load_backend, signature
from fournex_runtime.policy.bundle import load_bundle
from fournex_runtime.policy.inference import Inference
from fournex_runtime.worker.backend import WorkerBackend

BUNDLE = pathlib.Path(__file__).resolve().parents[1] / 'examples' / 'pendulum' / 'bundle'
ROUNDS, RUNS, END = 10, 1000, 2**32
SPIN_NS = 200_000


def took_us(call: Callable[[], object]) -> np.ndarray:
    """Return how long each of many calls took, in microseconds."""
    found = np.zeros(RUNS)
    for index in range(RUNS):
        began_ns = time.perf_counter_ns()
        call()
        found[index] = (time.perf_counter_ns() - began_ns) / 1000
    return found


def hop(cores: Collection[int]) -> np.ndarray:
    """Return how long it takes to wake another process and be woken by it."""
    there, back = os.eventfd(0), os.eventfd(0)
    child = os.fork()
    if child == 0:
        os.sched_setaffinity(0, cores)
        while os.eventfd_read(there) < END:
            os.eventfd_write(back, 1)
        os._exit(0)

    def there_and_back() -> None:
        os.eventfd_write(there, 1)
        os.eventfd_read(back)

    try:
        there_and_back()
        return took_us(there_and_back)
    finally:
        os.eventfd_write(there, END)
        os.waitpid(child, 0)
        os.close(there)
        os.close(back)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE')
    options = parser.parse_args()
    allowed = sorted(os.sched_getaffinity(0))
    places = {'same core': allowed[:1], 'another core': allowed[1:2], 'any core': allowed}
    places['another, spin'] = allowed[1:2]
    bundle = load_bundle(BUNDLE)
    random = np.random.default_rng(0)
    inputs = {
        one.name: random.standard_normal(one.shape).astype(one.dtype)
        for one in signature(bundle.contract).inputs
    }
    state = {one.name: np.zeros(one.shape, np.float32) for one in bundle.contract.state}
    inline: Backend = load_backend(bundle)
    workers = {
        name: WorkerBackend(
            bundle, Inference(cores=tuple(cores), spin_ns=SPIN_NS if 'spin' in name else 0)
        )
        for name, cores in places.items()
        if cores
    }
    os.sched_setaffinity(0, allowed[:1])
    take_turns(SHORTEST_TURN_NS)  # as the runtime does
    hops: dict[str, list[np.ndarray]] = {name: [] for name in workers}
    found: dict[str, list[tuple[np.ndarray, np.ndarray]]] = {name: [] for name in workers}
    for _ in range(ROUNDS):
        for name, worker in workers.items():
            hops[name].append(hop(places[name]))
            here = took_us(lambda: inline.run(inputs, state))
            found[name].append((here, took_us(lambda one=worker: one.run(inputs, state))))
    for worker in workers.values():
        worker.close()
    print(f'{bundle.contract.reference}, {ROUNDS} blocks of {RUNS} runs each; microseconds')
    print(f'{"":14}{"hop":>10}{"in process":>20}{"in a worker":>20}{"added":>10}')
    print(f'{"":14}{"p50":>10}' + f'{"p50":>10}{"p99":>10}' * 2 + f'{"p50":>10}')
    added_us: dict[str, list[float]] = {}
    for name, blocks in found.items():
        row = f'{name:14}{np.median(np.concatenate(hops[name])):10.1f}'
        for side in (0, 1):
            p50, p99 = np.percentile(np.concatenate([one[side] for one in blocks]), (50, 99))
            row += f'{p50:10.1f}{p99:10.1f}'
        added_us[name] = [float(np.median(there) - np.median(here)) for here, there in blocks]
        print(f'{row}{np.median(added_us[name]):10.1f}')
    if options.json is not None:
        options.json.write_text(json.dumps(added_us))


if __name__ == '__main__':
    main()
