"""
Recordings in which much goes wrong, made without waiting for real time.

Policies drive simulated robots through the tick engine as ``fournex evaluate`` does, and from a
seed come: inputs that stay away, are garbage, come twice, go back in time or hold what is no
number; operators who take over and press buttons; answers that are late, failed or misshapen;
workers that are killed; episodes begun, stops, and clocks that jump. All of it is recorded as a
live run is.
"""

from __future__ import annotations

import contextlib
import dataclasses
import os
import pathlib
import signal
from collections.abc import Mapping, Sequence

from faulty_robot import FaultyRobot, Misfortune

from fournex_runtime.pipeline.messages import messages
from fournex_runtime.policy.backend import load_backend, warm_up
from fournex_runtime.policy.bundle import Bundle
from fournex_runtime.policy.inference import Inference
from fournex_runtime.session.engine import Engine
from fournex_runtime.session.shared_policy import NOT_ASKED, Answered, SharedPolicy
from fournex_runtime.session.sharing import sharing
from fournex_runtime.session.tick import (
    Answer,
    AnswerKind,
    EpisodeStart,
    Mode,
    PolicyChoice,
    Request,
    TickInputs,
    TickRecord,
    Timing,
)
from fournex_runtime.session.wiring import Wiring, load_wiring
from fournex_runtime.sim.evaluation import START_NS
from fournex_runtime.sim.evaluation_recording import EvaluationRecording
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
    'operator': 3.0,
    'button': 0.5,
    'kill': 0.4,
    'swap': 4.0,
}
"""How often things go wrong, of a thousand."""
SHOWN = ('belated answer', 'second policy', 'chosen policy', 'in a batch')
"""What else is counted, in ticks, beside the modes."""


class HardLife:
    """
    The sessions of a wiring, each on a robot of its own, with what goes wrong drawn from a seed.

    :param wiring: file of the wiring.
    :param folder: the bag; it must not exist.
    :param seed: of everything.
    :param bundle: the policy instead of the wiring's.
    :param in_process: run the policies in this process where that can be.
    :param often: what goes wrong so often, of a thousand, and not as usual.
    :param harder: how much more often everything else goes wrong.
    :param split_bytes: how long a file of the bag gets, if not as the wiring says.
    """

    def __init__(
        self,
        wiring: pathlib.Path,
        folder: pathlib.Path,
        seed: int = 0,
        bundle: pathlib.Path | None = None,
        in_process: bool = True,
        often: Mapping[str, float] | None = None,
        harder: float = 1.0,
        split_bytes: int = 0,
    ) -> None:
        read = load_wiring(wiring, bundle)
        if split_bytes:
            shorter = dataclasses.replace(read.record, split_bytes=split_bytes)
            read = dataclasses.replace(read, record=shorter)
        usual = {what: rate * harder for what, rate in OFTEN.items()}
        self._misfortune = Misfortune({**usual, **(often or {})}, seed)
        self.happened = self._misfortune.happened
        """How often what went wrong, and how many ticks ended in which mode."""
        self._in_process = in_process
        self._backends = contextlib.ExitStack()
        with self._backends as loading:
            self._lives = self._begun(read)
            self._backends = loading.pop_all()
        self.recording = EvaluationRecording(
            folder,
            read,
            [life.engine for life in self._lives],
            [life.policy.backend.description for life in self._lives],
            messages(),
        )
        (self._period_ns,) = {life.engine.contract.period_ns for life in self._lives}
        self._now_ns = START_NS

    def _begun(self, read: Wiring) -> list[Life]:
        policies: dict[str, tuple[int, SharedPolicy]] = {}
        wired = {one.name: one for one in read.sessions}
        for names in sharing(read):
            first = wired[names[0]]
            policy = self._load(read.bundles[first.name], first.inference, len(names))
            policies.update({name: (row, policy) for row, name in enumerate(names)})
        return [
            Life(
                Engine(read.bundles[one.name], one, messages()),
                *policies[one.name],
                {two.name: self._load(two.bundle, two.wiring.inference) for two in one.fallbacks},
                FaultyRobot(read.robot, one, self._misfortune),
                self._misfortune,
            )
            for one in read.sessions
        ]

    def _load(self, bundle: Bundle, inference: Inference, sessions: int = 1) -> SharedPolicy:
        inference = inference.inline() if self._in_process else inference
        inference = dataclasses.replace(inference, rows=sessions)
        backend = load_backend(bundle, inference, ANSWER_TIMEOUT_S)
        self._backends.callback(backend.close)
        warm_up(backend, bundle.contract)
        if isinstance(backend, SuccessiveWorkers):
            backend.waits = True
        return SharedPolicy(backend, sessions, inference.deterministic)

    def live(self, ticks: int) -> None:
        """Run so many ticks of each session into the bag."""
        with self._backends:
            self.recording.start()
            try:
                for life in self._lives:
                    life.robot.reset(self._now_ns)
                for _ in range(ticks):
                    self._round()
            finally:
                self.recording.close()

    def _round(self) -> None:
        """Run a tick of each session."""
        requests = [life.begin(self._now_ns) for life in self._lives]
        answers = self._ask(requests)
        for number, (life, request) in enumerate(zip(self._lives, requests)):
            answered = answers.get(number, NOT_ASKED)
            timing = Timing(
                worker=answered.worker,
                batch_size=answered.batch_size,
                batch_row=answered.batch_row,
            )
            record = life.conclude(request, answered)
            self.recording.on_tick(request.inputs, record, timing, life.state, number)
            life.robot.step(record.commands, self._now_ns, self._period_ns)
        self._now_ns += self._period_ns
        if self._misfortune.strikes('clock jump'):
            self._now_ns += JUMP_NS

    def _ask(self, requests: Sequence[Request]) -> Mapping[int, Answered]:
        """Ask each policy once for all who want it; return the answers by session."""
        wanted: dict[SharedPolicy, list[tuple[int, int]]] = {}
        found: dict[int, Answered] = {}
        for number, (life, request) in enumerate(zip(self._lives, requests)):
            if request.observation is None:
                continue
            late = life.late_answer(request)
            if late is not None:
                found[number] = late
                continue
            policy, row = life.asks(request)
            wanted.setdefault(policy, []).append((number, row))
        for policy, those in wanted.items():
            if isinstance(policy.backend, SuccessiveWorkers) and self._misfortune.strikes('kill'):
                os.kill(policy.backend.pid, signal.SIGKILL)
            policy.ask([(row, requests[number]) for number, row in those])
            answers = policy.answers()
            assert answers is not None
            for (number, _), answered in zip(those, answers):
                found[number] = self._lives[number].heard(answered)
        return found


