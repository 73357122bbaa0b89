"""The mode machine of a session: what a tick does with the policy's answer or a fault."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping

from ..pipeline.observation import History, LastAction
from ..policy.contract import Contract
from ..safety.reactions import Fault, Reaction
from .actions import SessionActions, UnusableAnswer
from .chunk_player import ChunkPlayer, Playing
from .tick import Answer, Arrays, Mode, Request, SafeAction, SessionState, Vector, frozen


@dataclasses.dataclass(frozen=True, slots=True)
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
                    kept_on = dataclasses.replace(kept, history=request.history)
                    return self._play(kept_on, request.playing, state)
                return self._policy_action(kept, request, answer, state)
            except UnusableAnswer as problem:
                fault = problem.fault
        return self._react(kept, request, fault, state)

    def _policy_action(
        self, kept: Act, request: Request, answer: Answer, state: SessionState
    ) -> Act:
        observation = request.observation
        assert observation is not None
        actions = self._actions.usable(answer)
        kept = dataclasses.replace(kept, recurrent=answer.state, history=observation.history)
        if self._player is None:
            return self._command(kept, actions[0], state)
        return self._play(kept, Playing(frozen(actions), 0), state)

    def _play(self, kept: Act, playing: Playing, state: SessionState) -> Act:
        """Command the next action of a chunk."""
        assert self._player is not None
        act = self._command(kept, self._player.action(playing), state)
        return dataclasses.replace(act, chunk=self._player.following(playing))

    def _command(self, kept: Act, raw: Vector, state: SessionState) -> Act:
        """Command a raw action."""
        action = self._actions.as_last(raw)
        safe, limited = self._actions.safe(action, state.last_safe)
        return dataclasses.replace(
            kept, mode=Mode.POLICY, safe=safe, limited=limited, last_action=action
        )

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
