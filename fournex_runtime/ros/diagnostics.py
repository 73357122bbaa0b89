"""
Diagnostics of the sessions on ``/diagnostics``.

``diagnostic_updater`` does it where it is installed (it comes with ROS 2, not from PyPI); else
:class:`PlainUpdater` stands in with the part of its interface that is used here.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray, DiagnosticStatus, KeyValue
from rclpy.node import Node

from ..policy.backend import Backend
from ..session.blame import blame_words
from ..session.silence import silence_words
from ..session.tick import Mode
from ..worker.succession import SuccessiveWorkers, describe_isolation
from .hosted import HostedSession

LEVELS = {
    Mode.STANDBY: DiagnosticStatus.OK,
    Mode.POLICY: DiagnosticStatus.OK,
    Mode.FALLBACK: DiagnosticStatus.WARN,
    Mode.STOPPED: DiagnosticStatus.ERROR,
    Mode.MANUAL: DiagnosticStatus.WARN,
}


class PlainStatus(DiagnosticStatus):
    """A status that fills in as ``diagnostic_updater.DiagnosticStatusWrapper`` does."""

    def summary(self, level: bytes, message: str) -> None:
        """Set level and message."""
        self.level = level
        self.message = message

    def add(self, key: str, value: str) -> None:
        """Add a value."""
        self.values.append(KeyValue(key=key, value=value))


class PlainUpdater:
    """
    Publishes the status of its tasks, some of which are filled in whenever it is told to.

    :param node: the node to publish with.
    """

    def __init__(self, node: Node) -> None:
        self._node = node
        self._tasks: list[tuple[str, Callable[[Any], Any]]] = []
        self._left: list[tuple[str, Callable[[Any], Any]]] = []
        self._array = DiagnosticArray()
        self._hardware_id = ''
        self.publisher: Any = node.create_publisher(DiagnosticArray, '/diagnostics', 1)

    def setHardwareID(self, hardware_id: str) -> None:  # noqa: N802 - diagnostic_updater's name
        """Set the hardware id of every status."""
        self._hardware_id = hardware_id

    def add(self, name: str, task: Callable[[Any], Any]) -> None:
        """Add a task that fills in a status."""
        self._tasks.append((name, task))

    def removeByName(self, name: str) -> bool:  # noqa: N802 - diagnostic_updater's name
        """Remove a task."""
        before = len(self._tasks)
        self._tasks = [task for task in self._tasks if task[0] != name]
        self._left = []
        return len(self._tasks) != before

    def go_on(self, count: int) -> None:
        """Fill in the status of some more tasks; publish all of them after the last."""
        if not self._left:
            self._left, self._array = [*self._tasks], DiagnosticArray()
        left = self._left  # another thread may remove a task
        for name, task in left[:count]:
            status = PlainStatus(
                name=f'{self._node.get_name()}: {name}', hardware_id=self._hardware_id
            )
            task(status)
            self._array.status.append(status)
        del left[:count]
        if not left:
            self._array.header.stamp = self._node.get_clock().now().to_msg()
            self.publisher.publish(self._array)


def make_updater(node: Node) -> Any:
    """Return ``diagnostic_updater``'s updater where it is installed, else the stand-in."""
    try:
        from diagnostic_updater import Updater
    except ImportError:
        return PlainUpdater(node)
    return Updater(node)


def _workers(backend: Backend) -> list[tuple[str, str]]:
    """Return how the workers of a session do; nothing where it has none."""
    if not isinstance(backend, SuccessiveWorkers):
        return []
    spare = ('ready' if backend.spare_pid else 'being started') if backend.has_spare else 'none'
    return [('workers that died', str(backend.deaths)), ('spare worker', spare)]


def fill_status(status: Any, session: HostedSession, active: bool, dropped: int) -> Any:
    """
    Fill in the diagnostic status of a session.

    :param status: a ``DiagnosticStatusWrapper``.
    :param session: the session.
    :param active: whether its runtime is active.
    :param dropped: messages that its recording could not keep.
    """
    if not active:
        status.summary(DiagnosticStatus.OK, 'inactive')
        return status
    state, figures = session.state, session.statistics.summary()
    silent_ns = session.statistics.silent_ns(time.monotonic_ns(), session.period_ns)
    infer = figures.stages['infer']
    level, words = LEVELS[state.mode], state.mode.name.lower()
    if state.cause:
        words = f'{words}: {state.cause}'
    if level == DiagnosticStatus.OK and dropped:
        level, words = DiagnosticStatus.WARN, f'{words}; the recording lost {dropped} messages'
    stage = session.statistics.blame(session.period_ns)
    if stage:
        taken, period_s = figures.stages[stage], session.period_ns * 1e-9
        words = f'{words}; {blame_words(stage, taken.p50, taken.p99, period_s)}'
        level = max(level, DiagnosticStatus.WARN)
    if silent_ns:
        # In lockstep it is the simulator that lets the session wait, which may be paused.
        here = not session.engine.wiring.lockstep
        level = max(level, DiagnosticStatus.ERROR if here else DiagnosticStatus.WARN)
        words = silence_words(silent_ns, words)
    status.summary(level, words)
    values: Sequence[tuple[str, str]] = [
        ('policy', session.engine.contract.reference),
        ('acting', session.engine.reference(session.engine.acting(state))),
        ('inference', session.backend.description),
        ('isolation', describe_isolation(session.backend)),
        ('asked', session.policy.describe(session.row)),
        ('answers due', session.policy.due or 'at once'),
        *_workers(session.backend),
        ('mode', state.mode.name.lower()),
        ('cause', state.cause),
        ('period [ms]', f'{session.period_ns / 1e6:.3f}'),
        ('rate [Hz]', f'{0.0 if silent_ns else figures.rate:.3f}'),
        ('lateness p50 [ms]', f'{figures.lateness.p50 * 1e3:.3f}'),
        ('lateness p99 [ms]', f'{figures.lateness.p99 * 1e3:.3f}'),
        ('lateness max [ms]', f'{figures.lateness_max * 1e3:.3f}'),
        ('inference p50 [ms]', f'{infer.p50 * 1e3:.3f}'),
        ('inference p99 [ms]', f'{infer.p99 * 1e3:.3f}'),
        ('ticks', str(figures.ticks)),
        ('overruns', str(figures.overruns)),
        ('to blame', stage),
        ('faults', str(figures.faults)),
        ('recording dropped', str(dropped)),
        *(
            (f'age of {source.topic} [ms]', f'{age / 1e6:.1f}' if age >= 0 else 'no message yet')
            for source, age in zip(session.engine.wiring.sources, session.ages_ns)
        ),
        *(
            (f'missed of {source.topic}', 'several publish it' if n is None else str(n))
            for source, n in zip(session.engine.wiring.sources, session.missed)
        ),
    ]
    for key, value in values:
        status.add(key, value)
    return status
