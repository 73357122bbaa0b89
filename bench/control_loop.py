"""
The control loop beside its peers: what it costs, how exactly it releases, how old what it saw is.

``python bench/control_loop.py [--quick]`` runs each peer alone beside a process that plays the
robot, in short blocks, all peers of a workload once in each round, in random order. Only ratios of
blocks of one round are judged. What is found goes to ``build/bench/DATE``: ``blocks.json``,
``benchmarks.md``, plots; a whole run also renews ``docs/benchmarks.md``.

``--page FOLDER`` makes the page and the plots of an earlier run anew; ``--against FOLDER`` puts
another run beside this one, target by target; ``--judged`` leaves out what no target is about.
"""

from __future__ import annotations

import argparse
import dataclasses
import datetime
import json
import os
import pathlib
import platform
import random
import subprocess
import sys
import time
from collections.abc import Mapping

import cyclictest
import numpy as np
import onnxruntime
from batch_calls import batch_us
from blocks import RANGE, Case, Machine
from onnx_wrapper import wrapper_us
from page import write_page
from workloads import WORKLOADS, write_workload

ROOT = pathlib.Path(__file__).resolve().parents[1]
WARM_S = 1.0


@dataclasses.dataclass(frozen=True)
class Part:
    """Peers that are compared with each other, and in every how many rounds."""

    workload: str
    peers: tuple[str, ...]
    condition: str = 'idle'
    every: int = 1
    quick: bool = False


FLOORS = ('kernel', 'kernel 2', *(['cyclictest'] if cyclictest.installed() else []))
WAKING = ('ours', 'ours inline', 'bare', *FLOORS)
URGENT = ('ours', 'ours inline', 'ours spin', 'bare', *FLOORS)
WORKING = ('ours', 'ours inline', 'bare', 'floor')
DISTURBED = ('ours', 'ours inline', 'bare')
MANY = ('ours', 'ours inline')
"""No bare node plays many robots."""
PLAN = (
    Part(
        'arm_200',
        ('ours', 'ours inline', 'ours inline recording', 'bare', 'floor', 'floor 2'),
        quick=True,
    ),
    Part('arm_500', WAKING, quick=True),
    Part('arm_1000', WAKING),
    Part('arm_500', WAKING, 'loaded'),
    Part('arm_1000', WAKING, 'loaded'),
    Part('arm_500', URGENT, 'fifo'),
    Part('arm_1000', URGENT, 'fifo'),
    Part('camera_30', ('ours inline', 'bare'), quick=True),
    Part('arms_64', ('ours', 'ours apart', 'ours inline', 'ours inline apart')),
    # What no target is about, more seldom.
    Part('arm_200', ('bare multi',), every=3),
    Part('camera_30', ('ours', 'floor'), every=3),
    Part('scan_50', WORKING, every=3),
    Part('arm_50', WORKING, every=3),
    Part('arm_200', WORKING, 'loaded', every=3),
    *(
        Part(workload, DISTURBED, 'loaded', every=3)
        for workload in ('arm_50', 'scan_50', 'camera_30')
    ),
    *(Part(workload, MANY, 'loaded', every=3) for workload in ('arms_8', 'arms_64')),
    *(
        Part(workload, DISTURBED, 'flood', every=3)
        for workload in ('arm_50', 'arm_200', 'arm_500', 'arm_1000', 'scan_50', 'camera_30')
    ),
    *(Part(workload, MANY, 'flood', every=3) for workload in ('arms_8', 'arms_64')),
    Part('arms_8', ('ours', 'ours apart', 'ours inline', 'ours inline apart'), every=3),
)


def schedule(rounds: int, quick: bool, judged: bool = False) -> list[tuple[int, Case]]:
    """Return every block with the number of its round: parts in turn, peers in random order."""
    order = random.Random(0)
    found = []
    for number in range(rounds):
        for part in PLAN:
            if quick and not part.quick or judged and part.every > 1 or number % part.every:
                continue
            peers = list(part.peers)
            order.shuffle(peers)
            workload = WORKLOADS[part.workload]
            found += [(number, Case(workload, peer, part.condition)) for peer in peers]
    return found


def machine_words(environment: Mapping[str, str]) -> dict[str, str]:
    """Return what the figures were measured on, in an environment."""
    model = 'unknown processor'
    known = ('FASTDDS_DEFAULT_PROFILES_FILE', 'FASTRTPS_DEFAULT_PROFILES_FILE')
    profiles = [pathlib.Path(environment[one]).name for one in known if one in environment]
    for line in pathlib.Path('/proc/cpuinfo').read_text().splitlines():
        if line.startswith('model name'):
            model = line.partition(':')[2].strip()
    return {
        'processor': f'{model}, {len(os.sched_getaffinity(0))} cores',
        'kernel': platform.release(),
        'python': platform.python_version(),
        'libraries': f'onnxruntime {onnxruntime.__version__}, numpy {np.__version__}',
        'middleware': os.environ.get('RMW_IMPLEMENTATION', 'rmw_fastrtps_cpp (default)'),
        'discovery': ', '.join([environment[RANGE], *profiles]),
        'ros': os.environ.get('ROS_DISTRO', 'jazzy'),
        'priority': 'SCHED_OTHER but in the condition fifo; timer slack 1 ns but in bare nodes',
    }


