"""
Recordings in which much goes wrong, made without waiting for real time.

A policy drives a simulated robot through the tick engine as ``fournex evaluate`` does, and from a
seed come: inputs that stay away, are garbage, come twice, go back in time or hold what is no
number; answers that are late, failed or misshapen; workers that are killed; episodes begun, stops,
and clocks that jump. All of it is recorded as a live run is.
"""

from __future__ import annotations

import collections
import os
import pathlib
import random
import signal

import numpy as np

from fournex_runtime.errors import ArtifactError, LateAnswer
from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend, warm_up
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    Mode,
    Received,
    TickInputs,
    TickRecord,
    Timing,
)
from fournex_runtime.session.wiring import load_wiring
from fournex_runtime.sim.evaluation import START_NS
from fournex_runtime.sim.evaluation_recording import EvaluationRecording
from fournex_runtime.sim.registry import make_robot
from fournex_runtime.worker.succession import SuccessiveWorkers

JUMP_NS = 700_000_000
ANSWER_TIMEOUT_S = 20.0
OFTEN = {
    'outage': 4.0,
    'garbage': 1.5,
    'twice': 3.0,
    'back in time': 1.5,
    'not a number': 1.5,
    'late answer': 3.0,
    'failed answer': 1.5,
    'misshapen answer': 1.0,
    'episode': 2.0,
    'stop': 0.7,
    'clock jump': 1.0,
    'kill': 0.4,
}
"""How often things go wrong, of a thousand."""


