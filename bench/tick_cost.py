"""
What the engine of a session costs at a tick, stage by stage, without ROS and without a network.

``python bench/tick_cost.py [--against CHECKOUT]``. Blocks of ticks in processes of their own, of
two checkouts in turn; a ratio is of blocks that ran beside each other. *Warm* ticks follow each
other at once; before each of the *rested* there is a pause as on a robot, after which a part of
what a tick needs is no longer in the caches of the processor. *timing* is what the stopwatch
around all stages of a tick of the runtime costs, with its statistics; ``--json FILE`` writes it,
in microseconds, for each round.
"""

from __future__ import annotations

import argparse
import json
import os
import pathlib
import struct
import subprocess
import sys
import tempfile
import time
from typing import Any

import numpy as np

HERE = pathlib.Path(__file__).resolve().parent
STAGES = ('decode', 'observe', 'infer', 'conclude', 'record', 'timing')
STAMPS = 9
"""Looks at the clock in a tick of the runtime."""
TICKS = {'warm': 1500, 'rested': 300}
PAUSE_S = 0.004
_STAMP = struct.Struct('<iI')


def block(name: str) -> dict[str, list[float]]:
    """
    Return the median of each stage of a workload in microseconds, for each pace.

    :param name: of the workload.
    """
    from workloads import (
        IMAGE,
        JOINT_STATE,
        POSE,
        SCAN,
        WORKLOADS,
        image_bytes,
        joint_state_bytes,
        scan_bytes,
        target_bytes,
        write_workload,
    )

    from fournex_runtime.pipeline.messages import messages
    from fournex_runtime.policy.backend import load_backend
    from fournex_runtime.record.tick_record import TickCodec
    from fournex_runtime.session.engine import Engine
    from fournex_runtime.session.statistics import TickStatistics
    from fournex_runtime.session.tick import (
        Answer,
        AnswerKind,
        EpisodeStart,
        Received,
        TickInputs,
        Timing,
    )
    from fournex_runtime.session.wiring import load_wiring

    bytes_of = {
        JOINT_STATE: joint_state_bytes,
        POSE: target_bytes,
        SCAN: scan_bytes,
        IMAGE: image_bytes,
    }
    with tempfile.TemporaryDirectory() as folder:
        wiring = load_wiring(write_workload(WORKLOADS[name], pathlib.Path(folder)))
        one = wiring.sessions[0]
        engine: Any = Engine(wiring.bundles[one.name], one, messages())
        backend = load_backend(engine.bundle)
    statistics = TickStatistics()
    topics = [source.topic for source in one.sources]
    codec = TickCodec(messages(), one.name, topics, [target.topic for target in one.targets])
    raw = [bytearray(bytes_of[source.type]()) for source in one.sources]
    clock, period_ns, state = time.perf_counter_ns, WORKLOADS[name].period_ns, None
    found = {}
    for pace, ticks in TICKS.items():
        rows = np.zeros((ticks, len(STAGES)))
        state = engine.initial_state()
        for tick in range(ticks):
            now_ns = 1_000_000_000 + tick * period_ns
            for data in raw:
                _STAMP.pack_into(data, 4, *divmod(now_ns, 1_000_000_000))
            taken = tuple((Received(tick + 1, now_ns, bytes(data)),) for data in raw)
            start = None if tick else EpisodeStart('e', 1)
            inputs = TickInputs(taken, now_ns, now_ns, now_ns, start)
            if pace == 'rested':
                time.sleep(PAUSE_S)
            began = clock()
            newest = engine.decode(inputs, state) if hasattr(engine, 'decode') else None
            decoded = clock()
            request = (
                engine.observe(inputs, state)
                if newest is None
                else engine.observe(inputs, state, newest)
            )
            observed = clock()
            answer = Answer(AnswerKind.RESULT, *backend.run(request.observation.inputs, {}))
            answered = clock()
            record, state = engine.conclude(request, answer, state)
            concluded = clock()
            codec.encode(record, Timing())
            recorded = clock()
            for _ in range(STAMPS):
                time.monotonic_ns()
            timing = Timing(*[observed - decoded] * 9)
            statistics.add(began, timing, AnswerKind.RESULT, False)
            timed = clock()
            rows[tick] = (
                decoded - began,
                observed - decoded,
                answered - observed,
                concluded - answered,
                recorded - concluded,
                timed - recorded,
            )
        found[pace] = (np.median(rows[ticks // 10 :], axis=0) / 1e3).tolist()
    return found


def run_block(checkout: pathlib.Path, workload: str) -> dict[str, list[float]]:
    """Return what a block of a checkout found."""
    path = os.pathsep.join([str(checkout), str(HERE), os.environ.get('PYTHONPATH', '')])
    words = [sys.executable, __file__, '--block', '--workload', workload]
    environment = {**os.environ, 'PYTHONPATH': path}
    found = subprocess.run(words, env=environment, check=True, capture_output=True, timeout=120)
    return json.loads(found.stdout)


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--against', type=pathlib.Path, help='another checkout, the denominator')
    parser.add_argument('--workload', default='arm_200')
    parser.add_argument('--rounds', type=int, default=6)
    parser.add_argument('--json', type=pathlib.Path, metavar='FILE')
    parser.add_argument('--block', action='store_true', help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.block:
        print(json.dumps(block(options.workload)))
        return
    checkouts = [HERE.parent, *([options.against.resolve()] if options.against else [])]
    rounds = [
        [run_block(checkout, options.workload) for checkout in checkouts]
        for _ in range(options.rounds)
    ]
    print(f'{options.workload}, median of {options.rounds} rounds, microseconds')
    print(f'{"":16}' + ''.join(f'{stage:>10}' for stage in (*STAGES, 'all')))
    for pace in TICKS:
        blocks = np.array([[one[pace] for one in each] for each in rounds])
        blocks = np.concatenate([blocks, blocks.sum(axis=2, keepdims=True)], axis=2)
        for number, label in enumerate(('here', 'there')[: len(checkouts)]):
            cells = np.median(blocks[:, number], axis=0)
            print(f'{pace + " " + label:16}' + ''.join(f'{cell:10.1f}' for cell in cells))
        if len(checkouts) == 2:
            cells = np.median(blocks[:, 0] / np.maximum(blocks[:, 1], 1e-3), axis=0)
            print(f'{pace + " ratio":16}' + ''.join(f'{cell:10.2f}' for cell in cells))
    if options.json is not None:
        timing_us = {pace: [one[0][pace][-1] for one in rounds] for pace in TICKS}
        options.json.write_text(json.dumps(timing_us))


if __name__ == '__main__':
    main()