PARTS = ('worker_cost', 'recording_cost', 'recording_throughput', 'tick_cost')


def measure_parts(machine: Machine, folder: pathlib.Path) -> dict[str, object]:
    """Return what the benches of parts found; each is a program of its own."""
    found: dict[str, object] = {}
    for name in PARTS:
        file = folder / f'{name}.json'
        command = [sys.executable, str(ROOT / 'bench' / f'{name}.py'), '--json', str(file)]
        done = subprocess.run(command, env=machine.environment, timeout=600)
        if done.returncode:
            print(f'{name} failed', file=sys.stderr)
            continue
        found[name] = json.loads(file.read_text())
    return found


def measure(seconds: float, rounds: int, quick: bool, judged: bool, folder: pathlib.Path) -> None:
    """Run every block; what is found is on disk after each."""
    machine = Machine(folder)
    began = datetime.datetime.now(datetime.timezone.utc)
    words = f'python bench/control_loop.py --seconds {seconds:g} --rounds {rounds}'
    found: dict[str, object] = {
        'command': words + (' --quick' if quick else '') + (' --judged' if judged else ''),
        'date': began.strftime('%Y-%m-%d %H:%M UTC'),
        'seconds': seconds,
        'rounds': rounds,
        'machine': machine_words(machine.environment),
    }
    if not quick:
        found['parts'] = measure_parts(machine, folder)
    os.sched_setaffinity(0, {machine.other_core})
    write_workload(WORKLOADS['arm_200'], folder / 'wrapper')
    found['wrapper_us'] = wrapper_us(folder / 'wrapper' / 'bundle')
    write_workload(WORKLOADS['arms_64'], folder / 'batch')
    found['batch_us'] = batch_us(folder / 'batch' / 'bundle')
    blocks: list[dict[str, object]] = []
    plan = schedule(rounds, quick, judged)
    for index, (number, case) in enumerate(plan):
        words = f'{index + 1}/{len(plan)} {case.workload.name} {case.condition} {case.peer}'
        try:
            figures = machine.run(case, seconds, WARM_S)
        except RuntimeError as problem:
            print(f'{words}: {problem}', file=sys.stderr)
            continue
        print(f'{words}: {figures["cpu_us"]:.0f} us a tick, late p99 {figures["late_p99"]:.0f} us')
        blocks.append(
            {
                'workload': case.workload.name,
                'condition': case.condition,
                'peer': case.peer,
                'round': number,
                'figures': figures,
            }
        )
        (folder / 'blocks.json').write_text(json.dumps({**found, 'blocks': blocks}, indent=1))


def main() -> None:
    """Measure, or make the page of an earlier run."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument('--quick', action='store_true', help='three short rounds of three parts')
    parser.add_argument('--judged', action='store_true', help='only what a target is about')
    parser.add_argument('--seconds', type=float, help='length of a block (20; quick: 5)')
    parser.add_argument('--rounds', type=int, help='(10; quick: 3)')
    parser.add_argument('--page', type=pathlib.Path, metavar='FOLDER')
    parser.add_argument('--docs', action='store_true', help='renew docs/benchmarks.md')
    parser.add_argument(
        '--against', type=pathlib.Path, metavar='FOLDER', help='another run to put beside it'
    )
    options = parser.parse_args()
    sys.stdout.reconfigure(line_buffering=True)  # type: ignore[union-attr]
    folder = options.page
    if folder is None:
        name = time.strftime('%Y-%m-%d-%H%M%S', time.gmtime())
        folder = ROOT / 'build' / 'bench' / name
        folder.mkdir(parents=True)
        seconds = options.seconds or (5.0 if options.quick else 20.0)
        rounds = options.rounds or (3 if options.quick else 10)
        measure(seconds, rounds, options.quick, options.judged, folder)
    run = json.loads((folder / 'blocks.json').read_text())
    earlier = None
    if options.against is not None:
        earlier = json.loads((options.against / 'blocks.json').read_text())
    page = write_page(run, folder, earlier)
    if options.docs:
        (ROOT / 'docs' / 'benchmarks.md').write_text(page.read_text())
    print(f'written: {page}')


if __name__ == '__main__':
    main()
