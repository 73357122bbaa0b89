"""
A policy and a simulated robot in one process, through the same tick engine as on a live robot.

Sensors become CDR bytes when they are due, the engine decodes them at the tick, and the command
bytes that it gives are decoded for the robot. Nothing here has a clock or ROS: time is simulated,
so that a seed gives the same bits on every run.
"""

from __future__ import annotations

import dataclasses
import time
from collections import deque
from collections.abc import Callable, Mapping
from typing import Any

from ..configuration import nearest
from ..errors import ArtifactError, WiringError
from ..pipeline.messages import Messages
from ..policy.backend import Backend
from ..session.engine import Engine
from ..session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    Mode,
    Received,
    SessionState,
    TickInputs,
    TickRecord,
    Timing,
)
from .robot import Outcome, Robot, Sensor

START_NS = 1_000_000_000
"""Simulated time just before the first episode; 0 would read as "no stamp"."""
EPISODE_LIMIT_NS = 300_000_000_000
"""An episode whose task never ends is cut off here, simulated time."""

TickObserver = Callable[[TickInputs, TickRecord, Timing, SessionState], None]
"""Is shown each tick and the state after it, for instance to record them."""


@dataclasses.dataclass(frozen=True)
class EpisodeResult:
    """
    How one episode went.

    :param seed: what it was drawn from.
    :param outcome: how the task stood at its end.
    :param total: sum of its rewards.
    :param ticks: ticks of the session.
    :param faults: ticks in fallback or protective stop.
    :param first_fault: cause of the first of these; empty without one.
    :param simulated_ns: simulated time.
    """

    seed: int
    outcome: Outcome
    total: float
    ticks: int
    faults: int
    first_fault: str
    simulated_ns: int


class Evaluation:
    """
    One session that drives one robot, in process.

    :param robot: the robot.
    :param engine: the session.
    :param backend: runs the session's policy.
    :param messages: the message types.
    :param delay_periods: control periods from a tick to the moment its command reaches the robot.
    :param on_tick: is shown each tick, and what the session remembers after it.
    :param seconds: runs the session's second policies, by the reference of their contract.
    :raises WiringError: the session is wired to what this robot does not have.
    """

    def __init__(
        self,
        robot: Robot,
        engine: Engine,
        backend: Backend,
        messages: Messages,
        delay_periods: int = 0,
        on_tick: TickObserver | None = None,
        seconds: Mapping[str, Backend] | None = None,
    ) -> None:
        self._robot = robot
        self._engine = engine
        self._backend = backend
        self._messages = messages
        self._delay_periods = delay_periods
        self._on_tick = on_tick
        self._seconds = seconds or {}
        self._steps_per_tick = _steps_per_tick(robot, engine)
        self._sensors = _sensors(robot, engine)
        self._commands = _commands(robot, engine)
        self._state: SessionState = engine.initial_state()
        self._now_ns = START_NS
        self._counts = [0] * len(self._sensors)
        self._pending: list[list[Received]] = [[] for _ in self._sensors]
        self._revisions: dict[str, int] = {}

    def run(self, seed: int) -> EpisodeResult:
        """
        Run one episode to its end.

        :param seed: start state and task are drawn from it.
        :raises ArtifactError: the policy failed.
        """
        self._robot.reset(seed)
        self._robot.take_reward()
        self._now_ns += self._engine.contract.period_ns  # no two ticks at one time
        begun_ns = self._now_ns
        on_the_way: deque[tuple[bytes | None, ...]] = deque([()] * self._delay_periods)
        start: EpisodeStart | None = EpisodeStart(f'seed-{seed}', seed)
        own_total, faults, first_fault, ticks = 0.0, 0, '', 0
        self._revisions.clear()
        self._sense(0)
        while True:
            record = self._tick(start)
            start = None
            ticks += 1
            if record.mode in (Mode.FALLBACK, Mode.STOPPED):
                faults += 1
                first_fault = first_fault or record.cause
            simulated_ns = self._now_ns - begun_ns
            if self._robot.outcome().done or simulated_ns >= EPISODE_LIMIT_NS:
                break
            on_the_way.append(record.commands)
            self._obey(on_the_way.popleft())
            for _ in range(self._steps_per_tick):
                self._robot.step()
                self._now_ns += self._robot.step_ns
                self._sense(self._now_ns - begun_ns)
            if self._engine.wiring.reward is None:
                own_total += self._robot.take_reward()
        total = own_total if self._engine.wiring.reward is None else record.episode.total
        outcome = self._robot.outcome()
        return EpisodeResult(seed, outcome, total, ticks, faults, first_fault, simulated_ns)

    def _sense(self, episode_ns: int) -> None:
        """Encode what each sensor publishes at this instant."""
        for index, sensor in enumerate(self._sensors):
            if sensor is None:
                continue
            if sensor.latched:
                revision = self._robot.revision(sensor.topic)
                if self._revisions.get(sensor.topic) == revision:
                    continue
                self._revisions[sensor.topic] = revision
            elif episode_ns % sensor.period_ns:
                continue
            message = self._robot.sense(sensor.topic, self._now_ns)
            self._counts[index] += 1
            data = self._messages.encode(message, sensor.type)
            self._pending[index].append(Received(self._counts[index], self._now_ns, data))

    def _obey(self, commands: tuple[bytes | None, ...]) -> None:
        for (topic, kind), data in zip(self._commands, commands):
            if data is not None:
                self._robot.command(topic, self._messages.decode(data, kind))

    def _tick(self, start: EpisodeStart | None) -> TickRecord:
        inputs = TickInputs(
            messages=tuple(tuple(waiting) for waiting in self._pending),
            due_ns=self._now_ns,
            steady_ns=self._now_ns,
            ros_ns=self._now_ns,
            episode=start,
        )
        for waiting in self._pending:
            waiting.clear()
        begun = time.perf_counter_ns()
        request = self._engine.observe(inputs, self._state)
        observed = time.perf_counter_ns()
        answer = Answer(AnswerKind.NONE)
        if request.observation is not None:
            try:
                backend = self._backend
                if request.second is not None:
                    second = self._engine.seconds[request.second.name]
                    backend = self._seconds[second.contract.reference]
                outputs, state = backend.run(request.observation.inputs, request.recurrent)
                answer = Answer(AnswerKind.RESULT, outputs, state)
            except ArtifactError as problem:
                answer = Answer(AnswerKind.FAILED, problem=str(problem))
        answered = time.perf_counter_ns()
        record, self._state = self._engine.conclude(request, answer, self._state)
        concluded = time.perf_counter_ns()
        if self._on_tick is not None:
            timing = Timing(
                observe_ns=observed - begun,
                infer_ns=answered - observed if answer.kind is not AnswerKind.NONE else 0,
                conclude_ns=concluded - answered,
            )
            self._on_tick(inputs, record, timing, self._state)
        return record


