"""One block of the bench: a peer runs beside a robot for some seconds, and is looked at."""

from __future__ import annotations

import compileall
import contextlib
import dataclasses
import os
import pathlib
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence

import cyclictest
import numpy as np
from tick_trace import COLUMNS, TRACE, load
from workloads import Workload, write_workload

from fournex_runtime.cli.discovery import discovery_profiles
from fournex_runtime.kernel import limit_cpu_latency

HERE = pathlib.Path(__file__).resolve().parent
PEERS = HERE / 'peers'
DOMAIN = '87'
"""Of the bench alone, so that nobody else's robot is in it."""
START_S, END_S = 90.0, 30.0
PRIORITY = 50
"""Of ``SCHED_FIFO``; ros2_control's."""
SPIN_US = 150
"""What ``ours spin`` spends awake of each wait."""
RANGE = 'ROS_AUTOMATIC_DISCOVERY_RANGE'
"""How far others are discovered: by default on this machine, so that no robot hears it."""
PAGE = os.sysconf('SC_PAGESIZE')


@dataclasses.dataclass(frozen=True)
class Case:
    """
    What one block measures.

    :param workload: what is to be done.
    :param peer: who does it: ``ours`` (the network in a worker, as wirings have it unless they say
        otherwise), ``ours spin`` (likewise, with the last part of each wait spent awake), ``ours
        inline`` (in the runtime's process), ``ours inline recording``, ``ours apart`` and ``ours
        inline apart`` (each session asked by itself), ``bare``, ``bare multi``, ``floor``,
        ``kernel`` or ``cyclictest``; a number behind it is the same once more.
    :param condition: ``idle``, ``loaded`` (a busy process on the other core), ``fifo`` (idle, with
        ``SCHED_FIFO`` of one priority for every peer, for which Fournex asks by its wiring, and no
        core that sleeps) or
        ``flood`` (service calls to the peer as fast as it answers).
    """

    workload: Workload
    peer: str
    condition: str = 'idle'

    @property
    def kind(self) -> str:
        """Return the peer without the number of its repetition."""
        return self.peer.rstrip('0123456789').strip()


@dataclasses.dataclass(frozen=True)
class Usage:
    """What a process had used at an instant."""

    steady_ns: int
    cpu_ns: int
    children_ns: int
    children_bytes: int
    major_faults: int
    minor_faults: int
    resident_bytes: int
    stolen_ticks: int


