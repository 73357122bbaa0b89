"""Whole ticks on the first messages, before the first one; nothing of them is published."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ..configuration import FOREVER_NS
from ..errors import GraphError
from ..record.tick_record import TickCodec
from ..safety.reactions import Fault
from ..session.engine import Engine
from ..session.load import TickCost
from ..session.shared_policy import NOT_ASKED
from ..session.tick import EpisodeStart, Received, TickInputs, Timing
from ..worker.succession import SuccessiveWorkers

if TYPE_CHECKING:
    from .hosted import HostedSession

REHEARSALS = 3
"""Ticks that are run before the first one, at least."""
BUSY_NS = 300_000_000
"""How long more are run where all were too slow: a machine may be busy for a moment."""


def rehearse(session: HostedSession, codec: TickCodec, inputs: TickInputs) -> TickCost:
    """
    Run whole ticks of a session.

    :param session: the session; nothing of it changes.
    :param codec: codes its tick records.
    :param inputs: what its first tick would have been given.
    :returns: what a tick took at least.
    :raises GraphError: an input cannot be used.
    """
    engine = session.engine
    state = engine.initial_state()
    fastest_ns = work_ns = FOREVER_NS
    rehearsed, began_ns = 0, time.monotonic_ns()
    until_ns = began_ns + BUSY_NS
    while rehearsed < REHEARSALS or (_is_slow(fastest_ns, session) and began_ns < until_ns):
        rehearsed, began_ns = rehearsed + 1, time.monotonic_ns()
        request = engine.observe(inputs, state)
        if request.fault is not None and request.fault[0] is not Fault.STALE:
            raise GraphError(f'sessions.{session.name}: {request.fault[1]}')
        begin_ns = time.monotonic_ns()
        answer = session.asked(request).answer
        answer_ns = time.monotonic_ns() - begin_ns
        if request.observation is not None:
            fastest_ns = min(fastest_ns, answer_ns)
        record, _ = engine.conclude(request, answer, state)
        codec.encode(record, Timing())
        work_ns = min(work_ns, time.monotonic_ns() - began_ns - answer_ns)
    for name, second in engine.seconds.items():
        _rehearse_second(session, name, second, inputs)
    return TickCost(
        session.name,
        session.period_ns,
        work_ns,
        fastest_ns,
        id(session.policy),
        not isinstance(session.backend, SuccessiveWorkers),
    )


def _is_slow(answer_ns: int, session: HostedSession) -> bool:
    """Return whether the policy was asked, and takes longer to answer than it may."""
    inference = session.engine.wiring.inference
    return inference.answer_ns(session.period_ns) < answer_ns < FOREVER_NS


def _rehearse_second(
    session: HostedSession, name: str, engine: Engine, inputs: TickInputs
) -> None:
    """Run ticks of a second policy, unless its inputs have yet to come."""
    state, policy = engine.initial_state(), session.seconds[name]
    for _ in range(REHEARSALS):
        request = engine.observe(inputs, state)
        if request.fault is not None and request.fault[0] is not Fault.STALE:
            where = f'sessions.{session.name}.fallback.{name}'
            raise GraphError(f'{where}: {request.fault[1]}')
        if request.observation is not None:
            policy.ask([(0, request)])
            (answered,) = policy.answers() or (NOT_ASKED,)
            engine.conclude(request, answered.answer, state)


def first_tick(engine: Engine, first: Sequence[Sequence[Received]], ros_ns: int) -> TickInputs:
    """
    Return what a first tick would have been given as the last of the messages arrived.

    Not now: whatever took its time since then would make them too old to be looked at. In lockstep
    all time is that of the stamps.

    :param engine: of the session.
    :param first: the first messages of each source.
    :param ros_ns: the ROS clock now.
    """
    episode = EpisodeStart('rehearsal', 0)
    if engine.wiring.lockstep:
        newest = [
            (source, first[source][-1]) for source in engine.wiring.lockstep if first[source]
        ]
        stamps = [engine.stamp_ns(source, one.data) or 0 for source, one in newest]
        now_ns = max(stamps, default=ros_ns)
        messages = tuple(arrived_at(now_ns, taken) for taken in first)
        return TickInputs(messages, now_ns, now_ns, now_ns, episode)
    steady_ns = time.monotonic_ns()
    arrivals = [one.arrival_ns for received in first for one in received]
    now_ns = max(arrivals, default=steady_ns)
    taken = tuple(tuple(received) for received in first)
    return TickInputs(taken, now_ns, now_ns, ros_ns - (steady_ns - now_ns), episode)


def arrived_at(stamp_ns: int, taken: Sequence[Received]) -> tuple[Received, ...]:
    """Return messages as if they had come at a stamp: in lockstep wall time means nothing."""
    return tuple(Received(one.index, stamp_ns, one.data) for one in taken)
