"""
Real-time manners: what the control loop may ask of the kernel, from the wiring's ``realtime:``.

Each manner is granted or refused, and the refusal says why and what would mend it; none is needed
to drive a robot. This module reads what is asked for; ``ros/realtime.py`` asks.
"""

from __future__ import annotations

import dataclasses

from ..configuration import Section
from ..policy.inference import MOST_THREADS, Inference

LEAST_PRIORITY, GREATEST_PRIORITY = 1, 99
GREATEST_SPIN_NS = 2_000_000
GREATEST_CPU_LATENCY_NS = 1_000_000_000


@dataclasses.dataclass(frozen=True)
class Realtime:
    """
    What the loop is to ask for.

    :param cores: processor cores that its thread may run on; empty for all.
    :param priority: of ``SCHED_FIFO``; 0 for none.
    :param worker_priority: that of the workers, which the loop waits for; 0 for none.
    :param cpu_latency_ns: how long a core that sleeps may take to wake; None: as the kernel likes.
    :param threads: how many processor threads BLAS, torch and ONNX Runtime may use each, unless a
        session's ``inference:`` says otherwise; None: one, and BLAS as it likes.
    :param lock_memory: keep every page of the process, and of its workers, in memory.
    :param quiet_collector: collect garbage between ticks only, where there is time for it.
    :param spin_ns: the last part of each wait for a release, and the first of each wait for an
        answer, spent looking instead of asleep.
    :param required: a refusal ends the activation; else it is reported.
    :param fits: sessions that need more time than there is end it, too; else that is reported.
    """

    cores: tuple[int, ...] = ()
    priority: int = 0
    worker_priority: int = 0
    cpu_latency_ns: int | None = None
    threads: int | None = None
    lock_memory: bool = False
    quiet_collector: bool = False
    spin_ns: int = 0
    required: bool = False
    fits: bool = True

    def for_worker(self, inference: Inference) -> Inference:
        """Return the same inference with what its worker, if it has one, is to ask for."""
        if inference.isolation == 'inline':
            return inference
        return dataclasses.replace(
            inference,
            priority=self.worker_priority,
            lock_memory=self.lock_memory,
            spin_ns=self.spin_ns,
        )


AS_IT_COMES = Realtime()
"""That of a wiring which asks for nothing."""


def read_realtime(section: Section | None) -> Realtime:
    """
    Read the section ``realtime`` of a wiring.

    :param section: the section; None where the wiring has none.
    :raises WiringError: it is not valid.
    """
    if section is None:
        return AS_IT_COMES
    cores = section.cores('cores') if 'cores' in section else ()
    priority = _priority(section, 'priority', 0, LEAST_PRIORITY)
    # Below the loop's: it waits for an answer, but one that hangs is not to hold it up.
    below = max(LEAST_PRIORITY, priority - 1) if priority else 0
    worker_priority = _priority(section, 'worker_priority', below, 0)
    spin_ns = section.duration_ns('spin', 0)
    if not 0 <= spin_ns <= GREATEST_SPIN_NS:
        raise section.problem(
            'spin',
            f'expected at most {GREATEST_SPIN_NS / 1e6:g} ms: while it looks at the clock, the '
            'loop keeps its core and the interpreter from everybody else',
        )
    cpu_latency_ns = _cpu_latency_ns(section)
    threads = None
    if 'threads' in section:
        threads = section.integer('threads', least=1, most=MOST_THREADS)
    found = Realtime(
        cores=cores,
        priority=priority,
        worker_priority=worker_priority,
        cpu_latency_ns=cpu_latency_ns,
        threads=threads,
        lock_memory=section.flag('lock_memory', False),
        quiet_collector=section.choice(
            'garbage_collector', ('automatic', 'between_ticks'), 'automatic'
        )
        == 'between_ticks',
        spin_ns=spin_ns,
        required=section.choice('on_refusal', ('report', 'refuse'), 'report') == 'refuse',
        fits=section.choice('on_overload', ('report', 'refuse'), 'refuse') == 'refuse',
    )
    section.finish()
    return found


def _cpu_latency_ns(section: Section) -> int | None:
    if 'cpu_latency' not in section:
        return None
    if section.text('cpu_latency') == '0':
        return 0
    found = section.duration_ns('cpu_latency')
    if found > GREATEST_CPU_LATENCY_NS:
        raise section.problem('cpu_latency', 'expected 0, or a duration up to 1 s')
    return found


def _priority(section: Section, key: str, default: int, least: int) -> int:
    if key not in section:
        return default
    found = section.integer(key)
    if not least <= found <= GREATEST_PRIORITY:
        raise section.problem(
            key,
            f'{found} is no priority of SCHED_FIFO: expected {least} to {GREATEST_PRIORITY}',
        )
    return found
