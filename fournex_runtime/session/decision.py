"""What a tick does with the policy's answer or a fault: mode, command, and what is remembered."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any, Protocol

from numpy.typing import NDArray

from ..errors import MessageError
from ..immutable import immutable
from ..pipeline.observation import History, LastAction
from ..policy.contract import Contract
from ..safety.reactions import Fault, Kind
from .actions import SessionActions, UnusableAnswer
from .blending import Measured
from .chunk_player import ChunkPlayer, Playing
from .modes import Modes
from .poses import ramp_targets
from .tick import (
    Answer,
    Arrays,
    Manual,
    Mode,
    Reacting,
    Request,
    SafeAction,
    Second,
    SecondRequest,
    SessionState,
    SoftStart,
    TickInputs,
    frozen,
)
from .wiring_types import SessionWiring


@immutable
class Act:
    """What a tick decides: mode, command, and what the policy remembers."""

    mode: Mode
    cause: str
    safe: SafeAction | None
    limited: tuple[str, ...]
    recurrent: Arrays
    history: History
    last_action: LastAction
    chunk: Playing | None = None
    reacting: Reacting | None = None
    soft_start: SoftStart | None = None
    second: Second | None = None

    def having_seen(self, history: History) -> Act:
        """Return it with what the policy that is to act has seen in the tick."""
        if self.second is None:
            return dataclasses.replace(self, history=history)
        second = dataclasses.replace(self.second, history=history)
        return dataclasses.replace(self, second=second)

    @property
    def is_new(self) -> bool:
        """Return whether its command was made in this tick, and is not an old one once more."""
        if self.mode is Mode.FALLBACK and self.reacting is not None:
            step, second = self.reacting.step, self.second
            reacts = second is not None and second.name == step.name
            return step.kind is Kind.RAMP or (step.kind is Kind.POLICY and reacts)
        return self.mode in (Mode.POLICY, Mode.MANUAL)


class SecondPolicy(Protocol):
    """What makes an act of a second policy's answer."""

    def acts(self, request: Request, answer: Answer, state: SessionState) -> Act:
        """
        Return what the policy does.

        :raises UnusableAnswer: it cannot act.
        """
        ...