class Machine:
    """
    Where processes of the bench run.

    :param folder: for files; on a disk.
    :param domain: ROS domain of the processes.
    """

    def __init__(self, folder: pathlib.Path, domain: str = DOMAIN) -> None:
        cores = sorted(os.sched_getaffinity(0))
        self.loop_core, self.other_core = cores[-1], cores[0]
        self.folder = folder
        self._domain = domain
        self._kernel = folder / 'kernel'
        source = PEERS / 'kernel.c'
        columns = f'-DCOLUMNS={len(COLUMNS)}'
        subprocess.run(['cc', '-O2', columns, '-o', str(self._kernel), str(source)], check=True)
        # As an installed package is: whoever has to compile it first starts half a second later.
        for source in (HERE.parent / 'fournex_runtime', HERE):
            compileall.compile_dir(source, quiet=1)
        self.environment = {
            **discovery_profiles(),
            **os.environ,
            'PYTHONPATH': os.pathsep.join(
                [str(HERE.parent), str(HERE), os.environ.get('PYTHONPATH', '')]
            ),
            'ROS_DOMAIN_ID': domain,
            RANGE: os.environ.get(RANGE, 'LOCALHOST'),
            'OMP_NUM_THREADS': '1',
        }

    def run(self, case: Case, seconds: float, warm_s: float) -> dict[str, float]:
        """
        Run one block.

        :param case: what to run.
        :param seconds: how long it is looked at.
        :param warm_s: how long it runs before that.
        :returns: figures by name.
        :raises RuntimeError: a process ended by itself or did not begin.
        """
        with (
            tempfile.TemporaryDirectory(dir=self.folder) as scratch,
            contextlib.ExitStack() as end,
        ):
            folder = pathlib.Path(scratch)
            forget_ports(self._domain)
            wiring = write_workload(
                case.workload,
                folder,
                isolation='process'
                if case.kind in ('ours', 'ours spin', 'ours apart')
                else 'inline',
                priority=PRIORITY if case.condition == 'fifo' else 0,
                spin_us=SPIN_US if case.kind == 'ours spin' else 0,
                batch=not case.kind.endswith('apart'),
            )
            if case.kind not in ('kernel', 'cyclictest'):
                robot = [sys.executable, str(PEERS / 'robot.py'), case.workload.name]
                end.enter_context(self._started(robot, (self.other_core,), folder / 'robot.log'))
                time.sleep(0.7)
            if case.condition == 'fifo':
                end.callback(os.close, limit_cpu_latency(0))
            if case.condition == 'loaded':
                busy = [sys.executable, '-c', 'while True: pass']
                end.enter_context(self._started(busy, (self.other_core,), folder / 'busy.log'))
            if case.kind == 'cyclictest':
                priority = PRIORITY if case.condition == 'fifo' else 0
                period_ns = case.workload.period_ns
                return cyclictest.lateness(period_ns, seconds, priority, self.loop_core)
            return self._look(case, wiring, folder, seconds, warm_s, end)

    def _look(
        self,
        case: Case,
        wiring: pathlib.Path,
        folder: pathlib.Path,
        seconds: float,
        warm_s: float,
        end: contextlib.ExitStack,
    ) -> dict[str, float]:
        trace, log = folder / 'peer.ticks', folder / 'peer.log'
        began_ns = time.monotonic_ns()
        cores = (self.loop_core, self.other_core)  # a start is not pinned: nobody's is
        peer = end.enter_context(
            self._started(self._command(case, wiring), cores, log, {TRACE: str(trace)})
        )
        first = trace.with_suffix('.first')
        deadline = time.monotonic() + START_S
        while not first.exists():
            if peer.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f'{case} did not begin:\n{log.read_text()[-3000:]}')
            time.sleep(0.02)
        pin(peer.pid, self.loop_core)
        for child in children(peer.pid):
            pin(child, self.other_core)
        if case.condition == 'flood':
            flood = [sys.executable, str(PEERS / 'flood.py'), _node(case)]
            end.enter_context(self._started(flood, (self.other_core,), folder / 'flood.log'))
        time.sleep(warm_s)
        before = usage(peer.pid)
        time.sleep(seconds)
        after = usage(peer.pid)
        if peer.poll() is not None:
            raise RuntimeError(f'{case} ended:\n{log.read_text()[-3000:]}')
        peer.send_signal(signal.SIGTERM)
        with contextlib.suppress(subprocess.TimeoutExpired):
            peer.wait(END_S)
        if not trace.exists():
            raise RuntimeError(f'{case} left nothing behind:\n{log.read_text()[-3000:]}')
        start_ms = (int(first.read_text()) - began_ns) / 1e6
        return {'start_ms': start_ms, **figures(case.workload, load(trace), before, after)}

    def _command(self, case: Case, wiring: pathlib.Path) -> list[str]:
        model = str(wiring.parent / 'bundle' / 'policy.onnx')
        urgent = case.condition == 'fifo' and not case.kind.startswith('ours')
        before = ['chrt', '-f', str(PRIORITY)] if urgent else []
        script = [sys.executable, str(PEERS / f'{case.kind.split()[0]}.py')]
        # A machine that is busy for a moment is no reason to do without a block.
        ours = [*script, str(wiring), '--override', 'inference']
        commands = {
            'ours inline recording': [*ours, '--record', str(wiring.parent / 'runs')],
            'bare': [*script, case.workload.name, model, 'single'],
            'bare multi': [*script, case.workload.name, model, 'multi'],
            'floor': [*script, case.workload.name, model],
            'kernel': [str(self._kernel), str(case.workload.period_ns)],
        }
        command = commands.get(case.kind, ours)
        return [*before, *command]

    @contextlib.contextmanager
    def _started(
        self,
        command: Sequence[str],
        cores: Sequence[int],
        log: pathlib.Path,
        more: dict[str, str] | None = None,
    ) -> Iterator[subprocess.Popen[bytes]]:
        """Start a process on some cores, and end it at the end; by force only if it must be."""
        with log.open('wb') as output:
            process = subprocess.Popen(
                ['taskset', '-c', ','.join(map(str, cores)), *command],
                env={**self.environment, **(more or {})},
                stdout=output,
                stderr=subprocess.STDOUT,
            )
        try:
            yield process
        finally:
            process.terminate()  # whoever is killed leaves its ports of DDS behind
            try:
                process.wait(END_S)
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _node(case: Case) -> str:
    return {'ours': 'fournex', 'bare': 'bench_bare', 'floor': 'bench_floor'}[case.kind.split()[0]]