def _steps_per_tick(robot: Robot, engine: Engine) -> int:
    period_ns = engine.contract.period_ns
    if period_ns % robot.step_ns:
        raise WiringError(
            f'{engine.contract.reference}: its period of {period_ns / 1e6:g} ms is not a multiple '
            f"of the simulated {robot.name}'s step of {robot.step_ns / 1e6:g} ms"
        )
    return period_ns // robot.step_ns


def _sensors(robot: Robot, engine: Engine) -> list[Sensor | None]:
    """Return the robot's sensor behind each source; None for operators, of whom it has none."""
    there = {sensor.topic: sensor for sensor in robot.sensors}
    found: list[Sensor | None] = []
    for index, source in enumerate(engine.wiring.sources):
        topic = source.topic.lstrip('/')
        if topic not in there and index in engine.wiring.of_operators:
            found.append(None)
            continue
        if topic not in there:
            raise WiringError(
                f'sessions.{engine.wiring.name}: reads {source.topic}, which the simulated '
                f'{robot.name} does not publish; it publishes {", ".join(there)}.'
                + nearest(topic, list(there))
            )
        if there[topic].type != source.type:
            raise WiringError(
                f'sessions.{engine.wiring.name}: reads {source.topic} as {source.type}; the '
                f'simulated {robot.name} publishes {there[topic].type}'
            )
        found.append(there[topic])
    return found


def _commands(robot: Robot, engine: Engine) -> list[tuple[str, Any]]:
    """Return topic and type of the robot's command behind each target of the session."""
    there = {command.topic: command.type for command in robot.commands}
    found = []
    for target in engine.wiring.targets:
        topic = target.topic.lstrip('/')
        if topic not in there:
            raise WiringError(
                f'sessions.{engine.wiring.name}: commands {target.topic}, which the simulated '
                f'{robot.name} does not obey; it obeys {", ".join(there)}.'
                + nearest(topic, list(there))
            )
        if there[topic] != target.type:
            raise WiringError(
                f'sessions.{engine.wiring.name}: commands {target.topic} as {target.type}; the '
                f'simulated {robot.name} takes {there[topic]}'
            )
        found.append((topic, target.type))
    return found