class Decision:
    """
    Decides mode and safe action of each tick.

    :param contract: the contract of the session's policy.
    :param wiring: the session's wiring.
    :param actions: the action terms with their limits.
    :param stop_command: returns the stop command, given the last safe action; None for none.
    :param as_read: returns what the messages of a tick say, by observation term.
    :param seconds: what makes acts of the answers of second policies, by name.
    :raises WiringError: a reaction or the soft start cannot be done with these action terms.
    """

    def __init__(
        self,
        contract: Contract,
        wiring: SessionWiring,
        actions: SessionActions,
        stop_command: Callable[[SafeAction | None], SafeAction | None],
        as_read: Callable[[Request, SessionState], Mapping[str, NDArray[Any]]],
        seconds: Mapping[str, SecondPolicy],
    ) -> None:
        self._period_ns = contract.period_ns
        self._modes = Modes(wiring.reactions)
        self._uses_late = wiring.reactions.uses_late
        self._actions = actions
        self._stop_command = stop_command
        self._as_read = as_read
        self._seconds = seconds
        self._ramps = ramp_targets(contract, wiring)
        self._soft_start_ns = wiring.soft_start_ns
        self._timeout_ns = wiring.command_timeout_ns
        self._measured = None
        if wiring.soft_start_ns:
            self._measured = Measured(contract)
        self._player = None
        if contract.chunk is not None:
            self._player = ChunkPlayer(contract.chunk, contract.period_ns)

    def decide(
        self,
        request: Request,
        answer: Answer,
        kept: Callable[[Request, SessionState], Act],
        state: SessionState,
    ) -> Act:
        """
        Return mode, safe action, and what the session remembers of the tick.

        The order of what is asked here is that of ``modes.py``.

        :param request: the tick's request.
        :param answer: what came of it.
        :param kept: returns what the session remembers if the policy does not act.
        :param state: what it remembered before the tick.
        """
        if request.stop:
            return self._stop(kept(request, state), request.stop, state)
        if state.mode is Mode.STOPPED and not request.started:
            return self._stop(kept(request, state), state.cause, state)
        now_ns, fault = request.inputs.steady_ns, request.fault
        if request.manual is not None and fault is None:
            try:
                return self._operated(request.manual, kept(request, state), state)
            except UnusableAnswer as problem:
                fault = (problem.fault[0], f'{request.manual.cause}: {problem}')
        if request.waiting:
            # An operator may have driven before: what he said last must not be what goes on.
            driven = state.last_safe is not None
            return dataclasses.replace(
                kept(request, state),
                mode=Mode.STANDBY,
                cause=f'waiting for {request.waiting}',
                safe=self._at_once(self._stop_command(state.last_safe)) if driven else None,
            )
        reacting = self.reacting(fault, request, state)
        second, seen = request.second, None
        if fault is None and (second is None or second.chosen):
            try:
                if second is None:
                    act = self.policy_acts(request, answer, state)
                else:
                    act = self._chosen_acts(second, answer, kept(request, state))
            except UnusableAnswer as problem:
                if self._uses_late and problem.fault[0] is Fault.LATE and request.observation:
                    # The answer may come yet, so the policy has seen it.
                    seen = request.observation.history
                reacting = self._modes.wrong(
                    state, now_ns, request.started, *problem.fault, True, state.chosen
                )
            else:
                if reacting is None:
                    return act
        assert reacting is not None  # who asks a second policy in its place has a reason
        before = kept(request, state)
        if seen is not None:
            before = before.having_seen(seen)
        return self._react(before, reacting, request, answer, state)

    def reacting(
        self, fault: tuple[Fault, str] | None, request: Request, state: SessionState
    ) -> Reacting | None:
        """
        Return what is done about a fault, or about one that is over; None: the policy may act.

        :param fault: what is wrong before the policy is asked; None when nothing is.
        :param request: the tick's request.
        :param state: what the session remembered before the tick.
        """
        now_ns, started = request.inputs.steady_ns, request.started
        if fault is not None:
            cannot = state.chosen if request.manual is None else ''
            return self._modes.wrong(state, now_ns, started, *fault, False, cannot)
        if started or state.reacting is None:
            return None
        return self._modes.well(state.reacting, state, now_ns)

    def may_be_used_late(self, request: Request) -> bool:
        """Return whether the answer to a request may be used in the next tick, if it is late."""
        second = request.second
        return self._uses_late and (second is None or second.chosen)

    def awaits_late(self, reacting: Reacting, inputs: TickInputs) -> bool:
        """Return whether the answer that was late in the tick before may be used in this one."""
        return (
            self._uses_late
            and inputs.episode is None
            and reacting.kind is Fault.LATE
            and reacting.well_since_ns is None
        )

    # --- the policy acts -------------------------------------------------------------------------

    def policy_acts(self, request: Request, answer: Answer, state: SessionState) -> Act:
        """
        Command what the policy wants, or the next action of a chunk that it gave before.

        :raises UnusableAnswer: there is nothing to command.
        """
        playing, recurrent, history = request.playing, request.recurrent, request.history
        if playing is None:
            history = request.observation.history if request.observation is not None else {}
            actions, recurrent = self._actions.usable(answer), answer.state
            raw = actions[0]
            if self._player is not None:
                playing = Playing(frozen(actions), 0)
        chunk = None
        if playing is not None:
            assert self._player is not None
            raw, chunk = self._player.action(playing), self._player.following(playing)
        action = self._actions.as_last(raw)
        asked: SafeAction = self._actions.asked(action)
        soft_start: SoftStart | None = None
        if self._measured is not None:
            asked, soft_start = self._softened(self._measured, asked, request, state)
        safe, limited = self._actions.through_gate(asked, state.last_safe, state.before_safe)
        return Act(
            Mode.POLICY,
            '',
            safe,
            limited,
            recurrent,
            history,
            action,
            chunk,
            None,
            soft_start,
        )

    def _softened(
        self, measured: Measured, asked: SafeAction, request: Request, state: SessionState
    ) -> tuple[SafeAction, SoftStart | None]:
        """Return what is asked for while the policy takes over, and how that goes on."""
        now_ns, soft_start = request.inputs.steady_ns, state.soft_start
        if self._takes_over(state):
            at = _commanded(state) or self._where_measured(measured, request, state)
            soft_start = SoftStart(now_ns, at)
        if soft_start is None:
            return asked, None
        gone_ns = now_ns - soft_start.since_ns + self._period_ns
        if gone_ns >= self._soft_start_ns:
            return asked, None
        share = gone_ns / self._soft_start_ns
        return self._actions.between(soft_start.from_safe, asked, share), soft_start

    def _where_measured(
        self, measured: Measured, request: Request, state: SessionState
    ) -> SafeAction:
        """
        Return the command that leaves the robot where it is.

        :raises UnusableAnswer: no message says where that is.
        """
        try:
            return measured.command(self._as_read(request, state))
        except MessageError as problem:
            words = f'nothing says where the soft start begins: {problem}'
            raise UnusableAnswer(Fault.INVALID, words) from problem

    @property
    def soft_start(self) -> SoftStart | None:
        """Return what a policy begins with that is to take over; None: it does so at once."""
        return None if self._measured is None else SoftStart()

    def begins_where_measured(self, state: SessionState) -> bool:
        """Return whether a policy that acts now begins softly from what the messages say."""
        return self._measured is not None and self._takes_over(state) and not _commanded(state)

    @staticmethod
    def _takes_over(state: SessionState) -> bool:
        """Return whether something else than the policy, or its own hold, commanded before."""
        if state.awaits_soft_start:
            return True
        if state.reacting is not None:
            return state.reacting.step.kind is not Kind.HOLD
        return state.mode in (Mode.STANDBY, Mode.STOPPED, Mode.MANUAL)

    # --- operators do ----------------------------------------------------------------------------

    def _operated(self, manual: Manual, kept: Act, state: SessionState) -> Act:
        """
        Command what operators want, and the stop command where they say nothing.

        :raises UnusableAnswer: there is no command for it.
        """
        safe, limited = self._actions.through_gate(
            manual.values, state.last_safe, state.before_safe
        )
        stop = self._stop_command(state.last_safe) or (None,) * len(safe)
        whole = tuple(other if one is None else one for one, other in zip(safe, stop))
        return dataclasses.replace(
            kept, mode=Mode.MANUAL, cause=manual.cause, safe=whole, limited=limited
        )

    # --- nobody does -----------------------------------------------------------------------------

    def _react(
        self,
        kept: Act,
        reacting: Reacting,
        request: Request,
        answer: Answer,
        state: SessionState,
    ) -> Act:
        """Do what the reaction to a fault has come to."""
        now_ns, second = request.inputs.steady_ns, request.second
        reacts = second is not None and not second.chosen
        if second is not None and reacts and reacting.step.kind is Kind.POLICY:
            try:
                return self._second_acts(second, answer, self._bridging(kept, reacting, state))
            except UnusableAnswer:
                reacting = self._modes.given_up(reacting, state, now_ns)
        step = reacting.step
        if step.kind is Kind.STOP:
            return self._stop(kept, reacting.cause, state)
        old_ns = now_ns - state.fresh_ns if state.fresh_ns else 0
        if step.kind is not Kind.RAMP and old_ns > self._timeout_ns:
            words = f'{reacting.cause}; the last command is {old_ns / 1e6:.0f} ms old'
            return self._stop(kept, words, state)
        safe = self._at_once(state.last_safe)
        limited: tuple[str, ...] = ()
        if step.kind is Kind.RAMP and reacting.from_safe is not None:
            gone_ns = now_ns - reacting.from_ns + self._period_ns
            whole_ns = reacting.begun_ns + step.duration_ns - reacting.from_ns
            asked = self._ramped(reacting.from_safe, self._ramps[step.name], gone_ns / whole_ns)
            try:
                safe, limited = self._actions.through_gate(
                    asked, state.last_safe, state.before_safe
                )
            except UnusableAnswer as problem:
                return self._stop(kept, f'{reacting.cause}; {problem}', state)
        bridging = self._bridging(kept, reacting, state)
        return dataclasses.replace(bridging, safe=safe, limited=limited)

    def _bridging(self, kept: Act, reacting: Reacting, state: SessionState) -> Act:
        """Return an act in ``FALLBACK``, without a command yet."""
        soft_start = state.soft_start
        if self._measured is not None and self._takes_over(state):
            soft_start = SoftStart()  # what is held here is not the policy's
        return dataclasses.replace(
            kept,
            mode=Mode.FALLBACK,
            cause=reacting.cause,
            reacting=reacting,
            soft_start=soft_start,
        )

    def _second_acts(self, second: SecondRequest, answer: Answer, kept: Act) -> Act:
        """
        Command what a second policy wants in place of one that cannot act.

        :raises UnusableAnswer: it cannot act either.
        """
        act = self._seconds[second.name].acts(second.request, answer, second.state)
        following = _remembering(second, act)
        return dataclasses.replace(kept, safe=act.safe, limited=act.limited, second=following)

    def _chosen_acts(self, second: SecondRequest, answer: Answer, kept: Act) -> Act:
        """
        Command what a second policy wants that was chosen, as the session's own would.

        :raises UnusableAnswer: it cannot act.
        """
        act = self._seconds[second.name].acts(second.request, answer, second.state)
        return dataclasses.replace(
            act,
            recurrent=kept.recurrent,
            history=kept.history,
            last_action=kept.last_action,
            chunk=None,
            second=_remembering(second, act),
        )

    def _ramped(self, begin: SafeAction, end: SafeAction, share: float) -> SafeAction:
        """Return a command on the way of a ramp; a term that had no command still has none."""
        there = self._actions.between(begin, end, share)
        return tuple(None if before is None else one for before, one in zip(begin, there))

    def _at_once(self, safe: SafeAction | None) -> SafeAction | None:
        """Return a stop, or a command that is said again, as the gate lets it through: at once."""
        return None if safe is None else self._actions.through_gate(safe, None, None)[0]

    def _stop(self, kept: Act, cause: str, state: SessionState) -> Act:
        """Publish the stop command, but where a target is to hold a command it never got."""
        safe = self._stop_command(state.last_safe)
        return dataclasses.replace(kept, mode=Mode.STOPPED, cause=cause, safe=safe)


def _remembering(second: SecondRequest, act: Act) -> Second:
    """Return what a second policy remembers after an act of its own."""
    tick = second.request.episode.tick + 1
    return Second(second.name, tick, act.history, act.last_action, act.recurrent, act.chunk)


def _commanded(state: SessionState) -> SafeAction | None:
    """Return the command from which a soft start goes on; None: the robot is not commanded."""
    return None if state.mode is Mode.STANDBY else state.last_safe
