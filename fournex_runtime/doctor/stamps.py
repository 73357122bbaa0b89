"""Stamps against the clock: its choice, their offset, their order, and equal ones in lockstep."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from ..configuration import FOREVER_NS
from ..session.inputs import FUTURE_NS
from .finding import Finding, failure, not_checked, passed, warning
from .survey import Case, Sample, Survey, Topic
from .topics import budget_ns, subject

OTHER_CLOCK_NS = 5_000_000_000
"""Stamps that are farther from the clock than this, and near another one, are of the other."""
JUMP_NS = 200_000_000
"""Between two messages stamps and the clock may go apart by so much (and no more)."""


def check_stamps(case: Case, survey: Survey) -> list[Finding]:
    """
    Judge the stamps of every source that has a budget and a header.

    In lockstep everything takes its time from the stamps, so there is no clock to compare with.
    """
    if case.wiring.lockstep:
        return []
    found = _check_clock_is_there(survey)
    for index, source in enumerate(case.wiring.sources):
        topic, about = survey.topics[source.topic], subject(case, index)
        stamped = [one for one in topic.samples if one.stamp_ns is not None]
        budget = budget_ns(case, index)
        if not stamped or budget >= FOREVER_NS:
            continue
        if all(one.stamp_ns == 0 for one in stamped):
            words = f'{topic.name} is stamped zero: its age is known by arrival only'
            mend = 'Let the publisher stamp its messages with the time of measurement'
            found.append(warning('stamp', about, words, mend))
            continue
        stamped = [one for one in stamped if one.stamp_ns]
        other = _other_clock(about, topic, stamped, survey)
        if other is not None:
            found.append(other)
            continue
        found.append(passed('clock', about, _clock_name(survey)))
        if survey.duration_ns or not survey.clock.followed:  # simulated time may run fast
            found.append(_offset(about, topic, stamped, budget))
        if len(stamped) > 1 and survey.duration_ns:
            found.append(_order(about, topic, stamped))
    return found


def _clock_name(survey: Survey) -> str:
    return '/clock (use_sim_time)' if survey.clock.followed else 'the system clock'


def _check_clock_is_there(survey: Survey) -> list[Finding]:
    clock = survey.clock
    if not clock.followed or clock.published:
        return []
    return [
        failure(
            'clock',
            'use_sim_time',
            'is true, and nobody publishes /clock: ROS time stands still',
            'Start the simulator, or leave use_sim_time out',
        )
    ]


def _offsets_ns(stamped: Sequence[Sample]) -> list[int]:
    """Return how old the messages were by their stamps when they came."""
    return [one.ros_ns - (one.stamp_ns or 0) for one in stamped]


def _other_clock(
    about: str, topic: Topic, stamped: Sequence[Sample], survey: Survey
) -> Finding | None:
    """Return that messages are stamped by the clock that the runtime does not follow."""
    clock, newest = survey.clock, stamped[-1].stamp_ns or 0
    if abs(float(np.median(_offsets_ns(stamped)))) < OTHER_CLOCK_NS:
        return None
    if clock.followed and clock.published:
        if abs(clock.system_ns - newest) < OTHER_CLOCK_NS:
            return failure(
                'clock',
                about,
                f'{topic.name} is stamped by the system clock, the runtime follows /clock',
                'Let its publisher use_sim_time too, or leave it out here',
            )
    elif clock.published_ns is not None and abs(clock.published_ns - newest) < OTHER_CLOCK_NS:
        return failure(
            'clock',
            about,
            f'{topic.name} is stamped by /clock, the runtime follows the system clock',
            'Start with --ros-args -p use_sim_time:=true',
        )
    return None


def _offset(about: str, topic: Topic, stamped: Sequence[Sample], budget: int) -> Finding:
    offset = float(np.median(_offsets_ns(stamped)))
    if offset < -FUTURE_NS:
        return failure(
            'stamp',
            about,
            f'{topic.name} is stamped {_ms(-offset)} in the future',
            'Set the clocks of publisher and runtime by one source (chrony, ptp)',
        )
    seen = f'{topic.name} is {_ms(offset)} old by its stamp when it arrives'
    if offset > budget:
        return failure(
            'stamp',
            about,
            f'{seen}, budget {_ms(budget)}',
            'Compare the clocks of publisher and runtime (use_sim_time?), or raise the budget',
        )
    if offset > 0.5 * budget:
        mend = 'Compare the clocks of publisher and runtime, or look for what delays it'
        return warning('stamp', about, f'{seen}: half of its budget of {_ms(budget)} gone', mend)
    if any(one.stamp_ns == 0 for one in topic.samples):
        return warning('stamp', about, f'some messages on {topic.name} are stamped zero')
    return passed('stamp', about, seen)


def _order(about: str, topic: Topic, stamped: Sequence[Sample]) -> Finding:
    steps = np.diff([one.stamp_ns or 0 for one in stamped])
    back, same = int((steps < 0).sum()), int((steps == 0).sum())
    if back:
        return failure(
            'stamp_order',
            about,
            f'{back} of {len(stamped)} messages on {topic.name} are stamped before the one in '
            f'front of them, by up to {_ms(float(-steps.min()))}',
            'Look for a second publisher or a clock that is being set',
        )
    if same:
        return warning(
            'stamp_order',
            about,
            f'{same} of {len(stamped)} messages on {topic.name} have the stamp of the one before',
            'Is a driver publishing its last value again? Its age is then that of the first',
        )
    apart = np.abs(steps - np.diff([one.ros_ns for one in stamped]))
    if apart.max() > JUMP_NS:
        return warning(
            'stamp_order',
            about,
            f'between two messages on {topic.name} stamps and clock went apart by '
            f'{_ms(float(apart.max()))}',
            'Look for a clock that is being set, or messages that wait and come in bunches',
        )
    return passed('stamp_order', about, f'{len(stamped)} stamps in order')


def _ms(ns: float) -> str:
    return f'{ns / 1e6:.0f} ms' if abs(ns) < 1e10 else f'{ns / 1e9:.0f} s'


def check_lockstep(case: Case, survey: Survey) -> list[Finding]:
    """Judge whether the inputs that are to carry one stamp do."""
    if not case.wiring.lockstep:
        return []
    names, stamps = [], []
    for source in case.wiring.lockstep:
        topic = survey.topics[case.wiring.sources[source].topic]
        if not topic.samples:
            why = f'no message on {topic.name}: the simulator may be waiting for a command'
            return [not_checked('lockstep', 'pacing', why)]
        names.append(topic.name)
        stamps.append({one.stamp_ns for one in topic.samples})
    if set.intersection(*stamps):
        return [passed('lockstep', 'pacing', f'{", ".join(names)} carry one stamp')]
    return [
        failure(
            'lockstep',
            'pacing',
            f'no stamp is on all of {", ".join(names)}',
            'List only topics that the simulator stamps alike at each of its steps',
        )
    ]
