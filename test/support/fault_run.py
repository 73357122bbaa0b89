"""One running robot into which faults are injected one after the other, and what came of each."""

from __future__ import annotations

import contextlib
import dataclasses
import math
import os
import pathlib
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

from diagnostic_msgs.msg import DiagnosticArray
from fault_rows import Row
from faulty_worker import FAULTS
from lifecycle_msgs.msg import Transition
from lifecycle_msgs.srv import ChangeState
from obedient_policy import LIMIT
from rclpy.qos import DurabilityPolicy, QoSProfile
from robot_side import RobotSide, joint_state
from runtime_process import processes, workers
from sim_clock import SimClock

from fournex_msgs.msg import SessionEvent
from fournex_msgs.srv import ResetEpisode, StopSession
from fournex_runtime.session.tick import Mode

NAMES = ('cart', 'pole', 'order')
CART = 1.0
POLICY, STOP = (2.0 * CART,), (0.0,)
LATCHED = QoSProfile(depth=20, durability=DurabilityPolicy.TRANSIENT_LOCAL)

BESIDE = """
import sys, time
sys.path.insert(0, sys.argv[1])
from robot_side import RobotSide, joint_state
side = RobotSide(rate_hz=float(sys.argv[2]))
side.state = lambda: joint_state((1.0, 0.0, 0.0), ('cart', 'pole', 'order'))
side.wait_for_commands(5)
print('beside', flush=True)
time.sleep(60)
"""
"""Another robot on the same topics: publishes them, or listens only."""


@dataclasses.dataclass
class Injected:
    """
    A fault that was injected.

    :param row: its row.
    :param begin_ns: steady time at which it began.
    :param end_ns: steady time at which it had shown what it does.
    :param told: what the runtime had said by then, beginning with the fault.
    """

    row: Row
    begin_ns: int
    end_ns: int
    told: str


