"""
When a simulated robot steps: with the wall clock, or one control period for each command.

**Real time.** A step is released every ``step_ns`` by absolute deadlines on the steady clock.
Commands are taken at each release, the newest of each topic counts. A release that comes late
makes up for those that were missed, so that the robot's time stays with the clock, but what was
due several times is published once; time beyond ``CATCH_UP_NS`` is lost, and said.

**Lockstep.** At the simulated time T the simulator publishes ``/clock`` and all sensors that are
due, stamped T. Then it waits for the command that carries the stamp T, obeys it, goes one control
period on and does the same again. Sensors that are faster than the control period give one
message a period, so that all inputs of a tick can carry one stamp. A command that carries another
stamp is none; one whose type has no stamp answers when it is the next to come. While the simulator
waits it repeats ``/clock``. The first command may take as long as it likes: policies are loaded
meanwhile. A reset takes one control period of simulated time, so that a late command for the old
episode carries an old stamp; where commands carry none, a reset waits up to ``RESET_GRACE_NS``
for the command of the old episode that may be on its way.
"""

from __future__ import annotations

import abc
import time
from collections.abc import Callable
from typing import Protocol

from ..errors import GraphError
from ..session.pacing import Release
from .resets import ResetRequest, Resets
from .simulation import Simulation

CATCH_UP_NS = 100_000_000
"""Most simulated time that one release makes up for."""
WORTH_SAYING_NS = 100_000_000
"""A person is not told of less lost time."""
STATUS_PERIOD_NS = 200_000_000
"""Wall time between two statuses while nothing happens."""
WAIT_SLICE_NS = 20_000_000
"""Longest wait after which lockstep looks whether it is to end, or to begin a new episode."""
CLOCK_PERIOD_NS = 10_000_000
"""Wall time between two clocks in real time; each costs every listening node a callback."""
CLOCK_REPEAT_NS = 100_000_000
"""Wall time after which lockstep says the same time again."""
RESET_GRACE_NS = 200_000_000
_SAY_AGAIN_NS = 5_000_000_000


class Link(Protocol):
    """What connects a simulation with who drives it."""

    def publish(self, topic: str, data: bytes) -> None:
        """Publish a sensor's message."""

    def publish_clock(self, time_ns: int) -> None:
        """Tell the simulated time."""

    def publish_status(self, data: bytes) -> None:
        """Publish how the task stands."""

    def take(self) -> list[tuple[str, bytes]]:
        """Return topic and bytes of the commands that came since the last call, oldest first."""

    def wait(self, timeout_ns: int) -> None:
        """Return when a command has come, or after the time."""

    def commanders(self) -> int:
        """Return how many publishers of commands there are."""

    def say(self, text: str) -> None:
        """Tell a person."""


class Pacing(abc.ABC):
    """
    What both pacings have in common.

    :param simulation: what is paced.
    :param link: where messages go and commands come from.
    :param resets: requests for new episodes.
    :param ended: asked between steps; the loop returns when it says so.
    :param watch: called with the simulated time after steps, for instance to draw a picture.
    """

    def __init__(
        self,
        simulation: Simulation,
        link: Link,
        resets: Resets,
        ended: Callable[[], bool],
        watch: Callable[[int], None] | None = None,
    ) -> None:
        self._simulation = simulation
        self._link = link
        self._resets = resets
        self._ended = ended
        self._watch = watch
        self._standing: tuple[int, bool, bool] | None = None
        self._status_ns = 0

    @abc.abstractmethod
    def run(self) -> None:
        """Run until it is to end."""

    def _show(self, stamp_ns: int) -> None:
        """Publish what is due, after the clock, and the status if it is time for one."""
        due = self._simulation.messages_due(stamp_ns)
        self._tell_time(bool(due))
        for topic, data in due:
            self._link.publish(topic, data)
        self._tell_status(stamp_ns)
        if self._watch is not None:
            self._watch(self._simulation.time_ns)

    @abc.abstractmethod
    def _tell_time(self, due: bool) -> None:
        """
        Publish the simulated time if it is time for that.

        :param due: there are messages that are stamped by it.
        """

    def _tell_status(self, stamp_ns: int) -> None:
        now_ns = time.monotonic_ns()
        standing = self._simulation.standing()
        if standing != self._standing or now_ns - self._status_ns >= STATUS_PERIOD_NS:
            self._standing = standing
            self._status_ns = now_ns
            self._link.publish_status(self._simulation.status(stamp_ns))

    def _begin_episode(self, request: ResetRequest) -> None:
        """Serve a reset; what was commanded before it is forgotten."""
        self._link.take()
        self._simulation.reset(request.seed)
        self._resets.drop()
        request.serve(self._simulation.episode)


