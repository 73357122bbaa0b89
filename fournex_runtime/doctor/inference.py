"""How long the policy takes on this machine, against its control period."""

from __future__ import annotations

import dataclasses
import time

import numpy as np

from ..policy.backend import Backend, blank_inputs
from ..policy.contract import Contract
from ..session.wiring import SessionWiring
from .finding import Finding, failure, not_checked, passed, warning
from .survey import Case, Survey, second_name

RUNS = 200
LONGEST_S = 1.5
"""For how long the policy is asked at most; at least ten times all the same."""
_WARM = 0.5


def measure_inference(backend: Backend, contract: Contract) -> tuple[int, ...]:
    """
    Return how long each of many answers of a warm policy took, in nanoseconds.

    :raises ArtifactError: it failed.
    """
    inputs, state = blank_inputs(contract)
    found: list[int] = []
    end_ns = time.monotonic_ns() + round(LONGEST_S * 1e9)
    while len(found) < RUNS and (len(found) < 10 or time.monotonic_ns() < end_ns):
        begin_ns = time.perf_counter_ns()
        backend.run(inputs, state)
        found.append(time.perf_counter_ns() - begin_ns)
    return tuple(found)


def check_inference(case: Case, survey: Survey) -> list[Finding]:
    """Compare the times of a session's policies with what an answer may take of the period."""
    wiring, about = case.wiring, 'timing'
    found = _check(case.contract, wiring, survey, wiring.name, about)
    for second in wiring.fallbacks:
        # That of a second policy knows nothing of lockstep.
        own = dataclasses.replace(second.wiring, lockstep=wiring.lockstep)
        name = second_name(wiring.name, second.name)
        about_second = f'fallback.{second.name}.{about}'
        found += _check(second.bundle.contract, own, survey, name, about_second)
    return found


def _check(
    contract: Contract, wiring: SessionWiring, survey: Survey, name: str, about: str
) -> list[Finding]:
    problem = survey.inference_problem.get(name)
    if problem:
        return [failure('inference', about, problem, 'Mend the bundle; fournex inspect shows it')]
    times = survey.inference_ns.get(name)
    if not times:
        return [not_checked('inference', about, 'the policy was not run')]
    period = contract.period_ns
    p50, p99 = np.percentile(times, (50, 99))
    taken = f'p50 {p50 / 1e6:.3g} ms, p99 {p99 / 1e6:.3g} ms'
    if len(times) == 1:
        taken = f'at least {times[0] / 1e6:.3g} ms'
    allowed = wiring.inference.answer_ns(period)
    words = f'inference takes {taken} of a {period / 1e6:g} ms period on this machine'
    if allowed < period:
        words += f'; an answer may take {allowed / 1e6:g} ms'
    if wiring.lockstep or p99 <= min(allowed, _WARM * period):
        return [passed('inference', about, words)]
    mend = 'Free the processor, give the artifact less to do, or take a machine that is faster'
    if p99 > allowed:
        return [failure('inference', about, words, mend)]
    return [warning('inference', about, words, mend)]
