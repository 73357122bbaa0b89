"""
A tick set back onto its record, so that what differs in one stage does not spread to the next.

A replayed tick concludes from the recorded observation, and the one after it begins with the state
that the recorded one ended with.
"""

from __future__ import annotations

import dataclasses

from ..pipeline.observation import Observation
from ..session.engine import Engine
from ..session.tick import Mode, Request, SessionState, TickRecord


def is_own(engine: Engine, record: TickRecord, request: Request) -> bool:
    """Return whether the session's own policy was asked in a tick, and not a second one."""
    reference, second = engine.contract.reference, request.second
    if second is None or record.policy != reference:
        return record.policy == reference
    return engine.seconds[second.name].contract.reference != reference


def anchored_request(
    engine: Engine, record: TickRecord, request: Request, state: SessionState
) -> Request:
    """
    Return a request with the recorded observation, as the policy was asked that has it.

    :param engine: of the session.
    :param record: the tick.
    :param request: what was made of its inputs; returned as it is where nobody was asked.
    :param state: what the tick began with.
    """
    if not record.observation:
        return request
    known = request.observation
    history = state.history if known is None else known.history
    observation = Observation(record.observation, history)
    if not is_own(engine, record, request):
        return _with_second(request, observation)
    return dataclasses.replace(
        request,
        observation=observation,
        fault=None,
        waiting='',
        stop='',
        manual=None,
        playing=None,
        second=None,
    )


def _with_second(request: Request, observation: Observation) -> Request:
    """Return a request with the observation of a second policy, if it asks one."""
    second = request.second
    if second is None:
        return request
    made = dataclasses.replace(
        second.request, observation=observation, fault=None, waiting='', playing=None
    )
    asked = dataclasses.replace(second, request=made)
    request = dataclasses.replace(request, observation=observation, second=asked)
    # What one reacts to is still there, but one that was chosen had nothing in its way.
    return dataclasses.replace(request, fault=None, waiting='') if second.chosen else request


def anchored_state(
    engine: Engine, record: TickRecord, request: Request, state: SessionState
) -> SessionState:
    """
    Return the state after a tick as it was when the tick was recorded.

    :param engine: of the session.
    :param record: the tick.
    :param request: what was made of its inputs.
    :param state: what the replay made of it.
    """
    last_action, last_safe = state.last_action, state.last_safe
    if record.safe_action:
        last_safe = engine.commanded(record.safe_action, state.last_safe)
    own = is_own(engine, record, request)
    awaited = state.awaits_soft_start
    commanded_anew = record.mode in (Mode.POLICY, Mode.MANUAL)
    acted = record.mode is Mode.POLICY and record.raw_action
    if acted and own:
        last_action = engine.last_action(record.raw_action)
    second = state.second
    if second is not None and not own:
        second = dataclasses.replace(second, recurrent=record.state)
        if acted:
            last = engine.seconds[second.name].last_action(record.raw_action)
            second = dataclasses.replace(second, last_action=last)
    commands = state.commands
    if record.command_indices:
        commands = tuple(
            index or before for index, before in zip(record.command_indices, state.commands)
        )
    return dataclasses.replace(
        state,
        tick=record.tick + 1,
        mode=record.mode,
        cause=record.cause,
        episode=dataclasses.replace(record.episode, tick=record.episode.tick + 1),
        recurrent=record.state if own else state.recurrent,
        second=second,
        last_action=last_action,
        last_safe=last_safe,
        soft_start=None if awaited and record.mode is Mode.POLICY else state.soft_start,
        fresh_ns=record.steady_ns if commanded_anew else state.fresh_ns,
        reacting=state.reacting if record.mode is Mode.FALLBACK else None,
        commands=commands,
    )
