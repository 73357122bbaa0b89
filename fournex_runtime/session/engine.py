"""
The engine of a session: a tick as two pure functions.

``observe(inputs, state) -> request`` and ``conclude(request, answer, state) -> (record, state)``.
In between, somebody asks the policy with the request's observation: the live loop, a worker, the
replayer. The engine has no clock, no thread and no random source.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Sequence
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..configuration import FOREVER_NS
from ..errors import MessageError, WiringError
from ..pipeline.action_terms import build_action
from ..pipeline.command_terms import JointEncoder, build_encoder, build_joint_encoder
from ..pipeline.fields import field_getter
from ..pipeline.messages import Messages
from ..pipeline.observation import LastAction, NonFinite, Observation, ObservationPipeline
from ..pipeline.ports import Target
from ..policy.backend import ArraySpec, signature
from ..policy.bundle import Bundle
from ..safety.gate import Gate, NonFiniteCommand
from ..safety.reactions import Fault
from .chunk_player import ChunkPlayer, Playing
from .tick import (
    Answer,
    AnswerKind,
    Arrays,
    Episode,
    Latched,
    Mode,
    Received,
    Request,
    SessionState,
    TickInput,
    TickInputs,
    TickRecord,
    Vector,
)
from .wiring import SessionWiring

FUTURE_NS = 100_000_000
"""A stamp may lie this far in the future (clocks of two machines) before it is a fault."""


class Engine:
    """
    One session without its state: bundle, wiring, and the arithmetic they make.

    :param bundle: the policy bundle.
    :param wiring: the session's wiring, read against the bundle's contract.
    :param messages: the message types.
    :param frame_prefix: put before the contract's frame names, for instance ``r1/``.
    :raises WiringError: bundle and wiring do not fit.
    """

    def __init__(
        self, bundle: Bundle, wiring: SessionWiring, messages: Messages, frame_prefix: str = ''
    ) -> None:
        self.bundle = bundle
        self.contract = bundle.contract
        self.wiring = wiring
        self._messages = messages
        self._pipeline = ObservationPipeline(
            self.contract, wiring.sources, wiring.ports, messages, bundle.statistics, frame_prefix
        )
        self._signature = signature(self.contract)
        self._actions = [build_action(term) for term in self.contract.action_terms]
        self._player = None
        if self.contract.chunk is not None:
            self._player = ChunkPlayer(self.contract.chunk, self.contract.period_ns)
        self._gates = [Gate(limits, self.contract.period_ns) for limits in wiring.limits]
        try:
            if wiring.reward is not None:
                source, field = wiring.reward
                messages.check_field(wiring.sources[source].type, field, array=False)
            self._has_header = [messages.has_header(source.type) for source in wiring.sources]
        except MessageError as problem:
            raise WiringError(f'sessions.{wiring.name}.reward: {problem}') from problem
        self._encoders = [self._encoder(target, frame_prefix) for target in wiring.targets]
        self._stops = [self._checked_stop(index) for index in range(len(wiring.stops))]
        self._remembers = self.contract.has_history
        self._required = sorted({port.source for port in wiring.ports})
        for source in wiring.lockstep:
            if not self._has_header[source]:
                raise WiringError(
                    f'sessions.{wiring.name}.pacing: {wiring.sources[source].type} has no header, '
                    'so it carries no stamp to wait for'
                )

    def _encoder(self, target: Target, frame_prefix: str) -> JointEncoder:
        """Return what makes one topic's command of the values of all terms."""
        indices = [
            index
            for index, one in enumerate(self.wiring.term_targets)
            if one.topic == target.topic
        ]
        terms = [self.contract.action_terms[index] for index in indices]
        frame = frame_prefix + target.frame if target.frame else ''
        framed = dataclasses.replace(target, frame=frame)
        for index in indices:
            limits = self.wiring.limits[index]
            greatest = max(map(abs, (*limits.low, *limits.high)))
            if 'Float32' in target.type and greatest > float(np.finfo(np.float32).max):
                raise WiringError(
                    f'{target.where}: {target.type} cannot hold all values up to the limit '
                    f'{greatest}'
                )
        try:
            if len(terms) > 1:
                together = build_joint_encoder(terms, framed, self._messages)
                return lambda safe, ros_ns: together([safe[index] for index in indices], ros_ns)
            encode, only = build_encoder(terms[0], framed, self._messages), indices[0]
        except (WiringError, MessageError) as problem:
            raise WiringError(f'{target.where}: {problem}') from problem
        return lambda safe, ros_ns: encode(safe[only], ros_ns)

    def _checked_stop(self, index: int) -> Vector | None:
        stop, limits = self.wiring.stops[index].values, self.wiring.limits[index]
        if stop is None:
            return None
        for label, value, low, high in zip(limits.labels, stop, limits.low, limits.high):
            if not low <= value <= high:
                raise WiringError(
                    f'{self.wiring.term_targets[index].where}.stop: {label} {value} is outside '
                    f'its limits {low} to {high}'
                )
        return _frozen(np.array(stop))

    def initial_state(self) -> SessionState:
        """Return the state before the first tick."""
        return SessionState(
            tick=0,
            mode=Mode.STANDBY,
            cause='',
            episode=Episode(),
            latched=(None,) * len(self.wiring.sources),
            history=self._pipeline.initial_history(),
            last_action=self._no_action(),
            recurrent=self._initial_recurrent(),
            last_safe=None,
            fault_since_ns=None,
            commands=(0,) * len(self.wiring.targets),
        )

    def _no_action(self) -> LastAction:
        zeros = _frozen(np.zeros(self.contract.action_size))
        return LastAction(zeros, zeros)

    def _initial_recurrent(self) -> Arrays:
        given = self.bundle.initial_state
        return {
            one.name: given[one.name] if one.file else _frozen(np.zeros(one.shape, np.float32))
            for one in self.contract.state
        }

    def _recurrent_of_episode(self, before: Arrays) -> Arrays:
        """Return the recurrent state that an episode begins with."""
        kept = {one.name: before[one.name] for one in self.contract.state if one.keeps}
        return {**self._initial_recurrent(), **kept}

    # --- observe ---------------------------------------------------------------------------------

    def observe(self, inputs: TickInputs, state: SessionState) -> Request:
        """
        Make the policy's request of what a tick was given. Pure.

        :param inputs: the tick's inputs.
        :param state: what the session remembers.
        """
        latched = tuple(
            self._latch(source, received, state.latched[source])
            for source, received in enumerate(inputs.messages)
        )
        ages_ns = tuple(_age_ns(one, inputs) for one in latched)
        episode, recurrent = state.episode, state.recurrent
        last_action, history = state.last_action, state.history
        if inputs.episode is not None:
            episode = Episode(inputs.episode.id, inputs.episode.seed)
            recurrent = self._recurrent_of_episode(state.recurrent)
            last_action, history = self._no_action(), self._pipeline.initial_history()
        reward = self._reward(inputs)
        waiting = ', '.join(
            self.wiring.sources[source].topic
            for source in self._required
            if latched[source] is None
        )
        stopped = state.mode is Mode.STOPPED and inputs.episode is None
        observation: Observation | None = None
        fault: tuple[Fault, str] | None = None
        playing = state.chunk if inputs.episode is None else None
        played_history = history
        if not waiting and not stopped and not inputs.stop:
            fault = self._input_fault(latched, ages_ns)
            if fault is None and (playing is None or self._remembers):
                try:
                    newest = [None if one is None else one.message for one in latched]
                    observation = self._pipeline.build(newest, last_action, history, episode.tick)
                    _freeze(observation.inputs, observation.history)
                    if playing is not None:  # only what a later observation needs of this one
                        played_history, observation = observation.history, None
                except NonFinite as problem:
                    fault = (Fault.NON_FINITE, str(problem))
                except MessageError as problem:
                    fault = (Fault.INVALID, str(problem))
        return Request(
            inputs=inputs,
            latched=latched,
            ages_ns=ages_ns,
            observation=observation,
            episode=dataclasses.replace(episode, total=episode.total + reward),
            started=inputs.episode is not None,
            recurrent=recurrent,
            reward=reward,
            waiting=waiting,
            fault=fault,
            playing=playing,
            history=played_history,
        )

    def stamp_ns(self, source: int, data: bytes) -> int | None:
        """Return the ``header.stamp`` of a source's message; None where it has none to read."""
        if not self._has_header[source]:
            return None
        try:
            message = self._messages.decode(data, self.wiring.sources[source].type)
        except MessageError:
            return None
        return int(message.header.stamp.sec * 1_000_000_000 + message.header.stamp.nanosec)

    def _latch(
        self, source: int, received: Sequence[Received], before: Latched | None
    ) -> Latched | None:
        if not received:
            return before
        newest = received[-1]
        try:
            message = self._messages.decode(newest.data, self.wiring.sources[source].type)
        except MessageError as problem:
            return Latched(newest.index, newest.arrival_ns, 0, None, str(problem))
        stamp_ns = 0
        if self._has_header[source]:
            stamp = message.header.stamp
            stamp_ns = stamp.sec * 1_000_000_000 + stamp.nanosec
        return Latched(newest.index, newest.arrival_ns, stamp_ns, message)

    def _reward(self, inputs: TickInputs) -> float:
        if self.wiring.reward is None:
            return 0.0
        source, field = self.wiring.reward
        total = 0.0
        for received in inputs.messages[source]:
            try:
                message = self._messages.decode(received.data, self.wiring.sources[source].type)
            except MessageError:
                continue  # a reward is bookkeeping: an unreadable one is no reason to stop a robot
            value = float(field_getter(field)(message))
            total += value if np.isfinite(value) else 0.0
        return total

    def _input_fault(
        self, latched: Sequence[Latched | None], ages_ns: Sequence[int]
    ) -> tuple[Fault, str] | None:
        """Return the first fault of the messages themselves, in the order of the contract."""
        for port in self.wiring.ports:
            one = latched[port.source]
            assert one is not None
            topic = self.wiring.sources[port.source].topic
            if one.problem:
                return Fault.INVALID, f'{port.label}: {topic}: {one.problem}'
            age_ns = ages_ns[port.source]
            if age_ns > port.budget_ns:
                return Fault.STALE, (
                    f'{port.label}: {topic} is {age_ns / 1e6:.0f} ms old, budget '
                    f'{port.budget_ns / 1e6:.0f} ms'
                )
            if age_ns < -FUTURE_NS and port.budget_ns < FOREVER_NS:
                return Fault.INVALID, (
                    f'{port.label}: {topic} is stamped {-age_ns / 1e6:.0f} ms in the future; the '
                    'clocks of publisher and runtime differ'
                )
        return None

    # --- conclude --------------------------------------------------------------------------------

    def conclude(
        self, request: Request, answer: Answer, state: SessionState
    ) -> tuple[TickRecord, SessionState]:
        """
        Make commands, a record and the next state of the policy's answer. Pure.

        The policy's state, history and last action are replaced only by a complete answer that
        passed every check; in every other case they stay as they were.

        :param request: what ``observe`` returned.
        :param answer: what came of asking; ``NONE`` when the request has no observation.
        :param state: the state that ``observe`` was given.
        """
        answer = self._own(request, answer)
        act = self._act(request, answer, state)
        inputs = request.inputs
        fault_since = state.fault_since_ns
        if act.mode in (Mode.STANDBY, Mode.POLICY):
            fault_since = None
        elif fault_since is None or request.started:
            fault_since = inputs.steady_ns
        commands, counts = self._encode(act.safe, inputs.ros_ns, state.commands)
        record = TickRecord(
            tick=state.tick,
            due_ns=inputs.due_ns,
            episode=request.episode,
            episode_start=request.started,
            steady_ns=inputs.steady_ns,
            ros_ns=inputs.ros_ns,
            stop_requested=bool(inputs.stop),
            inputs=tuple(
                TickInput(0, 0, 0, -1)
                if one is None
                else TickInput(one.index, one.arrival_ns, one.stamp_ns, age)
                for one, age in zip(request.latched, request.ages_ns)
            ),
            answer=answer.kind,
            mode=act.mode,
            cause=act.cause,
            observation=request.observation.inputs if request.observation is not None else {},
            state=act.recurrent,
            raw_action=answer.outputs,
            safe_action={}
            if act.safe is None
            else {one.term: values for one, values in zip(self.wiring.term_targets, act.safe)},
            limited=act.limited,
            commands=commands,
            command_indices=counts if commands else (),
            reward=request.reward,
        )
        following = SessionState(
            tick=state.tick + 1,
            mode=act.mode,
            cause=act.cause,
            episode=dataclasses.replace(request.episode, tick=request.episode.tick + 1),
            latched=request.latched,
            history=act.history,
            last_action=act.last_action,
            recurrent=act.recurrent,
            last_safe=act.safe if act.safe is not None else state.last_safe,
            fault_since_ns=fault_since,
            commands=counts,
            chunk=act.chunk,
        )
        return record, following

    def _act(self, request: Request, answer: Answer, state: SessionState) -> _Act:
        """Decide mode and safe action."""
        kept = self._kept(request, state)
        if request.inputs.stop:
            return self._stop(kept, request.inputs.stop, state)
        if state.mode is Mode.STOPPED and not request.started:
            return self._stop(kept, state.cause, state)
        if request.waiting:
            return dataclasses.replace(
                kept, mode=Mode.STANDBY, cause=f'waiting for {request.waiting}'
            )
        fault = request.fault
        if fault is None:
            try:
                if request.playing is not None:
                    return self._play(request, request.playing, state)
                return self._policy_action(request, answer, state)
            except _Unusable as problem:
                fault = problem.fault
        return self._react(kept, request, fault, state)

    def _kept(self, request: Request, state: SessionState) -> _Act:
        """Return the act that changes nothing: what the policy remembers stays as it is."""
        last_action, history = state.last_action, state.history
        if request.started:
            last_action, history = self._no_action(), self._pipeline.initial_history()
        return _Act(Mode.STANDBY, '', None, (), request.recurrent, history, last_action)

    def last_action(self, outputs: Arrays) -> LastAction:
        """Return what ``last_action`` terms see after these outputs of the artifact."""
        return self._as_action(self._rows(outputs)[0])

    def _rows(self, outputs: Arrays) -> NDArray[np.float64]:
        """Return the raw actions of the outputs: one row, or one for each of a chunk."""
        rows = 1 if self.contract.chunk is None else self.contract.chunk.size
        parts = [outputs[spec.name].reshape(rows, -1) for spec in self._signature.outputs]
        return np.concatenate(parts, axis=1).astype(np.float64)

    def _as_action(self, raw: Vector) -> LastAction:
        starts = np.cumsum([action.term.width for action in self._actions])[:-1]
        clipped = [action.clip(part) for action, part in zip(self._actions, np.split(raw, starts))]
        return LastAction(_frozen(raw), _frozen(np.concatenate(clipped)))

    def _policy_action(self, request: Request, answer: Answer, state: SessionState) -> _Act:
        observation = request.observation
        assert observation is not None
        if answer.kind is AnswerKind.LATE:
            raise _Unusable(Fault.LATE, answer.problem)
        if answer.kind is not AnswerKind.RESULT:
            raise _Unusable(Fault.FAILED, answer.problem)
        for name, array in (*answer.outputs.items(), *answer.state.items()):
            if not np.isfinite(array).all():
                raise _Unusable(Fault.NON_FINITE, f'the policy gave {name} not finite')
        actions = self._rows(answer.outputs)
        if self._player is not None:
            playing = Playing(_frozen(actions), 0)
            return self._command(
                self._player.action(playing),
                state,
                recurrent=answer.state,
                history=observation.history,
                chunk=self._player.following(playing),
            )
        return self._command(
            actions[0], state, recurrent=answer.state, history=observation.history, chunk=None
        )

    def _play(self, request: Request, playing: Playing, state: SessionState) -> _Act:
        """Command the next action of a chunk; the policy was not asked."""
        assert self._player is not None
        return self._command(
            self._player.action(playing),
            state,
            recurrent=request.recurrent,
            history=request.history,
            chunk=self._player.following(playing),
        )

    def _command(
        self,
        raw: Vector,
        state: SessionState,
        *,
        recurrent: Arrays,
        history: Any,
        chunk: Playing | None,
    ) -> _Act:
        """Make commands of a raw action."""
        action = self._as_action(raw)
        safe: list[Vector] = []
        limited: list[str] = []
        start = 0
        for index, (term, gate) in enumerate(zip(self._actions, self._gates)):
            values = action.clipped[start : start + term.term.width]
            start += term.term.width
            last = None if state.last_safe is None else state.last_safe[index]
            try:
                passed, touched = gate.check(term.command(values), last)
            except NonFiniteCommand as problem:
                raise _Unusable(Fault.NON_FINITE, str(problem)) from problem
            if words := term.problem(passed):
                raise _Unusable(Fault.FAILED, words)
            safe.append(_frozen(passed))
            limited.extend(touched)
        return _Act(
            mode=Mode.POLICY,
            cause='',
            safe=tuple(safe),
            limited=tuple(limited),
            recurrent=recurrent,
            history=history,
            last_action=action,
            chunk=chunk,
        )

    def _own(self, request: Request, answer: Answer) -> Answer:
        """
        Return an answer whose arrays nobody else can change, and which the contract knows.

        A result of another name, shape or dtype becomes ``FAILED``: it can be neither used nor
        recorded. Nobody can have answered what was not asked.
        """
        if request.observation is None:
            return Answer(AnswerKind.NONE)
        if answer.kind is not AnswerKind.RESULT:
            return Answer(answer.kind, problem=answer.problem)
        own: tuple[dict[str, Any], dict[str, Any]] = ({}, {})
        state = [ArraySpec(one.name, one.shape, 'float32') for one in self.contract.state]
        sides = ((self._signature.outputs, answer.outputs), (state, answer.state))
        for mine, (specs, arrays) in zip(own, sides):
            for spec in specs:
                array: Any = arrays.get(spec.name)
                if not isinstance(array, np.ndarray):
                    problem = f'{spec.name} is {"missing" if array is None else "no array"}'
                else:
                    problem = spec.mismatch(array)
                if problem:
                    return Answer(AnswerKind.FAILED, problem=f'the policy gave {problem}')
                mine[spec.name] = _frozen(np.array(array, order='C'))
        return Answer(AnswerKind.RESULT, *own)

    def _react(
        self, kept: _Act, request: Request, fault: tuple[Fault, str], state: SessionState
    ) -> _Act:
        kind, words = fault
        cause = f'{kind.value}: {words}'
        now = request.inputs.steady_ns
        since = state.fault_since_ns
        if since is None or request.started:
            since = now
        hold_ns = self.wiring.reactions[kind].hold_ns
        if hold_ns > 0 and now - since < hold_ns:
            return dataclasses.replace(kept, mode=Mode.FALLBACK, cause=cause, safe=state.last_safe)
        return self._stop(kept, cause, state)

    def _stop(self, kept: _Act, cause: str, state: SessionState) -> _Act:
        """Publish the stop command; nothing, if a target is to hold a command it never got."""
        safe: tuple[Vector, ...] | None = None
        if all(stop is not None for stop in self._stops) or state.last_safe is not None:
            before = state.last_safe or ()
            safe = tuple(
                before[index] if stop is None else stop for index, stop in enumerate(self._stops)
            )
        return dataclasses.replace(kept, mode=Mode.STOPPED, cause=cause, safe=safe)

    def _encode(
        self, safe: tuple[Vector, ...] | None, ros_ns: int, counts: tuple[int, ...]
    ) -> tuple[tuple[bytes, ...], tuple[int, ...]]:
        if safe is None:
            return (), counts
        commands = tuple(encode(safe, ros_ns) for encode in self._encoders)
        return commands, tuple(count + 1 for count in counts)