class Life:
    """
    One session and its robot.

    :param engine: the session.
    :param row: its row in batches.
    :param policy: what it asks.
    :param seconds: its second policies.
    :param robot: the robot.
    :param misfortune: what goes wrong.
    """

    def __init__(
        self,
        engine: Engine,
        row: int,
        policy: SharedPolicy,
        seconds: Mapping[str, SharedPolicy],
        robot: FaultyRobot,
        misfortune: Misfortune,
    ) -> None:
        self.engine, self.policy, self.robot = engine, policy, robot
        self._row, self._seconds = row, seconds
        self._misfortune = misfortune
        self.state = engine.initial_state()
        self._start: EpisodeStart | None = self._episode(1)
        self._episodes = 1
        self._stopped = 0
        self._late: Answered | None = None

    def _episode(self, number: int) -> EpisodeStart:
        return EpisodeStart(f'episode-{number}', self._misfortune.chance.randrange(1, 1 << 63))

    def begin(self, now_ns: int) -> Request:
        """Return the request of a tick."""
        stops = self._start is None and self._misfortune.strikes('stop')
        stop = 'the operator wants it so' if stops else ''
        taken = self.robot.take(now_ns)
        choice = None
        if self._seconds and self._misfortune.strikes('swap'):
            others = {'', *self._seconds} - {self.state.chosen}
            choice = PolicyChoice(self._misfortune.chance.choice(sorted(others)))
        inputs = TickInputs(taken, now_ns, now_ns, now_ns, self._start, stop, choice)
        return self.engine.observe(inputs, self.state)

    def asks(self, request: Request) -> tuple[SharedPolicy, int]:
        """Return the policy that a request is for, and its row there."""
        second = request.second
        return (self.policy, self._row) if second is None else (self._seconds[second.name], 0)

    def late_answer(self, request: Request) -> Answered | None:
        """Return what was late in the tick before, where the session waits for it once more."""
        late, self._late = self._late, None
        if late is None or not request.awaits_late:
            return None
        if self._misfortune.strikes('late answer'):
            return dataclasses.replace(late, answer=_LATE)
        answer = dataclasses.replace(late.answer, kind=AnswerKind.BELATED)
        return dataclasses.replace(late, answer=answer)

    def heard(self, answered: Answered) -> Answered:
        """Return what becomes of an answer on its way."""
        if answered.answer.kind is not AnswerKind.RESULT:
            return answered
        if self._misfortune.strikes('late answer'):
            self._late = answered
            return dataclasses.replace(answered, answer=_LATE)
        if self._misfortune.strikes('failed answer'):
            return dataclasses.replace(answered, answer=_FAILED)
        if self._misfortune.strikes('misshapen answer'):
            outputs = {f'another {name}': one for name, one in answered.answer.outputs.items()}
            answer = dataclasses.replace(answered.answer, outputs=outputs)
            return dataclasses.replace(answered, answer=answer)
        return answered

    def conclude(self, request: Request, answered: Answered) -> TickRecord:
        """End a tick; the next one begins an episode now and then, and a while after a stop."""
        record, self.state = self.engine.conclude(request, answered.answer, self.state)
        happened = self._misfortune.happened
        happened[record.mode.name.lower()] += 1
        happened['limited'] += bool(record.limited)
        happened['belated answer'] += record.answer is AnswerKind.BELATED
        happened['second policy'] += bool(record.observation) and request.second is not None
        happened['chosen policy'] += bool(record.chosen) and record.mode is Mode.POLICY
        happened['in a batch'] += answered.batch_size > 0
        self._stopped = self._stopped + 1 if record.mode is Mode.STOPPED else 0
        self._start = None
        if self._stopped > 15 or self._misfortune.strikes('episode'):
            self._episodes += 1
            self._start = self._episode(self._episodes)
        return record


_LATE = Answer(AnswerKind.LATE, problem='no answer in time')
_FAILED = Answer(AnswerKind.FAILED, problem='a failure')