def forget_ports(domain: str) -> None:
    """
    Remove the ports of DDS in shared memory that processes of a domain have left behind.

    Fast DDS finds out with a time-out that nobody listens there: seconds of every start after it.
    Nobody of the domain may run.
    """
    first = 7400 + 250 * int(domain)
    for file in pathlib.Path('/dev/shm').glob('*fastrtps_port*'):
        number = re.search(r'fastrtps_port(\d+)', file.name)
        if number is not None and first <= int(number[1]) < first + 250:
            file.unlink(missing_ok=True)


def pin(pid: int, core: int) -> None:
    """Keep all threads of a process to one core, and with them those that they start."""
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        with contextlib.suppress(ProcessLookupError):
            os.sched_setaffinity(int(task.name), {core})


def children(pid: int) -> list[int]:
    """Return the processes that a process has started, and those that these have."""
    found: list[int] = []
    for task in pathlib.Path(f'/proc/{pid}/task').iterdir():
        for word in (task / 'children').read_text().split():
            found += [int(word), *children(int(word))]
    return found


def resident_bytes(pid: int) -> int:
    """Return what a process holds in memory."""
    return int(pathlib.Path(f'/proc/{pid}/statm').read_text().split()[1]) * PAGE


def usage(pid: int) -> Usage:
    """Return what a process has used until now; the time of its children apart."""
    fields = pathlib.Path(f'/proc/{pid}/stat').read_text().rpartition(')')[2].split()
    stolen = pathlib.Path('/proc/stat').read_text().split('\n', 1)[0].split()[8]
    others = children(pid)
    return Usage(
        time.monotonic_ns(),
        cpu_ns(pid),
        sum(map(cpu_ns, others)),
        sum(map(resident_bytes, others)),
        int(fields[9]),
        int(fields[7]),
        resident_bytes(pid),
        int(stolen),
    )


def cpu_ns(pid: int) -> int:
    """Return the processor time of all threads of a process, by its own clock."""
    return time.clock_gettime_ns(~pid << 3 | 2)


def figures(
    workload: Workload, ticks: dict[str, np.ndarray], before: Usage, after: Usage
) -> dict[str, float]:
    """Return what a block says, by name; times in microseconds, sizes in MB."""
    span_ns = after.steady_ns - before.steady_ns
    inside = (ticks['begin_ns'] >= before.steady_ns) & (ticks['begin_ns'] < after.steady_ns)
    seen = {name: values[inside] for name, values in ticks.items()}
    count = int(inside.sum())
    if count == 0:
        raise RuntimeError('no tick in the block')
    expected = span_ns / workload.period_ns * workload.robots
    on_time = int((seen['published_ns'] < seen['due_ns'] + workload.period_ns).sum())
    found = {
        'ticks': float(count),
        'misses': max(0.0, 1.0 - on_time / expected),
        'cpu_us': (after.cpu_ns - before.cpu_ns) / count / 1e3,
        'children_cpu_us': (after.children_ns - before.children_ns) / count / 1e3,
        'resident_mb': after.resident_bytes / 1e6,
        'children_mb': after.children_bytes / 1e6,
        'major_faults': float(after.major_faults - before.major_faults),
        'minor_faults': float(after.minor_faults - before.minor_faults),
        'load': os.getloadavg()[0],
        'stolen': (after.stolen_ticks - before.stolen_ticks) / 100 / (span_ns / 1e9),
    }
    spread('late', seen['begin_ns'] - seen['due_ns'], found)
    if not seen['infer_ns'].any():
        return found  # the kernel's floor does nothing else
    spread('work', seen['published_ns'] - seen['begin_ns'] - seen['infer_ns'], found)
    spread('age', seen['published_ns'] - seen['stamp_ns'], found)
    for name in ('infer', 'seen', 'take', 'decode', 'observe', 'conclude', 'publish', 'record'):
        if (values := seen[f'{name}_ns']).any():
            found[f'{name}_p50'] = float(np.median(values)) / 1e3
    return found


def spread(name: str, values_ns: np.ndarray, found: dict[str, float]) -> None:
    """Add the percentiles and the maximum of durations."""
    for words, value in zip(
        ('p50', 'p99', 'p99.9', 'max'), np.percentile(values_ns, (50, 99, 99.9, 100))
    ):
        found[f'{name}_{words}'] = float(value) / 1e3