class FaultRun:
    """
    A robot of three joints, its runtime, and an independent subscriber of the commands.

    :param side: the robot; publishes what `state` gives.
    :param process: the runtime.
    :param session: the name of its session.
    :param clock: the clock that it follows; the system's when left out.
    :param bundle: the folder of its policy, where that is to be altered.
    """

    def __init__(
        self,
        side: RobotSide,
        process: Any,
        session: str = 'obedient',
        clock: SimClock | None = None,
        bundle: pathlib.Path | None = None,
    ) -> None:
        self.side = side
        self.process = process
        self._clock = clock
        self._bundle = bundle
        self._life_cycle = side.node.create_client(ChangeState, '/fournex/change_state')
        self._stamp_ns = time.time_ns if clock is None else clock.now_ns
        self._begin_ns = self._said = 0
        self._recording_ended = False
        self.events: list[tuple[int, Any]] = []
        side.node.create_subscription(
            SessionEvent, f'/fournex/{session}/event', self._hear, LATCHED
        )
        self._spare = ''
        side.node.create_subscription(DiagnosticArray, '/diagnostics', self._diagnosed, 10)
        self.well()

    def _hear(self, event: Any) -> None:
        self.events.append((time.monotonic_ns(), event))

    @property
    def mode(self) -> Mode:
        """Return the latest mode that was told."""
        return Mode(self.events[-1][1].mode)

    def well(self) -> None:
        """Let the robot say what it should."""
        self.side.state = self.sensor()

    def sensor(
        self, positions=(CART, 0.0, 0.0), names=NAMES, shift_ns=0
    ) -> Callable[[], bytes | None]:
        """Return what publishes joint states."""
        return lambda: joint_state(positions, names, self._stamp_ns() + shift_ns)

    def wait_for_policy(self, timeout_s: float = 30.0) -> None:
        """Wait until the policy acts, and begin episodes until it does."""
        deadline = time.monotonic() + timeout_s
        while not (self.events and self.mode is Mode.POLICY and self._last(3) == {POLICY}):
            assert time.monotonic() < deadline, self.process.text()
            if self.events and self.mode is Mode.STOPPED:
                self.begin_episode()
            self._wait_for_commands(4)

    def begin_episode(self) -> None:
        """Have the runtime begin an episode."""
        self.side.call(ResetEpisode, '/fournex/reset_episode', ResetEpisode.Request())

    def _wait_for_commands(self, count: int) -> None:
        enough = len(self.side.commands) + count
        self.side.wait(lambda: len(self.side.commands) >= enough, 20.0, self.process.text)

    def _last(self, count: int) -> set[tuple[float, ...]]:
        return {one.values for one in self.side.commands[-count:]}

    def _diagnosed(self, diagnostics: Any) -> None:
        for status in diagnostics.status:
            self._spare = {one.key: one.value for one in status.values}.get('spare worker', '')

    def wait_for_spare(self) -> None:
        """Wait until the runtime says that a spare is ready."""
        self._spare = ''
        self.side.wait(lambda: self._spare == 'ready', 30.0, self._told)

    def inject(self, row: Row) -> Injected:
        """Inject a fault, wait for what comes of it, and mend it."""
        if self._recording_ended:
            self.change(Transition.TRANSITION_DEACTIVATE)
            self.change(Transition.TRANSITION_ACTIVATE)
        if row.key in ('kill worker', 'kill both'):
            self.wait_for_spare()
        self.wait_for_policy()
        self._begin()
        with self.fault(row):
            if row.ends == 'policy':
                self.side.wait_for_commands(25)
            self._wait_for_mode(row.ends)
            if row.words:
                self.side.wait(lambda: row.words in self._told(), 10.0, self._told)
            if row.ends == 'stopped':  # events may overtake commands
                self.side.wait(lambda: self._last(1) == {STOP}, 10.0, self._told)
            self.side.wait_for_commands(5)
            self._wait_for_mode(row.ends)  # again: a busy machine may have held a command
            found = Injected(row, self._begin_ns, time.monotonic_ns(), self._told())
        self.well()
        self.wait_for_policy()
        self._recording_ended = row.ends_recording
        return found

    def change(self, transition: int) -> None:
        """Have the runtime make a transition of its life cycle."""
        assert self._changed(transition), self.process.text()

    def _changed(self, transition: int) -> bool:
        request = ChangeState.Request(transition=Transition(id=transition))
        done = self._life_cycle.call_async(request)
        self.side.wait(done.done, 40.0, self.process.text)
        return bool(done.result().success)

    def refuse(self, row: Row) -> Injected:
        """Inject a fault because of which a session must not begin; mend it, and let it begin."""
        self.wait_for_policy()
        self.change(Transition.TRANSITION_DEACTIVATE)
        self.side.wait(lambda: self._last(1) == {STOP}, 10.0, self._told)
        tried = Transition.TRANSITION_ACTIVATE
        if row.key == 'altered':
            self.change(Transition.TRANSITION_CLEANUP)
            tried = Transition.TRANSITION_CONFIGURE
        with self.fault(row):
            self._begin()
            refused = not self._changed(tried)
            found = Injected(row, self._begin_ns, time.monotonic_ns(), self._told())
        assert refused, row.key
        self.well()
        if tried == Transition.TRANSITION_CONFIGURE:
            self.change(tried)
        self.change(Transition.TRANSITION_ACTIVATE)
        return found

    def _wait_for_mode(self, name: str) -> None:
        expected = Mode[name.upper()]
        self.side.wait(lambda: self.mode is expected, 20.0, self._told)

    def _begin(self) -> None:
        self._said, self._begin_ns = len(self.process.text()), time.monotonic_ns()

    def _told(self) -> str:
        """Return what the runtime has said since the fault began."""
        return self.process.text()[self._said :]

    @contextlib.contextmanager
    def fault(self, row: Row) -> Iterator[None]:
        """Begin a fault; end it where it does not end by itself."""
        if row.key in FAULTS:
            if row.key == 'forks':
                assert 'no cap on network and processes' not in self.process.text()
            order = 1.0 + list(FAULTS).index(row.key)
            self.side.state = self.sensor((CART, 0.0, order))
            yield
        else:
            with getattr(self, '_' + row.key.replace(' ', '_'))():
                yield

    # --- what does not come from the policy ------------------------------------------------------

    @contextlib.contextmanager
    def _sensed(self, state: Callable[[], bytes | None]) -> Iterator[None]:
        self.side.state = state
        yield

    def _stale(self) -> Any:
        return self._sensed(lambda: None)

    def _old_stamps(self) -> Any:
        return self._sensed(self.sensor(shift_ns=-1_000_000_000))

    def _future_stamps(self) -> Any:
        return self._sensed(self.sensor(shift_ns=5_000_000_000))

    def _a_little_back(self) -> Any:
        shifts = iter([0, -15_000_000] * 100_000)
        return self._sensed(lambda: self.sensor(shift_ns=next(shifts))())

    def _duplicated(self) -> Any:
        def twice() -> bytes | None:
            data = self.sensor()()
            self.side.publisher.publish(data)
            return data

        return self._sensed(twice)

    def _sensor_nan(self) -> Any:
        return self._sensed(self.sensor((CART, math.nan, 0.0)))

    def _renamed(self) -> Any:
        return self._sensed(self.sensor(names=('cart', 'mast', 'order')))

    def _shuffled(self) -> Any:
        return self._sensed(self.sensor((0.0, CART, 0.0), ('order', 'cart', 'pole')))

    def _size(self) -> Any:
        return self._sensed(self.sensor((CART, 0.0)))

    def _garbage(self) -> Any:
        return self._sensed(lambda: self.sensor()()[:40])

    @contextlib.contextmanager
    def _kill_worker(self) -> Iterator[None]:
        os.kill(workers(self.process.pid)[0], signal.SIGKILL)
        yield

    @contextlib.contextmanager
    def _kill_both(self) -> Iterator[None]:
        for one in workers(self.process.pid):
            os.kill(one, signal.SIGKILL)
        yield

    @contextlib.contextmanager
    def _beside(self, rate_hz: float) -> Iterator[None]:
        """Kill another process on the same topics that has just begun to speak or to listen."""
        support = str(pathlib.Path(__file__).parent)
        command = [sys.executable, '-c', BESIDE, support, str(rate_hz)]
        other = subprocess.Popen(command, stdout=subprocess.PIPE)
        try:
            assert other.stdout is not None and other.stdout.readline() == b'beside\n'
            if rate_hz:
                self.side.state = lambda: None
                time.sleep(0.3)  # the robot is seen through the other one alone
            self.wait_for_policy()
            self._begin()
            other.kill()
            yield
        finally:
            other.kill()
            other.wait()

    def _kill_publisher(self) -> Any:
        return self._beside(100.0)

    def _kill_subscriber(self) -> Any:
        return self._beside(0.0)

    @contextlib.contextmanager
    def _services(self) -> Iterator[None]:
        """Ask for what is refused, without a pause."""
        over = threading.Event()

        def flood() -> None:
            client = self.side.node.create_client(StopSession, '/fournex/stop_session')
            while not over.is_set():
                done = client.call_async(StopSession.Request(session='nobody'))
                while not (done.done() or over.is_set()):
                    time.sleep(0.0005)
            self.side.node.destroy_client(client)

        flooding = threading.Thread(target=flood)
        flooding.start()
        yield
        over.set()
        flooding.join()

    @contextlib.contextmanager
    def _clock_stops(self) -> Iterator[None]:
        self._clock.stop()
        yield
        self._clock.go_on()

    @contextlib.contextmanager
    def _clock_forward(self) -> Iterator[None]:
        self.side.state = self.sensor(shift_ns=-10_000_000_000)
        self._clock.jump(10_000_000_000)
        yield

    @contextlib.contextmanager
    def _clock_back(self) -> Iterator[None]:
        self._clock.jump(-10_000_000_000)
        yield

    def _recorder(self) -> int:
        (recorder,) = processes(self.process.pid, b'recorder')
        return recorder

    @contextlib.contextmanager
    def _disk_full(self) -> Iterator[None]:
        """Let the recorder write no byte more."""
        resource.prlimit(self._recorder(), resource.RLIMIT_FSIZE, (1, 1))
        yield

    @contextlib.contextmanager
    def _kill_recorder(self) -> Iterator[None]:
        os.kill(self._recorder(), signal.SIGKILL)
        yield

    @contextlib.contextmanager
    def _recorder_stops(self) -> Iterator[None]:
        recorder = self._recorder()
        os.kill(recorder, signal.SIGSTOP)
        try:
            yield
        finally:
            os.kill(recorder, signal.SIGCONT)

    # --- what keeps a session from beginning -----------------------------------------------------

    @contextlib.contextmanager
    def _altered(self) -> Iterator[None]:
        """Change one bit of the artifact."""
        assert self._bundle is not None
        artifact = self._bundle / 'policy.onnx'
        before = artifact.read_bytes()
        artifact.write_bytes(bytes([before[0] ^ 1]) + before[1:])
        try:
            yield
        finally:
            artifact.write_bytes(before)

    def _never_came(self) -> Any:
        return self._sensed(lambda: None)


def valid(values: tuple[float, ...]) -> bool:
    """Return whether a command may be published at all."""
    return all(math.isfinite(one) and abs(one) <= LIMIT for one in values)