class HardLife:
    """
    One policy on one robot, with what goes wrong drawn from a seed.

    :param wiring: file of the wiring.
    :param folder: the bag; it must not exist.
    :param seed: of everything.
    :param bundle: the policy instead of the wiring's.
    :param in_process: run the policy in this process where that can be.
    :param kills: how many workers are killed in a thousand ticks.
    """

    def __init__(
        self,
        wiring: pathlib.Path,
        folder: pathlib.Path,
        seed: int = 0,
        bundle: pathlib.Path | None = None,
        in_process: bool = True,
        kills: float = OFTEN['kill'],
    ) -> None:
        read = load_wiring(wiring, bundle)
        session = read.sessions[0]
        self.engine = Engine(read.bundles[session.name], session, messages())
        inference = session.inference.inline() if in_process else session.inference
        self.backend = load_backend(read.bundles[session.name], inference, ANSWER_TIMEOUT_S)
        warm_up(self.backend, self.engine.contract)
        if isinstance(self.backend, SuccessiveWorkers):
            self.backend.waits = True
        self.recording = EvaluationRecording(
            folder, read, self.engine, self.backend.description, messages()
        )
        self.robot = make_robot(read.robot)
        self.happened: collections.Counter[str] = collections.Counter()
        """How often what went wrong, and how many ticks ended in which mode."""
        self._chance = random.Random(seed)
        self._often = {**OFTEN, 'kill': kills}
        topics = {sensor.topic: sensor for sensor in self.robot.sensors}
        self._sensors = [topics[one.topic.lstrip('/')] for one in session.sources]
        self._state = self.engine.initial_state()
        self._now_ns = START_NS
        self._counts = [0] * len(self._sensors)
        self._pending: list[list[bytes]] = [[] for _ in self._sensors]
        self._before: list[bytes] = [b''] * len(self._sensors)
        self._away = [0] * len(self._sensors)
        self._stopped = 0
        self._episodes = 0
        self._revisions: dict[str, int] = {}

    def live(self, ticks: int) -> None:
        """Run so many ticks into the bag."""
        self.recording.start()
        try:
            self._reset()
            start: EpisodeStart | None = self._episode()
            for _ in range(ticks):
                record = self._tick(start)
                start = self._after(record)
                self._step(record)
        finally:
            self.backend.close()
            self.recording.close()

    def _goes(self, what: str) -> bool:
        """Return whether something goes wrong now; count it."""
        if self._chance.random() * 1000.0 >= self._often[what]:
            return False
        self.happened[what] += 1
        return True

    # --- the robot -------------------------------------------------------------------------------

    def _reset(self) -> None:
        self.robot.reset(self._chance.randrange(1 << 30))
        self._revisions.clear()
        self._sense(0)

    def _step(self, record: TickRecord) -> None:
        for command, data in zip(self.robot.commands, record.commands):
            if data is not None:
                self.robot.command(command.topic, messages().decode(data, command.type))
        since_ns = 0
        while since_ns < self.engine.contract.period_ns:
            self.robot.step()
            since_ns += self.robot.step_ns
            self._now_ns += self.robot.step_ns
            self._sense(since_ns)
        if self._goes('clock jump'):
            self._now_ns += JUMP_NS
        if self.robot.outcome().done:
            self._reset()

    def _sense(self, since_ns: int) -> None:
        for index, sensor in enumerate(self._sensors):
            if sensor.latched:
                revision = self.robot.revision(sensor.topic)
                if self._revisions.get(sensor.topic) == revision:
                    continue
                self._revisions[sensor.topic] = revision
            elif since_ns % sensor.period_ns:
                continue
            self._publish(index)

    def _publish(self, index: int) -> None:
        """Encode what a sensor says now, or what goes wrong with it."""
        sensor, waiting = self._sensors[index], self._pending[index]
        if self._away[index] > 0:
            self._away[index] -= 1
            return
        if not sensor.latched and self._goes('outage'):
            self._away[index] = self._chance.randrange(1, 40)
        message = self.robot.sense(sensor.topic, self._now_ns)
        if self._goes('not a number'):
            _spoil(message)
        data = messages().encode(message, sensor.type)
        if self._before[index] and self._goes('back in time'):
            waiting.append(data)
            data = self._before[index]
        waiting.append(b'garbage' if self._goes('garbage') else data)
        if self._goes('twice'):
            waiting.append(data)
        self._before[index] = data

    # --- the session -----------------------------------------------------------------------------

    def _episode(self) -> EpisodeStart:
        self._episodes += 1
        return EpisodeStart(f'episode-{self._episodes}', self._chance.randrange(1, 1 << 63))

    def _after(self, record: TickRecord) -> EpisodeStart | None:
        """Return the episode that the next tick begins: now and then, and a while after a stop."""
        self.happened[record.mode.name.lower()] += 1
        self.happened['limited'] += bool(record.limited)
        self._stopped = self._stopped + 1 if record.mode is Mode.STOPPED else 0
        if self._stopped > 15 or self._goes('episode'):
            return self._episode()
        return None

    def _tick(self, start: EpisodeStart | None) -> TickRecord:
        taken = []
        for source, waiting in enumerate(self._pending):
            first = self._counts[source] + 1
            self._counts[source] += len(waiting)
            taken.append(
                tuple(Received(first + at, self._now_ns, data) for at, data in enumerate(waiting))
            )
            waiting.clear()
        stop = '' if start is not None or not self._goes('stop') else 'the operator wants it so'
        now = self._now_ns
        inputs = TickInputs(tuple(taken), now, now, now, start, stop)
        request = self.engine.observe(inputs, self._state)
        answer = Answer(AnswerKind.NONE)
        if request.observation is not None:
            answer = self._ask(request.observation.inputs, request.recurrent)
        record, self._state = self.engine.conclude(request, answer, self._state)
        self.recording.on_tick(inputs, record, Timing(), self._state)
        return record

    def _ask(self, inputs, state) -> Answer:
        if isinstance(self.backend, SuccessiveWorkers) and self._goes('kill'):
            os.kill(self.backend.pid, signal.SIGKILL)
        try:
            outputs, following = self.backend.run(inputs, state)
            if self._goes('late answer'):
                raise LateAnswer('no answer in time')
            if self._goes('failed answer'):
                raise ArtifactError('a failure')
        except LateAnswer as problem:
            return Answer(AnswerKind.LATE, problem=str(problem))
        except ArtifactError as problem:
            return Answer(AnswerKind.FAILED, problem=str(problem))
        if self._goes('misshapen answer'):
            outputs = {f'another {name}': array for name, array in outputs.items()}
        return Answer(AnswerKind.RESULT, outputs, following)


def _spoil(message) -> None:
    """Put what is no number where a message has its numbers."""
    for name in ('position', 'ranges'):
        if hasattr(message, name):
            values = np.array(getattr(message, name))
            values[len(values) // 2] = np.nan
            setattr(message, name, values)
