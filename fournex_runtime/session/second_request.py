"""
What a second policy is asked in place of the session's own, and what it remembers.

One that was chosen acts as the session's own would: mode, reactions, soft start and episodes are
the session's. One that reacts to a fault knows nothing of them.
"""

from __future__ import annotations

import dataclasses
from typing import Protocol

from .tick import (
    Episode,
    Mode,
    Newest,
    Request,
    Second,
    SecondRequest,
    SessionState,
    TickInputs,
)


class SecondEngine(Protocol):
    """The engine of a second policy."""

    def initial_state(self) -> SessionState:
        """Return the state before the first tick."""
        ...

    def observe(
        self, inputs: TickInputs, state: SessionState, newest: Newest | None = None
    ) -> Request:
        """Make the policy's request of what a tick was given."""
        ...


def asking_chosen(
    engine: SecondEngine, name: str, request: Request, state: SessionState, awaits_late: bool
) -> Request:
    """
    Return a request that asks the second policy that is chosen.

    What it waits for, and what is wrong with its inputs, is then so of the session.

    :param engine: of the policy.
    :param name: of the policy.
    :param request: the tick's request, in which the session's own policy is not asked.
    :param state: what the session remembers.
    :param awaits_late: its answer to the tick before, late then, may be used.
    """
    remembered = _remembered(engine, name, request.episode, state)
    inputs = dataclasses.replace(request.inputs, stop='', policy=None)
    made = engine.observe(inputs, remembered, request.latched)
    return dataclasses.replace(
        request,
        observation=made.observation,
        recurrent=made.recurrent,
        waiting=made.waiting,
        fault=made.fault,
        awaits_late=made.observation is not None and awaits_late,
        second=SecondRequest(name, made, remembered, chosen=True),
    )


def asking_in_reaction(
    engine: SecondEngine, name: str, request: Request, state: SessionState
) -> Request:
    """
    Return a request that asks a second policy in place of the one that cannot act.

    :param engine: of the policy.
    :param name: of the policy.
    :param request: the tick's request, with what is wrong.
    :param state: what the session remembers.
    """
    if request.started:
        state = dataclasses.replace(state, second=None)
    remembered = dataclasses.replace(
        _remembered(engine, name, request.episode, state),
        mode=Mode.FALLBACK,
        reacting=None,
        soft_start=None,
    )
    inputs = dataclasses.replace(request.inputs, episode=None, stop='', policy=None)
    made = engine.observe(inputs, remembered, request.latched)
    return dataclasses.replace(
        request,
        observation=made.observation,
        recurrent=made.recurrent,
        awaits_late=False,
        second=SecondRequest(name, made, remembered, chosen=False),
    )


def remembered_idle(engine: SecondEngine, second: SecondRequest) -> Second:
    """
    Return what a policy that is chosen remembers after a tick in which it does not act.

    :param engine: of the policy.
    :param second: what it was asked.
    """
    request, state = second.request, second.state
    if request.started:
        state = engine.initial_state()
    tick = request.episode.tick + 1
    return Second(second.name, tick, state.history, state.last_action, request.recurrent)


def _remembered(
    engine: SecondEngine, name: str, episode: Episode, state: SessionState
) -> SessionState:
    """Return what a session remembers as a second policy has it, which may only begin."""
    own = state.second
    if own is None or own.name != name:
        new = engine.initial_state()
        own = Second(name, 0, new.history, new.last_action, new.recurrent)
    return dataclasses.replace(
        state,
        episode=Episode(episode.id, episode.seed, own.tick),
        history=own.history,
        last_action=own.last_action,
        recurrent=own.recurrent,
        chunk=own.chunk,
        chosen='',
        second=None,
    )
