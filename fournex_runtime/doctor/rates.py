"""Messages come, as often as the control period and the budgets want them."""

from __future__ import annotations

import numpy as np

from ..configuration import FOREVER_NS
from .finding import Finding, failure, not_checked, passed, warning
from .survey import Case, Survey, Topic
from .topics import budget_ns, subject

SLOW = 1.5
"""A message that comes less often than once in so many periods is seen by several ticks."""


def check_rates(case: Case, survey: Survey) -> list[Finding]:
    """Judge whether messages come, and how often."""
    found: list[Finding] = []
    for index, source in enumerate(case.wiring.sources):
        topic = survey.topics[source.topic]
        about, budget = subject(case, index), budget_ns(case, index)
        if not any(one.type == source.type for one in topic.publishers):
            continue  # told by the check of topics
        if not about.startswith('inputs.'):
            continue  # nothing is expected of them
        found.append(_message(about, topic, budget, survey))
        if not topic.samples or budget >= FOREVER_NS or not survey.duration_ns:
            continue
        if case.wiring.lockstep:
            why = 'in lockstep the simulator waits for commands, and nothing was published'
            found.append(not_checked('rate', about, why))
        else:
            found.append(_rate(about, topic, budget, case.contract.period_ns, survey))
    return found


def _message(about: str, topic: Topic, budget: int, survey: Survey) -> Finding:
    if topic.samples:
        return passed('message', about, f'{len(topic.samples)} on {topic.name}')
    if budget >= FOREVER_NS:
        return not_checked(
            'message', about, f'no message on {topic.name} yet; the session waits for the first'
        )
    within = f' in {survey.duration_ns / 1e9:g} s' if survey.duration_ns else ''
    return failure(
        'message',
        about,
        f'no message on {topic.name}{within}, though {topic.publishers[0].node} publishes there',
        'Is the sensor running?',
    )


def _rate(about: str, topic: Topic, budget: int, period_ns: int, survey: Survey) -> Finding:
    arrivals = [one.arrival_ns for one in topic.samples]
    gaps = np.diff([*arrivals, max(survey.end_ns, arrivals[-1])])
    if len(arrivals) < 2:
        return failure(
            'rate',
            about,
            f'one message on {topic.name} in {survey.duration_ns / 1e9:g} s, budget '
            f'{budget / 1e6:g} ms',
            'Let it be published all the time; or write budget: forever if it is set once. A '
            'simulator in lockstep wants pacing: {lockstep: …}',
        )
    median, worst = float(np.median(gaps[:-1])), float(gaps.max())
    seen = f'{1e9 / median:.4g} Hz, worst gap {worst / 1e6:.3g} ms'
    if median > budget:
        return failure(
            'rate',
            about,
            f'{seen}; budget {budget / 1e6:g} ms: stale nearly all the time',
            f'Publish {topic.name} faster, or write a budget above {median / 1e6:.3g} ms',
        )
    if worst > budget:
        late = int((gaps > budget).sum())
        return warning(
            'rate',
            about,
            f'{seen}: over the budget of {budget / 1e6:g} ms {late} times',
            'Mend the gaps (network, load), or raise the budget if the policy bears it',
        )
    if median > SLOW * period_ns:
        return warning(
            'rate',
            about,
            f'{seen}, and the policy runs at {1e9 / period_ns:g} Hz: it sees each message '
            f'{median / period_ns:.2g} times',
            f'Publish {topic.name} at {1e9 / period_ns:g} Hz or more',
        )
    return passed('rate', about, seen)
