"""The mode machine of a session: what a tick does with the policy's answer or a fault."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from ..immutable import immutable
from ..pipeline.observation import History, LastAction
from ..policy.contract import Contract
from ..safety.reactions import Fault, Reaction
from .actions import SessionActions, UnusableAnswer
from .chunk_player import ChunkPlayer, Playing
from .tick import Answer, Arrays, Mode, Request, SafeAction, SessionState, Vector, frozen


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


class Decision:
    """
    Decides mode and safe action of each tick.

    :param contract: the contract of the session's policy.
    :param reactions: what happens on each kind of fault.
    :param actions: the action terms with their limits.
    :param stop_command: returns the stop command, given the last safe action; None for none.
    """

    def __init__(
        self,
        contract: Contract,
        reactions: Mapping[Fault, Reaction],
        actions: SessionActions,
        stop_command: Callable[[SafeAction | None], SafeAction | None],
    ) -> None:
        self._reactions = reactions
        self._actions = actions
        self._stop_command = stop_command
        self._player = None
        if contract.chunk is not None:
            self._player = ChunkPlayer(contract.chunk, contract.period_ns)

    def decide(self, request: Request, answer: Answer, kept: Act, state: SessionState) -> Act:
        """
        Return mode, safe action, and what the session remembers of the tick.

        :param request: the tick's request.
        :param answer: what came of it.
        :param kept: what the session remembers if the policy does not act.
        :param state: what it remembered before the tick.
        """
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
                    return self._play(request.playing, state, kept.recurrent, request.history)
                return self._policy_action(request, answer, state)
            except UnusableAnswer as problem:
                fault = problem.fault
        return self._react(kept, request, fault, state)

    def _policy_action(self, request: Request, answer: Answer, state: SessionState) -> Act:
        history = request.observation.history if request.observation is not None else {}
        actions = self._actions.usable(answer)
        if self._player is None:
            return self._command(actions[0], state, answer.state, history)
        return self._play(Playing(frozen(actions), 0), state, answer.state, history)

    def _play(
        self, playing: Playing, state: SessionState, recurrent: Arrays, history: History
    ) -> Act:
        """Command the next action of a chunk."""
        assert self._player is not None
        raw, chunk = self._player.action(playing), self._player.following(playing)
        return self._command(raw, state, recurrent, history, chunk)

    def _command(
        self,
        raw: Vector,
        state: SessionState,
        recurrent: Arrays,
        history: History,
        chunk: Playing | None = None,
    ) -> Act:
        """Command a raw action."""
        action = self._actions.as_last(raw)
        safe, limited = self._actions.safe(action, state.last_safe)
        return Act(Mode.POLICY, '', safe, limited, recurrent, history, action, chunk)

    def _react(
        self, kept: Act, request: Request, fault: tuple[Fault, str], state: SessionState
    ) -> Act:
        kind, words = fault
        cause = f'{kind.value}: {words}'
        now = request.inputs.steady_ns
        since = state.fault_since_ns
        if since is None or request.started:
            since = now
        hold_ns = self._reactions[kind].hold_ns
        if hold_ns > 0 and now - since < hold_ns:
            return dataclasses.replace(kept, mode=Mode.FALLBACK, cause=cause, safe=state.last_safe)
        return self._stop(kept, cause, state)

    def _stop(self, kept: Act, cause: str, state: SessionState) -> Act:
        """Publish the stop command, but where a target is to hold a command it never got."""
        safe = self._stop_command(state.last_safe)
        return dataclasses.replace(kept, mode=Mode.STOPPED, cause=cause, safe=safe)
