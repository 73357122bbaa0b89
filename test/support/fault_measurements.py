"""What an independent subscriber saw of each fault, and what the recording says of it."""

from __future__ import annotations

import bisect
import dataclasses
import itertools
import pathlib
from collections.abc import Iterable, Sequence
from typing import Any

from fault_run import POLICY, STOP, Injected, valid
from robot_side import Command

from fournex_runtime.record.bag_reader import BagReader
from fournex_runtime.record.tick_record import TICK_TYPE
from fournex_runtime.session.tick import Mode


@dataclasses.dataclass(frozen=True)
class Measured:
    """
    One fault that was injected.

    :param injected: which.
    :param noticed_ms: from the injection to the moment at which the tick knew; None where no tick
        had to.
    :param sent_ms: from there until the middleware had the command of that tick, likewise.
    :param reacted_ms: from there until the subscriber had the next command, likewise.
    :param gap_ms: longest time without a command, from the injection to its end; None where there
        are to be no commands.
    :param without: ticks without a valid command.
    :param skipped: releases that had no tick; None where not all ticks are recorded.
    :param published: what was published from then on, in words.
    :param workers: the numbers of the workers that answered, from the tick before it.
    """

    injected: Injected
    noticed_ms: float | None
    sent_ms: float | None
    reacted_ms: float | None
    gap_ms: float | None
    without: int
    skipped: int | None
    published: str
    workers: list[int]


def read_ticks(bags: Iterable[pathlib.Path], session: str) -> list[Any]:
    """Return the tick records of one recording after the other, as messages."""
    found = []
    for bag in bags:
        with BagReader(bag) as reader:
            types = reader.types()
            found += [
                types.decode(one.data, TICK_TYPE)
                for one in reader.messages([f'/fournex/{session}/tick'])
            ]
    return found


def refused(one: Injected, commands: Sequence[Command]) -> Measured:
    """Return what came of a fault that keeps a session from beginning."""
    assert not [command for command in commands if one.begin_ns <= command.steady_ns <= one.end_ns]
    noticed_ms = (one.end_ns - one.begin_ns) * 1e-6
    return Measured(one, noticed_ms, None, None, None, 0, None, 'nothing', [])


def measure(
    faults: Sequence[Injected], ticks: Sequence[Any], commands: Sequence[Command]
) -> list[Measured]:
    """
    Return what came of each fault.

    :param ticks: of the recording; as far as it goes.
    :param commands: what the subscriber got.
    """
    ticks_ns = [tick.steady_ns for tick in ticks]
    commands_ns = [command.steady_ns for command in commands]
    found = []
    for one in faults:
        first, last = (bisect.bisect_left(ticks_ns, ns) for ns in (one.begin_ns, one.end_ns))
        heard = bisect.bisect_left(commands_ns, one.begin_ns)
        found.append(_measure(one, ticks[max(0, first - 1) : last + 1], commands[heard:]))
    return found


def _measure(one: Injected, ticks: Sequence[Any], commands: Sequence[Command]) -> Measured:
    during = [tick for tick in ticks if one.begin_ns <= tick.steady_ns <= one.end_ns]
    noticing = [tick for tick in during if tick.mode != Mode.POLICY and one.row.ends != 'policy']
    noticed_ms = sent_ms = reacted_ms = None
    if noticing:
        first = noticing[0]
        known_ns = first.steady_ns + sum(
            getattr(first.timing, stage) for stage in ('decode_ns', 'observe_ns', 'infer_ns')
        )
        noticed_ms = (known_ns - one.begin_ns) * 1e-6
        sent_ms = (first.timing.conclude_ns + first.timing.publish_ns) * 1e-6
        reacted_ms = (_next(commands, known_ns) - known_ns) * 1e-6
    upto = itertools.takewhile(lambda command: command.steady_ns <= one.end_ns, commands)
    heard = [command for command in upto if command.steady_ns >= one.begin_ns]
    times = [one.begin_ns, *(command.steady_ns for command in heard)]
    gap_ms = max(after - before for before, after in zip(times, times[1:])) * 1e-6
    without = sum(not len(tick.command_indices) for tick in during)
    without += sum(not valid(command.values) for command in heard)
    skipped = None
    if during and not one.row.ends_recording:
        skipped = sum(tick.timing.skipped for tick in during)
    before = [tick for tick in ticks if tick.steady_ns < one.begin_ns][-1:]
    workers = sorted({tick.timing.worker for tick in (*before, *during)} - {0})
    words = _words(heard)
    return Measured(one, noticed_ms, sent_ms, reacted_ms, gap_ms, without, skipped, words, workers)


def _next(commands: Sequence[Command], after_ns: int) -> int:
    """Return when the first command came after a time."""
    return next(one.steady_ns for one in commands if one.steady_ns > after_ns)


def _words(heard: Sequence[Command]) -> str:
    """Return which commands came, in their order, in words."""
    names = {POLICY: "the policy's", STOP: 'the stop command'}
    said: list[str] = []
    for command in heard:
        word = names.get(command.values, 'at the limit')
        if said[-1:] != [word]:
            said.append(word)
    return ', then '.join(said)
