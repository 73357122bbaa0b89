"""How long a whole tick takes on this machine, against its control period."""

from __future__ import annotations

import time

import numpy as np

from ..pipeline.messages import Messages
from ..policy.backend import Backend
from ..record.tick_record import TickCodec
from ..session.engine import Engine
from ..session.tick import Answer, AnswerKind, EpisodeStart, Received, TickInputs, Timing
from .finding import Finding, failure, not_checked, passed, warning
from .survey import Case, Sample, Survey

RUNS = 50
LONGEST_S = 1.0
"""For how long ticks are made at most; at least three all the same."""
_WARM = 0.8
_MENDING = {
    'observe': 'fewer or simpler observation terms, smaller messages',
    'infer': 'a smaller network, threads: 2 (inference:)',
    'conclude': 'fewer commands and limits',
    'record': 'a smaller observation or state',
}


def measure_tick(
    engine: Engine, survey: Survey, backend: Backend, messages: Messages
) -> dict[str, tuple[int, ...]]:
    """
    Make many ticks of the newest message of each topic, none of which is published.

    :param engine: the session's.
    :param survey: what was seen.
    :param backend: its policy, warm.
    :param messages: the message types.
    :returns: how long the stages ``observe``, ``infer``, ``conclude`` and ``record`` took, in
        nanoseconds; empty where no tick can be made of the messages.
    :raises ArtifactError: the policy failed.
    """
    inputs, state = _inputs(engine, survey), engine.initial_state()
    wiring = engine.wiring
    codec = TickCodec(
        messages,
        wiring.name,
        [source.topic for source in wiring.sources],
        [target.topic for target in wiring.targets],
    )
    found: dict[str, list[int]] = {stage: [] for stage in _MENDING}
    end_ns = time.monotonic_ns() + round(LONGEST_S * 1e9)
    for run in range(RUNS):
        if run >= 3 and time.monotonic_ns() > end_ns:
            break
        began_ns = time.perf_counter_ns()
        request = engine.observe(inputs, state)
        if request.observation is None:
            return {}
        observed_ns = time.perf_counter_ns()
        answer = backend.run(request.observation.inputs, request.recurrent)
        answered_ns = time.perf_counter_ns()
        record, _ = engine.conclude(request, Answer(AnswerKind.RESULT, *answer), state)
        concluded_ns = time.perf_counter_ns()
        codec.encode(record, Timing())
        found['observe'].append(observed_ns - began_ns)
        found['infer'].append(answered_ns - observed_ns)
        found['conclude'].append(concluded_ns - answered_ns)
        found['record'].append(time.perf_counter_ns() - concluded_ns)
    return {stage: tuple(times) for stage, times in found.items()}


def _inputs(engine: Engine, survey: Survey) -> TickInputs:
    """Return what a tick would have been given when the last message came."""
    wiring, messages = engine.wiring, []
    last = Sample(survey.end_ns, 0, None, None)
    for number, source in enumerate(wiring.sources):
        kept = [one for one in survey.topics[source.topic].samples if one.data is not None]
        last = max((last, *kept[-1:]), key=lambda one: one.ros_ns)
        chosen = kept if number in wiring.tf_sources else kept[-1:]
        messages.append(
            tuple(
                Received(index, one.arrival_ns, one.data)
                for index, one in enumerate(chosen, 1)
                if one.data is not None
            )
        )
    now_ns = last.arrival_ns
    return TickInputs(tuple(messages), now_ns, now_ns, last.ros_ns, EpisodeStart('examination', 0))


def check_tick(case: Case, survey: Survey) -> list[Finding]:
    """Compare the time of whole ticks with the control period."""
    times = survey.tick_ns.get(case.wiring.name)
    if not times:
        return [not_checked('tick', 'timing', 'no tick could be made of what came')]
    period_ns = case.contract.period_ns
    taken = {stage: float(np.median(times[stage])) for stage in times}
    parts = ', '.join(f'{stage} {value / 1e6:.3g} ms' for stage, value in taken.items())
    total = sum(taken.values())
    words = (
        f'a tick takes {total / 1e6:.3g} ms ({parts}) of a {period_ns / 1e6:g} ms period on this '
        'machine'
    )
    if case.wiring.lockstep or total <= _WARM * period_ns:
        return [passed('tick', 'timing', words)]
    most = max(taken, key=lambda stage: taken[stage])
    mend = f'Free the processor, or spare {most}: {_MENDING[most]}; or tick more seldom'
    if total > period_ns:
        return [failure('tick', 'timing', words, mend)]
    return [warning('tick', 'timing', words, mend)]
