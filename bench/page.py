"""A run of the bench as a page of Markdown, and as plots where matplotlib is there."""

from __future__ import annotations

import pathlib
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from ratios import Blocks, of, ratio, values
from targets import verdicts

NAMES = {
    'ours': 'Fournex',
    'ours spin': 'Fournex, the last 150 µs of a wait awake',
    'ours inline': 'Fournex, inline',
    'ours inline recording': 'Fournex, inline, recording',
    'ours apart': 'Fournex, each asked by itself',
    'ours inline apart': 'Fournex, inline, each asked by itself',
    'bare': 'bare rclpy node',
    'bare multi': 'bare, MultiThreadedExecutor',
    'floor': 'floor loop',
    'floor 2': 'floor loop, again',
    'kernel': 'kernel floor',
    'kernel 2': 'kernel floor, again',
    'cyclictest': 'cyclictest',
}
COLUMNS = (
    ('late p50', 'late_p50', '.0f'),
    ('p99', 'late_p99', '.0f'),
    ('p99.9', 'late_p99.9', '.0f'),
    ('max', 'late_max', '.0f'),
    ('age p50', 'age_p50', '.0f'),
    ('p99', 'age_p99', '.0f'),
    ('work p50', 'work_p50', '.0f'),
    ('p99', 'work_p99', '.0f'),
    ('infer p50', 'infer_p50', '.0f'),
    ('CPU', 'cpu_us', '.0f'),
    ('children', 'children_cpu_us', '.0f'),
    ('missed', 'misses', '.2%'),
    ('RSS MB', 'resident_mb', '.0f'),
    ('children', 'children_mb', '.0f'),
    ('start ms', 'start_ms', '.0f'),
)
STAGES = (
    ('take', 'take_p50', 'messages out of the middleware'),
    ('decode', 'decode_p50', 'new messages from their bytes'),
    ('observe', 'observe_p50', 'ages, faults, observation'),
    ('infer', 'infer_p50', 'the network, with its wrapper'),
    ('conclude', 'conclude_p50', 'checks, gate, command as bytes, record, next state'),
    ('publish', 'publish_p50', 'the command into the middleware'),
    ('record', 'record_p50', 'accounts, and the record where there is one'),
)
_HEAD = """\
# Benchmarks

Made by `make bench` ([bench/control_loop.py](../bench/control_loop.py)); nothing here is written
by hand. Absolute figures are of this machine on this day; only ratios of blocks that ran beside
each other are judged.

| | |
| --- | --- |
"""
_METHOD = """
Each block is a process of its own beside one that plays the robot, on a ROS domain of their own;
peers in random order, {rounds} rounds of blocks of {seconds:g} s (fewer for what no target is
about), the first second of each not counted. From its first command on the peer, all its threads
included, is pinned to one core; robot, worker, recorder and load to the other. Peers get the same
messages and the same ONNX file (a perceptron of 51-64-64-12 for an arm), and note their timestamps
in memory.

*idle* is nothing else running, *loaded* a busy process on the other core, *fifo* idle with
SCHED_FIFO 50 for all peers (for Fournex by its wiring, which gives its worker 49) on cores that do
not sleep (PM QoS, as cyclictest asks for, too), *flood* service calls to the peer as fast as it
answers. *Fournex* asks the network in a worker process, as it does
unless a wiring says otherwise; *inline* in its own, as all its peers do. A *bare node* is
what a user would write with rclpy (`bench/peers/bare.py`), the *floor loop* takes, infers,
publishes and does nothing else (`bench/peers/floor.py`), the *kernel floor* is absolute sleeps in
C (`bench/peers/kernel.c`); *cyclictest* of Debian's rt-tests is there where it is installed.

Intervals are 95 % bootstrap intervals of the median over the rounds. *Met* and *missed* are said
where the whole interval is on one side of the target.
"""

_COLUMNS = """\
Medians over the blocks; microseconds unless said otherwise. *late*: release lateness. *age*: of
the newest sensor sample when the command is out. *work*: from the first take until the command is
out, without inference. *CPU*: of the whole process, for each tick; *children*: of its worker and
its recorder, likewise of memory. *missed*: ticks that did not happen, or whose command was not out
before the next release.
"""


def write_page(
    run: Mapping[str, Any], folder: pathlib.Path, earlier: Mapping[str, Any] | None = None
) -> pathlib.Path:
    """
    Write ``benchmarks.md``, and the plots where they can be drawn.

    :param run: what ``blocks.json`` holds.
    :param folder: where to.
    :param earlier: another run to put beside it.
    """
    page = folder / 'benchmarks.md'
    page.write_text('\n'.join(_lines(run, earlier)) + '\n')
    try:
        from plots import draw
    except ImportError:
        print('no plots: matplotlib is not installed (pip install matplotlib)')
    else:
        draw(run['blocks'], folder)
    return page


