"""The floor of waking as Debian's rt-tests measure it, where they are installed."""

from __future__ import annotations

import os
import re
import shutil
import subprocess

import numpy as np

_MOST_US = 50_000
"""Length of the histogram; a wake-up that is later counts as this late."""
_LINE = re.compile(r'^(\d+)\s+(\d+)$', re.MULTILINE)
_LATER = re.compile(r'^# Histogram Overflows:\s+(\d+)$', re.MULTILINE)


def installed() -> bool:
    """Return whether there is a ``cyclictest``."""
    return shutil.which('cyclictest') is not None


def lateness(period_ns: int, seconds: float, priority: int, core: int) -> dict[str, float]:
    """
    Let ``cyclictest`` wake at a rate; it forbids deep sleep of the cores, unlike its peers.

    :param period_ns: the period.
    :param seconds: how long, in whole seconds.
    :param priority: of ``SCHED_FIFO``; 0 for the usual scheduling.
    :param core: the processor core it runs on.
    :returns: figures of a block, by name; microseconds.
    :raises RuntimeError: it failed.
    """
    command = ['taskset', '-c', str(core), 'cyclictest', '--threads=1', '--quiet']
    command += [f'--interval={period_ns // 1000}', f'--duration={max(1, round(seconds))}']
    command += [f'--histogram={_MOST_US}', f'--affinity={core}']
    if priority:
        command += ['--policy=fifo', f'--priority={priority}']
    process = subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    assert process.stdout is not None
    words = process.stdout.read()
    _, status, used = os.wait4(process.pid, 0)
    process.returncode = os.waitstatus_to_exitcode(status)
    counts = {int(late): int(count) for late, count in _LINE.findall(words)}
    later = _LATER.search(words)
    total = sum(counts.values())
    if process.returncode or not total or later is None:
        raise RuntimeError(f'{" ".join(command)} failed:\n{words[-2000:]}')
    late_us = np.repeat([*counts, _MOST_US], [*counts.values(), int(later[1])])
    found = {
        f'late_{name}': float(value)
        for name, value in zip(
            ('p50', 'p99', 'p99.9', 'max'), np.percentile(late_us, (50, 99, 99.9, 100))
        )
    }
    cpu_us = (used.ru_utime + used.ru_stime) * 1e6 / len(late_us)
    return {**found, 'ticks': float(len(late_us)), 'cpu_us': cpu_us}
