"""The targets of the control loop, judged by the blocks of a run."""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from blocks import SPIN_US
from ratios import LEAST_ROUNDS, Blocks, Ratio, bootstrap, ratio, resolvable, values


@dataclasses.dataclass(frozen=True)
class Verdict:
    """One target: what was asked, what was found, in words and as it is, and the judgement."""

    what: str
    target: str
    found: str
    verdict: str
    value: Ratio


@dataclasses.dataclass(frozen=True)
class RatioTarget:
    """
    A ratio that is not to be exceeded.

    :param what: in words.
    :param workload: of which workload.
    :param figures: above and below the line; one for both.
    :param against: the peer below the line.
    :param target: the greatest ratio.
    :param peer: the peer above the line.
    :param condition: in which condition.
    :param same: two peers that are the same one, where the figure is judged only if they agree.
    """

    what: str
    workload: str
    figures: tuple[str, str]
    against: str
    target: float
    peer: str = 'ours'
    condition: str = 'idle'
    same: tuple[str, str] | None = None

    def judged(self, blocks: Blocks) -> Verdict | None:
        """Return the verdict; None where it was not measured."""
        found = ratio(
            blocks, self.workload, self.condition, self.figures, (self.peer, self.against)
        )
        if found is None:
            return None
        verdict = found.judged(self.target)
        if self.same is not None and found.rounds >= LEAST_ROUNDS:
            below = (self.figures[1], self.figures[1])
            itself = ratio(blocks, self.workload, self.condition, below, self.same)
            if not resolvable(itself):
                verdict = f'not resolvable here: the floor against itself is {itself}'
        return Verdict(self.what, f'≤ {self.target:g}', str(found), verdict, found)


_AGAINST = {'kernel': 'kernel floor', 'bare': 'bare node'}


def _same(figure: str) -> tuple[str, str]:
    return figure, figure


def _ratio_targets() -> Iterator[RatioTarget]:
    everything = 'cpu_us+children_cpu_us'
    for words, peer, target in (
        ('CPU per tick, network inline', 'ours inline', 0.40),
        ('CPU per tick, worker included', 'ours', 0.40),
        ('CPU per tick with full recording, recorder included', 'ours inline recording', 0.60),
    ):
        figures = (everything, 'cpu_us')
        words = f'{words}, of the bare node'
        yield RatioTarget(words, 'arm_200', figures, 'bare', target, peer)
    yield RatioTarget(
        'tick work p50 (first take to published, without inference), of the floor loop',
        'arm_200',
        _same('work_p50'),
        'floor',
        1.5,
        'ours inline',
        same=('floor 2', 'floor'),
    )
    for condition in ('idle', 'loaded', 'fifo'):
        for workload in ('arm_500', 'arm_1000'):
            for figure, target in (('late_p99', 1.5), ('late_p99.9', 2.0)):
                words = f'release lateness {figure[5:]}'
                kernel = ('kernel 2', 'kernel')
                asked = [
                    ('ours inline', ', network inline', 'kernel', target),
                    ('ours', ', worker', 'kernel', target),
                    ('ours inline', ', network inline', 'bare', 1.0),
                    ('ours', ', worker', 'bare', 1.0),
                ]
                if condition == 'fifo':
                    awake = f', worker, with the last {SPIN_US} µs awake'
                    asked.append(('ours spin', awake, 'kernel', target))
                for peer, how, against, most in asked:
                    yield RatioTarget(
                        f'{words}{how}, of the {_AGAINST[against]}',
                        workload,
                        _same(figure),
                        against,
                        most,
                        peer,
                        condition,
                        kernel,
                    )
    yield RatioTarget(
        'camera message to observation, of the bare node',
        'camera_30',
        _same('seen_p50'),
        'bare',
        0.15,
        'ours inline',
    )
    yield RatioTarget(
        'CPU of 64 arms in one batch, of 64 separate ones, workers included',
        'arms_64',
        _same(everything),
        'ours apart',
        0.5,
    )
    yield RatioTarget(
        'CPU of 64 arms in one batch, of 64 separate ones, inline',
        'arms_64',
        _same('cpu_us'),
        'ours inline apart',
        0.5,
        'ours inline',
    )