def _lines(run: Mapping[str, Any], earlier: Mapping[str, Any] | None) -> Iterator[str]:
    blocks: Blocks = run['blocks']
    yield _HEAD + f'| command | `{run["command"]}` |\n| date | {run["date"]} |'
    for name, words in run['machine'].items():
        yield f'| {name} | {words} |'
    yield _METHOD.format(rounds=len({one['round'] for one in blocks}), seconds=run['seconds'])
    yield '## Targets\n\n| | where | target | found | |\n| --- | --- | --- | --- | --- |'
    for where, one in verdicts(run):
        yield f'| {one.what} | {where} | {one.target} | {one.found} | {one.verdict} |'
    if earlier is not None:
        yield from _beside(run, earlier)
    yield '\n## Where the time of a tick goes\n'
    yield from _stages(blocks)
    yield '\n## Every case\n'
    yield _COLUMNS
    cases = dict.fromkeys((str(one['workload']), str(one['condition'])) for one in blocks)
    for workload, condition in cases:
        yield from _case(blocks, workload, condition)
    yield from _quiet(blocks)


def _beside(run: Mapping[str, Any], earlier: Mapping[str, Any]) -> Iterator[str]:
    """Compare what two runs found about each target."""
    yield '\n## Two runs compared\n'
    yield f'This run is of {run["date"]}, the other of {earlier["date"]}'
    yield f'(`{earlier["command"]}`).'
    yield 'They agree where their intervals overlap or their medians are within 10 %.\n'
    yield '| | where | target | the other run | this run | this of the other | |'
    yield '| --- | --- | --- | --- | --- | --- | --- |'
    before = {(where, one.what): one for where, one in verdicts(earlier)}
    for where, one in verdicts(run):
        other = before.get((where, one.what))
        if other is None:
            continue
        quotient = one.value.middle / other.value.middle if other.value.middle else np.nan
        part = '' if np.isnan(quotient) else f'{quotient:.2f}'
        agree = 'agree' if one.value.agrees(other.value) else 'differ'
        yield (
            f'| {one.what} | {where} | {one.target} | {other.found}, {other.verdict} '
            f'| {one.found}, {one.verdict} | {part} | {agree} |'
        )


def _stages(blocks: Blocks) -> Iterator[str]:
    cases = [('arm_200', peer) for peer in ('ours', 'ours inline', 'ours inline recording')]
    cases += [(workload, 'ours inline') for workload in ('scan_50', 'camera_30', 'arms_64')]
    cases = [one for one in cases if len(values(blocks, one[0], 'idle', one[1], 'take_p50'))]
    titles = [f'{workload}, {NAMES[peer]}' for workload, peer in cases]
    yield f'| p50, µs | {" | ".join(titles)} | |'
    yield '| --- |' + ' --- |' * (len(cases) + 1)
    for name, figure, words in STAGES:
        cells = [
            f'{np.nanmedian(values(blocks, workload, "idle", peer, figure)):.0f}'
            for workload, peer in cases
        ]
        yield f'| {name} | {" | ".join(cells)} | {words} |'
    rest = []
    for workload, peer in cases:
        waits = peer == 'ours' or workload.startswith('arms')  # for a worker, or for the others
        own = [one for one in STAGES if not waits or one[0] != 'infer']
        stages = sum(values(blocks, workload, 'idle', peer, figure) for _, figure, _ in own)
        rest.append(
            f'{np.nanmedian(values(blocks, workload, "idle", peer, "cpu_us") - stages):.0f}'
        )
    yield (
        f'| the rest of the CPU time | {" | ".join(rest)} | receiving threads of the middleware, '
        'waiting, services |'
    )


def _case(blocks: Blocks, workload: str, condition: str) -> Iterator[str]:
    yield f'### {workload}, {condition}\n'
    yield f'| | {" | ".join(title for title, _, _ in COLUMNS)} |'
    yield '| --- |' + ' --- |' * len(COLUMNS)
    present = [peer for peer in NAMES if len(values(blocks, workload, condition, peer, 'cpu_us'))]
    for peer in present:
        cells = []
        for _, figure, form in COLUMNS:
            middle = np.median(values(blocks, workload, condition, peer, figure))
            cells.append('' if np.isnan(middle) else format(middle, form))
        yield f'| {NAMES[peer]} | {" | ".join(cells)} |'
    yield ''
    against = [one for one in ('bare', 'floor', 'kernel') if one in present and 'ours' in present]
    if against:
        yield f'| Fournex against | {" | ".join(NAMES[one] for one in against)} |'
        yield '| --- |' + ' --- |' * len(against)
        for title, figure in (
            ('CPU per tick, worker included', 'cpu_us+children_cpu_us'),
            ('work p50', 'work_p50'),
            ('late p50', 'late_p50'),
            ('late p99', 'late_p99'),
            ('late p99.9', 'late_p99.9'),
            ('age p50', 'age_p50'),
        ):
            cells = [
                str(ratio(blocks, workload, condition, (figure,) * 2, ('ours', one)) or '')
                for one in against
            ]
            yield f'| {title} | {" | ".join(cells)} |'
        yield ''


def _quiet(blocks: Blocks) -> Iterator[str]:
    stolen = [of(one, 'stolen') for one in blocks]
    faults = np.nansum([of(one, 'major_faults') for one in blocks])
    yield (
        f'{len(blocks)} blocks. Stolen by the hypervisor: {np.nanmean(stolen):.2%} of one core on '
        f'average, at most {np.nanmax(stolen):.2%} in a block. Major page faults within '
        f'blocks, all peers: {faults:.0f}.'
    )
    load = [of(one, 'load') for one in blocks]
    if np.isfinite(load).any():
        yield (
            f'\nLoad average of the machine, the bench itself included: median '
            f'{np.nanmedian(load):.1f}, at most {np.nanmax(load):.1f}.'
        )
