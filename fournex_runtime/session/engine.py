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

from ..errors import MessageError, StaleTransform
from ..pipeline.messages import Messages
from ..pipeline.newest_messages import SourceDecoder
from ..pipeline.observation import (
    LastAction,
    NonFinite,
    Observation,
)
from ..pipeline.told_transforms import TransformDecoder
from ..policy.bundle import Bundle
from ..safety.reactions import Fault, Kind
from .actions import SessionActions, UnusableAnswer
from .commands import SessionCommands
from .decision import Act, Decision
from .inputs import SessionInputs, ages_ns
from .observation import SessionObservation
from .operators import Operators
from .second_request import asking_chosen, asking_in_reaction, remembered_idle
from .tick import (
    Answer,
    AnswerKind,
    Arrays,
    Episode,
    Mode,
    Newest,
    Received,
    Request,
    SafeAction,
    SessionState,
    TickInput,
    TickInputs,
    TickRecord,
    frozen,
)
from .wiring_types import SessionWiring


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
        decoders = [
            TransformDecoder(messages)
            if number in wiring.tf_sources
            else SourceDecoder(messages, source.type)
            for number, source in enumerate(wiring.sources)
        ]
        self._observation = SessionObservation(bundle, wiring, messages, decoders, frame_prefix)
        self._inputs = SessionInputs(wiring, messages, decoders)
        self._operators = Operators(self.contract, wiring, messages, decoders, frame_prefix)
        self._actions = SessionActions(self.contract, wiring.limits)
        self._commands = SessionCommands(self.contract, wiring, messages, frame_prefix)
        self.seconds = {
            one.name: Engine(one.bundle, one.wiring, messages, frame_prefix)
            for one in wiring.fallbacks
        }
        """The engines of second policies, by name."""
        self._decision = Decision(
            self.contract, wiring, self._actions, self._commands.stop, self.as_read, self.seconds
        )
        self._remembers = self.contract.has_history
        self._reference = self.contract.reference

    def initial_state(self) -> SessionState:
        """Return the state before the first tick."""
        return SessionState(
            tick=0,
            mode=Mode.STANDBY,
            cause='',
            episode=Episode(),
            latched=(None,) * len(self.wiring.sources),
            history=self._observation.initial_history(),
            last_action=self._actions.none_yet(),
            recurrent=self._initial_recurrent(),
            last_safe=None,
            commands=(0,) * len(self.wiring.targets),
        )

    def resumed_state(
        self, remembered: SessionState, newest: Sequence[Received | None]
    ) -> SessionState:
        """
        Return a state that was written down, with the messages that were not.

        :param remembered: the state; what it says of the newest messages does not count.
        :param newest: the newest message of each source.
        """
        return dataclasses.replace(remembered, latched=self._inputs.resumed(newest))

    def _initial_recurrent(self) -> Arrays:
        given = self.bundle.initial_state
        return {
            one.name: given[one.name] if one.file else frozen(np.zeros(one.shape, np.float32))
            for one in self.contract.state
        }

    def _recurrent_of_episode(self, before: Arrays) -> Arrays:
        """Return the recurrent state that an episode begins with."""
        kept = {one.name: before[one.name] for one in self.contract.state if one.keeps}
        return {**self._initial_recurrent(), **kept}

    # --- observe ---------------------------------------------------------------------------------

    def decode(self, inputs: TickInputs, state: SessionState) -> Newest:
        """
        Return the newest message of each source, decoded. Pure; the first part of ``observe``.

        :param inputs: the tick's inputs.
        :param state: what the session remembers.
        """
        return self._inputs.latched(inputs, state.latched)

    def observe(
        self, inputs: TickInputs, state: SessionState, newest: Newest | None = None
    ) -> Request:
        """
        Make the policy's request of what a tick was given. Pure.

        :param inputs: the tick's inputs.
        :param state: what the session remembers.
        :param newest: what :meth:`decode` returned for both, from a caller that times it apart.
        """
        before, state = state, self._with_choice(inputs, state)
        latched = self.decode(inputs, state) if newest is None else newest
        ages = ages_ns(latched, inputs)
        tree = state.frames
        if self.wiring.frames is not None:
            tree = self._observation.tree(self.wiring.frames, inputs, latched, tree)
        episode, recurrent = state.episode, state.recurrent
        last_action, history = state.last_action, state.history
        if inputs.episode is not None:
            episode = Episode(inputs.episode.id, inputs.episode.seed)
            recurrent = self._recurrent_of_episode(state.recurrent)
            last_action, history = self._actions.none_yet(), self._observation.initial_history()
        reward = 0.0 if self.wiring.reward is None else self._inputs.reward(inputs)
        own = not state.chosen
        waiting = self._inputs.waiting(latched, own)
        stopped = state.mode is Mode.STOPPED and inputs.episode is None
        observation: Observation | None = None
        fault: tuple[Fault, str] | None = None
        playing = state.chunk if inputs.episode is None else None
        played_history = history
        stop, manual = inputs.stop, None
        if self._operators.any:
            stop = stop or self._operators.stop(inputs, latched)
            manual = None if stop or stopped else self._operators.manual(inputs, latched)
        if manual is not None:
            fault, playing = manual.fault, None
        elif own and not waiting and not stopped and not stop:
            fault = self._inputs.fault(latched, ages)
            if fault is None and (playing is None or self._remembers):
                try:
                    observation = self._observation.made(
                        inputs, latched, tree, last_action, history, episode
                    )
                    if playing is not None:  # only what a later observation needs of this one
                        played_history, observation = observation.history, None
                except NonFinite as problem:
                    fault = (Fault.NON_FINITE, str(problem))
                except StaleTransform as problem:
                    fault = (Fault.STALE, str(problem))
                except MessageError as problem:
                    fault = (Fault.INVALID, str(problem))
        awaits_late = (
            state.reacting is not None
            and state is before
            and self._decision.awaits_late(state.reacting, inputs)
        )
        request = Request(  # by place: see ``immutable``
            inputs,
            latched,
            ages,
            observation,
            episode if reward == 0.0 else _rewarded(episode, reward),
            inputs.episode is not None,
            recurrent,
            reward,
            waiting,
            fault,
            playing,
            played_history,
            tree,
            stop,
            manual,
            observation is not None and awaits_late,
        )
        driven = manual is not None and manual.fault is None
        if not self.seconds or stop or stopped or driven or waiting:
            return request
        if not own and manual is None:
            chosen = self.seconds[state.chosen]
            request = asking_chosen(chosen, state.chosen, request, state, awaits_late)
            if request.waiting:
                return request
        reacting = self._decision.reacting(request.fault, request, state)
        if reacting is None or reacting.step.kind is not Kind.POLICY:
            return request
        name = reacting.step.name
        return asking_in_reaction(self.seconds[name], name, request, state)

    def _with_choice(self, inputs: TickInputs, state: SessionState) -> SessionState:
        """Return a state in which the policy that a tick wants is chosen, and begins anew."""
        choice = inputs.policy
        if choice is None or choice.name == state.chosen:
            return state
        return dataclasses.replace(
            state,
            history=self._observation.initial_history(),
            last_action=self._actions.none_yet(),
            recurrent=self._recurrent_of_episode(state.recurrent),
            chunk=None,
            chosen=choice.name,
            second=None,
            soft_start=self._decision.soft_start,
        )

    def acts(self, request: Request, answer: Answer, state: SessionState) -> Act:
        """
        Return what a policy does with an answer, as the second one of a session.

        :param request: its request.
        :param answer: what came of it.
        :param state: what it remembers.
        :raises UnusableAnswer: it cannot act.
        """
        if request.waiting:
            raise UnusableAnswer(Fault.STALE, f'{request.waiting} has not come')
        if request.fault is not None:
            raise UnusableAnswer(*request.fault)
        return self._decision.policy_acts(request, answer, state)

    def as_read(self, request: Request, state: SessionState) -> dict[str, NDArray[Any]]:
        """
        Return what the messages of a tick say, by observation term, before any arithmetic.

        :param request: what :meth:`observe` made of them; with an observation.
        :param state: the state that it was given.
        :raises MessageError: a message lacks what its term needs.
        """
        last_action = self._actions.none_yet() if request.started else state.last_action
        return self._observation.as_read(request, last_action)

    def lacks(self, name: str, state: SessionState) -> str:
        """
        Return which topics a policy needs that were always silent; empty for none.

        :param name: of a second policy; empty for the session's own.
        :param state: what the session remembers.
        """
        engine = self.seconds[name] if name else self
        return engine._inputs.waiting(state.latched, own=True)

    def reference(self, name: str) -> str:
        """Return the ``name@version`` of a second policy; of the session's own without a name."""
        return self.seconds[name]._reference if name else self._reference

    def acting(self, state: SessionState) -> str:
        """Return whose turn it is: the name of a second policy; nothing for the session's own."""
        reacting = state.reacting
        if reacting is not None and reacting.step.kind is Kind.POLICY:
            return reacting.step.name
        return state.chosen

    def begins_where_measured(self, state: SessionState) -> bool:
        """Return whether a policy that acts now begins softly from what the messages say."""
        return self._decision.begins_where_measured(state)

    def unresolved(self, inputs: TickInputs) -> tuple[str, ...]:
        """
        Return which frames a tick would lack, in words, of the terms whose messages have come.

        :param inputs: everything that has come, as the first tick would be given it.
        """
        latched = self._inputs.latched(inputs, (None,) * len(self.wiring.sources))
        return self._observation.unresolved(inputs, latched)

    def stamp_ns(self, source: int, data: bytes) -> int | None:
        """Return the ``header.stamp`` of a source's message; None where it has none to read."""
        return self._inputs.stamp_ns(source, data)

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
        state = self._with_choice(request.inputs, state)
        if request.observation is None:  # nobody can have answered what was not asked
            answer = Answer(AnswerKind.NONE)
        elif answer.kind is AnswerKind.BELATED and not request.awaits_late:
            answer = Answer(AnswerKind.LATE, problem='the answer is to another question')
        asked = self if request.second is None else self.seconds[request.second.name]
        answer = asked._actions.answered(answer)
        act = self._decision.decide(request, answer, self._kept, state)
        inputs = request.inputs
        commands, indices, counts = self._commands.encode(act.safe, inputs.ros_ns, state.commands)
        episode = request.episode
        record = TickRecord(  # by place: see ``immutable``
            state.tick,
            inputs.due_ns,
            episode,
            request.started,
            inputs.steady_ns,
            inputs.ros_ns,
            bool(inputs.stop),
            _as_recorded(request),
            answer.kind,
            act.mode,
            act.cause,
            request.observation.inputs if request.observation is not None else {},
            act.recurrent if asked is self else _of_second(act, request),
            answer.outputs,
            self._commands.by_term(act.safe),
            act.limited,
            commands,
            indices,
            request.reward,
            asked._reference,
            state.chosen,
        )
        following = SessionState(
            state.tick + 1,
            act.mode,
            act.cause,
            Episode(episode.id, episode.seed, episode.tick + 1, episode.total),
            request.latched,
            act.history,
            act.last_action,
            act.recurrent,
            _latest(act.safe, state.last_safe),
            counts,
            state.last_safe,
            act.reacting,
            act.soft_start,
            state.chosen,
            act.second,
            inputs.steady_ns if act.is_new else state.fresh_ns,
            act.chunk,
            request.frames,
            self._late(request) if answer.kind is AnswerKind.LATE else None,
        )
        return record, following

    def _late(self, request: Request) -> tuple[Arrays, Arrays] | None:
        """Return what the policy was asked with, if the next tick may use the answer; copied."""
        if request.observation is None or not self._decision.may_be_used_late(request):
            return None
        inputs = request.observation.inputs.items()
        return {name: frozen(array.copy()) for name, array in inputs}, request.recurrent

    def _kept(self, request: Request, state: SessionState) -> Act:
        """
        Return the act that changes nothing: what the policy remembers stays as it is.

        But when somebody else commands, it begins anew, as with an episode.
        """
        recurrent, last_action, history = request.recurrent, state.last_action, state.history
        second = request.second
        if request.started or request.manual is not None or second is not None:
            last_action, history = self._actions.none_yet(), self._observation.initial_history()
            recurrent = self._recurrent_of_episode(state.recurrent)
        held = None
        if second is not None and second.chosen and not request.waiting:
            held = remembered_idle(self.seconds[second.name], second)
        return Act(Mode.STANDBY, '', None, (), recurrent, history, last_action, second=held)

    def commanded(self, safe_action: Arrays, before: SafeAction | None) -> SafeAction | None:
        """
        Return the last command of each term after a record's safe action.

        :param safe_action: of the record, by term.
        :param before: the last command of each term before it.
        """
        safe = tuple(safe_action.get(one.term) for one in self.wiring.term_targets)
        return _latest(safe, before)

    def last_action(self, outputs: Arrays) -> LastAction:
        """Return what ``last_action`` terms see after these outputs of the artifact."""
        return self._actions.as_last(self._actions.rows(outputs)[0])


_NOTHING = TickInput(0, 0, 0, -1)
"""What a record says about a source without a message."""


def _as_recorded(request: Request) -> tuple[TickInput, ...]:
    """Return what a record says about each source."""
    found = []
    for one, age_ns in zip(request.latched, request.ages_ns):
        if one is None:
            found.append(_NOTHING)
        else:
            found.append(TickInput(one.index, one.arrival_ns, one.stamp_ns, age_ns))
    return tuple(found)


def _rewarded(episode: Episode, reward: float) -> Episode:
    return Episode(episode.id, episode.seed, episode.tick, episode.total + reward)


def _of_second(act: Act, request: Request) -> Arrays:
    """Return the recurrent state of the second policy that was asked."""
    return request.recurrent if act.second is None else act.second.recurrent


def _latest(safe: SafeAction | None, before: SafeAction | None) -> SafeAction | None:
    """Return the last command of each term, this tick's or one before."""
    if safe is None or before is None:
        return safe or before
    for new in safe:
        if new is None:
            return tuple(old if new is None else new for new, old in zip(safe, before))
    return safe
