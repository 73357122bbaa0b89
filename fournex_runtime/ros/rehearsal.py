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


class _Fastest:
    """
    The least time in which a policy has answered, and whether to ask it once more.

    :param engine: of the policy.
    """

    def __init__(self, engine: Engine) -> None:
        inference = engine.wiring.inference
        self._allowed_ns = inference.answer_ns(engine.contract.period_ns)
        self._until_ns = time.monotonic_ns() + BUSY_NS
        self._turns = 0
        self.answer_ns = FOREVER_NS

    def again(self) -> bool:
        """Return whether more turns are needed to know; this is called before each."""
        self._turns += 1
        is_slow = self._allowed_ns < self.answer_ns < FOREVER_NS
        return self._turns <= REHEARSALS or (is_slow and time.monotonic_ns() < self._until_ns)

    def answered(self, answer_ns: int) -> None:
        """Take note of an answer."""
        self.answer_ns = min(self.answer_ns, answer_ns)


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
    fastest, work_ns = _Fastest(engine), FOREVER_NS
    while fastest.again():
        began_ns = time.monotonic_ns()
        request = engine.observe(inputs, state)
        if request.fault is not None and request.fault[0] is not Fault.STALE:
            raise GraphError(f'sessions.{session.name}: {request.fault[1]}')
        begin_ns = time.monotonic_ns()
        answer = session.asked(request).answer
        answer_ns = time.monotonic_ns() - begin_ns
        if request.observation is not None:
            fastest.answered(answer_ns)
        record, _ = engine.conclude(request, answer, state)
        codec.encode(record, Timing())
        work_ns = min(work_ns, time.monotonic_ns() - began_ns - answer_ns)
    seconds_ns = {
        name: _rehearse_second(session, name, second, inputs)
        for name, second in engine.seconds.items()
    }
    return TickCost(
        session.name,
        session.period_ns,
        work_ns,
        fastest.answer_ns,
        id(session.policy),
        not isinstance(session.backend, SuccessiveWorkers),
        seconds_ns,
    )


def _rehearse_second(session: HostedSession, name: str, engine: Engine, inputs: TickInputs) -> int:
    """
    Run ticks of a second policy, unless its inputs have yet to come.

    :returns: how long it took to answer at least; forever where it was not asked.
    """
    state, policy = engine.initial_state(), session.seconds[name]
    fastest = _Fastest(engine)
    while fastest.again():
        request = engine.observe(inputs, state)
        if request.fault is not None and request.fault[0] is not Fault.STALE:
            where = f'sessions.{session.name}.fallback.{name}'
            raise GraphError(f'{where}: {request.fault[1]}')
        if request.observation is None:
            break
        begin_ns = time.monotonic_ns()
        policy.ask([(0, request)])
        (answered,) = policy.answers() or (NOT_ASKED,)
        fastest.answered(time.monotonic_ns() - begin_ns)
        engine.conclude(request, answered.answer, state)
    return fastest.answer_ns


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