class RealTime(Pacing):
    """
    Physics that follow the wall clock.

    :param clock: publish the simulated time and stamp by it, in place of the system clock.
    :param speed: simulated seconds in a second.
    """

    def __init__(
        self,
        simulation: Simulation,
        link: Link,
        resets: Resets,
        ended: Callable[[], bool],
        watch: Callable[[int], None] | None = None,
        *,
        clock: bool = False,
        speed: float = 1.0,
    ) -> None:
        super().__init__(simulation, link, resets, ended, watch)
        self._clock = clock
        self._clock_ns = 0
        self._release = Release(max(1, round(simulation.robot.step_ns / speed)))
        self._most_steps = max(1, CATCH_UP_NS // simulation.robot.step_ns)
        self._said_ns = 0
        self.lost_ns = 0
        """Simulated time by which the robot is behind the clock."""

    def run(self) -> None:
        """Run until it is to end."""
        self._release.begin(time.monotonic_ns())
        self._show(self._stamp_ns())
        while not self._ended():
            self._release.advance(time.monotonic_ns())
            time.sleep(max(0, self._release.due_ns - time.monotonic_ns()) * 1e-9)
            request = self._resets.next()
            if request is not None:
                self._begin_episode(request)
            else:
                self._obey()
                self._simulation.step(self._steps())
            self._show(self._stamp_ns())

    def _stamp_ns(self) -> int:
        """Return the stamp for messages of now."""
        return self._simulation.time_ns if self._clock else time.time_ns()

    def _tell_time(self, due: bool) -> None:
        now_ns = time.monotonic_ns()
        if self._clock and (due or now_ns - self._clock_ns >= CLOCK_PERIOD_NS):
            self._clock_ns = now_ns
            self._link.publish_clock(self._simulation.time_ns)

    def _obey(self) -> None:
        newest: dict[str, bytes] = {}
        for topic, data in self._link.take():
            newest.pop(topic, None)  # so that the topics are in the order of their newest
            newest[topic] = data
        for topic, data in newest.items():
            message = self._simulation.read_command(topic, data)
            if message is not None:
                self._simulation.obey(topic, message)

    def _steps(self) -> int:
        """Return how many steps this release is to make."""
        steps = 1 + self._release.skipped
        if steps <= self._most_steps:
            return steps
        self.lost_ns += (steps - self._most_steps) * self._simulation.robot.step_ns
        now_ns = time.monotonic_ns()
        if self.lost_ns >= WORTH_SAYING_NS and now_ns - self._said_ns >= _SAY_AGAIN_NS:
            self._said_ns = now_ns
            self._link.say(
                f'this machine is too slow: the robot is {self.lost_ns / 1e9:.2f} s behind'
            )
        return self._most_steps


class Lockstep(Pacing):
    """
    Physics that wait for commands.

    :param timeout_ns: longest wait for a command after the first one, wall time; 0 for no limit.
    """

    def __init__(
        self,
        simulation: Simulation,
        link: Link,
        resets: Resets,
        ended: Callable[[], bool],
        watch: Callable[[int], None] | None = None,
        *,
        timeout_ns: int = 0,
    ) -> None:
        super().__init__(simulation, link, resets, ended, watch)
        self._timeout_ns = timeout_ns
        self._grace_ns = 0 if simulation.stamped_commands else RESET_GRACE_NS
        self._answered = False
        self._ignored = ''

    def run(self) -> None:
        """
        Run until it is to end.

        :raises GraphError: a command did not come in time.
        """
        simulation = self._simulation
        while not self._ended():
            self._show(simulation.time_ns)
            answered = self._wait_for_answer()
            request = self._resets.next()
            if request is not None:
                self._begin_episode(request)
                simulation.time_ns += simulation.robot.control_ns
            elif answered:
                simulation.step(simulation.control_steps)

    def _tell_time(self, due: bool) -> None:
        self._link.publish_clock(self._simulation.time_ns)

    def _wait_for_answer(self) -> bool:
        """Return whether the command for now came; else there is a reset, or it is to end."""
        begun_ns = clock_ns = said_ns = time.monotonic_ns()
        while not self._ended():
            if self._take_answer():
                self._answered = True
                return True
            now_ns = time.monotonic_ns()
            request = self._resets.next()
            if request is not None and self._may_reset(request, now_ns):
                return False
            if self._timeout_ns and self._answered and now_ns - begun_ns > self._timeout_ns:
                raise GraphError(f'lockstep: {self._missing((now_ns - begun_ns) / 1e9)}')
            if now_ns - clock_ns >= CLOCK_REPEAT_NS:
                clock_ns = now_ns
                self._link.publish_clock(self._simulation.time_ns)
                self._tell_status(self._simulation.time_ns)
            if now_ns - said_ns >= _SAY_AGAIN_NS:
                said_ns = now_ns
                self._link.say(f'waiting: {self._missing((now_ns - begun_ns) / 1e9)}')
            self._link.wait(WAIT_SLICE_NS)
        return False

    def _may_reset(self, request: ResetRequest, now_ns: int) -> bool:
        waited_ns = now_ns - request.since_ns
        return waited_ns >= self._grace_ns or not self._link.commanders()

    def _take_answer(self) -> bool:
        """Obey the commands that came, if they are for now; return whether one was."""
        answered = False
        for topic, data in self._link.take():
            message = self._simulation.read_command(topic, data)
            if message is None:
                self._ignored = f'{len(data)} bytes on {topic} were no command'
                continue
            stamp_ns = self._simulation.stamp_ns(topic, message)
            if stamp_ns is not None and stamp_ns != self._simulation.time_ns:
                self._ignored = f'the last command on {topic} was stamped {stamp_ns / 1e9:.3f} s'
                continue
            self._simulation.obey(topic, message)
            answered = True
        return answered

    def _missing(self, waited_s: float) -> str:
        topics = ' or '.join(command.topic for command in self._simulation.robot.commands)
        text = (
            f'no command for t = {self._simulation.time_ns / 1e9:.3f} s on {topics} '
            f'for {waited_s:.1f} s'
        )
        if not self._link.commanders():
            text += '; nobody publishes there'
        return f'{text}; {self._ignored}' if self._ignored else text
