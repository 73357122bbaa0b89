"""A simulated robot whose sensors and operators give a session everything that they should not."""

from __future__ import annotations

import collections
import random
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.session.tick import Received
from fournex_runtime.session.wiring import SessionWiring
from fournex_runtime.sim.registry import make_robot

SPARE = 'spare_'
"""Before the name of a sensor's topic: a second sensor that says the same."""
_BOOL = 'std_msgs/msg/Bool'


class Misfortune:
    """
    Draws what goes wrong, and counts it.

    :param often: how often each thing does, of a thousand.
    :param seed: of everything.
    """

    def __init__(self, often: Mapping[str, float], seed: int) -> None:
        self.chance = random.Random(seed)
        self.happened: collections.Counter[str] = collections.Counter()
        self._often = often

    def strikes(self, what: str) -> bool:
        """Return whether something goes wrong now; count it."""
        if self.chance.random() * 1000.0 >= self._often[what]:
            return False
        self.happened[what] += 1
        return True


class FaultyRobot:
    """
    One robot with the topics of one session.

    :param robot: name of the robot.
    :param wiring: the session's.
    :param misfortune: what goes wrong.
    """

    def __init__(self, robot: str, wiring: SessionWiring, misfortune: Misfortune) -> None:
        self.robot = make_robot(robot)
        self._misfortune, self._chance = misfortune, misfortune.chance
        self._types = [source.type for source in wiring.sources]
        there = {sensor.topic: sensor for sensor in self.robot.sensors}
        names = [source.topic.rpartition('/')[2] for source in wiring.sources]
        self._sensors = [there.get(name.removeprefix(SPARE)) for name in names]
        self._commands = [
            (target.topic.removeprefix(f'{wiring.name}/').lstrip('/'), target.type)
            for target in wiring.targets
        ]
        self._overrides = {one.source: one.target for one in wiring.overrides}
        self._buttons = [one.source for one in wiring.stop_topics]
        self._said: list[bytes | None] = [None] * len(wiring.targets)
        self._counts = [0] * len(self._sensors)
        self._pending: list[list[bytes]] = [[] for _ in self._sensors]
        self._before: list[bytes] = [b''] * len(self._sensors)
        self._away = [0] * len(self._sensors)
        self._driven = [0] * len(self._sensors)
        self._revisions: dict[int, int] = {}

    def reset(self, now_ns: int) -> None:
        """Begin anew somewhere."""
        self.robot.reset(self._chance.randrange(1 << 30))
        self._revisions.clear()
        self._sense(0, now_ns)

    def take(self, now_ns: int) -> tuple[tuple[Received, ...], ...]:
        """Return what has come on each topic since the last time."""
        taken = []
        for source, waiting in enumerate(self._pending):
            first = self._counts[source] + 1
            self._counts[source] += len(waiting)
            taken.append(
                tuple(Received(first + at, now_ns, data) for at, data in enumerate(waiting))
            )
            waiting.clear()
        return tuple(taken)

    def step(self, commands: Sequence[bytes | None], now_ns: int, period_ns: int) -> None:
        """Obey the commands of a tick for one period."""
        for target, ((topic, kind), data) in enumerate(zip(self._commands, commands)):
            if data is not None:
                self._said[target] = data
                self.robot.command(topic, messages().decode(data, kind))
        since_ns = 0
        while since_ns < period_ns:
            self.robot.step()
            since_ns += self.robot.step_ns
            self._sense(since_ns, now_ns + since_ns)
        self._operate()
        if self.robot.outcome().done:
            self.reset(now_ns + since_ns)

    def _sense(self, since_ns: int, now_ns: int) -> None:
        for source, sensor in enumerate(self._sensors):
            if sensor is None:
                continue
            if sensor.latched:
                revision = self.robot.revision(sensor.topic)
                if self._revisions.get(source) == revision:
                    continue
                self._revisions[source] = revision
            elif since_ns % sensor.period_ns:
                continue
            if self._away[source] > 0:
                self._away[source] -= 1
                continue
            if not sensor.latched and self._misfortune.strikes('outage'):
                self._away[source] = self._chance.randrange(1, 40)
            self._send(source, self.robot.sense(sensor.topic, now_ns))

    def _operate(self) -> None:
        """Take over now and then, and press a button."""
        for source, target in self._overrides.items():
            if self._said[target] is None:
                continue
            if self._driven[source] == 0 and self._misfortune.strikes('operator'):
                self._driven[source] = self._chance.randrange(1, 60)
            if self._driven[source] > 0:
                self._driven[source] -= 1
                message = messages().decode(self._said[target], self._types[source])
                if hasattr(message, 'data'):
                    message.data = message.data * self._chance.uniform(-1.5, 1.5)
                self._send(source, message)
        for source in self._buttons:
            if self._driven[source] > 0:
                self._driven[source] -= 1
                if self._driven[source] == 0:
                    self._press(source, False)
            elif self._misfortune.strikes('button'):
                self._driven[source] = self._chance.randrange(1, 10)
                self._press(source, True)

    def _press(self, source: int, pressed: bool) -> None:
        self._send(source, messages().type(_BOOL)(data=pressed))

    def _send(self, source: int, message: Any) -> None:
        """Encode what is said now, or what goes wrong with it."""
        strikes, waiting = self._misfortune.strikes, self._pending[source]
        if strikes('not a number'):
            _spoil(message)
        data = messages().encode(message, self._types[source])
        if self._before[source] and strikes('back in time'):
            waiting.append(data)
            data = self._before[source]
        waiting.append(b'garbage' if strikes('garbage') else data)
        if strikes('twice'):
            waiting.append(data)
        self._before[source] = data


def _spoil(message: Any) -> None:
    """Put what is no number where a message has its numbers."""
    for name in ('position', 'ranges', 'data'):
        if np.ndim(getattr(message, name, 0.0)):
            values = np.array(getattr(message, name))
            values[len(values) // 2] = np.nan
            setattr(message, name, values)
