"""Which stage of the tick is to blame when a session does not hold its rate."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

TOLERATED = 0.01
"""Share of the releases that may be missed before the rate is said not to be held."""
_MOST = 0.5
"""Share of the period that a tick must have taken for the blame to be on one of its stages."""
STAGES = ('wait', 'take', 'decode', 'observe', 'infer', 'conclude', 'publish', 'record')
"""The stages of a tick, in their order; of ``fournex_msgs/TickTiming``, without ``_ns``."""
STAGE_WORDS = {'record': 'record of the tick before'}
"""What a stage is called beside the others of a tick's timing, where not by its name."""
_MENDING = {
    'wait': 'it is woken late: by other sessions of its runtime, or other processes on its core; '
    'give it a core and a priority (realtime:)',
    'take': 'fewer or smaller messages, or a lower rate of theirs',
    'decode': 'fewer or smaller messages, or a lower rate of theirs',
    'observe': 'fewer or simpler observation terms, or a lower rate',
    'infer': 'a smaller network, more threads (inference:), or a lower rate',
    'conclude': 'fewer limits and commands, or a lower rate',
    'publish': 'fewer subscribers, or smaller commands',
    'record': 'record less (record:)',
}


def stage_to_blame(
    stages_ns: NDArray[np.int64],
    skipped: NDArray[np.int64],
    late: NDArray[np.int64],
    period_ns: int,
) -> str:
    """
    Return the stage because of which releases were missed; empty while the rate is held.

    A release is missed when the tick before it took too long: the blame is on the stage that took
    the most of those ticks' time; or on the wait where the ticks were short and the loop was woken
    too late. An answer that is late leaves a release without an action: that is the
    policy's, but where another stage took the time that was for it.

    :param stages_ns: of the latest ticks in their order, shape ``(ticks, len(STAGES))``.
    :param skipped: how many releases were skipped before each of them.
    :param late: 1 where the answer was late.
    :param period_ns: the control period.
    """
    if len(skipped) < 2:
        return ''
    missed, overdue = int(skipped[1:].sum()), int(late.sum())
    if missed + overdue <= TOLERATED * (len(skipped) + missed):
        return ''
    tick_ns = stages_ns[:, 1:]  # all but the wait
    if overdue >= missed:
        return STAGES[1 + int(np.argmax(tick_ns[late > 0].mean(axis=0)))]
    too_long = tick_ns[np.flatnonzero(skipped[1:])]
    if too_long.sum(axis=1).mean() < _MOST * period_ns:
        return 'wait'
    spent_ns = too_long.mean(axis=0)
    if np.median(skipped[1:]) == 0:  # it happens now and then: what is usual is not the matter
        spent_ns = spent_ns - np.median(tick_ns, axis=0)
    return STAGES[1 + int(np.argmax(spent_ns))]


def blame_words(stage: str, p50_s: float, p99_s: float, period_s: float) -> str:
    """
    Return in words that a rate is not held, why, and how to mend it.

    :param stage: the one to blame.
    :param p50_s: how long it takes, median, in seconds.
    :param p99_s: likewise, 99th percentile.
    :param period_s: the control period, in seconds.
    """
    taken = '' if stage == 'wait' else (
        f'{stage} takes {p50_s * 1e3:.3g} ms, p99 {p99_s * 1e3:.3g} ms, of a '
        f'{period_s * 1e3:g} ms period: '
    )  # fmt: skip
    return f'does not hold {1.0 / period_s:g} Hz: {taken}{_MENDING[stage]}'