@dataclasses.dataclass(frozen=True, slots=True)
class _Act:
    """What a tick decides: mode, command, and what the policy remembers."""

    mode: Mode
    cause: str
    safe: tuple[Vector, ...] | None
    limited: tuple[str, ...]
    recurrent: Arrays
    history: Any
    last_action: LastAction
    chunk: Playing | None = None


class _Unusable(Exception):
    """The policy's answer cannot be used."""

    def __init__(self, kind: Fault, words: str) -> None:
        super().__init__(words)
        self.fault = (kind, words)


def _frozen(array: NDArray[Any]) -> NDArray[Any]:
    """Return the array made read-only: states and records share it."""
    array.setflags(write=False)
    return array


def _freeze(*groups: Arrays) -> None:
    for arrays in groups:
        for array in arrays.values():
            array.setflags(write=False)


def _age_ns(latched: Latched | None, inputs: TickInputs) -> int:
    """Return the larger of the age by arrival and the age by stamp; -1 without a message."""
    if latched is None:
        return -1
    by_arrival = inputs.steady_ns - latched.arrival_ns
    if latched.stamp_ns == 0:
        return by_arrival
    by_stamp = inputs.ros_ns - latched.stamp_ns
    return by_stamp if by_stamp < -FUTURE_NS else max(by_arrival, by_stamp)