def verdicts(run: Mapping[str, Any]) -> list[tuple[str, Verdict]]:
    """Return every target that a run says something about, each with its workload."""
    blocks: Blocks = run['blocks']
    found = []
    for one in _ratio_targets():
        verdict = one.judged(blocks)
        if verdict is not None:
            found.append((f'{one.workload}, {one.condition}', verdict))
    added = [ours - raw for raw, ours in run['wrapper_us']]
    found.append(
        _at_most('in process', 'wrapper around a raw ONNX Runtime call, p50', added, 5.0, 'µs')
    )
    shares = [together / apart for together, apart in run.get('batch_us', ())]
    if shares:
        words = 'asking the network for 64 arms in one batch, CPU, of 64 separate calls'
        found.append(_at_most('in process', words, shares, 0.5, ''))
    found += _parts(run.get('parts', {}))
    found += _in_the_loop(blocks, run.get('parts', {}))
    for what, workload, figure, factor, target, unit in (
        ('process start to first command', 'arm_200', 'start_ms', 1.0, 1500.0, 'ms'),
        ('resident memory, inline', 'arm_200', 'resident_mb', 1.0, 160.0, 'MB'),
        (
            'resident memory, worker too',
            'arm_200',
            'resident_mb+children_mb',
            1.0,
            160.0,
            'MB',
        ),
        ('major page faults after warm-up', 'arm_200', 'major_faults', 1.0, 0.0, ''),
        ('deadline misses of 64 arms', 'arms_64', 'misses', 100.0, 0.1, '%'),
    ):
        peer = 'ours inline' if 'inline' in what or workload == 'arms_64' else 'ours'
        seen = values(blocks, workload, 'idle', peer, figure) * factor
        if len(seen):
            itself = None
            if unit in ('ms', 'MB'):  # a busy machine only makes the others greater
                same = _same(figure.partition('+')[0])
                itself = ratio(blocks, 'arm_200', 'idle', same, ('floor 2', 'floor'))
            place = f'{workload}, idle'
            found.append(_at_most(place, what, list(seen), target, unit, itself))
    return found


def _in_the_loop(blocks: Blocks, parts: Mapping[str, Any]) -> Iterator[tuple[str, Verdict]]:
    """Judge what a worker and the stopwatch cost in the loop itself."""
    for workload in ('arm_200', 'arm_500', 'arm_1000'):
        for condition in ('idle', 'fifo'):
            there, here = (
                values(blocks, workload, condition, peer, 'infer_p50')
                for peer in ('ours', 'ours inline')
            )
            if len(here) and len(there) == len(here):
                words = 'what a worker on another core adds to an answer in the loop, p50'
                yield _at_most(f'{workload}, {condition}', words, list(there - here), 30.0, 'µs')
    timing_us = parts.get('tick_cost', {}).get('rested')
    cpu_us = values(blocks, 'arm_200', 'idle', 'ours inline', 'cpu_us')
    if timing_us and len(cpu_us):
        shares = [one / float(np.median(cpu_us)) * 100.0 for one in timing_us]
        words = 'timing every stage of a tick, of the CPU time of the tick'
        yield _at_most('arm_200, idle', words, shares, 3.0, '%')


def _parts(parts: Mapping[str, Any]) -> Iterator[tuple[str, Verdict]]:
    """Judge what the benches of parts found."""
    for place in ('same core', 'another core'):
        added = parts.get('worker_cost', {}).get(place)
        if added:
            yield _at_most(place, 'what a worker adds to a call, p50', added, 30.0, 'µs')
    for pacing in ('back to back', 'after a tick'):
        took = parts.get('recording_cost', {}).get(pacing)
        if took:
            words = 'a tick of four messages into the ring of the recorder, p99'
            yield _at_most(pacing, words, took, 5.0, 'µs')
    for compression, one in parts.get('recording_throughput', {}).items():
        lost = one['dropped'] + one['missed']
        found = (
            f'{one["MB/s in"]:g} MB/s; {lost} of {one["images"] + lost} images dropped, '
            f'0 of {one["ticks"]} ticks; {one["skipped"]} releases skipped'
        )
        yield (
            f'compression {compression}',
            Verdict(
                'images that the runtime records beside an arm at 200 Hz, of 100 MB/s sent',
                'no tick lost',
                found,
                'met, images dropped' if lost else 'met',
                Ratio(one['MB/s in'], one['MB/s in'], one['MB/s in'], 1),
            ),
        )


def _at_most(
    where: str,
    what: str,
    seen: list[float],
    target: float,
    unit: str,
    itself: Ratio | None = None,
) -> tuple[str, Verdict]:
    """Judge figures that stand for themselves, where the floor, if it has them, is itself."""
    one = bootstrap(np.array(seen))
    found = f'{one.middle:.4g} {unit} ({one.low:.4g} to {one.high:.4g})'.replace('  ', ' ')
    verdict = one.judged(target)
    if itself is not None and not resolvable(itself):
        verdict = f'not resolvable here: the floor against itself is {itself}'
    return where, Verdict(what, f'≤ {target:g} {unit}'.strip(), found, verdict, one)
